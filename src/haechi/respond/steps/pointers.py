"""JSON patches on plain values, as far as responses need them (RFC 6901, 6902): what a patch will
change, and how that is taken back field by field.

Undoing a patch by its mirror image would fail as a whole when one field was changed by somebody
else, or write over their value. So the inverse is a list of fields: what was there, what we put
there. A field that still holds what we put there gets back what was there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.respond.steps.performer import Unfit

MOST = 500


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value, or that there is none."""

    there: bool = False
    value: Any = None


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field that a patch changes."""

    path: str
    before: Value
    after: Value


ABSENT = Value()


def parts_of(path: str) -> list[str]:
    """The steps of a pointer."""
    if path and not path.startswith("/"):
        raise Unfit(f"{path[:80]!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def pointer(*parts: str) -> str:
    """A pointer of steps."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


def read(value: Any, path: str) -> Value:
    """What is at a pointer."""
    for part in parts_of(path):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return Value(there=True, value=value)


def fields_of(found: Any, operations: Sequence[Mapping[str, Any]]) -> list[Field]:
    """What the patch would change in this object, in its order. Unfit when a test does not hold
    or an operation is one that could not be taken back field by field."""
    if len(operations) > MOST:
        raise Unfit(f"the patch has more than {MOST} operations")
    now = copy.deepcopy(found)
    changed: list[Field] = []
    for one in operations:
        path, op = str(one.get("path", "")), one.get("op")
        before = read(now, path)
        if op == "test":
            _tested(before, one, path)
            continue
        after = _after(op, before, one, path)
        _put(now, path, after)
        if after != before:
            changed += _each(path, before, after)
    return changed


def _each(path: str, before: Value, after: Value) -> list[Field]:
    """One field; where a whole mapping is new, its entries one by one: others may put theirs in
    it, and those are not ours to take away."""
    if before.value is not None or not isinstance(after.value, dict):
        return [Field(path=path, before=before, after=after)]
    entries = [
        Field(path=path + pointer(str(key)), before=ABSENT, after=Value(there=True, value=value))
        for key, value in after.value.items()
    ]
    return [Field(path=path, before=before, after=Value(there=True, value={})), *entries]


def _tested(before: Value, one: Mapping[str, Any], path: str) -> None:
    # As the API server's library has it, a test for null holds for a field that is not there.
    if before.value != one.get("value"):
        raise Unfit(
            f"{path} is not as the plan says",
            why=f"it is {_shown(before)}, not {str(one.get('value'))[:80]!r}",
            do="plan anew: the object was changed since",
        )


def _after(op: Any, before: Value, one: Mapping[str, Any], path: str) -> Value:
    match op:
        case "add":
            return Value(there=True, value=copy.deepcopy(one.get("value")))
        case "replace" if before.there:
            return Value(there=True, value=copy.deepcopy(one.get("value")))
        case "remove" if before.there:
            return ABSENT
        case "replace" | "remove":
            raise Unfit(f"{path} is not there", do="plan anew: the object was changed since")
        case _:
            raise Unfit(f"the operation {str(op)[:40]!r} cannot be taken back field by field")


def _put(value: Any, path: str, after: Value) -> None:
    parts = parts_of(path)
    if not parts:
        raise Unfit("a patch of the whole object cannot be taken back")
    holder = read(value, pointer(*parts[:-1])).value
    if isinstance(holder, list) and after.there and parts[-1].isdecimal():
        if int(parts[-1]) >= len(holder):
            raise Unfit(f"{path} is not there")
        holder[int(parts[-1])] = after.value
    elif isinstance(holder, dict):
        if after.there:
            holder[parts[-1]] = after.value
        else:
            holder.pop(parts[-1], None)
    else:
        raise Unfit(f"{path} cannot be set", why="what holds it is no object")


def restoring(found: Any, fields: Sequence[Field]) -> tuple[list[dict[str, Any]], list[str]]:
    """Operations that give back what is still as we put it, the last change first, and words for
    what is left alone since somebody else has changed it."""
    now = copy.deepcopy(found)
    operations: list[dict[str, Any]] = []
    left: list[str] = []
    for one in reversed(_last(fields)):
        there = read(now, one.path)
        if there == one.before:
            continue
        if there != one.after:
            if one.after.value != {}:  # an empty mapping that others have filled is theirs
                left.append(f"{one.path} is {_shown(there)} by now: it is left so")
            continue
        holder = pointer(*parts_of(one.path)[:-1])
        if not read(now, holder).there:  # an API server leaves empty mappings out
            if not isinstance(read(now, pointer(*parts_of(holder)[:-1])).value, dict):
                left.append(f"what held {one.path} is gone: it is left so")
                continue
            _put(now, holder, Value(there=True, value={}))
            operations.append({"op": "add", "path": holder, "value": {}})
        _put(now, one.path, one.before)
        operations.append(_operation(one.path, there, one.before))
    return operations, left


def _operation(path: str, there: Value, before: Value) -> dict[str, Any]:
    if not before.there:
        return {"op": "remove", "path": path}
    op = "replace" if there.there else "add"
    return {"op": op, "path": path, "value": before.value}


def standing_of(found: Any, fields: Sequence[Field]) -> tuple[int, int, int]:
    """How many fields are as before, as we put them, and as neither."""
    before = after = other = 0
    for one in _last(fields):
        if one.after.value == {}:
            continue  # it is there for what is in it
        there = read(found, one.path)
        if there == one.after:
            after += 1
        elif there == one.before:
            before += 1
        else:
            other += 1
    return before, after, other


def _last(fields: Sequence[Field]) -> list[Field]:
    """Each path once: what was there first, what we put there last."""
    merged: dict[str, Field] = {}
    for one in fields:
        known = merged.get(one.path)
        merged[one.path] = one if known is None else msgspec.structs.replace(known, after=one.after)
    return list(merged.values())


def _shown(value: Value) -> str:
    return f"{str(value.value)[:80]!r}" if value.there else "not there"
