"""The server's own advisories: imported in a process of its own, asked by pushes, and what follows
from new ones.

An import reads what strangers wrote (archives, JSON, YAML), so it runs as ``haechi db import`` in a
child with limits of memory, time and file size; the database that it leaves is a new file in the
place of the old one. Nothing goes to the network unless the settings name a source that is there.
A source that does not answer is a state with its beginning, told by status, health and metrics:
what is known of it goes on to count, and grows old.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.errors import HaechiError, NotFound, StoreError
from haechi.server.work.advisories_child import Child, Result
from haechi.store.dependency_records import ImportState
from haechi.store.state.advisories import Waiting

if TYPE_CHECKING:
    from haechi.server.work.bills_judged import Judge
    from haechi.server.world import World

log = logging.getLogger("haechi.server.advisories")
CONFIGURED = "settings"
"""Who asks for imports of configured sources."""
_NOW = "now"
"""The folder below ``incoming`` whose file is being imported: a file of the same name has the same
place each time, by which the database knows that it replaces what it brought before."""
_LOOK = 60.0
_RETRY = dt.timedelta(minutes=15)


class Advising:
    """One per world. Without a database every answer is "nothing is known"."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._judge: tuple[object, Judge] | None = None
        self._newest: tuple[object, str, int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Event | None = None
        self._child: Child | None = None
        self._stopping = threading.Event()
        self._followed: dt.datetime | None = None
        self.fault = ""
        self.asked: dict[str, dt.datetime] = {}

    @contextlib.contextmanager
    def judge(self, world: World) -> Iterator[Judge | None]:
        """Who judges packages, for one thread; None without a database. One stays open; where it
        is busy another is opened. Raises StoreError when the database is damaged."""
        path = world.store.folder.advisories_db
        if self._lock.acquire(blocking=False):
            try:
                yield self._current(path)
            finally:
                self._lock.release()
            return
        judge = _opened(path)
        try:
            yield judge
        finally:
            if judge is not None:
                judge.database.close()

    def _current(self, path: Path) -> Judge | None:
        mark = _mark(path)
        if mark is None:
            self._forget()
            return None
        if self._judge is None or self._judge[0] != mark:
            self._forget()
            judge = _opened(path)
            if judge is None:
                return None
            self._judge = (mark, judge)
        return self._judge[1]

    def _forget(self) -> None:
        if self._judge is not None:
            self._judge[1].database.close()
            self._judge = None

    def wake(self) -> None:
        """There is something to do; from any thread."""
        if self._loop is not None and self._news is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._news.set)

    async def run(self, world: World) -> None:
        """Import and judge again until this is cancelled."""
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        sources = world.settings.advisories.sources
        await asyncio.to_thread(self._begun, world)
        try:
            while True:
                self._news.clear()
                await self._worked(world)
                with contextlib.suppress(TimeoutError):
                    wait = _LOOK if sources else 3600.0
                    await asyncio.wait_for(self._news.wait(), timeout=wait)
        finally:
            self._stop()

    async def _worked(self, world: World) -> None:
        """One round in a thread; a stop waits until it has let go of the store."""
        round_ = asyncio.ensure_future(asyncio.to_thread(self.round, world))
        try:
            await asyncio.shield(round_)
        except asyncio.CancelledError:
            self._stop()
            await asyncio.wait({round_})
            raise

    def _begun(self, world: World) -> None:
        records = world.store.state.advisories
        records.configured(world.settings.advisories.sources)
        waiting = {Path(one).parts[0] for one in records.files()}
        for left in world.store.folder.incoming.iterdir():
            if left.name not in (*waiting, _NOW) and _is_older(left, world.started):
                _removed(left)

    def _stop(self) -> None:
        self._stopping.set()
        child = self._child
        if child is not None:
            child.kill()

    def round(self, world: World) -> None:
        """Everything that is to be done now. Its faults are told and do not end it."""
        try:
            self._ask_sources(world)
            while not self._stopping.is_set():
                waiting = world.store.state.advisories.next()
                if waiting is None:
                    break
                self._import(world, waiting)
            self.follow_waivers(world)
            self.reevaluate(world)
            self.fault = ""
        except HaechiError as error:
            if not self._stopping.is_set():
                self.fault = error.explain()[:500]
                log.exception("advisories could not be tended")
        except Exception as error:  # the boundary of a round: the next one tries again
            if not self._stopping.is_set():
                self.fault = f"{type(error).__name__}: {error}"[:500]
                log.exception("advisories could not be tended")

    def _ask_sources(self, world: World) -> None:
        settings, now = world.settings.advisories, world.clock()
        records = world.store.state.advisories
        if not settings.sources:
            return
        known = {one.place: one for one in records.sources()}
        for place in dict.fromkeys(settings.sources):
            one = known.get(place)
            every = dt.timedelta(hours=settings.every_hours)
            if one is not None and one.state == "failed":
                every = min(every, _RETRY)
            last = self.asked.get(place) or (one.last if one is not None else None)
            if last is None or now - last >= every:
                self.asked[place] = now
                records.ask(place, by=CONFIGURED)

    def _import(self, world: World, waiting: Waiting) -> None:
        folder = world.store.folder
        path, named = None, waiting.place
        if waiting.file:
            path = folder.incoming / waiting.file
            if not path.exists():
                path = folder.incoming / _NOW / Path(*Path(waiting.file).parts[1:])
            if not path.exists():
                error = "the file is gone: send it again"
                world.store.state.advisories.done(waiting.id, ImportState.REFUSED, error=error)
                return
            path = _moved(path, folder.incoming / _NOW, Path(*Path(waiting.file).parts[1:]))
            named = str(path)
        self._child = Child(folder.advisories_db, named, waiting.covers)
        try:
            result = self._child.run()
        finally:
            self._child = None
        if self._stopping.is_set() and result.state is ImportState.REFUSED:
            return  # it is taken up at the next start
        self._told(world, waiting, result)
        if path is not None:
            _removed(folder.incoming / _NOW)
            _removed(folder.incoming / Path(waiting.file).parts[0])

    def _told(self, world: World, waiting: Waiting, result: Result) -> None:
        records = world.store.state.advisories
        records.done(
            waiting.id,
            result.state,
            generation=result.generation,
            records=result.records,
            changed=result.changed,
            error=result.error,
        )
        log.info("import of %s: %s %s", waiting.place, result.state.value, result.error)
        if not waiting.file:
            failed = result.state is ImportState.REFUSED
            records.heard(waiting.place, (result.error or "it gave nothing") if failed else "")
        world.metrics.count("haechi_advisory_imports_total", result.state.value)

    def follow_waivers(self, world: World) -> int:
        """Propose anew where findings were accepted or opened again; how many repositories."""
        from haechi.server.work.proposals_again import AT_START, OVERLAP, follow_waivers

        now = world.clock()
        since = self._followed - OVERLAP if self._followed else now - AT_START
        stopping = self._stopping.is_set
        try:
            with self.judge(world) as judge:
                done = follow_waivers(world, judge, since, stopping)
        except StoreError as error:
            log.warning("proposals are chosen without advisories: %s", error.explain())
            done = follow_waivers(world, None, since, stopping)
        self._followed = self._followed if stopping() else now
        return done

    def reevaluate(
        self, world: World, stopping: Callable[[], bool] | None = None
    ) -> dict[str, int]:
        """Judge stored SBOMs by the newest advisories; what changed."""
        path = world.store.folder.advisories_db
        mark = _mark(path)
        if mark is None or self._is_done(world, mark):
            return {}
        judge = _opened(path)
        if judge is None:
            return {}
        from haechi.server.work.advisories_reevaluated import reevaluate

        try:
            changes = reevaluate(world, judge, stopping or self._stopping.is_set)
            self._newest = mark, judge.database.identity, judge.database.generation
            return changes
        finally:
            judge.database.close()

    def _is_done(self, world: World, mark: object) -> bool:
        """Whether all SBOMs were judged by this very file: every push asks, and to open it is to
        read it whole."""
        if self._newest is None or self._newest[0] != mark:
            return False
        return not world.store.state.bills.behind(*self._newest[1:])


def _mark(path: Path) -> object:
    """By which a file is known to be the same; None when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _opened(path: Path) -> Judge | None:
    if not path.exists():
        return None
    from haechi.server.work.bills_judged import Judge
    from haechi.world.advisories.reading import Advisories

    try:
        return Judge(Advisories.open(path))
    except NotFound:
        return None


def _moved(path: Path, folder: Path, name: Path) -> Path:
    target = folder / name
    if path != target:
        _removed(folder)
        target.parent.mkdir(parents=True, mode=0o700)
        path.replace(target)
    return target


def _is_older(path: Path, moment: dt.datetime) -> bool:
    """Requests are answered already: what comes now is no leftover."""
    try:
        return path.stat().st_mtime < moment.timestamp() - 1
    except OSError:
        return False


def _removed(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


async def keep_advisories(world: World) -> None:
    """The task beside the server."""
    await world.advising.run(world)
