"""Counts: what is frequent is ordinary, what fades, what floods, and what waits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.runtime.profile.frequency import COUNTED, Frequencies


def filled(counts: dict[str, int], most: int = 50) -> Frequencies:
    """Each thing seen so often, one in each window."""
    found = Frequencies(most)
    window = 0
    for value, count in counts.items():
        for _ in range(count):
            window += 1
            found.learn(value, 1.0, float(window), window, patient=False)
    return found


def test_what_was_seen_less_is_rarer_and_what_is_new_is_rarest() -> None:
    found = filled({"often": 500, "now and then": 20, "once": 1})
    order = [found.rarity(one, 1.0) for one in ("often", "now and then", "once", "never")]
    assert order == sorted(order)
    assert order[0] < 0.2
    assert order[-1] > 4


def test_where_new_things_come_all_the_time_one_more_says_little() -> None:
    steady = filled({"a": 500}, most=1_000)
    restless = filled({"a": 250, **{f"tmp{n}": 1 for n in range(250)}}, most=1_000)
    assert steady.rarity("new", 1.0) > 5
    assert restless.rarity("new", 1.0) < 1.5


def test_one_window_cannot_teach_more_than_its_share() -> None:
    found = filled({"usual": 200})
    for _ in range(100_000):
        found.learn("burst", 1.0, 1_000.0, 1_000, patient=False)
    assert found.cells["burst"][0] == COUNTED
    assert found.count == 100_200
    assert found.rarity("burst", 1.0) > 2


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.text(max_size=40), max_size=300), patient=st.booleans())
def test_memory_is_bounded_whatever_comes(values: list[str], patient: bool) -> None:
    found = Frequencies(16)
    for window, value in enumerate(values):
        found.learn(value, 1.0, float(window), window // 5, patient=patient)
        found.settle(1.0, float(window - 20), window // 5)
        assert len(found.cells) <= 16
        assert len(found.waiting) <= 16
        assert 0 <= found.rarity(value, 1.0) < 50
    assert found.total >= 0


def test_a_flood_pushes_out_what_was_seen_least() -> None:
    found = filled({"usual": 300, "old habit": 40}, most=32)
    for number in range(5_000):
        found.learn(f"flood{number}", 1.0, 1_000.0 + number, 1_000 + number, patient=False)
    assert {"usual", "old habit"} <= set(found.cells)
    assert len(found.cells) <= 32


@given(st.lists(st.floats(min_value=1.0, max_value=50.0), min_size=2, max_size=20))
@settings(deadline=None)
def test_what_is_not_seen_again_only_fades(units: list[float]) -> None:
    """The unit only grows; a thing that stays away gets rarer against one that does not, with
    every window, and in the end it is as rare as what is new."""
    found = filled({"habit": 30, "other": 30})
    unit, last = 1.0, 1.0
    for window, factor in enumerate(units, 100):
        unit *= factor
        found.learn("other", unit, float(window), window, patient=False)
        share = found.cells["habit"][0] / found.total
        assert share < last
        last = share
    found.learn("other", unit * 2**60, 1_000.0, 1_000, patient=False)
    unit *= 2**60
    assert found.rarity("habit", unit) == pytest.approx(found.rarity("new", unit))


def test_scaling_changes_no_rarity() -> None:
    found = filled({"a": 30, "b": 3})
    before = [found.rarity(one, 1.0) for one in "abc"]
    found.scale(1 / 64)
    assert [found.rarity(one, 1 / 64) for one in "abc"] == pytest.approx(before)


def test_what_is_new_waits_and_stays_new_until_it_is_settled() -> None:
    found = filled({"usual": 200})
    first = found.rarity("new", 1.0)
    for _ in range(1_000):
        found.learn("new", 1.0, 500.0, 500, patient=True)
        assert found.rarity("new", 1.0) == first
    found.note("new", 7.0)
    assert found.settle(1.0, 400.0, 501) == []
    assert found.settle(1.0, 500.0, 501) == [7.0]
    assert found.rarity("new", 1.0) < first
    assert found.cells["new"][0] == COUNTED


def test_what_came_shortly_before_an_incident_is_forgotten() -> None:
    found = filled({"usual": 200})
    total = found.total
    found.learn("attack", 1.0, 1_000.0, 1_000, patient=False)
    found.learn("waits", 1.0, 1_000.0, 1_000, patient=True)
    assert found.forget_since(900.0) == 2
    assert "attack" not in found.cells
    assert not found.waiting
    assert found.total == total
