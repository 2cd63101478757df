"""Work by the clock: waivers that end, hours that are sealed, what is too old to be kept.

A job that fails is logged, told in the health, and tried again at its next time; it never ends
the server.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

log = logging.getLogger("haechi.server.jobs")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """``work`` runs in a thread every so many seconds, first after ``first`` seconds."""

    name: str
    every: float
    work: Callable[[], object]
    first: float = 5.0


@dataclass(slots=True)
class JobState:
    """How the last runs of a job went. ``error`` is empty after one that went well."""

    last: dt.datetime | None = None
    seconds: float = 0.0
    error: str = ""
    runs: int = 0
    failures: int = 0


class Jobs:
    """The jobs of a server and how they are."""

    def __init__(self) -> None:
        self.states: dict[str, JobState] = {}

    async def run(self, jobs: Iterable[Job], clock: Callable[[], dt.datetime]) -> None:
        """Run them until this is cancelled."""
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                self.states[job.name] = JobState()
                group.create_task(self._repeated(job, clock))

    async def _repeated(self, job: Job, clock: Callable[[], dt.datetime]) -> None:
        await asyncio.sleep(job.first)
        while True:
            await self.once(job, clock)
            await asyncio.sleep(job.every)

    async def once(self, job: Job, clock: Callable[[], dt.datetime]) -> None:
        """One run."""
        state = self.states.setdefault(job.name, JobState())
        started = asyncio.get_running_loop().time()
        try:
            await asyncio.to_thread(job.work)
        except Exception as error:  # the boundary of a job
            log.exception("the job %s failed", job.name)
            state.error = f"{type(error).__name__}: {error}"[:300]
            state.failures += 1
        else:
            state.error = ""
        state.runs += 1
        state.last = clock()
        state.seconds = asyncio.get_running_loop().time() - started
