"""Clusters' past: what is read of a moment is what was there then."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.store.state.objects import Followed, ObjectChange
from haechi.store.state.state import State
from tests.store.state.made import START, Clock, open_state

POD, POLICY = "core/Pod", "networking.k8s.io/NetworkPolicy"


def minute(number: float) -> dt.datetime:
    return START + dt.timedelta(minutes=number)


def change(
    name: str, at: float, body: str = "", *, uid: str = "u", type_: str = POD
) -> ObjectChange:
    return ObjectChange(
        key=f"k8s:east/{type_}/shop/{name}",
        type=type_,
        namespace="shop",
        uid=uid,
        version=str(at),
        at=minute(at),
        body=body.encode(),
    )


def seen(state: State, at: float, *types: str) -> dict[str, str]:
    return {
        one.key.rpartition("/")[2]: one.body.decode()
        for one in state.objects.at("east", minute(at), *types)
    }


def test_a_moment_is_read_as_it_was(state: State) -> None:
    keep = state.objects.keep
    assert keep("east", [change("a", 0, "1"), change("b", 0, "1")]) == 2
    assert keep("east", [change("a", 10, "2")]) == 2
    assert keep("east", [change("b", 20)]) == 1
    assert keep("east", [change("b", 30, "3", uid="v")]) == 1
    assert seen(state, -1) == {}
    assert seen(state, 5) == {"a": "1", "b": "1"}
    assert seen(state, 10) == {"a": "2", "b": "1"}
    assert seen(state, 25) == {"a": "2"}
    assert seen(state, 99) == {"a": "2", "b": "3"}
    assert state.objects.at("west", minute(99)) == []
    assert [one.uid for one in state.objects.history("east", change("b", 0).key)] == ["v", "u"]


def test_what_is_the_same_is_not_written_again(state: State) -> None:
    assert state.objects.keep("east", [change("a", 0, "1")]) == 1
    assert state.objects.keep("east", [change("a", 5, "1"), change("a", 6, "1")]) == 0
    assert state.objects.keep("east", [change("a", 7, "1", uid="another")]) == 2
    assert state.objects.keep("east", []) == 0


def test_several_changes_of_one_object_at_once_are_kept_in_order(state: State) -> None:
    state.objects.keep(
        "east", [change("a", 0, "1"), change("a", 1, "2"), change("a", 2), change("a", 3, "4")]
    )
    assert [seen(state, at) for at in (0, 1, 2, 3)] == [{"a": "1"}, {"a": "2"}, {}, {"a": "4"}]


def test_types_and_namespaces_are_told_apart(state: State) -> None:
    state.objects.keep("east", [change("a", 0, "1"), change("p", 0, "2", type_=POLICY)])
    assert seen(state, 1, POLICY) == {"p": "2"}
    assert state.objects.at("east", minute(1), namespace="elsewhere") == []
    assert len(state.objects.at("east", minute(1), namespace="shop")) == 2


def test_what_went_while_nobody_followed_ends_with_the_next_full_read(state: State) -> None:
    state.objects.keep(
        "east", [change("a", 0, "1"), change("b", 0, "1"), change("p", 0, "1", type_=POLICY)]
    )
    there = [change("a", 0).key]
    assert state.objects.settle("east", POD, there, minute(9), namespace="elsewhere") == 0
    assert state.objects.settle("east", POD, there, minute(10)) == 1
    assert seen(state, 9.9) == {"a": "1", "b": "1", "p": "1"}
    assert seen(state, 10) == {"a": "1", "p": "1"}
    gone = change("p", 0, type_=POLICY).key
    assert state.objects.settle("east", POLICY, [], minute(11), key=gone) == 1


def test_marks_tell_what_was_followed(state: State) -> None:
    objects = state.objects
    assert objects.since("east") is None
    objects.mark("east", [Followed(type=POD, since=minute(0), until=minute(1))])
    objects.mark("east", [Followed(type=POD, since=minute(0), until=minute(5))])
    objects.mark("east", [Followed(type=POD, since=minute(20), until=minute(25))])
    assert [objects.followed("east", minute(at)) for at in (-1, 3, 10, 22)] == [
        frozenset(),
        frozenset({POD}),
        frozenset(),
        frozenset({POD}),
    ]
    assert objects.since("east") == minute(0)
    assert objects.rows("east") == 2
    assert seen(state, 3) == {}


def test_the_oldest_that_ended_is_forgotten_and_never_what_stands(
    state: State, clock: Clock
) -> None:
    for number in range(20):
        state.objects.keep("east", [change("a", number, str(number)), change("b", 0, "stands")])
    state.objects.keep("west", [change("w", 0, "1")])
    now = minute(60)
    assert state.objects.tidy(now, days=1, most=10, followed=["east", "west"]) == 11
    assert state.objects.rows("east") == 10
    assert seen(state, 19) == {"a": "19", "b": "stands"}
    assert seen(state, 3) == {"b": "stands"}
    later = now + dt.timedelta(days=2)
    state.objects.tidy(later, days=1, most=10, followed=["east"])
    assert seen(state, 19) == {"a": "19", "b": "stands"}
    assert state.objects.rows("east") == 2
    assert state.objects.at("west", clock.now + dt.timedelta(days=1)) == []


def test_bodies_are_compressed(state: State) -> None:
    from sqlalchemy import func, select

    from haechi.store.state.object_tables import kube_object

    state.objects.keep("east", [change("a", 0, "long " * 2_000)])
    with state.read() as connection:
        size = connection.execute(select(func.length(kube_object.c.body))).scalar_one()
    assert size < 200
    assert seen(state, 0) == {"a": "long " * 2_000}


NAMES, BODIES = st.sampled_from("abc"), st.sampled_from(["", "1", "2"])
BATCHES = st.lists(st.lists(st.tuples(NAMES, BODIES), min_size=1, max_size=4), max_size=8)


@given(BATCHES)
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_every_moment_equals_a_plain_replay(
    tmp_path_factory: object, batches: list[list[tuple[str, str]]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("objects")  # type: ignore[attr-defined]
    state = open_state(folder, Clock())
    try:
        known: dict[str, str] = {}
        moments: list[dict[str, str]] = []
        at = 0
        for batch in batches:
            changes = []
            for name, body in batch:
                at += 1
                changes.append(change(name, at, body))
                known = (
                    {**known, name: body} if body else {k: v for k, v in known.items() if k != name}
                )
                moments.append(known)
            state.objects.keep("east", changes)
        assert [seen(state, number + 1) for number in range(at)] == moments
    finally:
        state.close()
