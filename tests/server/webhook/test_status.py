"""haechi's own kinds as objects of a cluster: what their definitions take and refuse, and what each
replica says of them in their status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from haechi.admit.load import load_policies
from haechi.errors import KubeError
from haechi.model.admission import PolicyFault
from haechi.model.coverage import Gap
from haechi.server.webhook.crds import KINDS, definitions
from haechi.server.webhook.frames import Loaded, Text
from haechi.server.webhook.generation import NURSERY
from haechi.server.webhook.reporting import AGAIN_S, Reporting
from haechi.server.webhook.reporting import KINDS as REPORTED
from haechi.server.webhook.sources.cluster import ClusterSource
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.config import from_kubeconfig
from haechi.world.manifests import objects_of
from tests.cli.command import Haechi
from tests.cli.conftest import haechi
from tests.fakes.apiserver import ApiServer
from tests.server.webhook.conftest import Running, Start

__all__ = ["haechi"]
Json = dict[str, Any]
EXAMPLES = Path(__file__).parents[3] / "examples" / "policies"
PLURALS = {"PolicyPack": "policypacks", "ImagePolicy": "imagepolicies"}
PLURALS["PolicyRollout"] = "policyrollouts"


@pytest.fixture
def cluster() -> Iterator[ApiServer]:
    with ApiServer(controllers=False) as server:
        for one in definitions():
            server.put(one)
        yield server
        assert server.bugs == []


@pytest.fixture
def client(cluster: ApiServer, tmp_path: Path) -> Iterator[KubernetesClient]:
    path = tmp_path / "kubeconfig"
    cluster.kubeconfig(path)
    with KubernetesClient(from_kubeconfig(path)) as made:
        yield made


def document(kind: str, name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "haechi.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def created(cluster: ApiServer, body: Json) -> httpx.Response:
    place = f"{cluster.url}/apis/haechi.dev/v1alpha1/{PLURALS[body['kind']]}"
    return httpx.post(f"{place}?fieldValidation=Strict", json=body, trust_env=False)


def status_of(cluster: ApiServer, kind: str, name: str) -> list[Json]:
    found = cluster.get(PLURALS[kind], name) or {}
    several: list[Json] = (found.get("status") or {}).get("replicas") or []
    return sorted(several, key=lambda one: str(one["name"]))


def test_the_definitions_are_of_all_kinds_that_replicas_report() -> None:
    assert sorted(KINDS) == sorted(REPORTED)


def test_what_the_examples_say_is_taken(cluster: ApiServer) -> None:
    own = [
        body
        for path in sorted(EXAMPLES.glob("*.yaml"))
        for body in yaml.load_all(path.read_text(), yaml.BaseLoader)
        if body["apiVersion"].startswith("haechi.dev/")
    ]
    assert {body["kind"] for body in own} >= {"PolicyPack", "ImagePolicy"}
    for body in own:
        if "requireDigest" in body["spec"]:
            body["spec"]["requireDigest"] = body["spec"]["requireDigest"] == "true"
        answer = created(cluster, body)
        assert answer.status_code == 201, answer.text


DAY = "2026-12-01"
STAGE = {"stage": "new", "from": DAY}
KIND_OF_PODS = {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}], "scope": "Namespaced"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (document("PolicyPack", "a", pack="sensible", match=KIND_OF_PODS), ""),
        (document("PolicyPack", "a"), "pack"),
        (document("PolicyPack", "a", pack="nonsense"), "pack"),
        (document("PolicyPack", "a", pack="sensible", action="refuse"), "action"),
        (document("PolicyPack", "a", pack="sensible", failurePolicy="fail"), "failurePolicy"),
        (document("PolicyPack", "a", pack="sensible", match={"kind": []}), "match.kind"),
        (document("PolicyPack", "a", pack="sensible", match={"scope": "All"}), "scope"),
        (document("PolicyPack", "a", pack="sensible", **{"except": "x"}), "except"),
        (document("PolicyPack", "a", pack="sensible", more=1), "more"),
        (document("ImagePolicy", "a", allow=["ghcr.io/team"], denyTags=["latest"]), ""),
        (document("ImagePolicy", "a", allow=[""]), "allow"),
        (document("ImagePolicy", "a", requireDigest="yes"), "requireDigest"),
        (document("PolicyRollout", "a", policies=["vap/*"], stages=[STAGE]), ""),
        (document("PolicyRollout", "a", policies=[], stages=[STAGE]), "policies"),
        (document("PolicyRollout", "a", policies=["x"], stages=[]), "stages"),
        (document("PolicyRollout", "a", policies=["x"], stages=[{"stage": "new"}]), "from"),
        (document("PolicyRollout", "a", policies=["x"], stages=[STAGE | {"stage": "x"}]), "stage"),
    ],
)
def test_the_schema_takes_what_the_readers_take(cluster: ApiServer, body: Json, word: str) -> None:
    answer = created(cluster, body)
    gaps: list[Gap] = []
    read = load_policies(list(objects_of(json.dumps(body).encode(), "policy.json", gaps)))
    fatal = [one for one in read.faults if one.fatal]
    assert not gaps
    if not word:
        assert answer.status_code == 201, answer.text
        assert not fatal
        return
    assert answer.status_code in (400, 422), answer.text
    assert word in answer.json()["message"]
    assert fatal


def test_each_replica_says_what_it_made_of_each_object(
    webhook: Start, cluster: ApiServer, client: KubernetesClient
) -> None:
    assert created(cluster, document("PolicyPack", "pods", pack="sensible")).status_code == 201
    twice = document("PolicyPack", "twice", pack="sensible", **{"except": ["nothing-of-this"]})
    assert created(cluster, twice).status_code == 201
    several: list[Running] = []
    for name in ("a", "b"):
        source = ClusterSource(client.access, quiet_s=0.05)
        running = webhook(
            source=source,
            reporting=Reporting(client, name),
            wait=False,
            nursery=NURSERY,
            memory_bytes=512 << 20,
        )
        source.tell = running.hook.tell
        several.append(running)
        running.wait(lambda one=running: one.ready()[0])  # type: ignore[misc]
    assert created(cluster, document("ImagePolicy", "tags", denyTags=["x"])).status_code == 201
    for kind, name in (("PolicyPack", "pods"), ("PolicyPack", "twice"), ("ImagePolicy", "tags")):
        several[0].wait(lambda k=kind, n=name: len(status_of(cluster, k, n)) == 2)  # type: ignore[misc]
    good, bad = status_of(cluster, "PolicyPack", "pods"), status_of(cluster, "PolicyPack", "twice")
    assert [(one["name"], one["loaded"]) for one in good] == [("a", True), ("b", True)]
    assert [(one["name"], one["loaded"]) for one in bad] == [("a", False), ("b", False)]
    assert "nothing-of-this" in bad[0]["faults"][0]["why"] + bad[0]["faults"][0]["what"]
    assert good[0]["observedGeneration"] == 1
    loads = several[0].ready()[1]["loads"]
    changed = document("PolicyPack", "pods", pack="sensible", action="warn")
    client.apply(changed, field_manager="ann", force=True)
    several[0].wait(
        lambda: (
            {one["observedGeneration"] for one in status_of(cluster, "PolicyPack", "pods")} == {2}
        )
    )
    # Statuses that replicas write are no other policies: nothing was loaded for them.
    assert several[0].ready()[1]["loads"] == loads + 1
    running = several[1]
    running.stop()
    assert [one["name"] for one in status_of(cluster, "PolicyPack", "pods")] == ["a"]


class Written:
    """A cluster that notes what is applied, and fails when told to."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.failing = False

    def apply(self, body: Any, **more: Any) -> Json:
        if self.failing:
            raise KubeError("not now")
        self.bodies.append((body["metadata"]["name"], body["status"], more["field_manager"]))
        return {}


