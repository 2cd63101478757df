"""Feeds: counts that add up, places that are durable, dead letters that are bounded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.model.access import EVERYWHERE, Reach
from haechi.store.records import FeedCounts
from haechi.store.state.feeds import LETTERS, Heard
from haechi.store.state.state import State
from tests.store.state.made import Clock, open_state

ALL = (EVERYWHERE,)
START = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


class Still(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.at = START

    def __call__(self) -> dt.datetime:
        return self.at


@pytest.fixture
def clock() -> Still:
    return Still()


@pytest.fixture
def state(tmp_path: Path, clock: Still) -> Iterator[State]:
    made = open_state(tmp_path, clock=clock)
    yield made
    made.close()


def heard(at: dt.datetime = START, **more: Any) -> Heard:
    """One batch of Falco's."""
    given = {"cluster": "east", "id": "falco", "kind": "falco", "way": "http", "place": ""}
    return Heard(**{**given, "at": at, **more})


def test_counts_add_up_whether_written_or_not(state: State, clock: Still) -> None:
    for seconds in range(5):
        at = START + dt.timedelta(seconds=seconds)
        newest = at - dt.timedelta(seconds=2)
        state.feeds.heard(heard(at, counts=FeedCounts(accepted=2, refused=1), last_event=newest))
    clock.at = START + dt.timedelta(seconds=4)
    [one] = state.feeds.all(within=ALL)
    assert (one.counts.accepted, one.counts.refused, one.lag_s) == (10, 5, 2.0)
    assert (one.state, one.last_seen) == ("fresh", clock.at)
    state.feeds.flush()
    assert state.feeds.all(within=ALL) == [one]
    clock.at += dt.timedelta(hours=1)
    assert state.feeds.all(within=ALL)[0].state == "silent"


def test_a_followers_place_is_kept_with_its_counts(tmp_path: Path, clock: Still) -> None:
    state = open_state(tmp_path, clock=clock)
    given: dict[str, Any] = {"id": "falco:/var/log/falco", "way": "file", "place": "/var/log/falco"}
    counts = FeedCounts(accepted=3)
    state.feeds.keep(heard(**given, counts=counts, checkpoint={"inode": 7, "offset": 120}))
    state.feeds.keep(heard(**given, counts=counts))
    state.close()
    again = open_state(tmp_path, clock=clock)
    assert again.feeds.checkpoint("east", "falco:/var/log/falco") == {"inode": 7, "offset": 120}
    assert again.feeds.checkpoint("west", "falco:/var/log/falco") is None
    assert again.feeds.all(within=ALL)[0].counts.accepted == 6
    again.close()


def test_a_feed_that_cannot_be_read_says_why_until_it_goes_on(state: State) -> None:
    state.feeds.keep(heard(error="no such file"))
    assert [(one.state, one.error) for one in state.feeds.all(within=ALL)] == [
        ("failed", "no such file")
    ]
    state.feeds.keep(heard(counts=FeedCounts(accepted=1)))
    assert state.feeds.all(within=ALL)[0].state == "fresh"


def test_dead_letters_are_bounded_and_newest_first(state: State) -> None:
    for number in range(LETTERS + 30):
        state.feeds.heard(heard(letters=((f"why {number}", "{bad"),)))
    state.feeds.flush()
    state.feeds.keep(heard(cluster="west", letters=(("other", "x"),)))
    letters = state.feeds.letters(within=ALL, limit=1000)
    assert len(letters) == LETTERS + 1
    assert letters[0].why == "other"
    mine = state.feeds.letters(within=(Reach(cluster="east"),), id="falco", limit=2)
    assert [one.why for one in mine] == [f"why {LETTERS + 29}", f"why {LETTERS + 28}"]


@pytest.mark.parametrize(
    ("reach", "clusters"),
    [
        (Reach(cluster="east"), {"east"}),
        (Reach(), {"east", "west"}),
        (Reach(cluster="east", namespace="shop"), set()),
    ],
    ids=["a cluster", "everywhere", "a namespace"],
)
def test_feeds_are_told_to_who_sees_the_whole_cluster(
    state: State, reach: Reach, clusters: set[str]
) -> None:
    for cluster in ("east", "west"):
        state.feeds.keep(heard(cluster=cluster, letters=(("bad", "x"),)))
    assert {one.cluster for one in state.feeds.all(within=(reach,))} == clusters
    assert {one.cluster for one in state.feeds.letters(within=(reach,))} == clusters
