"""Checks and limits: what each says no to, and what nobody can accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.errors import Conflict
from haechi.model.response import ActionKind, ActionState, Check, Said, Want
from haechi.respond.by_name import want_of
from haechi.respond.checks import accepted, bars
from haechi.respond.evidence import sealed, tidied
from haechi.respond.ground import Ground, Site
from haechi.respond.guard import protected
from haechi.respond.monitoring import scope_of
from haechi.respond.planning import plan_of
from haechi.respond.workloads import Workloads
from tests.respond.cluster import (
    CLUSTER,
    POLICY,
    WEB,
    Direct,
    Rig,
    deployment,
    incident_of,
    namespace,
    plugin,
    policy_of,
    rig,
    shop,
)

K = ActionKind
TIGHT = b"limits: {pods: 1, percent: 25, healthy: 3, hour: 1, namespace: 1}\nstage: enforce\n"


def checks_of(made: Rig, want: Want) -> dict[str, Check]:
    (one,) = made.engine.previews([want], None)
    return {check.name: check for check in one.checks}


def names(made: Rig, app: str = "web") -> list[str]:
    return [str(pod["metadata"]["name"]) for pod in made.pods(app)]


@pytest.mark.parametrize(
    ("pods", "blast", "healthy"),
    [(1, Said.YES, Said.YES), (2, Said.NO, Said.NO), (0, Said.NO, Said.NO)],
    ids=["one of four", "two of four", "all"],
)
def test_pods_of_a_workload_are_counted(
    tmp_path: Path, pods: int, blast: Said, healthy: Said
) -> None:
    with rig(tmp_path, text=TIGHT) as made:
        found = checks_of(made, want_of(K.ISOLATE, WEB, pods=tuple(names(made)[:pods])))
        assert (found["blast_radius"].said, found["healthy"].said) == (blast, healthy)
        assert found["blast_radius"].acceptable


def test_what_stands_already_counts_with_it(tmp_path: Path) -> None:
    with rig(tmp_path, text=TIGHT.replace(b"hour: 1", b"hour: 9")) as made:
        first, second = made.pods()[:2]
        made.engine.respond_to(made.put(incident_of(made.container(first))))
        made.engine.tick()
        other = made.put(incident_of(made.container(second), id="i-2"))
        one = made.engine.respond_to(other)[0]
        assert one.state is ActionState.WAITING
        assert "by actions that stand" in one.why and "blast_radius" in one.why


@pytest.mark.parametrize("limit", [b"hour: 1", b"namespace: 1"], ids=["hour", "namespace"])
def test_automation_has_a_budget_and_people_have_not(tmp_path: Path, limit: bytes) -> None:
    text = POLICY.replace(b"hour: 100, namespace: 100", limit)
    with rig(tmp_path, text=text) as made:
        first, second = made.pods()[:2]
        made.engine.respond_to(made.put(incident_of(made.container(first))))
        made.engine.tick()
        other = made.put(incident_of(made.container(second), id="i-2"))
        one = made.engine.respond_to(other)[0]
        assert one.state is ActionState.WAITING and "rate:" in one.why
        assert made.engine.approve(one.id, "user:ana").state is ActionState.APPROVED


@pytest.mark.parametrize(
    ("resource", "objects", "says"),
    [
        (
            f"k8s:{CLUSTER}/apps/DaemonSet/kube-system/calico-node",
            [],
            "protected.namespaces: kube-system",
        ),
        (f"k8s:{CLUSTER}/apps/DaemonSet/tools/agent", ["tools"], "protected.owners: DaemonSet"),
        (f"k8s:{CLUSTER}/core/Pod/tools/static", ["tools"], "a static pod of its node"),
    ],
    ids=["namespace", "owner", "static pod"],
)
def test_what_is_protected_is_refused_whoever_asks(
    tmp_path: Path, resource: str, objects: list[str], says: str
) -> None:
    made_objects = [*shop(), *(namespace(one) for one in objects)]
    if objects:
        agent = plugin()
        agent["metadata"] = {"name": "agent", "namespace": "tools"}
        static = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "static",
                "namespace": "tools",
                "annotations": {"kubernetes.io/config.mirror": "x"},
            },
            "spec": {"containers": [{"name": "main", "image": "x"}]},
        }
        made_objects += [agent, static]
    with rig(tmp_path, objects=made_objects) as made:
        want = want_of(K.ISOLATE, resource)
        assert says in checks_of(made, want)["protected"].says
        with pytest.raises(Conflict, match="protected"):
            made.engine.by_hand(want, by="x", approve=True, accept=("protected",))


@pytest.mark.parametrize(
    "address", ["192.168.0.2", "10.244.1.7", "127.0.0.1", "::1", "fe80::1", "::ffff:10.0.0.1"]
)
def test_own_and_private_addresses_are_protected(tmp_path: Path, address: str) -> None:
    with rig(tmp_path) as made:
        site = made.engine.ground.sites(CLUSTER)
        want = want_of(K.BLOCK, WEB, address=address)
        plan = plan_of(want_of(K.SNAPSHOT, WEB), site, "a-1", made.engine.ground)
        assert protected(want, plan, site, policy_of())


def test_a_nodes_own_address_is_protected_even_where_its_network_is_not(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        site = made.engine.ground.sites(CLUSTER)
        text = POLICY + b"protected: {except: [192.168.0.0/16]}\n"
        plan = plan_of(want_of(K.SNAPSHOT, WEB), site, "a-1", made.engine.ground)
        node = want_of(K.BLOCK, WEB, address="192.168.0.2")
        assert "an address of Node node-1" in protected(node, plan, site, policy_of(text))
        other = want_of(K.BLOCK, WEB, address="192.168.9.9")
        assert protected(other, plan, site, policy_of(text)) == ""


@pytest.mark.parametrize(("code", "said"), [(403, Said.NO), (500, Said.UNKNOWN)])
def test_a_dry_run_that_fails_bars(tmp_path: Path, code: int, said: Said) -> None:
    with rig(tmp_path) as made:
        made.server.faults.add(kind="status", code=code, times=0, dry=True)
        found = checks_of(made, want_of(K.ISOLATE, WEB, pods=tuple(names(made)[:1])))
        assert found["dry_run"].said is said and not found["dry_run"].acceptable


def test_missing_rights_are_named(tmp_path: Path) -> None:
    from haechi.world.kube.client import KubernetesClient
    from haechi.world.kube.config import from_kubeconfig
    from tests.fakes.apiserver.server import ApiServer

    with (
        ApiServer(objects=shop(), rbac=True) as server,
        rig(tmp_path, objects=[]) as made,
    ):
        account = server.kubeconfig(tmp_path / "viewer", "ana", ["viewers"])
        server.put(_bound("view", "viewers"))
        admin = from_kubeconfig(server.kubeconfig(tmp_path / "admin"))
        with (
            KubernetesClient(admin) as reads,
            KubernetesClient(from_kubeconfig(account)) as client,
        ):
            site = Site(name=CLUSTER, reader=Direct(reads), client=client)
            made.engine.ground.__dict__["sites"] = lambda name: site
            pod = next(
                one["metadata"]["name"]
                for one in server.list("pods", "shop")
                if one["metadata"]["name"].startswith("web-")
            )
            found = checks_of(made, want_of(K.ISOLATE, WEB, pods=(pod,)))
        assert found["rights"].said is Said.NO
        assert "create networkpolicies.networking.k8s.io in shop" in found["rights"].says


def _bound(role: str, group: str) -> dict[str, Any]:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{role}-{group}"},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "Group", "name": group, "apiGroup": api}],
    }


def test_only_what_may_be_accepted_is() -> None:
    soft = Check(name="healthy", said=Said.NO, says="", acceptable=True)
    hard = Check(name="protected", said=Said.NO, says="")
    unknown = Check(name="rights", said=Said.UNKNOWN, says="")
    found = accepted([soft, hard, unknown], ["healthy", "protected", "rights"])
    assert [one.name for one in bars(found)] == ["protected", "rights"]
    assert found[0].said is Said.ACCEPTED


def test_a_pod_leads_to_its_workload(tmp_path: Path) -> None:
    with rig(tmp_path, objects=[*shop(), deployment("web-admin", 1)]) as made:
        site = made.engine.ground.sites(CLUSTER)
        assert site is not None
        workloads = Workloads(site.objects)
        pod = site.by_key[f"k8s:{CLUSTER}/core/Pod/shop/{names(made)[0]}"]
        assert workloads.top(pod) is site.by_key[WEB]
        assert [one.kind for one in workloads.owners(pod)] == ["ReplicaSet", "Deployment"]
        assert len(workloads.pods(site.by_key[WEB])) == 4


@pytest.mark.parametrize(
    ("resource", "more", "scope"),
    [
        (WEB, {}, "(k8s.ns.name = shop and (k8s.pod.name startswith web-)"),
        (f"k8s:{CLUSTER}/core/Pod/shop/web-0", {}, "k8s.pod.name = web-0"),
        ("host:prod/n1", {"pids": (7, 8)}, "container.id = host and proc.apid in (7, 8)"),
        ("host:prod/n1", {}, "container.id = host"),
        (WEB, {"container_id": "ab" * 32}, "or container.id in (abababababab)"),
    ],
    ids=["workload", "pod", "processes", "host", "container"],
)
def test_monitoring_is_scoped_to_its_target(
    resource: str, more: dict[str, Any], scope: str
) -> None:
    assert scope.lstrip("(") in scope_of(want_of(K.MONITOR, resource, **more), None)


@pytest.mark.parametrize("name", ["a b", 'x" or "1', "x) or (1", "%0a", "", "A", "x" * 300])
def test_a_name_is_never_more_than_a_word_of_a_condition(name: str) -> None:
    from urllib.parse import quote

    from haechi.errors import HaechiError

    with pytest.raises(HaechiError):
        key = f"k8s:{CLUSTER}/apps/Deployment/shop/{quote(name, safe='')}"
        scope_of(want_of(K.MONITOR, key), None)


def test_evidence_is_bounded_kept_and_forgotten(tmp_path: Path) -> None:
    import random

    words = random.Random(1).randbytes(40_000).hex()  # noqa: S311
    found = {"missing": [], "events": [words], "logs": {}, "objects": []}
    digest, size = sealed(tmp_path / "e", "a-1-0.json.gz", found, most=10_000)
    assert size <= 10_000
    assert sealed(tmp_path / "e", "a-1-0.json.gz", {"missing": []}, most=9)[0] == digest
    now = (tmp_path / "e" / "a-1-0.json.gz").stat().st_mtime
    assert tidied(tmp_path / "e", now, days=1, most=1 << 20) == 0
    assert tidied(tmp_path / "e", now + 2 * 86_400, days=1, most=1 << 20) == 1
    assert tidied(tmp_path / "none", now, days=1, most=1) == 0


def test_a_ground_keeps_to_its_folder(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        ground: Ground = made.engine.ground
        assert ground.evidence.parent == ground.halt_file.parent == made.folder
