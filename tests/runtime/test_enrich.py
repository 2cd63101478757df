"""From pods and containers to workloads: candidates, bounds, nobody's places but the sender's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from haechi.model.access import EVERYWHERE, Reach
from haechi.model.event import Event
from haechi.runtime import enrich
from haechi.runtime.enrich import Enricher, Pod, candidates, look_in
from haechi.store.events.encoding import EncodedBatch, Row, encode_events
from haechi.store.events.shapes import Limits
from haechi.store.store import Store
from tests.runtime.events import AT_NS, execve

WEB = "k8s:east/apps/Deployment/shop/web"


class Known:
    """A store that has some keys and counts how often it is asked."""

    def __init__(self, *keys: str) -> None:
        self.keys, self.asked = set(keys), 0

    def __call__(self, wanted: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        self.asked += 1
        return {one for one in wanted if one[1] in self.keys}


def encoded(*events: Event, within: Sequence[Reach] = (EVERYWHERE,)) -> EncodedBatch:
    """A batch of them."""
    return encode_events(events, Limits(), now_ns=AT_NS, within=within)


def in_pod(pod: str, number: int = 0, **given: str) -> Event:
    """Something in a pod, as Falco tells it."""
    names = {"k8s.pod.name": pod, "k8s.ns.name": "shop"}
    return execve(number=number, source="falco", fields=names, **given)


def placed(batch: EncodedBatch) -> list[tuple[str, str]]:
    """(resource, namespace) of each row."""
    return [_place(row) for row in batch.rows]


def _place(row: Row) -> tuple[str, str]:
    return row[3], row[2][3]


@pytest.mark.parametrize(
    ("pod", "key"),
    [
        ("web-7d4b9c8f6d-x2x4z", "k8s:east/apps/Deployment/shop/web"),
        ("db-0", "k8s:east/apps/StatefulSet/shop/db"),
        ("agent-x2x4z", "k8s:east/apps/DaemonSet/shop/agent"),
        ("load-x2x4z", "k8s:east/batch/Job/shop/load"),
        ("night-28934400-x2x4z", "k8s:east/batch/CronJob/shop/night"),
        ("bare", "k8s:east/core/Pod/shop/bare"),
        ("web-7d4b9c8f6d-x2x4z", "k8s:-/apps/Deployment/shop/web"),
    ],
    ids=["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "declared only"],
)
def test_a_pod_leads_to_what_made_it(pod: str, key: str) -> None:
    batch = Enricher(Known(key)).enriched(encoded(in_pod(pod)), (EVERYWHERE,))
    assert placed(batch) == [(key, "shop")]


def test_what_a_cluster_has_goes_before_what_a_repository_declares() -> None:
    keys = [key for _, key in candidates(Pod("east", "shop", "web-7d4b9c8f6d-x2x4z"))]
    assert keys.index(WEB) < keys.index("k8s:-/apps/Deployment/shop/web")


def test_what_the_store_does_not_have_is_not_made_up() -> None:
    event = in_pod("web-7d4b9c8f6d-x2x4z")
    assert placed(Enricher(Known()).enriched(encoded(event), (EVERYWHERE,))) == [("", "shop")]


def test_a_resource_that_was_given_stays() -> None:
    mine = "k8s:east/apps/Deployment/shop/other"
    batch = encoded(in_pod("web-7d4b9c8f6d-x2x4z", resource=mine))
    assert placed(Enricher(Known(WEB)).enriched(batch, (EVERYWHERE,))) == [(mine, "shop")]


def test_a_container_is_known_once_an_event_named_its_pod() -> None:
    enricher = Enricher(Known(WEB))
    sensor = execve(namespace="-", container_id="4f1d2c3b5a69ffff")
    assert placed(enricher.enriched(encoded(sensor), (EVERYWHERE,))) == [("", "-")]
    named = in_pod("web-7d4b9c8f6d-x2x4z", container_id="4f1d2c3b5a69")
    enricher.enriched(encoded(named), (EVERYWHERE,))
    assert placed(enricher.enriched(encoded(sensor), (EVERYWHERE,))) == [(WEB, "shop")]
    other = msgspec.structs.replace(sensor, cluster="west")
    assert placed(enricher.enriched(encoded(other), (EVERYWHERE,))) == [("", "-")]


def test_a_pods_own_key_gives_way_to_its_workload_and_teaches_its_container() -> None:
    """As the sensor and the decoders send it: the pod's key is the resource."""
    enricher = Enricher(Known(WEB))
    pod = "k8s:east/core/Pod/shop/web-7d4b9c8f6d-x2x4z"
    seen = execve(resource=pod, container_id="4f1d2c3b5a69")
    assert placed(enricher.enriched(encoded(seen), (EVERYWHERE,))) == [(WEB, "shop")]
    later = execve(namespace="-", container_id="4f1d2c3b5a69ffff")
    assert placed(enricher.enriched(encoded(later), (EVERYWHERE,))) == [(WEB, "shop")]
    assert placed(Enricher(Known()).enriched(encoded(seen), (EVERYWHERE,))) == [(pod, "shop")]


@pytest.mark.parametrize(
    "key",
    [
        "k8s:west/core/Pod/shop/web-7d4b9c8f6d-x2x4z",
        "k8s:east/core/Pod/pay/web-7d4b9c8f6d-x2x4z",
        "k8s:east/core/Pod/shop/",
        "k8s:east/core/Pod/shop/web-7d4b9c8f6d-x2x4z/x",
        "k8s:east/core/Service/shop/web-7d4b9c8f6d-x2x4z",
        "file:web-7d4b9c8f6d-x2x4z",
    ],
)
def test_other_keys_stay(key: str) -> None:
    batch = encoded(execve(resource=key))
    assert placed(Enricher(Known(WEB)).enriched(batch, (EVERYWHERE,))) == [(key, "shop")]


