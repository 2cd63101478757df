"""``${{ … }}`` in texts of workflows: where they stand and which secrets they read.

The contents are not evaluated. A text with an expression in it has a value that only the run
knows, which is why judges ask ``is_dynamic`` before they compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SECRET = re.compile(
    r"\bsecrets\s*(?:\.\s*([A-Za-z_][A-Za-z0-9_-]{0,200})|\[\s*'([^'\]]{1,200})'\s*\])",
    re.IGNORECASE,
)
_OWN_TOKEN = "GITHUB_TOKEN"  # noqa: S105 - its name


def expressions(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each expression, braces included."""
    at = text.find("${{")
    while at >= 0:
        end = text.find("}}", at)
        if end < 0:
            return
        yield at, end + 2
        at = text.find("${{", end)


def is_dynamic(text: str) -> bool:
    """True when the value is known only at run time."""
    return "${{" in text


def secrets_in(text: str) -> tuple[str, ...]:
    """Names of the secrets that a text reads; the run's own GITHUB_TOKEN is none.

    Every action of a job may have that token without asking (``github.token``).
    """
    if "secrets" not in text.lower():
        return ()
    found: list[str] = []
    for start, end in expressions(text):
        found += names_in(text[start:end])
    return tuple(dict.fromkeys(found))


def names_in(expression: str) -> list[str]:
    """The same for the inside of an expression."""
    names = (match[1] or match[2] for match in _SECRET.finditer(expression))
    return [name for name in names if name.upper() != _OWN_TOKEN]
