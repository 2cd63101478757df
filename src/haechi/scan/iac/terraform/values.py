"""Values as the evaluator gives them → the data that rules judge.

What is null is absent, lists are lists, truth values and ports that were written as text are what
the provider makes of them, and whatever is unknown defends itself (``model.unknown.Withheld``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from haechi.engines.hcl.values import Lazy, solid
from haechi.model.unknown import Unknown, Withheld, withheld
from haechi.scan.iac.terraform.run import LIMIT

_TEXTS = frozenset(
    {"value", "values", "default", "default_value", "content", "description", "tags"}
)
"""Attributes of which the provider takes text: their ``"true"`` is one."""
_NUMBERS = ("port", "_days", "_period", "_age", "_length", "_count", "_size")
_MAX_DEPTH = 100
_MAX_ITEMS = 200_000
"""Elements of one resource. What locals build of each other has more than memory."""
_MAX_TOTAL = 4_000_000
"""Of all resources of a run; a root of several may have its ``share``: a quarter."""


class Judged:
    """Makes data, counts known and unknown leaves."""

    def __init__(self, counts: Counter[str], *, share: int = 4) -> None:
        self._counts = counts
        self._share = share
        self._items = 0
        self._total = _MAX_TOTAL
        self._root = _MAX_TOTAL // share
        self.cut = ""

    def begin_root(self) -> None:
        """The resources of another root follow."""
        self._root = min(_MAX_TOTAL // self._share, self._total)

    def data(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The data of one resource. ``cut`` says why it is not whole."""
        self.cut = ""
        self._items = allowed = min(_MAX_ITEMS, self._root)
        try:
            return self._data(attributes)
        finally:
            used = allowed - max(self._items, 0)
            self._root -= used
            self._total -= used

    def _data(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self.value(item, name, 0) for name, item in attributes.items() if item is not None
        }

    def value(self, item: Any, name: str = "", depth: int = 0) -> Any:
        """One value, at the attribute ``name``."""
        kind = type(item)
        self._items -= 1
        if depth > _MAX_DEPTH or self._items < 0:
            return self._left_out(depth)
        if kind is str:
            self._counts["known"] += 1
            return _plain(item, name)
        if kind is bool or kind is int:
            self._counts["known"] += 1
            return item
        if kind is float:
            self._counts["known"] += 1
            return int(item) if item.is_integer() and abs(item) < 2**53 else item
        if isinstance(item, Unknown):
            self._counts["unknown"] += 1
            return self._unknown(item, depth)
        if isinstance(item, Mapping):
            inner = name if name in _TEXTS else ""
            return {
                str(key): self.value(one, inner or str(key), depth + 1)
                for key, one in item.items()
                if one is not None
            }
        if isinstance(item, (list, tuple, set, frozenset)):
            ordered = sorted(item, key=str) if isinstance(item, (set, frozenset)) else item
            return [self.value(one, name, depth + 1) for one in ordered]
        if item is None:
            return None
        return self.value(solid(item), name, depth + 1) if isinstance(item, Lazy) else str(item)

    def _left_out(self, depth: int) -> Withheld:
        if depth > _MAX_DEPTH:
            self.cut = f"values nested deeper than {_MAX_DEPTH} levels are not judged"
        else:
            self.cut = "its values are too many: not all of them are judged"
        return Withheld(self.cut, cause=LIMIT)

    def _unknown(self, item: Unknown, depth: int) -> Withheld:
        if not item.parts and item.content is None:
            return withheld(item)
        parts = tuple(
            part if type(part) is str else self.value(part, "value", depth + 1)
            for part in item.parts
        )
        content = None
        if item.content is not None:
            content = self.value(item.content, "value", depth + 1)
        return Withheld(
            item.reason,
            cause=item.cause,
            refs=item.refs,
            given=item.given,
            parts=parts,
            content=content,
        )


def _plain(text: str, name: str) -> Any:
    if name in _TEXTS:
        return text
    if text == "true" or text == "false":
        return text == "true"
    if name.endswith(_NUMBERS) and text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return text
