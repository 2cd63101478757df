"""Contents of many objects by one ``git cat-file --batch``: every one once, in bounded memory.

Small objects come whole, large ones in windows (``engines/windows``). git dies at a corrupt
object; the reader then names it and starts git anew behind it, a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import asdict

from haechi.engines.windows import Window, as_text, windows
from haechi.world.objects.command import CONTENT_MEMORY, Git, Stream
from haechi.world.objects.spool import Spool

LARGEST = 256 * 1024 * 1024
WINDOW = 4 * 1024 * 1024
OVERLAP = 64 * 1024
MAX_RESTARTS = 1_000
MAX_SILENCES = 3
MAX_NAMED = 20


class Part(Window):
    """An object (all of ``data`` is its own), or with ``windowed`` a window of a large one."""

    id: bytes = b""
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
                yield Part(data, 0, size, id=head[0])
            else:
                yield from self._windows(stream, head[0], size)
            self._next += 1
            self.objects += 1
            self.volume += size

    def _windows(self, stream: Stream, id_: bytes, size: int) -> Iterator[Part]:
        """A large object, never more than a window of it at once."""
        pieces = as_text(_pieces(stream, size, self.window))
        for window in windows(pieces, self.overlap):
            yield Part(**asdict(window), id=id_, windowed=True)
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


def _pieces(stream: Stream, size: int, window: int) -> Iterator[bytes]:
    """The next so many bytes of git's output. Raises EOFError when they do not come."""
    while size:
        data = stream.out.read(min(window, size))
        if len(data) != min(window, size):
            raise EOFError
        size -= len(data)
        yield data
