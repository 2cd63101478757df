"""Which expressions match a buffer, by Hyperscan: all in one pass, whatever their number.

Compiling takes seconds, loading a compiled database a fraction of a millisecond. So a database
is made once and kept by the caller (this module does no I/O). A serialised database is as good
as code: it has to come from where only its user can write. It fits one engine version and CPU;
``DatabaseError`` says when it does not.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import hyperscan

from haechi.engines.patterns.matcher import Matching, Source
from haechi.errors import InputError, RuleError

_FLAGS = hyperscan.HS_FLAG_SINGLEMATCH
_LARGEST = 1 << 30
"""Bytes of one buffer: offsets are 32 bit."""

VERSION: str = str(hyperscan.__version__)  # type: ignore[attr-defined]


class DatabaseError(InputError):
    """A serialised database that this engine, version or CPU cannot take."""


class HyperscanMatcher:
    """Scans with one database; every thread gets a scratch space of its own."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._threads = threading.local()

    @property
    def key(self) -> str:
        return f"hyperscan {VERSION}"

    def matching(self, data: bytes) -> Matching:
        if not data:
            return {}
        if len(data) > _LARGEST:
            raise ValueError("the buffer is too large; cut it")
        found: dict[int, list[int]] = {}
        self._database.scan(
            data,
            match_event_handler=_collect,
            context=found,
            scratch=self._scratch(),
        )
        return dict(sorted(found.items()))

    def serialised(self) -> bytes:
        """The database as bytes, for ``load`` on the same machine."""
        data: bytes = hyperscan.dumpb(self._database)
        return data

    def _scratch(self) -> Any:
        scratch = getattr(self._threads, "scratch", None)
        if scratch is None:
            scratch = self._threads.scratch = hyperscan.Scratch(self._database)
        return scratch


def _collect(number: int, start: int, end: int, flags: int, found: dict[int, list[int]]) -> None:
    ends = found.setdefault(number, [])
    if ends and ends[-1] == end - 1:
        ends[-1] = end  # a match that can be one longer ends there, too
    else:
        ends.append(end)


def compile_matcher(sources: Sequence[Source]) -> HyperscanMatcher:
    """Compile the expressions. Raises RuleError when one is not to be compiled."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[source.expression.encode() for source in sources],
            ids=list(range(len(sources))),
            elements=len(sources),
            flags=[0 if source.in_line else _FLAGS for source in sources],
        )
    except hyperscan.HyperscanError as error:
        raise RuleError(f"Hyperscan does not take an expression: {error}") from None
    return HyperscanMatcher(database)


def load_matcher(data: bytes) -> HyperscanMatcher:
    """A matcher from ``serialised``. Raises DatabaseError when it does not fit here."""
    try:
        return HyperscanMatcher(hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK))
    except hyperscan.HyperscanError as error:
        raise DatabaseError("the compiled patterns do not fit this engine or CPU") from error
