"""Which operation a request means: by its method and the parts of its path.

Paths are matched part by part before they are decoded, so an id may hold an encoded slash and
no encoded dot can climb. Fixed parts go before parameters (``/findings/facets`` is no finding).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from haechi.server.problems import Refusal

BASE = "/api/v1"
LONGEST_PATH = 4096
T = TypeVar("T")


class Found(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What is at a path, by method, and the values of the path's parameters."""

    by_method: Mapping[str, T]
    params: Mapping[str, str]


@dataclass(slots=True)
class _Node(Generic[T]):
    fixed: dict[str, _Node[T]] = field(default_factory=dict)
    free: _Node[T] | None = None
    names: tuple[str, ...] = ()
    by_method: dict[str, T] = field(default_factory=dict)


class Table(Generic[T]):
    """Values by method and path."""

    def __init__(self, rows: Iterable[tuple[str, str, T]]) -> None:
        self._root: _Node[T] = _Node()
        for method, path, value in rows:
            self._add(method, path, value)

    def _add(self, method: str, path: str, value: T) -> None:
        node = self._root
        names: list[str] = []
        for part in path.strip("/").split("/"):
            if part.startswith("{"):
                names.append(part[1:-1])
                node.free = node.free or _Node()
                node = node.free
            else:
                node = node.fixed.setdefault(part, _Node())
        if method in node.by_method or (node.by_method and node.names != tuple(names)):
            raise ValueError(f"two operations at {method} {path}")
        node.names = tuple(names)
        node.by_method[method] = value

    def find(self, raw_path: bytes) -> Found[T] | None:
        """What is there. Raises Refusal 400 for a path that is no percent-encoded UTF-8."""
        parts = split(raw_path)
        found = _descend(self._root, parts, ())
        if found is None:
            return None
        node, values = found
        return Found(by_method=node.by_method, params=dict(zip(node.names, values, strict=True)))


def _descend(
    node: _Node[T], parts: tuple[str, ...], values: tuple[str, ...]
) -> tuple[_Node[T], tuple[str, ...]] | None:
    if not parts:
        return (node, values) if node.by_method else None
    head, rest = parts[0], parts[1:]
    found = None
    if head in node.fixed:
        found = _descend(node.fixed[head], rest, values)
    if found is None and node.free is not None and head:
        found = _descend(node.free, rest, (*values, head))
    return found


def split(raw_path: bytes) -> tuple[str, ...]:
    """The decoded parts of a path. Raises Refusal 400."""
    if len(raw_path) > LONGEST_PATH:
        raise Refusal(400, f"the path is longer than {LONGEST_PATH} bytes")
    try:
        parts = tuple(
            unquote_to_bytes(part).decode("utf-8")
            for part in raw_path.removeprefix(b"/").split(b"/")
        )
    except UnicodeDecodeError as error:
        raise Refusal(400, "the path is not percent-encoded UTF-8") from error
    if any("\0" in part or part in (".", "..") for part in parts):
        raise Refusal(400, "the path has a part that is never one here (., .. or NUL)")
    return parts


def full_path(path: str) -> str:
    """An operation's path as it is asked for: below /api/v1 unless it says otherwise."""
    return path if path.startswith("/api/") else f"{BASE}{path}"
