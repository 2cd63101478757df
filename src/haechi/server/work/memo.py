"""Answers kept until what they were made of changes: the first screen is asked for by every
open page at once.

A key holds everything that the answer depends on (the store's generation, the caller's reach,
the minute), so nothing has to be thrown away by hand; the oldest go when there are too many.
Whoever asks for what is just being made waits for it instead of making it again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 64


class Memo:
    """A bounded memory of answers, shared by the handlers' threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The kept answer, or what ``make`` gives; its errors are raised and not kept."""
        with self._lock:
            future = self._kept.get(key)
            mine = future is None
            if future is None:
                future = self._kept[key] = Future()
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
        if mine:
            self._make(key, future, make)
        answer: T = future.result()
        return answer

    def _make(self, key: Hashable, future: Future[Any], make: Callable[[], Any]) -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            with self._lock:
                if self._kept.get(key) is future:
                    del self._kept[key]
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise
