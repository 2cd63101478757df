"""Threads for what waits for the store: few, with a bounded queue and a deadline for each call.

A call whose time is up is answered, but its thread goes on until the call ends: a thread cannot
be stopped. It keeps its place in the count until then, so calls that hang fill the queue and
new ones are refused instead of starting threads without end.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from haechi.errors import StoreBusy
from haechi.server.problems import Refusal

T = TypeVar("T")


class Workers:
    """``threads`` calls at a time, ``waiting`` more in the queue."""

    def __init__(self, threads: int, waiting: int, *, name: str = "request") -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"haechi-{name}")
        self._most = threads + waiting
        self._busy = 0
        self.late = 0

    @property
    def busy(self) -> int:
        """Calls that run or wait."""
        return self._busy

    async def run(self, work: Callable[[], T], seconds: float) -> T:
        """What ``work`` gives. Raises StoreBusy when the queue is full, Refusal 503 after so many
        seconds, and whatever ``work`` raises."""
        if self._busy >= self._most:
            raise StoreBusy("the server has as many requests as it can hold")
        loop = asyncio.get_running_loop()
        self._busy += 1
        future = self._pool.submit(contextvars.copy_context().run, work)
        future.add_done_callback(lambda _: self._told(loop))
        return await self.within(future, seconds)

    async def within(self, future: Future[T], seconds: float) -> T:
        """The result of a future of another thread, or Refusal 503 when it takes too long."""
        waiting = asyncio.wrap_future(future)
        done, _ = await asyncio.wait({waiting}, timeout=seconds)
        if done:
            return waiting.result()
        self.late += 1
        waiting.cancel()  # also the call itself, if it has not begun
        raise Refusal(
            503,
            f"it took longer than {seconds:g} s",
            do="ask for less at a time; a change may have been made all the same: look first",
            headers={"Retry-After": "5"},
        )

    def _told(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._ended)
        except RuntimeError:  # the loop has ended: nobody counts any more
            return

    def _ended(self) -> None:
        self._busy -= 1

    def close(self, *, wait: bool) -> None:
        """Take no more calls; with ``wait``, until the running ones have ended."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


class Places:
    """A count of things at a time, without a queue."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self.taken = 0

    def __enter__(self) -> None:
        if self.taken >= self._most:
            raise StoreBusy(f"{self._most} {self._what} run already", do="try again soon")
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        self.taken -= 1
