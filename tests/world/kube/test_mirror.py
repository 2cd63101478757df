"""A live cluster in memory equals the server, over all that breaks; what is missing is a gap."""

from __future__ import annotations

import copy
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import ConfigError
from haechi.world.kube import names
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.cluster import Cluster
from haechi.world.kube.mirror import MIRRORED, Mirror, Seen
from haechi.world.kube.names import CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, NODE, POD, SERVICE
from tests.fakes.apiserver import ApiServer
from tests.world.kube.fake import cluster, deployment, namespace, pod, policy

SOME = (POD, NETWORK_POLICY, DEPLOYMENT, names.REPLICA_SET, SERVICE, NODE)


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        threading.Event().wait(0.01)


@contextmanager
def mirrored(
    tmp_path: Path,
    *,
    kinds: Any = SOME,
    named: Any = (),
    seen: Any = None,
    user: str = "admin",
    namespaces: Any = (),
    **options: Any,
) -> Iterator[tuple[Mirror, ApiServer]]:
    with cluster(tmp_path, user=user, **options) as (client, server):
        mirror = Mirror(
            client,
            kinds=kinds,
            named=named,
            namespaces=namespaces,
            seen=seen or (lambda _: None),
            refused_s=0.05,
        )
        mirror.start()
        try:
            assert mirror.wait(15)
            yield mirror, server
        finally:
            mirror.close()
        assert not mirror._threads


def of_mirror(mirror: Mirror, kind: names.Kind) -> dict[tuple[str, str], str]:
    return {(one.namespace, one.name): one.version for one in mirror.kept(kind.type)}


def of_server(server: ApiServer, kind: names.Kind) -> dict[tuple[str, str], str]:
    return {
        (one["metadata"].get("namespace", ""), one["metadata"]["name"]): one["metadata"][
            "resourceVersion"
        ]
        for one in server.list(kind.right)
    }


def equal(mirror: Mirror, server: ApiServer, kinds: Any = SOME) -> bool:
    return all(of_mirror(mirror, kind) == of_server(server, kind) for kind in kinds)


def test_it_is_a_cluster_with_resources(tmp_path: Path) -> None:
    with mirrored(tmp_path, objects=[deployment("cart"), policy("p")]) as (mirror, _):
        found: Cluster = mirror
        assert (found.name, found.source, found.complete, found.gaps) == ("east", "live", True, ())
        [one] = found.objects("networking.k8s.io/NetworkPolicy")
        assert one.key == "k8s:east/networking.k8s.io/NetworkPolicy/default/p"
        assert (one.type, one.namespace, one.version) == (
            "networking.k8s.io/NetworkPolicy",
            "default",
            "v1",
        )
        assert "managedFields" not in one.data["metadata"]
        assert one.locate(("spec",)).path == one.key
        assert len(found.objects("core/Pod", namespace="default")) == 2
        assert found.objects("core/Pod", namespace="elsewhere") == []
        assert {one.type for one in found.objects()} == {
            kind.type for kind in SOME if mirror.count(kind.type)
        }


def test_changes_come(tmp_path: Path) -> None:
    seen: list[Seen] = []
    with mirrored(tmp_path, seen=seen.append) as (mirror, server):
        server.put(pod("a"))
        server.put(policy("p"))
        eventually(lambda: equal(mirror, server) and mirror.count("core/Pod") == 1)
        server.remove("pods", "a")
        eventually(lambda: equal(mirror, server) and not mirror.count("core/Pod"))
    assert {one.kind.type for one in seen if one.synced} == {kind.type for kind in SOME}
    mine = [one for one in seen if one.name == "a"]
    assert mine[0].kept is not None and mine[-1].kept is None


@pytest.mark.parametrize("seed", range(3))
def test_whatever_breaks_it_comes_to_equal_the_server(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    with mirrored(tmp_path, objects=[pod(f"p{n}") for n in range(5)], seed=seed) as (
        mirror,
        server,
    ):
        server.faults.chaos(
            seed, share=0.3, kinds=("status", "reset", "reset_after", "garbage", "expired", "cut")
        )
        for number in range(40):
            name = f"p{chance.randrange(8)}"
            match chance.randrange(6):
                case 0 | 1:
                    body = copy.deepcopy(server.get("pods", name) or pod(name))
                    body["metadata"]["labels"] = {"number": str(number)}
                    server.put(body)
                case 2:
                    server.remove("pods", name)
                case 3:
                    server.put(policy(name, app=str(number)))
                case 4:
                    server.compact()
                case 5:
                    server.bookmark()
        server.faults.clear()
        eventually(lambda: equal(mirror, server), 40)
        eventually(lambda: mirror.complete, 40)


def test_a_server_that_was_away_is_caught_up_with(tmp_path: Path) -> None:
    with mirrored(tmp_path, objects=[pod("a"), pod("b")]) as (mirror, server):
        server.stop()
        eventually(lambda: not mirror.complete)
        assert mirror.count("core/Pod") == 2  # what was known stays, and is told to be old
        assert mirror.at < server_now(mirror)
        server.remove("pods", "a")
        server.put(pod("c"))
        server.compact()
        server.start()
        eventually(lambda: mirror.complete and equal(mirror, server), 30)
        assert {one.name for one in mirror.kept("core/Pod")} == {"b", "c"}


def server_now(mirror: Mirror) -> Any:
    return mirror._clock()


READER: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "reader"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}],
}
BINDING: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "reader"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
    "subjects": [{"kind": "User", "name": "ana", "apiGroup": "rbac.authorization.k8s.io"}],
}


