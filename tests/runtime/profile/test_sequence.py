"""The model of traces: finds what is out of order, rare or in strange company, and is bounded."""

from __future__ import annotations

import random
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import InputError
from haechi.runtime.profile import sequence
from haechi.runtime.profile.sequence import SYMBOLS, Order, TraceModel

USUAL = [3, 4, 5, 6, 33, 5, 197, 6]


def normal(seed: int, number: int = 60) -> list[list[int]]:
    draw = random.Random(seed)  # noqa: S311
    return [
        [call for _ in range(draw.randint(5, 20)) for call in draw.choice((USUAL, USUAL[::2]))]
        for _ in range(number)
    ]


MODEL = TraceModel(normal(1))
STRANGE = {
    "calls in another order": random.Random(5).sample(USUAL * 10, 80),  # noqa: S311
    "calls that are never made": [*USUAL, 11, 102, 11, 120, 174] * 5,
    "mostly usual, with a part that is not": [*(USUAL * 5), *([63, 11, 54] * 8)],
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_strange_ranks_above_normal_traces(what: str) -> None:
    usual = sorted(MODEL.judge(one).score for one in normal(2))
    assert MODEL.judge(STRANGE[what]).score > usual[-3]


def test_shares_of_unseen_normal_traces_are_about_uniform() -> None:
    found = sorted(MODEL.judge(one).normal.order for one in normal(3, 200))
    assert 0.3 < found[100] < 0.7
    assert sum(one < 0.05 for one in found) < 30


@settings(max_examples=20, deadline=None)
@given(
    traces=st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=40), min_size=1, max_size=5)
)
def test_chances_after_any_context_sum_to_one(traces: list[list[int]]) -> None:
    order = Order(4)
    for trace in traces:
        order.learn(trace)
    for trace in traces:
        context = tuple(trace[:3])
        chances = [exp(-order.surprise((*context, call))) for call in range(SYMBOLS)]
        assert sum(chances) == pytest.approx(1.0)


def test_grams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "MOST_GRAMS", 500)
    order, draw = Order(6), random.Random(9)  # noqa: S311
    for _ in range(40):
        order.learn(USUAL * 3)
        order.learn([draw.randrange(300) for _ in range(100)])
        assert order.grams <= 500
        assert order.grams == sum(len(one) - 1 for table in order.after for one in table.values())
    assert order.surprise(tuple(USUAL[:6])) < order.surprise((*USUAL[:5], 299))


@pytest.mark.parametrize(
    "traces", [[], [[1, 2]] * 9, [[1]] * 20 + [[]]], ids=["none", "few", "empty"]
)
def test_too_little_to_learn_from_is_said(traces: list[list[int]]) -> None:
    with pytest.raises(InputError):
        TraceModel(traces)


def test_an_empty_trace_is_no_trace() -> None:
    with pytest.raises(InputError):
        MODEL.judge([])
