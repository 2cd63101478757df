"""Snapshots: the same profile back, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import InputError
from haechi.runtime.profile.markov import MOST_COUNT
from haechi.runtime.profile.profile import Profile
from haechi.runtime.profile.profiles import Profiles
from haechi.runtime.profile.snapshot import LARGEST, dumped, loaded
from tests.runtime.profile.doings import HABITS, START, Clock, fresh, learnt, opened, started

NOW = START + 30 * 3600


def one_profile() -> Profile:
    profiles, clock = fresh()
    learnt(profiles, clock)
    return profiles.all()[0]


DATA = dumped(one_profile())


def test_a_profile_comes_back_as_it_was() -> None:
    before = one_profile()
    after = loaded(dumped(before), HABITS, NOW)
    assert after.workload == before.workload
    assert (after.events, after.state, after.since) == (before.events, before.state, before.since)
    assert dumped(after) == dumped(before)
    assert not after.changed


def test_what_it_says_is_the_same_after_a_restart() -> None:
    before, clock = fresh()
    learnt(before, clock)
    after = Profiles(HABITS, clock)
    after.restore([loaded(dumped(one), HABITS, clock.at) for one in before.all()])
    for event in (started("/bin/nc"), opened("/etc/shadow"), opened("/etc/hosts")):
        mine, its = after.explain(event), before.explain(event)
        assert mine is not None
        assert its is not None
        assert mine.behaviour == pytest.approx(its.behaviour)
        assert mine.score == pytest.approx(its.score)
        assert mine.why == its.why


def test_what_waits_to_be_learnt_goes_on_waiting() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    profiles.observe(started("/bin/nc"))
    after = loaded(dumped(profiles.all()[0]), HABITS, NOW)
    assert "/bin/nc" in after.families[0].waiting
    assert "/bin/nc" not in after.families[0].cells


def changed(path: tuple[Any, ...], value: Any) -> bytes:
    """The snapshot with one value replaced."""
    document = msgspec.msgpack.decode(DATA, strict=False)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return msgspec.msgpack.encode(document)


CELL = (1.0, 1, 1.0, 1.0)
HOSTILE = {
    "another version": changed(("version",), 2),
    "an unknown field": changed(("more",), 1),
    "a time in the future": changed(("grown",), NOW + 1e7),
    "a time that is none": changed(("last",), float("nan")),
    "an endless unit": changed(("unit",), float("inf")),
    "a unit below one": changed(("unit",), 0.0),
    "events below none": changed(("events",), -1),
    "a name too long": changed(("workload", 4), "x" * 5_000),
    "too many nodes": changed(("nodes",), [str(n) for n in range(40)]),
    "a family missing": changed(("families",), {}),
    "too many values": changed(("families", "port", 3), {str(n): CELL for n in range(65)}),
    "too much that waits": changed(("families", "port", 4), {str(n): CELL for n in range(65)}),
    "a value too long": changed(("families", "file", 3), {"x" * 600: CELL}),
    "a weight that is none": changed(("families", "file", 3), {"x": (float("nan"), 1, 1.0, 1.0)}),
    "a weight below none": changed(("families", "file", 0), -5.0),
    "a count below none": changed(("families", "file", 3), {"x": (1.0, -1, 1.0, 1.0)}),
    "a bin that is none": changed(("kinds", 0), [{999: 1.0}]),
    "scores of too few kinds": changed(("kinds",), []),
    "a context out of range": changed(("contexts",), {1 << 30: {-1: 1, 2: 1}}),
    "counts that do not add up": changed(("contexts",), {5: {-1: 9, 2: 1}}),
    "counts without a sum": changed(("contexts",), {5: {2: 1}}),
    "counts too large": changed(("contexts",), {5: {-1: MOST_COUNT + 1, 2: MOST_COUNT + 1}}),
    "a symbol out of range": changed(("contexts",), {5: {-1: 1, 99: 1}}),
    "too long": b"\0" * (LARGEST + 1),
    "nothing": b"",
    "other bytes": b"\xc1\xff",
    "cut": DATA[: len(DATA) // 2],
    "deep": b"\x91" * 100_000,
}  # fmt: skip


def test_the_snapshot_that_is_changed_is_a_good_one() -> None:
    assert loaded(changed(("version",), 1), HABITS, NOW).events == 800


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_snapshot_is_refused(what: str) -> None:
    with pytest.raises(InputError):
        loaded(HOSTILE[what], HABITS, NOW)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(DATA) - 1), bytes_=st.binary(min_size=1, max_size=4))
def test_a_damaged_snapshot_is_refused_or_a_profile_that_works(place: int, bytes_: bytes) -> None:
    data = DATA[:place] + bytes_ + DATA[place + len(bytes_) :]
    try:
        profile = loaded(data, HABITS, NOW)
    except InputError:
        return
    clock = Clock()
    clock.at = NOW
    profiles = Profiles(HABITS, clock)
    profiles.restore([profile])
    look = profiles.observe(opened("/etc/shadow", cluster=profile.workload.cluster))
    assert look is not None
    profiles.tell(look)
    for one in profiles.all():
        loaded(dumped(one), HABITS, NOW)