def test_a_kind_that_may_not_be_read_is_a_gap_until_it_may(tmp_path: Path) -> None:
    kinds = (POD, NETWORK_POLICY)
    objects = [READER, BINDING, pod("a"), policy("p")]
    with mirrored(tmp_path, kinds=kinds, user="ana", rbac=True, objects=objects) as (
        mirror,
        server,
    ):
        eventually(lambda: mirror.count("core/Pod") == 1)
        assert not mirror.complete
        [gap] = mirror.gaps
        assert gap.startswith("networkpolicies.networking.k8s.io: ") and "ana" in gap
        [state] = [one for one in mirror.states if one.kind is NETWORK_POLICY]
        assert state.refused and not state.synced
        group = {"apiGroups": ["networking.k8s.io"], "resources": ["*"], "verbs": ["*"]}
        server.put({**READER, "rules": [*READER["rules"], group]})
        eventually(lambda: mirror.complete and mirror.count(NETWORK_POLICY.type) == 1)


def test_a_kind_that_the_cluster_lacks_is_no_gap(tmp_path: Path) -> None:
    lacking = names.CALICO_GLOBAL_POLICY
    with mirrored(tmp_path, kinds=(POD, lacking)) as (mirror, _):
        assert mirror.complete
        [state] = [one for one in mirror.states if one.kind is lacking]
        assert state.absent


def test_some_namespaces_only(tmp_path: Path) -> None:
    objects = [namespace("a"), namespace("b"), *(pod("p", one) for one in ("a", "b", "default"))]
    with mirrored(
        tmp_path, kinds=(POD, NODE), namespaces=["a", "b"], objects=objects, controllers=False
    ) as (mirror, server):
        assert {one.namespace for one in mirror.kept("core/Pod")} == {"a", "b"}
        assert mirror.count("core/Node") == len(server.list("nodes"))
    with pytest.raises(ConfigError, match="more than 20 namespaces"):
        Mirror(mirror.client, namespaces=[str(n) for n in range(21)])


def test_of_config_maps_only_what_says_whether_policies_are_obeyed(tmp_path: Path) -> None:
    def settings(name: str, **data: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "kube-system"}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    objects = [
        settings("cilium-config", **{"enable-policy": "never", "etcd-password": "x"}),
        settings("other", **{"enable-policy": "never"}),
    ]
    named = [(CONFIG_MAP, "cilium-config")]
    with mirrored(tmp_path, kinds=(), named=named, objects=objects) as (mirror, _):
        [one] = mirror.objects("core/ConfigMap")
        assert one.data["data"] == {"enable-policy": "never"}
        assert "etcd-password" not in str(mirror.kept())


def test_all_that_is_mirrored_can_be(tmp_path: Path) -> None:
    assert not {("", "Secret"), ("", "ConfigMap")} & {(one.group, one.kind) for one in MIRRORED}
    from haechi.world.kube.mirror import NAMED

    with mirrored(tmp_path, kinds=MIRRORED, named=NAMED, objects=[deployment("cart")]) as (
        mirror,
        server,
    ):
        eventually(lambda: mirror.complete)
        assert mirror.count("apps/Deployment") == 1
        assert all(entry.resource != "secrets" for entry in server.log.all())


def test_a_pod_leads_to_its_workload_and_an_address_to_its_owner(tmp_path: Path) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cart", "namespace": "default"},
        "spec": {"selector": {"app": "cart"}, "ports": [{"port": 80}]},
    }
    with mirrored(tmp_path, objects=[deployment("cart"), pod("alone"), service]) as (
        mirror,
        server,
    ):
        places = mirror.places
        pods = [one for one in server.list("pods") if one["metadata"]["name"] != "alone"]
        for one in pods:
            owner = places.workload_of("default", one["metadata"]["name"])
            assert (
                owner is not None and owner.key("east") == "k8s:east/apps/Deployment/default/cart"
            )
            assert places.of_address(one["status"]["podIP"]) == owner
            status = one["status"]["containerStatuses"][0]
            container = status["containerID"].rpartition("//")[2]
            assert places.pod_of(container) == ("default", one["metadata"]["name"])
        alone = places.workload_of("default", "alone")
        assert alone is not None and alone.kind == "Pod"
        assert places.workload_of("default", "nobody") is None
        found = server.get("services", "cart")
        assert found is not None
        address = places.of_address(found["spec"]["clusterIP"])
        assert address is not None and (address.kind, address.name) == ("Service", "cart")
        gone = pods[0]["status"]["podIP"]
        server.put(deployment("cart", replicas=0))
        eventually(lambda: places.of_address(gone) is None)


def test_a_closed_mirror_holds_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with mirrored(tmp_path):
        assert threading.active_count() > before
    eventually(lambda: threading.active_count() <= before)


def test_a_client_that_nobody_answers_gives_gaps_and_no_exception(tmp_path: Path) -> None:
    with cluster(tmp_path) as (client, server):
        access = client.access
        server.stop()
        with KubernetesClient(access) as other:
            mirror = Mirror(other, kinds=(POD,), named=())
            mirror.start()
            try:
                assert mirror.wait(30)
                assert mirror.gaps and "cannot be reached" in mirror.gaps[0]
                assert mirror.objects() == []
            finally:
                mirror.close()
