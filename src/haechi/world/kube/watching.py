"""Following a kind: what there is, then every change, over whatever happens on the way.

A watch goes on from the last version that was heard; bookmarks keep that young on quiet kinds.
When the server has forgotten it (410) everything is listed again and the *difference* is told.
Faults that may pass are waited out with growing pauses; what is refused for good is raised.
Source: "Efficient detection of changes" of the API concepts; client-go/tools/cache/reflector.go.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import KubeError, KubeForbidden, KubeGone, KubeInvalid, KubeNotFound
from haechi.world.kube import answers
from haechi.world.kube.names import Kind
from haechi.world.kube.paging import PAGE, Page, whole
from haechi.world.kube.wire import JSON, METADATA, Answer, Request, Stream

if TYPE_CHECKING:
    from haechi.world.kube.client import KubernetesClient

MOST_LINE = 16 << 20
"""Bytes of one event; an object in etcd has 1.5 MiB at most."""
LASTS_S = 240
"""How long a watch is asked to last, and up to half as long again, so that they do not all end
at once."""
SILENT_S = 130.0
"""A server tells bookmarks about once a minute: one that says nothing for so long is gone, or has
none to tell; asking again costs little."""
SHORT_S = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


class ChangeType(StrEnum):
    """What became of an object. ``synced``: all that there is was told (no object)."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    SYNCED = "synced"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change. A deletion that nobody saw happen (found by listing again) has no more than
    the object's names in ``body``."""

    type: ChangeType
    body: dict[str, Any] = {}


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Meta(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    metadata: _Meta = _Meta()


_event = msgspec.json.Decoder(_Event).decode
_head = msgspec.json.Decoder(_Head).decode
_status = msgspec.json.Decoder(answers.Status, strict=False).decode
_TYPES = {"ADDED": ChangeType.ADDED, "MODIFIED": ChangeType.MODIFIED, "DELETED": ChangeType.DELETED}
Heard = Callable[[KubeError | None], None]
"""Told of every fault, and None when the server is heard (again)."""


class Watch:
    """One kind of one cluster (or namespace). ``stop`` ends it from another thread."""

    def __init__(
        self,
        client: KubernetesClient,
        kind: Kind,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        *,
        whole: bool = False,
        heard: Heard = lambda _: None,
        page: int = PAGE,
        stopped: threading.Event | None = None,
        lasts: int = LASTS_S,
        silent: float = SILENT_S,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._client, self._kind, self._namespace = client, kind, namespace
        self._selectors = (label_selector, field_selector)
        self._whole, self._heard, self._page = whole, heard, page
        self._stopped = stopped or threading.Event()
        self._lasts, self._silent, self._first_pause = lasts, silent, pause
        self._known: dict[tuple[str, str], tuple[str, str]] = {}
        self._version = ""
        self.lists = 0
        """How often everything was listed."""

    def stop(self) -> None:
        """End it soon; a wait for the server ends with the client's ``close``."""
        self._stopped.set()

    def changes(self) -> Iterator[Change]:
        """See ``KubernetesClient.watch``."""
        pause = self._first_pause
        while not self._stopped.is_set():
            started, fault = time.monotonic(), False
            try:
                if not self._version:
                    yield from self._listed()
                    self._heard(None)
                yield from self._streamed()
            except KubeGone as error:
                # The first time is the way of things; again and again is a fault.
                fault = not self._version
                self._version = ""
                if fault:
                    self._heard(error)
            except (KubeForbidden, KubeNotFound, KubeInvalid):
                raise
            except KubeError as error:
                if self._client.wire.closed:
                    if self._stopped.is_set():
                        return
                    raise
                self._heard(error)
                fault = True
            lasted = time.monotonic() - started
            if not fault and lasted >= SHORT_S:
                pause = self._first_pause
                continue
            self._stopped.wait(pause * (0.5 + random.random()))  # noqa: S311
            pause = min(LONGEST_PAUSE, pause * 2)

    def _listed(self) -> Iterator[Change]:
        """Everything as it is now, told as the difference to what is known."""
        labels, fields = self._selectors
        ask = self._client.pager(self._kind, self._namespace, labels, fields, whole=self._whole)
        found, version = whole(ask, page=self._page)
        self.lists += 1
        before, self._known = self._known, {}
        try:
            for one in _drained(found):
                for raw in one.items or ():
                    yield from self._compared(raw, before)
            while before:
                key, (uid, _) = before.popitem()
                yield self._gone(key, uid)
        finally:
            self._known = before | self._known  # broken off in the middle: what is left is known
        if not version:
            raise KubeError("the API server's list has no resource version", where=self._where)
        self._version = version
        yield Change(type=ChangeType.SYNCED)

    def _compared(
        self, raw: msgspec.Raw, before: dict[tuple[str, str], tuple[str, str]]
    ) -> Iterator[Change]:
        meta = self._meta(raw)
        key, now = (meta.namespace, meta.name), (meta.uid, meta.resource_version)
        known = before.pop(key, None)
        self._known[key] = now
        if known == now:
            return
        if known is not None and known[0] != meta.uid:
            yield self._gone(key, known[0])
            known = None
        type_ = ChangeType.ADDED if known is None else ChangeType.MODIFIED
        yield Change(type=type_, body=self._client.value(raw, self._kind))

    def _gone(self, key: tuple[str, str], uid: str) -> Change:
        names = {"namespace": key[0], "name": key[1], "uid": uid}
        body = {
            "apiVersion": self._kind.api_version,
            "kind": self._kind.kind,
            "metadata": {name: value for name, value in names.items() if value},
        }
        return Change(type=ChangeType.DELETED, body=body)

    def _streamed(self) -> Iterator[Change]:
        """One watch, until it ends."""
        with self._client.wire.stream(self._request()) as stream:
            if stream.status != 200:
                self._refused(stream)
            self._heard(None)
            for line in _lines(stream.pieces()):
                change = self._told(line)
                if change is not None:
                    yield change
                if self._stopped.is_set():
                    return

    def _request(self) -> Request:
        kind = self._kind
        labels, fields = self._selectors
        lasts = int(self._lasts * (1 + random.random() / 2))  # noqa: S311
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(lasts)),
            *((("labelSelector", labels),) if labels else ()),
            *((("fieldSelector", fields),) if fields else ()),
        ]
        return Request(
            path=kind.path(self._namespace if kind.namespaced else None),
            query=tuple(query),
            accept=METADATA if kind.metadata_only and not self._whole else JSON,
            idle=self._silent,
            limit=1 << 20,
        )

    def _refused(self, stream: Stream) -> None:
        body = bytearray()
        for piece in stream.pieces():
            body += piece
            if len(body) > 1 << 20:
                break
        answer = Answer(status=stream.status, headers=stream.headers, body=bytes(body[: 1 << 20]))
        answers.check(answer, self._where)
        raise KubeError(f"the API server answers HTTP {stream.status}", where=self._where)

    def _told(self, line: bytes) -> Change | None:
        try:
            event = _event(line)
            if event.type == "ERROR":
                status = _status(event.object)
                raise answers.error_of(status.code or 500, status, self._where)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise KubeError("a watch's event cannot be read", where=self._where) from error
        meta = self._meta(event.object, named=event.type != "BOOKMARK")
        if event.type == "BOOKMARK":
            self._version = meta.resource_version or self._version
            self._heard(None)
            return None
        type_ = _TYPES.get(event.type)
        if type_ is None:
            raise KubeError(f"a watch's event is {event.type[:40]!r}", where=self._where)
        return self._changed(type_, meta, event.object)

    def _changed(self, type_: ChangeType, meta: _Meta, raw: msgspec.Raw) -> Change | None:
        key, now = (meta.namespace, meta.name), (meta.uid, meta.resource_version)
        body = self._client.value(raw, self._kind)
        known = self._known.get(key)
        if type_ is ChangeType.DELETED:
            self._known.pop(key, None)
        else:
            self._known[key] = now
            if known == now:
                type_ = ChangeType.SYNCED  # told already
            else:
                type_ = ChangeType.ADDED if known is None else ChangeType.MODIFIED
        self._version = meta.resource_version or self._version
        self._heard(None)
        return None if type_ is ChangeType.SYNCED else Change(type=type_, body=body)

    def _meta(self, raw: msgspec.Raw, *, named: bool = True) -> _Meta:
        try:
            meta = _head(raw).metadata
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise KubeError("an object cannot be read", where=self._where) from error
        if named and not meta.name:
            raise KubeError("an object has no name", where=self._where)
        return meta

    @property
    def _where(self) -> str:
        return f"{self._client.name}: {self._kind.right}"


def _drained(pages: list[Page]) -> Iterator[Page]:
    """One after the other; a page's memory is free once it is told."""
    pages.reverse()
    while pages:
        yield pages.pop()


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines; half a line at the end (the connection broke) is left out: what it told is
    told again by the next watch."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        first, *more = piece.split(b"\n")
        parts.append(first)
        size += len(first)
        if size > MOST_LINE:
            raise KubeError(f"a watch's event is larger than {MOST_LINE >> 20} MiB")
        for following in more:
            if line := b"".join(parts).strip():
                yield line
            parts, size = [following], len(following)
