"""Contents of many objects by one ``git cat-file --batch``: every one once, in bounded memory.

Small objects come whole, large ones in windows that overlap on both sides, so that what lies
across a border is seen whole by the window it begins in. git dies at a corrupt object; the
reader then names the object and starts git anew behind it, a bounded number of times.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from haechi.world.objects.command import CONTENT_MEMORY, Git, Stream
from haechi.world.objects.spool import Spool

LARGEST = 256 * 1024 * 1024
WINDOW = 4 * 1024 * 1024
OVERLAP = 64 * 1024
MAX_RESTARTS = 1_000
MAX_SILENCES = 3
MAX_NAMED = 20


class Part(msgspec.Struct, gc=False):
    """Bytes of an object. Of a window ``first`` to ``last`` (offsets in ``data``) is its own.

    What begins outside of them belongs to a neighbour. ``lines`` and ``column`` count what
    stands before ``data`` (newlines, and characters after the last); ``windowed`` when other
    parts exist; ``offset`` is where ``data`` begins.
    """

    id: bytes
    data: bytes
    first: int = 0
    last: int = -1
    offset: int = 0
    lines: int = 0
    column: int = 0
    windowed: bool = False


class Named(msgspec.Struct):
    """How many objects, and the ids of the first of them."""

    count: int = 0
    ids: list[str] = msgspec.field(default_factory=list)

    def add(self, id_: bytes) -> None:
        self.count += 1
        if len(self.ids) < MAX_NAMED:
            self.ids.append(id_.decode("ascii", "replace"))


@dataclass(slots=True)
class ObjectReader:
    """Reads the objects of a spool. While reading, what could not be read is counted.

    ``broken`` holds ids of windowed objects whose end never came. ``unread`` counts those that
    were given up.
    """

    git: Git
    spool: Spool
    largest: int = LARGEST
    window: int = WINDOW
    overlap: int = OVERLAP
    max_restarts: int = MAX_RESTARTS
    objects: int = 0
    volume: int = 0
    corrupt: Named = field(default_factory=Named)
    missing: Named = field(default_factory=Named)
    too_large: Named = field(default_factory=Named)
    silent: Named = field(default_factory=Named)
    unread: int = 0
    broken: set[bytes] = field(default_factory=set)
    _next: int = 0
    _own: Spool | None = None

    def close(self) -> None:
        """Give up what it keeps besides the spool it was given."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def parts(self) -> Iterator[Part]:
        """All objects in the order of the spool. Raises OSError when git cannot be started."""
        restarts = 0
        while self._next < self.spool.count:
            if restarts > self.max_restarts or self.silent.count > MAX_SILENCES:
                self.unread = self.spool.count - self._next
                return
            stdin = self.spool.at(self._next)
            with self.git.stream(
                "cat-file", "--batch", "--buffer", stdin=stdin, memory=CONTENT_MEMORY
            ) as stream:
                try:
                    yield from self._answers(stream)
                except TimeoutError:
                    self._failed(self.silent)
                except EOFError:
                    self._failed(self.corrupt)
                except _TooLarge:
                    self._failed(self.too_large)
                    self._leave_out_large()
            restarts += 1

    def _failed(self, counted: Named) -> None:
        number = self._next
        known = self.spool.ids(number, 1)
        counted.add(known[0])
        self.broken.add(known[0])
        self._next = number + 1

    def _answers(self, stream: Stream) -> Iterator[Part]:
        read, readline = stream.out.read, stream.out.readline
        small, count = self.window + self.overlap, self.spool.count
        while self._next < count:
            head = readline(200).split()
            if len(head) != 3:
                if len(head) == 2 and head[1] == b"missing":
                    self.missing.add(head[0])
                    self._next += 1
                    continue
                raise EOFError
            size = int(head[2])
            if size > self.largest:
                raise _TooLarge
            if size <= small:
                data = read(size)
                if len(data) != size or read(1) != b"\n":
                    raise EOFError
                yield Part(head[0], data, 0, size)
            else:
                yield from self._windows(stream, head[0], size)
            self._next += 1
            self.objects += 1
            self.volume += size

    def _windows(self, stream: Stream, id_: bytes, size: int) -> Iterator[Part]:
        """A large object, never more than a window of it at once."""
        texts = _Texts(stream, size, self.window)
        before, data, more = b"", texts.next(), True
        offset = lines = column = 0
        while more:
            ahead = texts.next()
            more = bool(ahead)
            whole = b"".join((before, data, ahead[: self.overlap]))
            first = len(before)
            yield Part(id_, whole, first, first + len(data), offset, lines, column, True)
            cut = len(before) + len(data) - self.overlap
            gone = whole[: max(cut, 0)]
            before, data = whole[len(gone) : first + len(data)], ahead
            offset += len(gone)
            newlines = gone.count(b"\n")
            lines += newlines
            column = len(gone) - gone.rfind(b"\n") - 1 + (0 if newlines else column)
        if stream.out.read(1) != b"\n":
            raise EOFError

    def _leave_out_large(self) -> None:
        """Look at the sizes of what is left: one start of git instead of one per large object."""
        rest = Spool(self.spool.width)
        number = 0
        with self.git.stream(
            "cat-file",
            "--batch-check=%(objectsize)",
            "--buffer",
            stdin=self.spool.at(self._next),
        ) as stream:
            while ids := self.spool.ids(self._next + number, 4096):
                number += len(ids)
                kept = []
                for id_ in ids:
                    told = stream.out.readline(200).split()
                    if len(told) == 1 and told[0].isdigit() and int(told[0]) > self.largest:
                        self.too_large.add(id_)
                    else:
                        kept.append(id_)
                rest.extend(kept)
        self.close()
        self.spool, self._next, self._own = rest, 0, rest


class _TooLarge(Exception):
    """The next object is over the limit."""


class _Texts:
    """The pieces of a large object; UTF-16 becomes UTF-8, as small ones do where they are judged.

    An empty piece is the end.
    """

    def __init__(self, stream: Stream, size: int, window: int) -> None:
        self._stream = stream
        self._left = size
        self._window = window
        self._decoder: codecs.IncrementalDecoder | None = None
        self._started = False

    def next(self) -> bytes:
        while self._left:
            wanted = min(self._window, self._left)
            data = self._stream.out.read(wanted)
            if len(data) != wanted:
                raise EOFError
            self._left -= wanted
            if not self._started:
                self._started = True
                if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
            if self._decoder is None:
                return data
            text = self._decoder.decode(data, final=not self._left)
            if text:
                return text.encode("utf-8", "replace")
        return b""
