"""Decisions in the store: each batch once, counts, what is forgotten."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import NotFound, UsageError
from haechi.model.access import EVERYWHERE, Reach
from haechi.model.admission import Family, PolicyFault, PolicyInfo
from haechi.model.decision_record import (
    LATENCY_BOUNDS_US,
    SCHEMA,
    DecisionBatch,
    DecisionRecord,
    Latency,
    Outcome,
    RecordedVerdict,
    Tally,
    WebhookState,
)
from haechi.store.state.admission_counts import minute_of
from haechi.store.state.admission_records import DecisionFilter
from haechi.store.state.state import State
from tests.server.api.rig import START, Clock
from tests.store.state.made import open_state

ALL = (EVERYWHERE,)
SHOP = (Reach(cluster="east", namespace="shop"),)
NOW_NS = int(START.timestamp() * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path, clock: Clock) -> Iterator[State]:
    made = State(tmp_path / "state.db", backups=tmp_path, clock=clock)
    yield made
    made.close()


def record(uid: str, **more: Any) -> DecisionRecord:
    given: dict[str, Any] = {
        "uid": uid,
        "at_ns": NOW_NS,
        "operation": "CREATE",
        "kind": "Pod",
        "namespace": "shop",
        "name": uid,
        "user": "ann",
        "allowed": False,
        "outcome": Outcome.DENIED,
        "message": f"no {uid}",
        "verdicts": (RecordedVerdict(policy="p", state="fail"),),
    }
    return DecisionRecord(**{**given, **more})


def batch(*records: DecisionRecord, number: int = 1, **more: Any) -> DecisionBatch:
    given: dict[str, Any] = {"replica": "a", "run": "r", "state": WebhookState(ready=True)}
    return DecisionBatch(schema=SCHEMA, number=number, records=records, **{**given, **more})


def ids(state: State, within: tuple[Reach, ...] = ALL, **ask: Any) -> list[str]:
    page = state.decisions.page(DecisionFilter(**ask), within=within)
    return [one.uid for one in page.items]


def test_a_batch_counts_once(state: State) -> None:
    tally = Tally(minute=minute_of(START), namespace="shop", outcome=Outcome.DENIED, count=3)
    one = batch(record("1"), tallies=(tally,))
    assert state.decisions.take(one, "east")
    assert not state.decisions.take(one, "east")
    assert state.decisions.take(batch(record("1"), number=2), "east")
    assert ids(state) == ["1"]
    assert counted(state) == {"denied": 3}
    assert state.decisions.take(batch(run="another", number=0, tallies=(tally,)), "east")
    assert state.decisions.take(batch(replica="b", tallies=(tally,)), "east")
    assert counted(state) == {"denied": 9}


def counted(state: State, within: tuple[Reach, ...] = ALL) -> dict[str, int]:
    hour = dt.timedelta(hours=1)
    found = state.admissions.counted(START - hour, START + hour, step=1, within=within)
    sums: dict[str, int] = {}
    for (_, word), number in found.points.items():
        sums[word] = sums.get(word, 0) + number
    return sums


FILTERS = [
    ({"namespace": ["pay"]}, ["pay"]),
    ({"outcome": ["warned"]}, ["warned"]),
    ({"policy": ["q"]}, ["q"]),
    ({"allowed": True}, ["warned"]),
    ({"operation": ["DELETE"]}, ["gone"]),
    ({"user": "bob"}, ["bob"]),
    ({"text": "NO bob"}, ["bob"]),
    ({"kind": ["Service"]}, ["svc"]),
    ({"cluster": ["west"]}, []),
    ({"since": START + dt.timedelta(minutes=1)}, ["late"]),
    ({"until": START}, []),
]


@pytest.mark.parametrize(("ask", "expected"), FILTERS, ids=[str(one[0]) for one in FILTERS])
def test_decisions_are_filtered(state: State, ask: dict[str, Any], expected: list[str]) -> None:
    records = [
        record("pay", namespace="pay"),
        record("warned", allowed=True, outcome=Outcome.WARNED),
        record("q", verdicts=(RecordedVerdict(policy="q", state="fail"),)),
        record("gone", operation="DELETE"),
        record("bob", user="bob"),
        record("svc", kind="Service"),
        record("late", at_ns=NOW_NS + 120 * 10**9),
    ]
    state.decisions.take(batch(*records), "east")
    assert ids(state, **ask) == expected


def test_pages_follow_each_other_within_reach(state: State) -> None:
    records = [
        record(str(n), at_ns=NOW_NS + n * 1000, namespace="shop" if n % 2 else "pay")
        for n in range(10)
    ]
    state.decisions.take(batch(*records), "east")
    ask = DecisionFilter()
    first = state.decisions.page(ask, within=SHOP, limit=3)
    assert [one.uid for one in first.items] == ["9", "7", "5"]
    second = state.decisions.page(ask, within=SHOP, limit=3, cursor=first.next)
    assert [one.uid for one in second.items] == ["3", "1"]
    assert second.next is None
    with pytest.raises(UsageError, match="cursor"):
        state.decisions.page(ask, within=ALL, cursor=first.next)
    assert len(list(state.decisions.each(ask, within=ALL))) == 10
    foreign = state.decisions.page(ask, within=ALL, limit=1, cursor=None).items[0]
    assert foreign.namespace == "shop"
    with pytest.raises(NotFound):
        pay = state.decisions.page(DecisionFilter(namespace=["pay"]), within=ALL).items[0]
        state.decisions.show(pay.id, within=SHOP)


def test_a_request_that_comes_again_is_kept_once(state: State) -> None:
    for number in range(3):
        state.decisions.take(batch(record(str(number), review=b"body"), number=number + 1), "east")
    [kept] = state.decisions.reviews(cluster="east", since=START, within=ALL)
    assert (kept.count, kept.body, kept.namespace) == (3, b"body", "shop")
    assert state.decisions.recorded(within=ALL) == 1
    assert state.decisions.recorded(within=(Reach(namespace="pay"),)) == 0
    one = state.decisions.page(DecisionFilter(), within=ALL).items[0]
    assert one.recorded
    assert state.decisions.show(one.id, within=ALL)[2:] == (b"body", "")


def test_what_is_old_or_too_much_is_forgotten(state: State, clock: Clock) -> None:
    day = dt.timedelta(days=1)
    state.decisions.take(batch(record("old", review=b"o" * 10)), "east")
    clock.pass_(20 * day)
    at = NOW_NS + 20 * 86_400 * 10**9
    fine = {"allowed": True, "outcome": Outcome.ALLOWED, "sampled": True, "verdicts": ()}
    state.decisions.take(
        batch(
            record("plain", at_ns=at, review=b"p" * 10, **fine),
            record("denied", at_ns=at, review=b"d" * 10),
            number=2,
        ),
        "east",
    )

    def tidy(days: int = 30, most: int = 100, **more: int) -> None:
        limits = {"review_days": 90, "review_bytes": 10**6, **more}
        state.decisions.tidy(clock(), days=days, most=most, **limits)

    tidy(days=10)
    assert sorted(ids(state)) == ["denied", "plain"]
    tidy(most=1)
    assert ids(state) == ["denied"]
    assert state.decisions.recorded(within=ALL) == 3
    tidy(review_days=10)
    assert state.decisions.recorded(within=ALL) == 2
    tidy(review_bytes=15)
    assert state.decisions.recorded(within=ALL) == 1


def test_minutes_become_hours_and_nothing_is_lost(state: State, clock: Clock) -> None:
    minute = minute_of(START)
    buckets = (1, *([0] * len(LATENCY_BOUNDS_US)))
    for number in range(4):
        state.decisions.take(
            batch(
                number=number,
                tallies=tuple(
                    Tally(
                        minute=minute + number * 7,
                        policy=policy,
                        namespace="shop",
                        outcome=Outcome.DENIED,
                        count=2,
                    )
                    for policy in ("", "p")
                ),
                latencies=(Latency(minute=minute + number * 7, buckets=buckets, sum_us=5),),
            ),
            "east",
        )
    clock.pass_(dt.timedelta(days=3))
    state.decisions.tidy(clock(), days=30, most=9, review_days=1, review_bytes=1 << 20)
    assert counted(state) == {"denied": 8}
    hour = dt.timedelta(hours=1)
    found = state.admissions.counted(START, START + hour, step=60, within=ALL)
    assert list(found.points) == [(minute // 60 * 60, "denied")]
    assert found.policies == {("east", "p"): {"denied": 8}}
    assert state.admissions.latency(START, START + hour, within=ALL) == ([4, *buckets[1:]], 20)
    assert state.admissions.latency(START, START + hour, within=SHOP)[1] == 0


def test_webhooks_are_known_and_silent_ones_told(state: State, clock: Clock) -> None:
    info = PolicyInfo(id="a/b", family=Family.RULES, name="b", title="B")
    fault = PolicyFault(kind="unbound", what="nobody binds it", policy="a/b")
    told = WebhookState(ready=False, why="no certificate", policies=(info,), faults=(fault,))
    state.decisions.take(batch(state=told), "east")
    [hook] = state.admissions.webhooks(clock(), within=ALL)
    assert (hook.ready, hook.why, hook.silent) == (False, "no certificate", False)
    clock.pass_(dt.timedelta(minutes=10))
    assert state.admissions.webhooks(clock(), within=ALL)[0].silent
    assert state.admissions.webhooks(clock(), within=SHOP) == []
    [policy] = state.policies.all(within=SHOP)
    assert (policy.info, policy.origins[0].source) == (info, "webhook")
    assert [one.fault for one in state.policies.faults(within=SHOP)] == [fault]
    assert state.policies.all(within=(Reach(cluster="west"),)) == []
    state.decisions.take(batch(number=2, state=WebhookState(ready=True)), "east")
    assert len(state.policies.all(within=ALL)) == 1, "a heartbeat without a list changes nothing"
    empty = WebhookState(ready=True, policies=(), faults=())
    state.decisions.take(batch(number=3, state=empty), "east")
    assert state.policies.all(within=ALL) == []


def test_hostile_texts_are_kept_fit(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    odd = record("\0x", message="m\0", name="n" * 400, user="u\ud800")
    state.decisions.take(batch(odd), "ea\0st")
    [one] = state.decisions.page(DecisionFilter(), within=ALL).items
    assert "\0" not in one.uid + one.message + one.cluster
    state.close()
