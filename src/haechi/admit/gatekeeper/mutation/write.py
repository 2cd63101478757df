"""Writing at a location: walking down, making what is missing, setting the value.

What is there already stays: a write that changes nothing reports nothing, so that a fixed point
is seen. Path tests decide on the way whether a part may, or may not, be there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from haechi.admit.gatekeeper.mutation.location import Field, Item, Location, told
from haechi.engines.rego.values import equal
from haechi.errors import RuleError

MUST_EXIST, MUST_NOT_EXIST = "MustExist", "MustNotExist"
Setter = Callable[[Any], Any]
"""Of the old value (``ABSENT``: there is none) makes the new one; ``ABSENT``: nothing is set."""


class _Absent:
    pass


ABSENT: Final = _Absent()


class Writer:
    """Writes at one location. ``tests`` maps a depth to the condition on it."""

    def __init__(
        self, location: Location, tests: Mapping[int, str], setter: Setter, *, keyed: bool = False
    ) -> None:
        self._location = location
        self._tests = tests
        self._setter = setter
        self._keyed = keyed

    def write(self, body: dict[str, Any]) -> bool:
        """Change the object in place; whether anything changed. Raises RuleError where the object
        has another shape than the location says."""
        return self._at(body, 0)

    def _may_exist(self, depth: int) -> bool:
        return self._tests.get(depth) != MUST_NOT_EXIST

    def _may_be_missing(self, depth: int) -> bool:
        return self._tests.get(depth) != MUST_EXIST

    def _at(self, current: Any, depth: int) -> bool:
        node = self._location[depth]
        if isinstance(node, Field):
            if not isinstance(current, dict):
                raise self._mismatch(depth, "an object", current)
            return self._field(current, node, depth)
        if not isinstance(current, list):
            raise self._mismatch(depth, "a list", current)
        return self._items(current, node, depth)

    def _field(self, current: dict[str, Any], node: Field, depth: int) -> bool:
        exists = node.name in current
        if not (self._may_exist(depth) if exists else self._may_be_missing(depth)):
            return False
        if depth == len(self._location) - 1:
            return self._set(current, node.name)
        following = current[node.name] if exists else self._made(depth)
        changed = self._at(following, depth + 1)
        if changed and not exists:
            current[node.name] = following
        return changed

    def _set(self, current: dict[str, Any], name: str) -> bool:
        old = current.get(name, ABSENT)
        new = self._setter(old)
        if new is ABSENT or (old is not ABSENT and equal(old, new)):
            return False
        current[name] = copy.deepcopy(new)
        return True

    def _items(self, current: list[Any], node: Item, depth: int) -> bool:
        if depth == len(self._location) - 1:
            return self._set_item(current, node, depth)
        if node.is_glob:
            if not self._may_exist(depth):
                return False
            return self._in_each(current, depth)
        chosen = [item for item in current if isinstance(item, dict) and node.chooses(item)]
        if chosen:
            if not self._may_exist(depth):
                return False
            return self._in_each(chosen, depth)
        if not self._may_be_missing(depth):
            return False
        item = self._made(depth)
        item[node.key] = node.value
        changed = self._at(item, depth + 1)
        if changed:
            current.append(item)
        return changed

    def _in_each(self, chosen: list[Any], depth: int) -> bool:
        changed = False
        for item in chosen:
            changed = self._at(item, depth + 1) or changed
        return changed

    def _set_item(self, current: list[Any], node: Item, depth: int) -> bool:
        if node.is_glob or not self._keyed:
            raise RuleError(f"{told(self._location)} names items, and no field of them")
        for number, item in enumerate(current):
            if not isinstance(item, dict):
                raise self._mismatch(depth, "an object", item)
            if node.chooses(item):
                new = self._setter(item)
                if not self._may_exist(depth) or equal(item, new):
                    return False
                current[number] = copy.deepcopy(new)
                return True
        if not self._may_be_missing(depth):
            return False
        current.append(copy.deepcopy(self._setter(ABSENT)))
        return True

    def _made(self, depth: int) -> Any:
        return [] if isinstance(self._location[depth + 1], Item) else {}

    def _mismatch(self, depth: int, wanted: str, found: Any) -> RuleError:
        at = told(self._location[:depth]) or "the object"
        return RuleError(f"{at} is {type(found).__name__}, and the mutator takes it for {wanted}")
