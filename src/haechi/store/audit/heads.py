"""``audit/heads.log``: the chain of statements, a line each, and copies of it elsewhere.

A witness is the same file in a place that whoever can write the store cannot: a truncated or
replaced log then no longer agrees with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from haechi.errors import AuditError, StoreError
from haechi.store.audit import links
from haechi.store.audit.links import MOST_LINE, Kind, Signed
from haechi.store.audit.segments import Tail
from haechi.store.durable import sync
from haechi.store.folder import storage_errors

NAME = "heads.log"
KEYS = "keys.log"
_END = 4 * MOST_LINE


class Heads:
    """The chain's file, open for adding. Only its end is read: the whole is for the verifier.
    Raises AuditError when the end does not hold together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        end = end_of(path)
        self.last, self.torn = end.last, end.torn
        with storage_errors(path):
            self._tail = Tail(path, end.offset)
            if end.torn:
                self._tail.cut(end.offset)
            sync(path.parent)

    @property
    def newest(self) -> Signed:
        """The last statement of a chain that was begun."""
        if self.last is None:
            raise AuditError("the chain of heads is empty", where=str(self.path))
        return self.last

    def add(self, signed: Signed) -> None:
        """Append a statement, durably."""
        self._tail.append(links.line(signed))
        self.last = signed

    def close(self) -> None:
        """Idempotent."""
        self._tail.close()

    def keys(self) -> list[Signed]:
        """How the log began and every rotation, from the small file beside the chain, which is
        made anew when it lacks one."""
        link = self.newest.link
        wanted = link.new.id if link.new else link.key
        known = key_statements(self.path.with_name(KEYS))
        if not known or known[-1].link.new is None or known[-1].link.new.id != wanted:
            known = key_statements(self.path)
            _replace(self.path.with_name(KEYS), b"".join(map(links.line, known)))
        return known


class End(msgspec.Struct, frozen=True):
    """The end of a chain: its newest statement, the byte after it, bytes of a torn line."""

    last: Signed | None
    offset: int
    torn: int


def end_of(path: Path) -> End:
    """Read the last statements of a chain. Raises AuditError when they do not follow each
    other; signatures are the verifier's business."""
    if not path.exists():
        return End(None, 0, 0)
    start = max(0, path.stat().st_size - _END)
    last: Signed | None = None
    partial, end = start > 0, start
    for raw, offset in lines(path, start):
        if not raw.endswith(b"\n"):
            return End(last, end, len(raw))
        if not partial:
            signed = links.read(raw)
            _follows(signed, last, path, offset)
            last = signed
        partial, end = False, offset + len(raw)
    return End(last, end, 0)


def _follows(signed: Signed, before: Signed | None, path: Path, offset: int) -> None:
    if before and (
        signed.link.previous != before.hash
        or signed.link.counter != before.link.counter + 1
        or signed.link.size < before.link.size
    ):
        raise AuditError(
            f"the chain of heads breaks at counter {signed.link.counter}",
            where=f"{path}, byte {offset}",
            do="`haechi audit verify` tells what holds; restore from a backup",
        )


def key_statements(path: Path) -> list[Signed]:
    """The beginning and the rotations in a file of statements."""
    head = Kind.HEAD.value.encode()
    return [links.read(raw) for raw, _ in lines(path) if raw.endswith(b"\n") and head not in raw]


def _replace(path: Path, data: bytes) -> None:
    """Write a small file whole; what it holds can be made again."""
    new = path.with_suffix(".new")
    with storage_errors(path):
        new.unlink(missing_ok=True)
        tail = Tail(new, 0)
        try:
            tail.append(data)
        finally:
            tail.close()
        new.replace(path)


def lines(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """Lines of a chain with their offsets; nothing when there is no file. Raises AuditError for
    a line that is longer than any statement."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(offset)
        while raw := stream.readline(MOST_LINE + 1):
            if len(raw) > MOST_LINE:
                raise AuditError("a line is longer than any head", where=f"{path}, byte {offset}")
            yield raw, offset
            offset += len(raw)


class Witness:
    """A second file to which every statement is added. ``problem`` says why it lags behind."""

    def __init__(self, path: Path, heads: Path) -> None:
        self.path = path
        self.problem = ""
        self._heads = heads
        self._known = (-1, 0)  # the witness' length when it was level with this byte of the chain

    def follow(self) -> None:
        """Add what it lacks. Raises AuditError when it knows statements that the log has not:
        the log was cut or replaced."""
        try:
            self._follow()
            self.problem = ""
        except (OSError, StoreError) as error:
            self.problem = str(error)

    def _follow(self) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if self._known[0] != size:
            size, offset = self._meet()
        else:
            offset = self._known[1]
        text = b"".join(raw for raw, _ in lines(self._heads, offset) if raw.endswith(b"\n"))
        if text:
            tail = Tail(self.path, size)
            try:
                tail.append(text)
            finally:
                tail.close()
        self._known = (size + len(text), offset + len(text))

    def _meet(self) -> tuple[int, int]:
        """The end of the witness' whole lines, and the byte of the chain after its newest."""
        whole, newest = 0, b""
        for raw, offset in lines(self.path):
            if raw.endswith(b"\n"):
                whole, newest = offset + len(raw), raw
        if not newest:
            return 0, 0
        seen = links.read(newest)
        for raw, offset in lines(self._heads):
            if raw == newest or (raw.endswith(b"\n") and links.read(raw).hash == seen.hash):
                return whole, offset + len(raw)
        raise AuditError(
            f"the witness has seen head {seen.link.counter} over {seen.link.size} records,"
            " which the log does not have: the log was cut or replaced",
            where=str(self.path),
            do="restore the log; `haechi audit verify --witness` tells more",
        )
