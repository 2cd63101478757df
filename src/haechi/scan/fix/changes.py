"""What a fix changes, told apart from how the text is edited.

A change names a place and a value. ``changed`` applies it to plain data; ``edits`` applies it to
the text. That both agree is the proof that an edit touched nothing else.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from haechi.errors import HaechiError
from haechi.model.location import AttrPath, child_at, format_path, value_at


class Refused(HaechiError):
    """A fix that cannot be made without a person. ``what`` is the reason."""


class Octal(int):
    """A number that YAML shows in octal, as file modes are read: ``0440``."""


class Set(msgspec.Struct, frozen=True):
    """Give the place a value; missing mappings on the way are created.

    A list index one past the end appends.
    """

    path: AttrPath
    value: Any


class Delete(msgspec.Struct, frozen=True):
    """Take a key or a list item away.

    ``prune`` goes on with the containers that become empty: the last annotation takes
    ``annotations:`` with it. Without it they stay as ``{}`` or ``[]``, which can mean something
    else (``podSelector: {}`` selects everything). ``moving``: the value goes elsewhere, so its
    comments must not go; where there are any, the change is refused.
    """

    path: AttrPath
    prune: bool = False
    moving: bool = False


class Rename(msgspec.Struct, frozen=True):
    """Give a key another name; its value stays."""

    path: AttrPath
    name: str


Change = Set | Delete | Rename


def changed(data: Any, change: Change) -> Any:
    """A copy of the data with the change applied. Raises Refused when its place is not there."""
    out = copy.deepcopy(data)
    match change:
        case Set(path, value):
            return _set(out, path, copy.deepcopy(value))
        case Delete(path, prune, _):
            return _delete(out, path, prune)
        case Rename(path, name):
            parent = value_at(out, path[:-1])
            if not isinstance(parent, dict) or path[-1] not in parent or name in parent:
                raise Refused(f"{format_path(path)} cannot be renamed to {name}")
            entries = {name if key == path[-1] else key: value for key, value in parent.items()}
            parent.clear()
            parent.update(entries)
            return out


def exists(data: Any, path: AttrPath) -> bool:
    """True when the place is written, even with null."""
    if not path:
        return True
    parent = value_at(data, path[:-1])
    match path[-1]:
        case int(index):
            return isinstance(parent, list) and 0 <= index < len(parent)
        case name:
            return isinstance(parent, dict) and name in parent


def same(one: Any, other: Any) -> bool:
    """Equal values of equal types: Python holds True == 1, Kubernetes does not."""
    one, other = _without_octal(one), _without_octal(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _without_octal(value: Any) -> Any:
    return int(value) if isinstance(value, Octal) else value


def nested(path: AttrPath, value: Any) -> Any:
    """The value wrapped in the mappings that ``path`` names."""
    for part in reversed(path):
        if isinstance(part, int):
            if part != 0:
                raise Refused("a list that is not there has no second item")
            value = [value]
        else:
            value = {part: value}
    return value


def _set(data: Any, path: AttrPath, value: Any) -> Any:
    if not path:
        return value
    parent = data
    for at, part in enumerate(path[:-1]):
        inner = child_at(parent, part)
        if inner is None:
            _put(parent, part, nested(path[at + 1 :], value), path)
            return data
        parent = inner
    _put(parent, path[-1], value, path)
    return data


def _put(parent: Any, part: str | int, value: Any, path: AttrPath) -> None:
    if isinstance(part, int) and isinstance(parent, list) and part <= len(parent):
        parent[part : part + 1] = [value]
    elif isinstance(part, str) and isinstance(parent, dict):
        parent[part] = value
    else:
        raise Refused(f"{format_path(path)} leads through something that holds no such place")


def _delete(data: Any, path: AttrPath, prune: bool) -> Any:
    if not path or not exists(data, path):
        raise Refused(f"{format_path(path)} is not there")
    while True:
        parent = value_at(data, path[:-1])
        del parent[path[-1]]
        path = path[:-1]
        if parent or not prune or not path:
            return data