def test_clusters_of_any_name_have_their_pods() -> None:
    name = "arn:aws/prod 1"
    web = "k8s:arn%3Aaws%2Fprod%201/apps/Deployment/shop/web"
    pod = "k8s:arn%3Aaws%2Fprod%201/core/Pod/shop/web-7d4b9c8f6d-x2x4z"
    batch = encoded(execve(resource=pod, cluster=name))
    assert placed(Enricher(Known(web)).enriched(batch, (EVERYWHERE,))) == [(web, "shop")]


def test_who_sends_for_one_namespace_draws_no_container_into_it() -> None:
    enricher = Enricher(Known(WEB))
    shop = (Reach(cluster="east", namespace="shop"),)
    for named in (
        in_pod("web-7d4b9c8f6d-x2x4z", container_id="4f1d2c3b5a69"),
        execve(resource="k8s:east/core/Pod/shop/web-7d4b9c8f6d-x2x4z", container_id="4f1d2c3b5a69"),
    ):
        assert placed(enricher.enriched(encoded(named, within=shop), shop)) == [(WEB, "shop")]
    victim = execve(namespace="-", container_id="4f1d2c3b5a69")
    assert placed(enricher.enriched(encoded(victim), (EVERYWHERE,))) == [("", "-")]


def test_nothing_is_moved_to_where_its_sender_may_not_send() -> None:
    enricher = Enricher(Known(WEB))
    named = in_pod("web-7d4b9c8f6d-x2x4z", container_id="4f1d2c3b5a69")
    enricher.enriched(encoded(named), (EVERYWHERE,))
    nodes = (Reach(cluster="east", namespace="-"),)
    sensor = encoded(execve(namespace="-", container_id="4f1d2c3b5a69"), within=nodes)
    assert placed(enricher.enriched(sensor, nodes)) == [("", "-")]


def test_an_answer_of_the_store_counts_for_a_while() -> None:
    now = [0.0]
    known = Known(WEB)
    enricher = Enricher(known, now=lambda: now[0])
    for seconds in (0.0, 59.0, 61.0):
        now[0] = seconds
        enricher.enriched(encoded(in_pod("web-7d4b9c8f6d-x2x4z")), (EVERYWHERE,))
    assert known.asked == 2


def test_a_flood_of_pods_asks_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrich, "MOST_ASKED", 3)
    monkeypatch.setattr(enrich, "KEPT", 5)
    seen: list[int] = []

    def look(wanted: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        seen.append(len({key.rsplit("/", 1)[1] for _, key in wanted}))
        return set()

    enricher = Enricher(look)
    events = [in_pod(f"pod{number}", number, container_id=f"c{number}") for number in range(20)]
    enricher.enriched(encoded(*events), (EVERYWHERE,))
    assert seen == [3]
    assert len(enricher._pods) <= 5


def test_the_store_is_asked_for_resources_that_count(tmp_path: Path) -> None:
    from tests.server.api.rig import rig
    from tests.server.places import HOME, push

    with rig(tmp_path / "store") as made:
        made.call("scans.push", msgspec.convert(push("east", [HOME]), _push()))
        look = look_in(made.world.store.state)
        assert look([("east", HOME.key), ("west", HOME.key), ("east", "other")]) == {
            ("east", HOME.key)
        }


def _push() -> type:
    from haechi.model.push import Push

    return Push


def test_a_look_at_an_empty_store_finds_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    try:
        assert look_in(store.state)([("east", WEB)]) == set()
    finally:
        store.close()


class Followed:
    """A cluster that is followed: one pod, of a kind whose pods' names say nothing."""

    def owner_of(self, cluster: str, namespace: str, pod: str) -> enrich.Owner | None:
        if (cluster, namespace, pod) != ("east", "shop", "zx81"):
            return None
        return Named("apps", "Deployment", "shop", "web")

    def pod_of(self, cluster: str, container: str) -> tuple[str, str] | None:
        return ("shop", "zx81") if (cluster, container[:2]) == ("east", "ab") else None


class Named(NamedTuple):
    """An owner."""

    group: str
    kind: str
    namespace: str
    name: str


DECLARED = "k8s:-/apps/Deployment/shop/web"


@pytest.mark.parametrize(
    ("known", "key"),
    [((), WEB), ((WEB, DECLARED), WEB), ((DECLARED,), DECLARED)],
    ids=["no scan", "both", "declared"],
)
def test_a_followed_cluster_says_what_names_cannot(known: tuple[str, ...], key: str) -> None:
    enricher = Enricher(Known(*known), live=Followed())
    batch = enricher.enriched(encoded(in_pod("zx81")), (EVERYWHERE,))
    assert placed(batch) == [(key, "shop")]


def test_a_followed_cluster_knows_containers() -> None:
    enricher = Enricher(Known(), live=Followed())
    events = [
        execve(container_id="ab" * 6, namespace="-"),
        execve(container_id="cd" * 6, namespace="-", number=1),
    ]
    found = placed(enricher.enriched(encoded(*events), (EVERYWHERE,)))
    assert found[0] == (WEB, "shop")
    assert found[1][0] == ""


def test_whom_it_does_not_know_is_guessed_as_before() -> None:
    enricher = Enricher(Known(WEB), live=Followed())
    batch = enricher.enriched(encoded(in_pod("web-7d4b9c8f6d-x2x4z")), (EVERYWHERE,))
    assert placed(batch) == [(WEB, "shop")]
