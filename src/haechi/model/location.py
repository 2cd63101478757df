"""Where something stands in a file, and how a value inside a resource is addressed."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from haechi.model.unknown import Unknown

AttrPath = tuple[str | int, ...]
"""Address of a value inside a resource: ``("spec", "containers", 0, "image")``."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a file. Lines and columns count from 1; ``path`` is relative to the scan root."""

    path: str
    line: int = 1
    column: int = 1
    end_line: int = 1
    end_column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def child_at(value: Any, part: str | int) -> Any:
    """The value under a key or index, or None; any value may be asked."""
    if isinstance(value, Unknown):
        return None
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and 0 <= part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


def value_at(value: Any, path: AttrPath) -> Any:
    """The value at a path, or None."""
    for part in path:
        value = child_at(value, part)
    return value


def format_path(path: AttrPath) -> str:
    """Write an attribute path the way people read it: ``spec.containers[0].image``."""
    out: list[str] = []
    for part in path:
        if isinstance(part, int):
            out.append(f"[{part}]")
        elif _PLAIN.match(part):
            out.append(f".{part}" if out else part)
        else:
            out.append(f"['{part}']")
    return "".join(out)
