"""Clusters that a server follows: how they do, their past, and whose a pod or an address is."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import ConfigError
from haechi.model.access import Grant, Principal, Reach, Role
from haechi.server.api import all_operations
from haechi.server.readiness import parts
from haechi.server.scrape import figures
from haechi.server.settings import ClusterSettings, ClustersSection, load_settings
from haechi.server.work.clusters import Clusters, follow_clusters
from haechi.server.world import World
from tests.fakes.apiserver import ApiServer
from tests.server.serving import PRINCIPALS, by_word, local_settings, real_world, serving
from tests.world.kube.fake import deployment, namespace, pod, policy
from tests.world.kube.test_mirror import eventually

WITHIN = {
    **PRINCIPALS,
    "east": Principal(
        id="token:east", name="east", grants=(Grant(role=Role.VIEWER, reach=Reach(cluster="east")),)
    ),
    "shop": Principal(
        id="token:shop",
        name="shop",
        grants=(Grant(role=Role.VIEWER, reach=Reach(cluster="east", namespace="shop")),),
    ),
    "west": Principal(
        id="token:west", name="west", grants=(Grant(role=Role.VIEWER, reach=Reach(cluster="west")),)
    ),
}


@contextmanager
def following(
    tmp_path: Path, server: ApiServer, *, user: str = "admin", **more: Any
) -> Iterator[World]:
    """A world that follows the server as ``east``."""
    path = server.kubeconfig(tmp_path / "kubeconfig", user)
    followed = [ClusterSettings(name="east", kubeconfig=str(path), **more)]
    settings = local_settings(clusters=ClustersSection(followed=followed))
    with real_world(tmp_path / "store", settings) as world:
        world.clusters.open(world)
        try:
            yield world
        finally:
            world.clusters.close()


def state_of(world: World) -> str:
    return world.clusters.states()[0].state


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.server.work.clusters.WRITE_S", 0.05)
    monkeypatch.setattr("haechi.server.work.clusters.AGAIN_S", 0.1)
    monkeypatch.setattr("haechi.server.work.clusters.LOOK_S", 0.05)


def test_a_cluster_is_followed_and_asked(tmp_path: Path) -> None:
    with (
        ApiServer(objects=[deployment("cart"), policy("p")]) as server,
        following(tmp_path, server) as world,
    ):
        clusters = world.clusters
        eventually(lambda: state_of(world) == "connected")
        cluster = clusters.cluster("east")
        assert cluster is not None and cluster.complete
        assert [one.name for one in cluster.objects("networking.k8s.io/NetworkPolicy")] == ["p"]
        client = clusters.client("east")
        assert client is not None and client.name == "east"
        client.create_network_policy(policy("q"))
        eventually(lambda: len(cluster.objects("networking.k8s.io/NetworkPolicy")) == 2)
        one = server.list("pods")[0]
        key = "k8s:east/apps/Deployment/default/cart"
        assert clusters.workload_of("east", "default", one["metadata"]["name"]) == key
        assert clusters.of_address("east", one["status"]["podIP"]) == key
        assert clusters.workload_of("east", "default", "nobody") == ""
        assert (
            clusters.workload_of("west", "default", "x") == clusters.of_address("west", "1") == ""
        )
        assert (clusters.cluster("west"), clusters.client("west")) == (None, None)
        assert clusters.pod_of("west", "x") is None
    assert clusters.names == ()
    assert clusters.cluster("east") is None


def test_the_past_is_kept_and_read_again(tmp_path: Path) -> None:
    with (
        ApiServer(objects=[deployment("cart"), policy("p")]) as server,
        following(tmp_path, server) as world,
    ):
        clusters, objects = world.clusters, world.store.state.objects
        policies = "networking.k8s.io/NetworkPolicy"
        assert clusters.at("west", world.clock()) is None
        eventually(lambda: policies in objects.followed("east", world.clock()))
        eventually(lambda: len(objects.at("east", world.clock(), policies)) == 1)
        eventually(lambda: len(objects.followed("east", world.clock())) > 15)
        before = world.clock()
        server.remove("networkpolicies", "p")
        server.put(policy("q"))
        eventually(
            lambda: [one.key[-1] for one in objects.at("east", world.clock(), policies)] == ["q"]
        )
        then = clusters.at("east", before)
        assert then is not None
        assert (then.source, then.at) == ("history", before)
        assert [one.name for one in then.objects(policies)] == ["p"]
        assert len(then.objects("core/Pod")) == 2
        eventually(lambda: past_of(world, before).complete)
        earlier = clusters.at("east", before - dt.timedelta(days=1))
        assert earlier is not None and not earlier.complete and earlier.objects() == []


def past_of(world: World, when: dt.datetime) -> Any:
    found = world.clusters.at("east", when)
    assert found is not None
    return found


def test_what_says_nothing_makes_no_row(tmp_path: Path) -> None:
    with (
        ApiServer(objects=[pod("a")], nodes=1) as server,
        following(tmp_path, server) as world,
    ):
        objects = world.store.state.objects
        eventually(lambda: len(objects.at("east", world.clock(), "core/Pod")) == 1)
        body = copy.deepcopy(server.get("pods", "a"))
        assert body is not None
        body["status"]["conditions"].append(
            {"type": "Other", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        )
        server.put(body)
        body = copy.deepcopy(server.get("pods", "a"))
        assert body is not None
        body["metadata"]["labels"] = {"seen": "yes"}
        server.put(body)
        key = "k8s:east/core/Pod/default/a"
        eventually(lambda: b"seen" in objects.history("east", key)[0].body)
        assert len(objects.history("east", key)) == 2


def test_what_went_while_the_server_was_away_ends(tmp_path: Path) -> None:
    with ApiServer(objects=[pod("a"), pod("b")], nodes=1) as server:
        with following(tmp_path, server) as world:
            objects = world.store.state.objects
            eventually(lambda: len(objects.at("east", world.clock(), "core/Pod")) == 2)
        server.remove("pods", "a")
        with following(tmp_path, server) as world:
            objects = world.store.state.objects
            eventually(lambda: len(objects.at("east", world.clock(), "core/Pod")) == 1)


def test_how_it_does_is_told(tmp_path: Path) -> None:
    with (
        ApiServer(objects=[namespace("shop"), pod("a", "shop")]) as server,
        following(tmp_path, server) as world,
        serving(world, operations=all_operations(), authenticate=by_word(WITHIN)) as running,
    ):
        eventually(lambda: state_of(world) == "connected")
        assert {part.name: part.state for part in parts(world)}["clusters"] == "ok"
        samples = {(name, *labels): value for name, labels, value in figures(world)}
        assert samples["haechi_cluster_up", "east"] == 1
        assert samples["haechi_cluster_objects", "east"] > 5
        assert samples["haechi_cluster_gaps", "east"] == 0

        def listed(who: str) -> list[dict[str, Any]]:
            with running.client(who) as client:
                answer = client.get("/api/v1/clusters")
                assert answer.status_code == 200, answer.text
                return list(answer.json()["items"])

        [whole] = listed("east")
        assert (whole["name"], whole["state"], whole["gaps"]) == ("east", "connected", [])
        assert {"type": "core/Pod", "objects": 1, "state": "followed", "why": ""} in whole["kinds"]
        [part] = listed("shop")
        told = {name for name, value in part.items() if value not in (None, "")}
        assert told == {"name", "source", "state"}
        assert listed("west") == []
        server.stop()
        eventually(lambda: state_of(world) in ("lagging", "failed"))
        assert {part.name: part.state for part in parts(world)}["clusters"] == "degraded"


def test_a_cluster_without_rights_is_partial(tmp_path: Path) -> None:
    from tests.world.kube.test_mirror import BINDING, READER

    with (
        ApiServer(rbac=True, objects=[READER, BINDING, pod("a")]) as server,
        following(tmp_path, server, user="ana") as world,
    ):
        eventually(lambda: bool(world.clusters.states()[0].kinds))
        eventually(lambda: state_of(world) == "partial")
        [state] = world.clusters.states()
        assert any("networkpolicies" in gap for gap in state.gaps)
        kinds = {one.type: one.state for one in state.kinds}
        assert (kinds["core/Pod"], kinds["networking.k8s.io/NetworkPolicy"]) == (
            "followed",
            "refused",
        )
        cluster = world.clusters.cluster("east")
        assert cluster is not None and not cluster.complete


def test_a_server_that_comes_late_is_found(tmp_path: Path) -> None:
    server = ApiServer(objects=[pod("a")])
    server.start()
    path = server.kubeconfig(tmp_path / "kubeconfig")
    server.stop()
    followed = [ClusterSettings(name="east", kubeconfig=str(path))]
    settings = local_settings(clusters=ClustersSection(followed=followed))
    with real_world(tmp_path / "store", settings) as world:
        world.clusters.open(world)
        try:
            eventually(lambda: state_of(world) == "failed")
            assert "cannot be reached" in world.clusters.states()[0].why
            with server:
                eventually(lambda: state_of(world) == "connected", 30)
        finally:
            world.clusters.close()


def test_a_bad_kubeconfig_is_told_and_ends_nothing(tmp_path: Path) -> None:
    followed = [ClusterSettings(name="east", kubeconfig=str(tmp_path / "no"))]
    settings = local_settings(clusters=ClustersSection(followed=followed))
    with real_world(tmp_path / "store", settings) as world:
        world.clusters.open(world)
        try:
            eventually(lambda: state_of(world) == "failed")
            assert "no such file" in world.clusters.states()[0].why
        finally:
            world.clusters.close()


def test_a_folder_is_a_cluster_that_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(pod("a")))
    settings = local_settings(
        clusters=ClustersSection(followed=[ClusterSettings(name="stage", dump=str(folder))])
    )
    with real_world(tmp_path / "store", settings) as world:
        world.clusters.open(world)
        try:
            eventually(lambda: state_of(world) == "dump")
            assert world.clusters.client("stage") is None
            (folder / "b.json").write_text(json.dumps(policy("p")))
            eventually(lambda: world.clusters.states()[0].objects == 2)
            cluster = world.clusters.cluster("stage")
            assert cluster is not None and cluster.source == "dump"
            key = "k8s:stage/core/Pod/default/a"
            assert world.clusters.workload_of("stage", "default", "a") == key
            (folder / "a.json").unlink()
            (folder / "b.json").unlink()
            folder.rmdir()
            eventually(lambda: state_of(world) == "failed")
        finally:
            world.clusters.close()


def test_without_a_cluster_nothing_is_imported_and_nothing_runs(tmp_path: Path) -> None:
    import asyncio
    import subprocess
    import sys

    code = (
        "import sys, haechi.server.world, haechi.server.run\n"
        "assert not [m for m in sys.modules if m.startswith(('haechi.world.kube', 'httpcore'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with real_world(tmp_path / "store") as world:
        before = threading.active_count()
        asyncio.run(asyncio.wait_for(follow_clusters(world), 5))
        assert threading.active_count() == before
        assert world.clusters.states() == []
        assert {part.name: part.state for part in parts(world)}["clusters"] == "ok"


def test_a_stop_is_quick_while_everything_waits(tmp_path: Path) -> None:
    with ApiServer(objects=[pod("a")]) as server, following(tmp_path, server) as world:
        eventually(lambda: state_of(world) == "connected")
        server.pause()
        started = time.monotonic()
        world.clusters.close()
        took = time.monotonic() - started
        server.resume()
    assert took < 5


def test_events_get_the_workload_that_the_cluster_says(tmp_path: Path) -> None:
    """The pod of a custom controller, whose name says nothing; no scan has seen it."""
    from haechi.runtime.enrich import Enricher, Pod, look_in

    odd = pod("zx81")
    odd["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "example.org/v1",
            "kind": "Fleet",
            "name": "red",
            "uid": "u",
            "controller": True,
        }
    ]
    with (
        ApiServer(objects=[odd], controllers=False) as server,
        following(tmp_path, server) as world,
    ):
        eventually(lambda: state_of(world) == "connected")
        enricher = Enricher(look_in(world.store.state), live=world.clusters)
        asked = Pod("east", "default", "zx81")
        key = "k8s:east/example.org/Fleet/default/red"
        assert enricher.workloads({asked}) == {asked: key}
        assert enricher.workloads({Pod("east", "default", "nobody-1")}) == {}


def test_events_keep_their_workload_while_the_cluster_is_not_read(tmp_path: Path) -> None:
    """After a start, and while its API server is away: what they are of must not depend on it."""
    server = ApiServer(objects=[deployment("web"), namespace("default")])
    with server, following(tmp_path, server) as world:
        eventually(lambda: state_of(world) == "connected")
        (one, *_) = server.list("pods", "default")
        name = str(one["metadata"]["name"])
        key = world.clusters.workload_of("east", "default", name)
        assert key == "k8s:east/apps/Deployment/default/web"
        objects = world.store.state.objects
        eventually(lambda: len(objects.at("east", world.clock())) >= 3)
    path = tmp_path / "kubeconfig"
    settings = local_settings(
        clusters=ClustersSection(followed=[ClusterSettings(name="east", kubeconfig=str(path))])
    )
    with real_world(tmp_path / "store", settings) as world:
        world.clusters.open(world)
        try:
            assert world.clusters.workload_of("east", "default", name) == key
            assert world.clusters.workload_of("east", "default", "nobody") == ""
            assert world.clusters.cluster("east") is None
            eventually(lambda: state_of(world) == "failed")
            assert world.clusters.workload_of("east", "default", name) == key
        finally:
            world.clusters.close()


def test_a_cluster_counts_once_every_kind_was_read(tmp_path: Path) -> None:
    """What is not read yet looks like what is not there."""
    with ApiServer(objects=[deployment("web")]) as server:
        server.faults.add(kind="slow", verb="list", resource="deployments", seconds=1.0)
        with following(tmp_path, server) as world:
            found = []

            def read() -> bool:
                cluster = world.clusters.cluster("east")
                if cluster is not None:
                    found.append(len(cluster.objects("apps/Deployment")))
                return bool(found)

            eventually(read)
            assert found == [1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{name: a}, {name: a}]", "twice"),
        ("[{name: 'a/b'}]", "no name for a cluster"),
        ("[{name: '*'}]", "no name for a cluster"),
        ("[{name: a, dump: d, in_cluster: true}]", "several ways"),
        ("[{name: a, dump: d, context: c}]", "several ways"),
        ("[{name: a, token: x}]", "unknown field `token`"),
        ("[{kubeconfig: a}]", "missing required field `name`"),
    ],
)
def test_a_fault_of_the_settings_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "haechi.server.yaml"
    file.write_text(f"clusters:\n  followed: {text}\n")
    with pytest.raises(ConfigError) as raised:
        load_settings(file, environ={})
    assert words in raised.value.explain()


def test_an_empty_set_of_clusters_is_quiet() -> None:
    clusters = Clusters()
    assert clusters.states() == []
    assert clusters.at("east", dt.datetime.now(dt.UTC)) is None
    clusters.close()


def test_following_begins_with_the_server_and_ends_with_it(tmp_path: Path) -> None:
    import asyncio

    async def life(world: World) -> None:
        task = asyncio.create_task(follow_clusters(world))
        await asyncio.to_thread(eventually, lambda: world.clusters.names == ("east",))
        await asyncio.to_thread(eventually, lambda: state_of(world) == "connected")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert world.clusters.names == ()

    with ApiServer(objects=[pod("a")]) as server:
        path = server.kubeconfig(tmp_path / "kubeconfig")
        followed = [ClusterSettings(name="east", kubeconfig=str(path))]
        settings = local_settings(clusters=ClustersSection(followed=followed))
        with real_world(tmp_path / "store", settings) as world:
            asyncio.run(asyncio.wait_for(life(world), 60))
