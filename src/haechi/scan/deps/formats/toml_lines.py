"""Lines of keys in TOML that people write. Rust's decoder tells no places; one pass over the
lines finds each key under the header it stands below. A text in several lines that looks like a
key can only spoil a line number, never a value."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[+([^\[\]]{1,400})\]+\s*(?:#.*)?$")
_KEY = re.compile(r"\s*(\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[A-Za-z0-9_.-]{1,200})\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of every key and header by its full path; the first one counts."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            table = _path(header[1])
            lines.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            path = (*table, *_path(key[1]))
            for length in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:length], number)
    return lines


def _path(text: str) -> tuple[str, ...]:
    return tuple(part[1] or part[2] or part[3] or "" for part in _PART.finditer(text))[:20]