def text(name: str, generation: int) -> Text:
    body = {"metadata": {"name": name, "generation": generation}}
    return Text(f"haechi.dev/PolicyPack/{name}.json", json.dumps(body).encode())


def test_few_writes_and_a_failed_one_is_tried_again_later() -> None:
    now, told, results = [0.0], Written(), list[str]()
    made = Reporting(told, "pod-1", counted=results.append, clock=lambda: now[0])
    other = Text("templates.gatekeeper.sh/ConstraintTemplate/x.json", b"{}")
    fault = PolicyFault(kind="invalid", what="w", do="d", line=3, file=text("b", 1).name)
    made.tell([text("a", 1), text("b", 1), other], Loaded(generation="g", policies=[], faults=[]))
    told.failing = True
    made.step()
    made.step()
    assert (results, made.fault) == (["failed"], "not now")
    told.failing = False
    now[0] += AGAIN_S
    made.step()
    made.step()
    assert [name for name, _, _ in told.bodies] == ["a", "b"]
    made.tell([text("a", 1), text("b", 1)], Loaded(generation="g", policies=[], faults=[fault]))
    made.step()
    entry = {"name": "pod-1", "observedGeneration": 1, "generation": "g", "loaded": False}
    entry["faults"] = [{"what": "w", "do": "d", "line": 3}]
    assert told.bodies[2:] == [("b", {"replicas": [entry]}, "haechi-webhook-pod-1")]
    made.refused([text("a", 2), text("b", 1)], "g", "it cannot be read")
    made.step()
    name, status, _ = told.bodies[3]
    assert (name, status["replicas"][0]["loaded"], len(told.bodies)) == ("a", False, 4)
    made.close()
    assert [(name, status) for name, status, _ in told.bodies[4:]] == [("a", {}), ("b", {})]


def test_the_manifest_brings_the_definitions_first_and_the_right_to_write_status(
    haechi: Haechi,
) -> None:
    words = ("webhook", "manifest", "--pack", "sensible")
    alone = list(yaml.safe_load_all(haechi(*words, "--crds").out))
    assert [one["kind"] for one in alone[:3]] == ["CustomResourceDefinition"] * 3
    assert alone[:3] == definitions()
    plain = list(yaml.safe_load_all(haechi(*words).out))
    assert alone[3:] == plain
    image = f"x@sha256:{'0' * 64}"
    deployed = haechi(*words, "--deploy", "--from-cluster", "--image", image)
    documents = list(yaml.safe_load_all(deployed.out))
    assert documents[:3] == definitions()
    (role,) = [one for one in documents if one["kind"] == "ClusterRole"]
    (rule,) = [one for one in role["rules"] if "policypacks/status" in one["resources"]]
    assert rule["verbs"] == ["patch"]
    assert set(rule["resources"]) == {f"{plural}/status" for plural in PLURALS.values()}
