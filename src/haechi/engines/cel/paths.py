"""Attribute paths as rule authors write them: ``spec.rules[0].host``, ``data['a/b']``."""

from __future__ import annotations

import re

from haechi.errors import RuleError
from haechi.model.location import AttrPath

_LIMIT = 2000
_STEP = re.compile(
    r"""(?P<dot>\.?)(?P<name>[^.\[\]'"\s]+)
      | \[(?P<index>[0-9]{1,9})\]
      | \[(?P<quote>['"])(?P<quoted>(?:\\.|(?!(?P=quote))[^\\])*)(?P=quote)\]""",
    re.VERBOSE | re.DOTALL,
)


def parse_path(text: str) -> AttrPath:
    """Parse; the empty text is the resource itself. Raises RuleError naming the column."""
    if len(text) > _LIMIT:
        raise RuleError(f"a path may have {_LIMIT} characters, this one has {len(text)}")
    parts: list[str | int] = []
    place = 0
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None or (match["name"] is not None and bool(match["dot"]) != bool(parts)):
            raise RuleError(
                f"path {text!r} is not understood at column {place + 1}",
                do="write it like spec.rules[0].host or metadata.annotations['a/b']",
            )
        parts.append(_part(match))
        place = match.end()
    return tuple(parts)


def _part(match: re.Match[str]) -> str | int:
    if match["name"] is not None:
        return match["name"]
    if match["index"] is not None:
        return int(match["index"])
    return re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL)
