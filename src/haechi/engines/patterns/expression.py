"""One regular expression and its spans in a buffer, by RE2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import re2

from haechi.errors import RuleError

MEMORY = 16 * 1024 * 1024
"""Bytes that one compiled expression and its automata may take."""
MOST = 1_000
"""Spans of one expression in one buffer; a buffer that holds more says nothing new by them."""
GROUP = "secret"
"""The group that holds the value, where the whole match is more than that."""


class Span(msgspec.Struct, frozen=True):
    """Where an expression matches (``start``/``end``) and where its group ``secret`` does."""

    start: int
    end: int
    first: int
    last: int


class Expression:
    """A compiled expression. Raises RuleError for what RE2 does not take."""

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.log_errors = False
        options.max_mem = MEMORY
        options.never_capture = False
        try:
            self._compiled = re2.compile(text.encode(), options)
        except re2.error as error:
            told = error.args[0] if error.args else b""
            reason = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
            raise RuleError(
                f"the expression is not RE2's: {reason[:200]}",
                do="RE2 has no look-around and no back-references",
            ) from None
        self._group = self._compiled.groupindex.get(GROUP.encode(), 0)

    def spans(
        self, data: bytes, *, within: tuple[int, int] | None = None, most: int = MOST
    ) -> Iterator[Span]:
        """At most so many matches, leftmost first, not overlapping; ``within`` two offsets as if
        nothing stood around them."""
        group = self._group
        for match in islice(self._compiled.finditer(data, *(within or ())), most):
            start, end = match.span(0)
            first, last = match.span(group) if group else (start, end)
            if first >= 0:
                yield Span(start, end, first, last)


def lines_at(data: bytes, ends: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Beginning and end of each line in which one of the offsets lies, in their order: where all
    matches end there and none holds a line break, no other line needs to be looked at."""
    done = -1
    for end in sorted(ends):
        if end <= done:
            continue
        begin = data.rfind(b"\n", 0, end) + 1
        done = data.find(b"\n", end)
        done = len(data) if done < 0 else done
        yield begin, done
