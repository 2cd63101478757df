"""Reading the log of a store that another process may own: nothing is written, no lock is taken.

What that process is writing at the moment looks like a torn end and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from haechi.engines import dsse
from haechi.errors import AuditError, NotFound
from haechi.store.audit import heads as heads_file
from haechi.store.audit import index as index_file
from haechi.store.audit import proofs
from haechi.store.audit.archive import Archive
from haechi.store.audit.index import Index
from haechi.store.audit.keys import Anchor
from haechi.store.audit.links import Signed
from haechi.store.audit.opening import found
from haechi.store.audit.rows import SCAN, Ask, Found, find

_TRIES = 3


class Reader:
    """A log at one moment. Made by ``reading``."""

    def __init__(self, folder: Path, archive: Archive, last: Signed) -> None:
        self._folder, self._archive, self._last = folder, archive, last

    def page(self, ask: Ask, *, limit: int, scan: int = SCAN) -> Found:
        """As of the open log."""
        return find(self._archive, ask, limit=limit, scan=scan)

    def prove(self, seq: int) -> dict[str, Any]:
        """Proof of a record that a head covers. Raises NotFound."""
        return proofs.inclusion(self._archive, self._last, self._keys(), seq)

    def head(self) -> bytes:
        """The newest signed statement as its envelope."""
        return dsse.encode(self._last.envelope)

    def anchor(self) -> Anchor:
        """The key in force, by the log's own words: look at it where you trust the store."""
        key = self._keys()[-1].link.new
        if key is None:
            raise AuditError("the log names no key", where=str(self._folder))
        return Anchor(log=self._last.link.log, key=key, id=key.id)

    def _keys(self) -> list[Signed]:
        link = self._last.link
        wanted = link.new.id if link.new else link.key
        for name in (heads_file.KEYS, heads_file.NAME):
            known = heads_file.key_statements(self._folder / name)
            if known and known[-1].link.new and known[-1].link.new.id == wanted:
                return known
        raise AuditError("where the log's key came from is gone", where=str(self._folder))


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    """The log in ``folder`` (a store's ``audit``). Raises NotFound when there is none, AuditError
    when it is damaged."""
    try:
        last = heads_file.end_of(folder / heads_file.NAME).last
        if last is None:
            raise NotFound(
                "there is no audit log here",
                where=str(folder),
                do="name the store's folder: `--store PATH`",
            )
        index = Index(folder / index_file.NAME, writable=False)
        try:
            yield Reader(folder, _settled(folder, index, last), last)
        finally:
            index.close()
    except OSError as error:
        raise AuditError(
            "the audit log cannot be read", where=str(folder), why=str(error)
        ) from error


def _settled(folder: Path, index: Index, last: Signed) -> Archive:
    """The log up to its end. What is read while it is being written may look like damage once;
    damage looks so again."""
    for _ in range(_TRIES - 1):
        try:
            return found(folder, index, last)[0]
        except AuditError:
            continue
    return found(folder, index, last)[0]
