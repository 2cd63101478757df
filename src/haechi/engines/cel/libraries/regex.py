"""``find`` and ``findAll``: RE2, as ``matches`` is, so time is linear in the text."""

from __future__ import annotations

import functools
from typing import Any

from haechi.engines.cel.libraries.overload import Invalid, Overload

_PROGRAM_BYTES = 8 * 2**20


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PROGRAM_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise Invalid(f"Illegal regex: {error}") from error


def find(text: str, pattern: str) -> str:
    """The first match, or the empty text."""
    match = _compiled(pattern).search(text)
    return match.group() if match else ""


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """All matches; with a limit of at least 0 no more than that many.

    As Go's FindAll: an empty match right after another match does not count.
    """
    found: list[str] = []
    end = -1
    for match in _compiled(pattern).finditer(text) if limit else ():
        if match.start() == match.end() == end:
            continue
        end = match.end()
        found.append(match.group())
        if len(found) == limit:
            break
    return found


_S, _L = "string", "list<string>"

OVERLOADS = {
    "find": (Overload("string_find_string", (_S, _S), _S, find),),
    "findAll": (
        Overload("string_find_all_string", (_S, _S), _L, find_all),
        Overload("string_find_all_string_int", (_S, _S, "int"), _L, find_all),
    ),
}
