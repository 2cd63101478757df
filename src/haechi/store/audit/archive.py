"""Reading the log: records by number, hashes of parts of the tree, and the end of the log.

``scan`` finds the end: it takes the complete blocks from the index and reads what comes after
them. A write that a crash tore may only be the last thing in the last segment; anything else
that does not hold is damage, and damage is an AuditError, never mended in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from haechi.engines.merkle import Frontier, Range, joined, leaf_hash
from haechi.errors import AuditError
from haechi.store.audit.entries import stored
from haechi.store.audit.frames import (
    BLOCK,
    MARK,
    SEGMENT_BYTES,
    Damaged,
    Frame,
    read_frame,
    read_segment_header,
    records,
    segment_name,
)
from haechi.store.audit.index import Index
from haechi.store.audit.private import Cursor
from haechi.store.audit.tip import Line, Place, Tip

_PART = 1 << 20


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log ends. ``segment`` is -1 when there is none yet; ``end`` is the byte after
    the last whole frame, ``torn`` how many bytes of an unfinished write follow it. ``stray``
    tells that another segment follows of which a crash let only the name or less exist."""

    tip: Tip
    log: str
    segment: int
    end: int
    torn: int
    stray: bool = False


class Archive:
    """Records of a log by number. ``tip`` is replaced by whoever writes."""

    def __init__(self, folder: Path, index: Index, tip: Tip) -> None:
        self.folder = folder
        self.index = index
        self.tip = tip

    def place(self, block: int) -> Place:
        """Where a block begins."""
        return self.index.line(block).place if block < len(self.index) else self.tip.place

    def records(
        self, first: int, stop: int, needles: Sequence[bytes] = ()
    ) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of records, in order, that contain all the needles. Raises AuditError
        where one that it looks at does not hold; frames without a needle are passed over."""
        stop = min(stop, self.tip.size)
        if first >= stop:
            return
        block = first // BLOCK
        seq = block * BLOCK
        place = self.place(block)
        for frame, data, _ in frames(self.folder, place.segment, place.offset):
            if frame.first != seq:
                raise AuditError(f"record {seq} of the audit log is not where it was")
            if all(data.find(needle, frame.offset, frame.end) >= 0 for needle in needles):
                for number, record in enumerate(records(data, frame), seq):
                    if first <= number < stop and all(needle in record for needle in needles):
                        yield number, record
            seq += frame.count
            if seq >= stop:
                return
        raise AuditError(f"record {seq} of the audit log is missing")

    def subtree(self, part: Range) -> bytes:
        """The hash over a range of leaves that is a node of the tree."""
        low, high = part
        blocks, rest = Frontier(), low
        if low % BLOCK == 0:
            whole = (high - low) // BLOCK
            for line in self.index.lines(low // BLOCK, low // BLOCK + whole):
                blocks.append(line.root)
            rest = low + whole * BLOCK
        inner = Frontier()
        for _, record in self.records(rest, high):
            inner.append(leaf_hash(record))
        return joined([*blocks.peaks, *inner.peaks])

    def root_at(self, size: int) -> bytes:
        """The root that the log had with so many records."""
        return self.subtree((0, size))


def segment_numbers(folder: Path) -> list[int]:
    """The segments that are there. Raises AuditError for a hole."""
    found = sorted(int(p.stem[8:]) for p in folder.glob("segment-????????.log"))
    for wanted, number in enumerate(found):
        if wanted != number:
            raise AuditError(
                f"{segment_name(wanted)} of the audit log is missing",
                where=str(folder),
                do="restore it from a backup; `haechi audit verify` tells what else is wrong",
            )
    return found


def frames(folder: Path, segment: int, offset: int) -> Iterator[tuple[Frame, bytes, Place]]:
    """Frames from a place on, across segments; the frame's own offset counts in the bytes that
    come with it. Raises AuditError for damage."""
    while (path := folder / segment_name(segment)).exists():
        try:
            for frame, data, at in _frames_of(path, offset):
                yield frame, data, Place(segment, at, 0)
        except Damaged as fault:
            raise damage(path, fault) from fault
        segment, offset = segment + 1, SEGMENT_BYTES


def damage(path: Path, fault: Damaged) -> AuditError:
    """What a person reads about a file that does not hold."""
    return AuditError(
        f"the audit log is damaged: {fault.what}",
        where=f"{path}, byte {fault.offset}",
        do="restore it from a backup; `haechi audit verify` tells which records hold",
    )


def _frames_of(path: Path, offset: int) -> Iterator[tuple[Frame, bytes, int]]:
    """Frames of one file with their offsets in it. Raises Damaged by the file's offsets."""
    with path.open("rb") as stream:
        stream.seek(offset)
        data, base, at = b"", offset, 0
        part = 128 << 10
        while True:
            try:
                frame = read_frame(data, at)
            except Damaged as fault:
                more = stream.read(part)
                if more:
                    data, base, at = data[at:] + more, base + at, 0
                    part = _PART
                    continue
                if at == len(data):
                    return
                raise Damaged(fault.what, base + at) from fault
            yield frame, data, base + at
            at = frame.end


