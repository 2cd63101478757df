"""Pages of the log for people, newest or oldest first, from the segments alone.

A filter is first tried on the bytes of a whole block: a record is canonical, so a field with a
value has only one spelling. Blocks whose times lie outside of what is asked are not read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec

from haechi.engines.canonical import canonical
from haechi.store.audit import private
from haechi.store.audit.archive import Archive
from haechi.store.audit.entries import Stored, commitment, stored
from haechi.store.audit.frames import BLOCK
from haechi.store.records import AuditRow

SCAN = 1_000_000
"""So many records are looked at for one page, unless told otherwise."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What to show: records from ``since_seq`` up to, without, ``before_seq``. ``action`` that
    ends in a dot asks for all that begin so. ``since`` and ``until`` are inclusive."""

    since_seq: int = 0
    before_seq: int | None = None
    newest_first: bool = False
    actor: str = ""
    action: str = ""
    object: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def filtered(self) -> bool:
        """True when not every record in the range is asked for."""
        return bool(self.actor or self.action or self.object or self.since or self.until)

    def matches(self, entry: Stored) -> bool:
        """True when the record is asked for."""
        by_action = not self.action or (
            entry.action.startswith(self.action)
            if self.action.endswith(".")
            else entry.action == self.action
        )
        return (
            by_action
            and self.actor in ("", entry.actor)
            and self.object in ("", entry.object)
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at <= self.until)
        )

    def needles(self) -> list[bytes]:
        """Bytes that stand in every record that is asked for."""
        found = []
        for name, value in (
            ("actor", self.actor),
            ("action", self.action),
            ("object", self.object),
        ):
            if value:
                text = canonical({name: value})[1:-1]
                found.append(text[:-1] if name == "action" and value.endswith(".") else text)
        return found


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page. Looked at were the records ``searched_from`` up to, without, ``searched_to``;
    ``complete`` tells that nothing that was asked for lies outside; otherwise ask again with
    ``next`` as ``before_seq`` (newest first) or ``since_seq``."""

    items: list[AuditRow]
    searched_from: int
    searched_to: int
    complete: bool
    next: int | None


def find(archive: Archive, ask: Ask, *, limit: int, scan: int = SCAN) -> Found:
    """The first ``limit`` rows, from at most ``scan`` records. Raises AuditError for damage."""
    size = archive.tip.size
    low = max(0, ask.since_seq)
    high = max(low, size if ask.before_seq is None else min(size, ask.before_seq))
    items: list[AuditRow] = []
    edge = high if ask.newest_first else low
    for first, stop in _blocks(low, high, newest_first=ask.newest_first):
        if abs((high if ask.newest_first else low) - edge) >= scan:
            break
        found = _block(archive, ask, first, stop)
        if ask.newest_first:
            found.reverse()
        room = limit - len(items)
        items += found[:room]
        if len(items) >= limit:
            cut = len(found) > room
            last = items[-1].seq
            edge = (last if ask.newest_first else last + 1) if cut else _edge(ask, first, stop)
            break
        edge = _edge(ask, first, stop)
    done = edge <= low if ask.newest_first else edge >= high
    return Found(
        items=items,
        searched_from=edge if ask.newest_first else low,
        searched_to=high if ask.newest_first else edge,
        complete=done,
        next=None if done else edge,
    )


def _edge(ask: Ask, first: int, stop: int) -> int:
    return first if ask.newest_first else stop


def _blocks(low: int, high: int, *, newest_first: bool) -> Iterator[tuple[int, int]]:
    """Parts of the range, none across a block."""
    if low >= high:
        return
    numbers = range(low // BLOCK, (high - 1) // BLOCK + 1)
    for block in reversed(numbers) if newest_first else numbers:
        yield max(low, block * BLOCK), min(high, (block + 1) * BLOCK)


def _block(archive: Archive, ask: Ask, first: int, stop: int) -> list[AuditRow]:
    """Rows of one block that are asked for, oldest first."""
    block = first // BLOCK
    if block < len(archive.index) and (ask.since or ask.until):
        line = archive.index.line(block)
        if ask.since and line.high + 1 < ask.since.timestamp():
            return []
        if ask.until and line.low > ask.until.timestamp():
            return []
    entries = [stored(record) for _, record in archive.records(first, stop, ask.needles())]
    if ask.filtered:
        entries = [entry for entry in entries if ask.matches(entry)]
    return _rows(archive, entries)


def _rows(archive: Archive, entries: list[Stored]) -> list[AuditRow]:
    texts: dict[tuple[int, str], str] = {}
    wanted = [entry.seq for entry in entries if entry.private]
    if wanted:
        known = {entry.seq: entry.private for entry in entries}
        place = archive.place(wanted[0] // BLOCK)
        folder = archive.folder / "private"
        for _, kept in private.read(folder, place, wanted[0], wanted[-1] + 1):
            secret = kept.secret
            if secret is None or kept.seq not in known:
                continue
            told = commitment(secret.salt, secret.name, secret.value)
            if known[kept.seq].get(kept.name) == told:
                texts[kept.seq, kept.name] = secret.value
    return [
        AuditRow(
            seq=entry.seq,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            object=entry.object,
            cluster=entry.cluster,
            namespace=entry.namespace,
            detail=entry.detail,
            private={name: texts.get((entry.seq, name)) for name in entry.private},
        )
        for entry in entries
    ]
