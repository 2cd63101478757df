"""Quantiles: right on held-out scores of the same kind, careful where little is known."""

from __future__ import annotations

import random

import pytest

from haechi.runtime.profile.quantile import BINS, WIDTH, Quantiles, bin_of, quantile


def fed(scores: list[float]) -> Quantiles:
    """Each score in a window of its own."""
    found = Quantiles()
    for window, score in enumerate(scores):
        found.add(bin_of(score), 1.0, window)
    return found


def drawn(seed: int, number: int) -> list[float]:
    draw = random.Random(seed)  # noqa: S311
    return [min(39.0, draw.gammavariate(3.0, 3.0)) for _ in range(number)]


@pytest.mark.parametrize("seed", range(5))
def test_held_out_scores_are_uniform(seed: int) -> None:
    known = fed(drawn(seed, 5_000))
    found = sorted(quantile(known, [known], one, 1.0) for one in drawn(seed + 100, 2_000))
    for part in (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99):
        assert found[int(part * len(found))] == pytest.approx(part, abs=0.04)


def test_a_score_above_all_is_told_no_surer_than_what_was_seen() -> None:
    for number in (1, 10, 1_000):
        known = fed([1.0] * number)
        assert quantile(known, [known], 39.0, 1.0) == pytest.approx(number / (number + 1))


def test_equal_scores_are_ordinary() -> None:
    known = fed([5.0] * 1_000)
    assert quantile(known, [known], 5.0, 1.0) == pytest.approx(0.5, abs=0.01)


def test_where_a_kind_has_few_scores_the_others_stand_in() -> None:
    busy, bare = fed([1.0] * 1_000), Quantiles()
    assert quantile(bare, [busy, bare], 20.0, 1.0) > 0.9
    assert quantile(bare, [bare], 20.0, 1.0) == 0.0


def test_a_kind_of_event_that_never_came_is_rare_as_such() -> None:
    busy, bare = fed([1.0] * 1_000), Quantiles()
    assert quantile(bare, [busy, bare], 0.5, 1.0) > 0.9


def test_a_burst_does_not_become_usual() -> None:
    known = fed([1.0] * 10_000)
    for _ in range(10_000):
        known.add(bin_of(30.0), 1.0, 10_001)
    assert quantile(known, [known], 30.0, 1.0) > 0.98


@pytest.mark.parametrize("score", [-1.0, 0.0, BINS * WIDTH, 1e9])
def test_every_score_has_a_bin(score: float) -> None:
    assert 0 <= bin_of(score) < BINS
