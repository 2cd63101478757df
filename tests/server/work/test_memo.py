"""Answers are made once for a key, also when many ask at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from haechi.server.work.memo import Memo


def test_answer_is_made_once_for_a_key() -> None:
    memo, made = Memo(), []
    for key in ("a", "a", "b"):
        memo.get(key, lambda key=key: made.append(key))  # type: ignore[misc]
    assert made == ["a", "b"]


def test_those_who_ask_at_once_wait_for_one_answer() -> None:
    memo, calls, started, go = Memo(), [], threading.Event(), threading.Event()

    def make() -> int:
        calls.append(1)
        started.set()
        assert go.wait(10)
        return 7

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(memo.get, "k", make)
        assert started.wait(10)
        others = [pool.submit(memo.get, "k", make) for _ in range(3)]
        go.set()
        assert [one.result(10) for one in (first, *others)] == [7, 7, 7, 7]
    assert len(calls) == 1


def test_errors_are_raised_and_not_kept() -> None:
    memo = Memo()

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        memo.get("k", fail)
    assert memo.get("k", lambda: 3) == 3


def test_oldest_goes_when_there_are_too_many() -> None:
    memo, made = Memo(most=2), []
    for key in ("a", "b", "a", "c", "b"):
        memo.get(key, lambda key=key: made.append(key))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
