"""Watch: changes after a version as a stream, with bookmarks, until its time is over."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tests.fakes.apiserver import status
from tests.fakes.apiserver.reading import version_of, wanted
from tests.fakes.apiserver.request import Request, Target
from tests.fakes.apiserver.storage import Change, Compacted
from tests.fakes.apiserver.tables import View
from tests.fakes.apiserver.world import World

Json = dict[str, Any]
_BEFORE_END = 2.0  # the server's last bookmark comes this long before the time is over


class Watcher:
    """Makes the streams. `bookmark_every` is about a minute on a real server."""

    def __init__(self, world: World, *, bookmark_every: float) -> None:
        self.world, self.bookmark_every = world, bookmark_every
        self._asked = 0

    def bookmark(self) -> None:
        """Send every watcher that allows bookmarks one now."""
        with self.world.store.changed:
            self._asked += 1
            self.world.store.changed.notify_all()

    def open(self, request: Request, target: Target, cut: Callable[[], bool]) -> Iterator[bytes]:
        """The stream; refusals of parameters are raised now, not while streaming."""
        match = wanted(request, target)
        asked = request.query.get("resourceVersion", "")
        start = version_of(asked)
        limit = version_of(request.query.get("timeoutSeconds", "")) or self._default()
        initial = request.flag("sendInitialEvents")
        how = request.query.get("resourceVersionMatch", "")
        if "sendInitialEvents" in request.query and how != "NotOlderThan":
            text = (
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
                "resourceVersionMatch to NotOlderThan"
            )
            cause = status.forbidden_field("resourceVersionMatch", text.partition("Forbidden: ")[2])
            raise status.invalid("meta.k8s.io", "ListOptions", "", [cause])
        if how and "sendInitialEvents" not in request.query:
            cause = status.forbidden_field(
                "resourceVersionMatch", "resourceVersionMatch is forbidden for watch"
            )
            raise status.invalid("meta.k8s.io", "ListOptions", "", [cause])
        stream = _Stream(self, request, target, match, cut)
        synthetic = initial or ("sendInitialEvents" not in request.query and start == 0)
        return stream.run(start, limit, synthetic=synthetic, marked=initial)

    def _default(self) -> int:
        return int(1800 * (1 + random.random()))  # noqa: S311 - as the server: 30 to 60 minutes


class _Stream:
    def __init__(
        self,
        watcher: Watcher,
        request: Request,
        target: Target,
        match: Callable[[Json], bool],
        cut: Callable[[], bool],
    ) -> None:
        self._watcher, self._store = watcher, watcher.world.store
        self._target, self._match, self._cut = target, match, cut
        self._view = View(request, target.served)
        self._marks = request.flag("allowWatchBookmarks")
        self._headed = True
        # As of the request: what is asked for while the head is on its way counts.
        self._asked = watcher._asked

    def run(self, start: int, limit: float, *, synthetic: bool, marked: bool) -> Iterator[bytes]:
        ends = time.monotonic() + limit
        cursor = start
        if synthetic:
            with self._store.lock:
                cursor = self._store.version
                held = self._store.all(self._target.served.place, self._target.namespace)
            for body in held:
                if self._match(body):
                    yield self._event("ADDED", body)
            if marked:
                yield self._bookmark(cursor, {"k8s.io/initial-events-end": "true"})
        yield from self._follow(cursor, ends)

    def _follow(self, cursor: int, ends: float) -> Iterator[bytes]:
        watcher, store = self._watcher, self._store
        marked, asked = time.monotonic(), self._asked
        last = False
        while not self._cut():
            try:
                changes = store.since(cursor)
            except Compacted:
                yield _line("ERROR", status.too_old(cursor, store.oldest).body())
                return
            for change in changes:
                yield from self._told(change)
                cursor = change.version
            now = time.monotonic()
            if now >= ends:
                return
            closing = not last and ends - now <= _BEFORE_END
            due = now - marked >= watcher.bookmark_every or watcher._asked != asked or closing
            if due and self._marks:
                with store.lock:
                    # What was compacted meanwhile is told at the next turn.
                    if cursor >= store.oldest and not store.since(cursor):
                        cursor = max(cursor, store.version)
                yield self._bookmark(cursor, {})
            if due:
                marked, asked, last = now, watcher._asked, last or closing
            store.wait(cursor, self._pause(now, ends, marked, last), self._stirred(asked))

    def _pause(self, now: float, ends: float, marked: float, last: bool) -> float:
        soon = [ends - now, marked + self._watcher.bookmark_every - now]
        if not last:
            soon.append(ends - _BEFORE_END - now)
        return max(0.0, min(soon))

    def _stirred(self, asked: int) -> Callable[[], bool]:
        watcher = self._watcher
        return lambda: watcher._asked != asked or self._cut()

    def _told(self, change: Change) -> Iterator[bytes]:
        """A change as the selector sees it: what leaves it is deleted, what enters it added."""
        if change.place != self._target.served.place:
            return
        now = change.type != "DELETED" and self._match(change.body)
        before = change.before is not None and self._match(change.before)
        if now:
            yield self._event("MODIFIED" if before else "ADDED", change.body)
        elif before and change.before is not None:
            version = {"resourceVersion": str(change.version)}
            last = change.before | {"metadata": change.before["metadata"] | version}
            yield self._event("DELETED", change.body if change.type == "DELETED" else last)

    def _event(self, type_: str, body: Json) -> bytes:
        shown = self._view.one(body, headed=self._headed)
        self._headed = False
        return _line(type_, shown)

    def _bookmark(self, version: int, annotations: Json) -> bytes:
        meta: Json = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        served = self._target.served
        body = {"kind": served.kind, "apiVersion": served.api_version, "metadata": meta}
        if self._view.form == "Table":
            body = self._view._table([], meta, False)
        return _line("BOOKMARK", body)


def _line(type_: str, body: Json) -> bytes:
    return msgspec.json.encode({"type": type_, "object": body}) + b"\n"
