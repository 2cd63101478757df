"""kubectl as the judge: what it can do with a real server it can do with this one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.apiserver import ApiServer
from tests.fakes.apiserver.manifests import budget, eviction, pod, policy, workload

Json = dict[str, Any]
KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on this machine")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tls() -> Iterator[ApiServer]:
    with ApiServer(tls=True, rbac=True, anonymous=False) as running:
        yield running
    assert running.bugs == []


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kubectl")


@pytest.fixture
def kubectl(tls: ApiServer, home: Path, tmp_path: Path) -> Run:
    path = tls.kubeconfig(tmp_path / "config")

    def run(*words: str, stdin: Any = None, fails: bool = False, config: Path = path) -> Any:
        environment = {"HOME": str(home), "KUBECONFIG": str(config), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [KUBECTL or "kubectl", *words],
            input=json.dumps(stdin) if stdin is not None else None,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr + done.stdout
        return done

    return run


def test_discovery_and_explain(kubectl: Run) -> None:
    found = kubectl("api-resources", "-o", "name").stdout.split()
    assert {
        "pods",
        "networkpolicies.networking.k8s.io",
        "authorizationpolicies.security.istio.io",
    } <= set(found)
    assert "podSelector\t<LabelSelector>" in kubectl("explain", "networkpolicy.spec").stdout
    assert "Server Version: v1.32.0" in kubectl("version").stdout


def test_client_side_apply_edits_by_strategic_patch(kubectl: Run) -> None:
    body = workload("Deployment", "csa")
    assert "created" in kubectl("apply", "-f", "-", stdin=body).stdout
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=body).stdout
    containers = body["spec"]["template"]["spec"]["containers"]
    containers.append({"name": "side", "image": "registry/side:1"})
    containers[0]["image"] = "registry/app:2"
    assert "configured" in kubectl("apply", "-f", "-", stdin=body).stdout
    found = json.loads(kubectl("get", "deploy", "csa", "-o", "json").stdout)
    images = [each["image"] for each in found["spec"]["template"]["spec"]["containers"]]
    assert images == ["registry/app:2", "registry/side:1"]
    del containers[1]
    kubectl("apply", "-f", "-", stdin=body)
    found = json.loads(kubectl("get", "deploy", "csa", "-o", "json").stdout)
    assert len(found["spec"]["template"]["spec"]["containers"]) == 1
    kubectl("rollout", "status", "deploy/csa", "--timeout=5s")
    assert kubectl("diff", "-f", "-", stdin=body).stdout == ""


def test_server_side_apply_and_its_conflicts(kubectl: Run) -> None:
    body = workload("Deployment", "ssa", 2)
    apply = ("apply", "--server-side", "-f", "-", "--field-manager")
    kubectl(*apply, "one", stdin=body)
    body["spec"]["replicas"] = 3
    refused = kubectl(*apply, "two", stdin=body, fails=True)
    assert 'Apply failed with 1 conflict: conflict with "one": .spec.replicas' in refused.stderr
    kubectl(*apply, "two", "--force-conflicts", "--dry-run=server", stdin=body)
    assert kubectl("get", "deploy", "ssa", "-o", "jsonpath={.spec.replicas}").stdout == "2"
    kubectl(*apply, "two", "--force-conflicts", stdin=body)
    assert kubectl("get", "deploy", "ssa", "-o", "jsonpath={.spec.replicas}").stdout == "3"


def test_unknown_fields_are_told(kubectl: Run) -> None:
    body = policy("typo", {"podSelector": {}, "igress": []})
    refused = kubectl("apply", "-f", "-", stdin=body, fails=True)
    assert 'strict decoding error: unknown field "spec.igress"' in refused.stderr
    kubectl("apply", "--dry-run=server", "-f", "-", stdin=policy("fine"))
    assert "NotFound" in kubectl("get", "netpol", "fine", fails=True).stderr


def test_patch_label_annotate_scale_delete(kubectl: Run, tls: ApiServer) -> None:
    kubectl("create", "-f", "-", stdin=workload("Deployment", "web", 1))
    kubectl("label", "deploy", "web", "team=a")
    refused = kubectl("label", "deploy", "web", "team=b", fails=True)
    assert "already has a value" in refused.stderr
    kubectl("annotate", "deploy", "web", "note=x")
    patch = [{"op": "test", "path": "/metadata/labels/team", "value": "z"}]
    kubectl("patch", "deploy", "web", "--type=json", "-p", json.dumps(patch), fails=True)
    kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"replicas":3}}')
    assert len([p for p in tls.list("pods") if p["metadata"]["labels"].get("app") == "web"]) == 3
    kubectl("scale", "deploy", "web", "--replicas=0", "--current-replicas=3")
    kubectl("delete", "deploy", "web", "--wait", "--timeout=5s")
    assert not [s for s in tls.list("replicasets") if s["metadata"]["name"].startswith("web-")]


def test_get_watch_and_wait(kubectl: Run, tls: ApiServer) -> None:
    tls.put(pod("seen"))
    table = kubectl("get", "pods", "-A", "-o", "wide").stdout
    assert "seen" in table
    assert "Running" in table
    kubectl("wait", "--for=condition=Ready", "pod/seen", "--timeout=5s")
    watched = kubectl("get", "pod", "seen", "-w", "--request-timeout=1s", "-o", "name", fails=False)
    assert watched.stdout.strip() == "pod/seen"
    kubectl("delete", "pod", "seen", "--now")
    kubectl("get", "pod", "seen", fails=True)


def test_cordon_and_drain_honour_budgets(kubectl: Run, tls: ApiServer) -> None:
    tls.put(workload("Deployment", "kept", 2))
    tls.put(budget("kept", "kept", minAvailable=2))
    drain = ("drain", "node-1", "--ignore-daemonsets", "--force")
    kept = [p for p in tls.list("pods") if p["metadata"]["labels"].get("app") == "kept"]
    name = kept[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/default/pods/{name}/eviction"
    # drain itself would try again for five seconds
    stuck = kubectl("create", "--raw", path, "-f", "-", stdin=eviction(name), fails=True)
    assert "Cannot evict pod as it would violate the pod's disruption budget" in stuck.stderr
    tls.put(budget("kept", "kept", minAvailable=1))
    kubectl(*drain, "--timeout=20s")
    assert not [p for p in tls.list("pods") if p["spec"].get("nodeName") == "node-1"]
    kubectl("uncordon", "node-1")


def test_access_by_accounts_and_certificates(kubectl: Run, tls: ApiServer, tmp_path: Path) -> None:
    kubectl("create", "namespace", "team")
    kubectl("create", "serviceaccount", "bot", "-n", "team")
    kubectl("create", "role", "reader", "-n", "team", "--verb=get,list", "--resource=pods")
    bind = ("--role=reader", "--serviceaccount=team:bot")
    kubectl("create", "rolebinding", "reader", "-n", "team", *bind)
    token = kubectl("create", "token", "bot", "-n", "team").stdout.strip()
    bot = tls.kubeconfig(tmp_path / "bot", "bot", token=token)
    assert kubectl("auth", "can-i", "list", "pods", "-n", "team", config=bot).stdout == "yes\n"
    assert "no" in kubectl("auth", "can-i", "list", "pods", config=bot, fails=True).stdout
    refused = kubectl("get", "secrets", "-n", "team", config=bot, fails=True).stderr
    assert 'User "system:serviceaccount:team:bot" cannot list resource "secrets"' in refused
    person = tls.kubeconfig(tmp_path / "cara", "cara", ["ops"], certificate=True)
    who = kubectl("auth", "whoami", "-o", "json", config=person).stdout
    assert json.loads(who)["status"]["userInfo"]["username"] == "cara"


def test_a_definition_brings_a_kind(kubectl: Run) -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {"size": {"type": "integer", "minimum": 1}},
            }
        },
    }
    names = {"plural": "gadgets", "kind": "Gadget", "singular": "gadget", "shortNames": ["gd"]}
    column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [column],
    }
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": spec,
    }
    kubectl("apply", "-f", "-", stdin=definition)
    kubectl("wait", "--for=condition=Established", "crd/gadgets.example.com", "--timeout=5s")
    one: Json = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}}
    kubectl("apply", "-f", "-", stdin=one | {"spec": {"size": 3}})
    assert "3" in kubectl("get", "gd").stdout
    for size, words in (
        (0, "should be greater than or equal to 1"),
        ("x", "must be of type integer"),
    ):
        refused = kubectl("apply", "-f", "-", stdin=one | {"spec": {"size": size}}, fails=True)
        assert words in refused.stderr
    kubectl("delete", "crd", "gadgets.example.com")
    assert "the server could not find the requested resource" in (
        kubectl("get", "gadgets.v1.example.com", fails=True).stderr
    )


def test_as_a_program(home: Path, tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    body = workload("Deployment", "web")
    (tmp_path / "objects" / "web.yaml").write_text(yaml.safe_dump(body))
    config = tmp_path / "config"
    words = ["--objects", str(tmp_path / "objects"), "--kubeconfig", str(config)]
    root = Path(__file__).parents[3]
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.apiserver", *words],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("https://127.0.0.1:")
        environment = {"HOME": str(home), "KUBECONFIG": str(config), "PATH": os.environ["PATH"]}
        shown = subprocess.run(
            [KUBECTL or "kubectl", "get", "pods", "-o", "name"],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
            timeout=60,
        )
        assert len(shown.stdout.split()) == 2
    finally:
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
        if program.stdout is not None:
            program.stdout.close()
