"""Go's regular expressions (RE2), searched for in text; for patterns that others wrote."""

from __future__ import annotations

from functools import lru_cache

import re2

from haechi.errors import RuleError

_MEMORY = 1 << 23


class Pattern:
    """A compiled expression. Raises RuleError for what RE2 does not take."""

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        try:
            self._compiled = re2.compile(text.encode("utf-8", "surrogatepass"), options)
        except re2.error as error:
            told = error.args[0] if error.args else b""
            reason = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
            raise RuleError(
                f"{text[:80]!r} is no regular expression of RE2: {reason[:200]}",
                do="RE2 has no look-around and no back-references",
            ) from None

    def found_in(self, text: str) -> bool:
        """Whether it matches somewhere in the text."""
        return self._compiled.search(text.encode("utf-8", "replace")) is not None


@lru_cache(maxsize=256)
def pattern(text: str) -> Pattern:
    """The compiled expression of a text, kept for the next time."""
    return Pattern(text)
