"""The order of events: learnt, smoothed, bounded."""

from __future__ import annotations

import random
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.runtime.profile.markov import MOST_CONTEXTS, MOST_COUNT, SYMBOLS, Chain


def taught(symbols: list[int]) -> Chain:
    chain, context = Chain(), 0
    for symbol in symbols:
        chain.step(context, symbol, learn=True)
        context = Chain.after(context, symbol)
    chain.settle()
    for _ in range(1_000):  # what had no order is looked at again later
        if chain.step(0, 0, learn=False) >= 0:
            break
    return chain


def after(*symbols: int) -> int:
    context = 0
    for symbol in symbols:
        context = Chain.after(context, symbol)
    return context


def test_what_always_follows_is_no_surprise() -> None:
    chain = taught([1, 2, 3, 4] * 200)
    usual = chain.step(after(1, 2, 3), 4, learn=False)
    other = chain.step(after(1, 2, 3), 2, learn=False)
    never = chain.step(after(1, 2, 3), 9, learn=False)
    assert usual < 0.05
    assert usual < other < never


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), kinds=st.integers(1, SYMBOLS), length=st.integers(0, 600))
def test_probabilities_sum_to_one_after_any_context(seed: int, kinds: int, length: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    chain = taught([draw.randrange(kinds) for _ in range(length)])
    context = draw.randrange(1 << 18)
    chances = [exp(-chain.step(context, one, learn=False)) for one in range(SYMBOLS)]
    assert sum(chances) == pytest.approx(1.0)


def test_contexts_and_counts_are_bounded() -> None:
    draw = random.Random(3)  # noqa: S311
    chain = taught([draw.randrange(SYMBOLS) for _ in range(20_000)] + [5] * 50_000)
    assert len(chain.contexts) <= MOST_CONTEXTS
    for counts in chain.contexts.values():
        assert 0 < counts[-1] <= MOST_COUNT
        assert counts[-1] == sum(n for symbol, n in counts.items() if symbol >= 0)


def test_a_frozen_chain_learns_nothing() -> None:
    chain = taught([1, 2] * 100)
    before = {key: dict(counts) for key, counts in chain.contexts.items()}
    for symbol in (7, 8, 9) * 200:
        chain.step(after(1, 2, 1), symbol, learn=False)
    chain.settle()
    assert chain.contexts == before


def test_what_has_no_order_is_passed_over_for_a_while_and_then_looked_at_again() -> None:
    draw = random.Random(8)  # noqa: S311
    chain, context, looked = Chain(), 0, 0
    for _ in range(20_000):
        symbol = draw.randrange(SYMBOLS)
        looked += chain.step(context, symbol, learn=True) >= 0
        context = Chain.after(context, symbol)
    assert 4_000 < looked < 8_000
