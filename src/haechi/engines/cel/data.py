"""What data may be handed to the CEL library, and values that are not known yet.

The C++ library converts a whole variable at its first use. It kills the process on deep nesting
and on integers of more than 4,300 digits, raises on text that is not Unicode, and refuses classes
other than the plain ones with a message that repeats the data. So each variable is examined once
per review; one that is not fit is replaced by a value the library refuses, which makes every use
of it an error and leaves expressions that do not use it alone.

``Unknown`` (an attribute Terraform knows only after apply) is carried the same way: see
docs/spikes/unknown-values.md and ``reads`` for how rules that do not look at it still answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.model.location import AttrPath, format_path
from haechi.model.unknown import Unknown, Withheld

DEPTH_LIMIT = 256
VALUES_LIMIT = 1_000_000
INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class Unfit:
    """Stands for a variable that CEL cannot hold, and says why. The library refuses its class."""

    __slots__ = ("fault",)

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def __repr__(self) -> str:
        return "unfit"


class Examined(msgspec.Struct, frozen=True):
    """``fault`` says why the value is unfit; ``unknown`` holds the paths of unknown values;
    ``null``: a null is among the values; ``nul``: a text holds the character 0."""

    fault: str = ""
    unknown: tuple[AttrPath, ...] = ()
    null: bool = False
    nul: bool = False


_FIT = Examined()
_UNKNOWN = frozenset({Unknown, Withheld})
GIVEN = "(known after apply)"
"""Stands in ``present`` for a value that is set and not known."""
_PLAIN = frozenset({bool, float, type(None)})
_TEXTS = frozenset({"annotations", "data", "labels", "matchLabels", "nodeSelector", "stringData"})
"""Fields of Kubernetes that map names to text."""


def examine(value: Any) -> Examined:
    """Judge whether CEL can hold a value. Any input is answered, cyclic ones too."""
    if type(value) is Unfit:
        return Examined(value.fault)
    level: list[Any] = [value]
    count = depth = 0
    has_unknown = has_null = has_nul = False
    while level:
        count += len(level)
        depth += 1
        if depth > DEPTH_LIMIT:
            return Examined(f"nested deeper than {DEPTH_LIMIT} levels")
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                if not item.isascii() and not is_unicode(item):
                    return Examined(_fault_of(value))
                if "\0" in item:
                    has_nul = True
            elif kind is dict:
                for key in item:
                    if type(key) is not str or not (key.isascii() or is_unicode(key)):
                        return Examined(_fault_of(value))
                    if "\0" in key:
                        has_nul = True
                below.extend(item.values())
            elif kind is list:
                below.extend(item)
            elif kind is int:
                if not INT_MIN <= item <= INT_MAX:
                    return Examined(_fault_of(value))
            elif kind in _UNKNOWN:
                has_unknown = True
            elif item is None:
                has_null = True
            elif kind not in _PLAIN:
                return Examined(_fault_of(value))
            if count + len(below) > VALUES_LIMIT:
                return Examined(f"more than {VALUES_LIMIT:,} values")
        level = below
    if not has_unknown and not has_null and not has_nul:
        return _FIT
    unknown = tuple(_unknown_in(value)) if has_unknown else ()
    return Examined(unknown=unknown, null=has_null, nul=has_nul)


def is_unicode(text: str) -> bool:
    """False for text with half of a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(value: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """All values with their paths, breadth first, within the limits of ``examine``."""
    found: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    for path, item in found:  # grows while it is walked
        if len(path) >= DEPTH_LIMIT or len(found) > VALUES_LIMIT:
            break
        if type(item) is dict:
            found.extend(((*path, key), below) for key, below in item.items())
        elif type(item) is list:
            found.extend(((*path, index), below) for index, below in enumerate(item))
    return found


def _unknown_in(value: Any) -> list[AttrPath]:
    return [path for path, item in _walk(value) if type(item) in _UNKNOWN]


def _fault_of(value: Any) -> str:
    """The first fault with its place. The value itself is not repeated: it may be a secret."""
    for path, item in _walk(value):
        fault = _own_fault(item)
        if fault:
            # Keys of other types are left out: an odd class may not even survive being printed.
            where = format_path(tuple(part for part in path if type(part) in (str, int)))
            return f"{where or 'it'} {fault}".encode("ascii", "backslashreplace").decode()
    return "holds a value that CEL has no type for"


def _own_fault(item: Any) -> str:
    kind = type(item)
    if kind is str:
        return "" if is_unicode(item) else "is text that is not valid Unicode"
    if kind is int:
        return "" if INT_MIN <= item <= INT_MAX else "is an integer of more than 64 bits"
    if kind is dict:
        for key in item:
            if type(key) is not str:
                return f"has a key of type {type(key).__name__}"
            if not is_unicode(key):
                return "has a key that is not valid Unicode"
        return ""
    if kind is list or kind in _UNKNOWN or kind in _PLAIN:
        return ""
    return f"is of type {kind.__name__}, which CEL has no type for"


def as_decoded(value: Any, texts: bool = False) -> Any:
    """A copy of a Kubernetes object as the API server holds it: a field that is null is absent,
    and an empty text in a map of texts. What is null in a list stays."""
    if type(value) is dict:
        if texts:
            return {key: "" if item is None else as_decoded(item) for key, item in value.items()}
        return {
            key: as_decoded(item, key in _TEXTS) for key, item in value.items() if item is not None
        }
    if type(value) is list:
        return [as_decoded(item) for item in value]
    return value


def without_nul(value: Any) -> Any:
    """A copy with U+FFFD in place of the character 0, where the library ends a text: what stands
    after it must not be hidden from a policy."""
    if type(value) is str:
        return value.replace("\0", "\ufffd")
    if type(value) is dict:
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if type(value) is list:
        return [without_nul(item) for item in value]
    return value


def without_unknown(value: Any) -> Any:
    """A copy with null in place of unknown values, for expressions that do not look at them."""
    if type(value) is dict:
        return {key: without_unknown(item) for key, item in value.items()}
    if type(value) is list:
        return [without_unknown(item) for item in value]
    return None if type(value) in _UNKNOWN else value


def present(value: Any) -> Any:
    """A copy in which values that are given, though unknown, are a text; others stay unknown."""
    if type(value) is dict:
        return {key: present(item) for key, item in value.items()}
    if type(value) is list:
        return [present(item) for item in value]
    return GIVEN if type(value) in _UNKNOWN and value.given else value


def plain(value: Any) -> Any:
    """A mapping of another class at the top as a dictionary; everything else as it is."""
    return dict(value) if isinstance(value, Mapping) and type(value) is not dict else value