def scan(folder: Path, index: Index) -> Ended:
    """Find the end of the log, adding complete blocks to the index. Raises AuditError."""
    numbers = segment_numbers(folder)
    if not numbers:
        index.cut(0)
        return Ended(tip=Tip(), log="", segment=-1, end=0, torn=0)
    if len(index):
        try:
            return _Scan(folder, index, _indexed(folder, index, numbers[-1]), numbers[-1]).run()
        except (LookupError, AuditError):
            pass  # the index may be what is wrong: the segments alone decide
    index.cut(0)
    return _Scan(folder, index, Tip(), numbers[-1]).run()


def _indexed(folder: Path, index: Index, last: int) -> Tip:
    """The tree of all but the newest line of the index, which is read again. Raises LookupError
    when a line does not hold or leads nowhere."""
    tip = Tip()
    blocks = len(index) - 1
    for line in index.lines(0, blocks):
        tip.take(line)
    tip.place = index.line(blocks).place
    path = folder / segment_name(tip.place.segment)
    if tip.place.segment > last or tip.place.offset >= path.stat().st_size:
        raise LookupError("the index leads beyond the segments")
    index.cut(blocks)
    return tip


class _Scan:
    """Reads from a tip's place to the end of the log."""

    def __init__(self, folder: Path, index: Index, tip: Tip, last: int) -> None:
        self._folder, self._index, self._tip, self._last = folder, index, tip, last
        self._lines: list[Line] = []
        self._log = ""
        self._private = Cursor(folder / "private", tip.place)

    def run(self) -> Ended:
        segment, offset = self._tip.place.segment, self._tip.place.offset
        end = torn = 0
        stray = False
        for number in range(segment, self._last + 1):
            path = self._folder / segment_name(number)
            if not self._header(path, number):
                stray = True
                break
            end, torn = self._segment(path, number, max(offset, SEGMENT_BYTES))
            segment, offset = number, 0
        self._index.add(self._lines)
        return Ended(
            tip=self._tip,
            log=self._log,
            segment=segment if end else -1,
            end=end,
            torn=torn,
            stray=stray,
        )

    def _header(self, path: Path, segment: int) -> bool:
        with path.open("rb") as stream:
            head = stream.read(SEGMENT_BYTES + 1)
        try:
            number, first, log = read_segment_header(head)
        except Damaged as fault:
            if segment == self._last and len(head) <= SEGMENT_BYTES:
                return False
            raise damage(path, fault) from fault
        if number != segment or (self._tip.place.segment != segment and first != self._tip.size):
            raise damage(path, Damaged("this is another segment than its name says", 0))
        if self._log and log != self._log:
            raise damage(path, Damaged("this segment is of another log", 0))
        self._log = log
        return True

    def _segment(self, path: Path, segment: int, offset: int) -> tuple[int, int]:
        """Read one segment; the end of what is whole, and how many bytes are torn after it."""
        end = offset
        try:
            for frame, data, at in _frames_of(path, offset):
                self._frame(frame, data, Place(segment, at, 0))
                end = at + frame.end - frame.offset
        except Damaged as fault:
            size = path.stat().st_size
            if segment != self._last or self._goes_on(path, end):
                raise damage(path, Damaged(fault.what, end)) from fault
            return end, size - end
        return end, 0

    def _frame(self, frame: Frame, data: bytes, place: Place) -> None:
        """Take a whole frame or nothing of it."""
        found = list(records(data, frame))
        if frame.first != self._tip.size:
            raise AuditError(f"record {self._tip.size} of the audit log is not where it was")
        if not self._tip.inner.size:
            private = self._private.offset(place.segment, frame.first)
            self._tip.begin(Place(place.segment, place.offset, private))
        for record in found:
            entry = stored(record)
            if entry.seq != self._tip.size:
                raise AuditError(f"record {self._tip.size} of the audit log was changed")
            line = self._tip.add(leaf_hash(record), int(entry.at.timestamp()))
            if line:
                self._lines.append(line)

    def _goes_on(self, path: Path, offset: int) -> bool:
        """True when a later group stands after ``offset``: what is there had been durable."""
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read()
        at = data.find(MARK)
        while at >= 0:
            try:
                frame = read_frame(data, at)
                later = frame.group > self._tip.size and bool(list(records(data, frame)))
            except Damaged:
                later = False
            if later:
                return True
            at = data.find(MARK, at + 1)
        return False
