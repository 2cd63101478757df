"""Fields made to fit: whatever came, the store takes the event.

First as it is within generous bounds; when that is too large in bytes, again within tighter ones
(long texts go first, then long lists, then depth), and at last the largest fields go. What was cut
is named in ``haechi.cut``, so that a rule can ask for it: padding an object until its interesting
part falls off is something an attacker would do. In an audit event ``haechi.cut`` is ``true`` when
something of what was asked for was cut, so that a rule in Falco's language can ask for it, too.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

OURS = "haechi."
"""Names that begin so are haechi's own: no source may forge them."""
CUT = "haechi.cut"
MOST_BYTES = 52 * 1024
"""Of the fields as JSON. The store takes 64 KiB with everything around them."""
AUDIT = "jevt.obj"
_MOST_NAMED = 16
_KEY_CHARS = 256
_TOP = 2**63


class Bounds(msgspec.Struct, frozen=True):
    """The longest text, the most keys or items, and the deepest nesting below a field."""

    text: int
    items: int
    depth: int


TIERS = (
    Bounds(8_192, 512, 15),
    Bounds(2_048, 512, 15),
    Bounds(512, 256, 15),
    Bounds(256, 64, 15),
    Bounds(128, 24, 12),
    Bounds(64, 12, 8),
)
Trail: TypeAlias = tuple[Any, str] | None
_encode = msgspec.json.Encoder().encode


def fitted(fields: dict[str, Any], cut: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields, plain JSON of at most MOST_BYTES; missing values (None) are left out, and so is
    what only haechi may say. ``cut`` is what was cut already."""
    found: dict[str, Any] = {}
    cutter = _Cutter(TIERS[0])
    for tier in TIERS:
        cutter = _Cutter(tier)
        found = cutter.fields(fields)
        if len(_encode(found)) <= MOST_BYTES:
            break
    else:
        _without_largest(found, cutter)
    if cutter.cut or cut:
        found[CUT] = sorted(cutter.cut.union(cut))
        kept = found.get(AUDIT, {})
        if AUDIT in fields and isinstance(kept, dict) and any(map(_was_asked_for, found[CUT])):
            found[AUDIT] = {**kept, CUT: True}
    return found


def _was_asked_for(place: str) -> bool:
    """True where a part of an audit event's request was cut that can matter. Labels and notes of
    an object start nothing."""
    return place in ("*", AUDIT) or (
        place.startswith(f"{AUDIT}/requestObject")
        and not place.startswith(f"{AUDIT}/requestObject/metadata")
    )


def size_of(value: Any) -> int:
    """Bytes of the value as JSON; of one that cannot be written, more than fits."""
    try:
        return len(_encode(value))
    except (UnicodeEncodeError, RecursionError, TypeError, OverflowError, ValueError):
        return MOST_BYTES + 1


def clean(text: str, most: int) -> str:
    """A name: no control characters, no lone surrogates, no longer than ``most``."""
    text = text[:most]
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


class _Cutter:
    def __init__(self, bounds: Bounds) -> None:
        self._text = bounds.text
        self._items = bounds.items
        self._depth = bounds.depth
        self.cut: set[str] = set()

    def fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields, with a name for each, none of them null."""
        found: dict[str, Any] = {}
        longest = self._text
        for given, value in fields.items():
            # cut before it is remembered: a name of megabytes must not stay
            name = _plain_name(given[:_KEY_CHARS]) if type(given) is str else self._key(given)
            if name is None:
                continue
            kind = type(value)
            simple = (kind is str and len(value) <= longest and value.isascii()) or (
                kind is int and -_TOP <= value < _TOP
            )
            plain = value if simple else self._value(value, (None, name), self._depth)
            if plain is not None:
                found[name] = plain
            if len(found) > self._items:
                del found[name]
                self.mark(None, "*")
                break
        return found

    def _value(self, value: Any, trail: Trail, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._string(value, trail)
        if kind is dict:
            return self._object(value, trail, depth)
        if kind is list or kind is tuple:
            return self._list(value, trail, depth)
        if kind is int:
            return value if -_TOP <= value < _TOP else _huge(value)
        if kind is float:
            return value if math.isfinite(value) else None
        return value if value is None or kind is bool else self._string(str(value), trail)

    def _string(self, value: str, trail: Trail) -> str:
        if len(value) > self._text:
            self.mark(trail)
            value = value[: self._text] + "…"
        return value if value.isascii() else value.encode("utf-8", "replace").decode()

    def _object(self, value: dict[Any, Any], trail: Trail, depth: int) -> dict[str, Any] | None:
        if depth <= 0:
            self.mark(trail)
            return None
        found: dict[str, Any] = {}
        for name, inner in value.items():
            if len(found) >= self._items:
                self.mark(trail)
                break
            found[self._key(name)] = self._value(inner, (trail, str(name)), depth - 1)
        return found

    def _list(self, value: Any, trail: Trail, depth: int) -> list[Any] | None:
        if depth <= 0:
            self.mark(trail)
            return None
        if len(value) > self._items:
            self.mark(trail)
            value = value[: self._items]
        return [self._value(inner, trail, depth - 1) for inner in value]

    def _key(self, name: Any) -> str:
        if type(name) is str and len(name) <= _KEY_CHARS and name.isascii():
            return name
        return _cleaned_key(str(name))

    def mark(self, trail: Trail, name: str = "") -> None:
        """Remember where something was cut, as a path of at most four names."""
        if len(self.cut) >= _MOST_NAMED:
            self.cut.add("*")  # it must not be hidden by others
            return
        names = [name] if name else []
        while trail is not None:
            trail, part = trail
            names.append(part[:60])
        path = "/".join(reversed(names[-4:]))
        self.cut.add(path.encode("utf-8", "replace").decode())


@lru_cache(maxsize=4_096)
def _plain_name(name: str) -> str | None:
    """A field's name as it is kept; None for a name that only haechi may use. Names recur."""
    return None if name.startswith(OURS) else _cleaned_key(name)


def _cleaned_key(name: str) -> str:
    return name[:_KEY_CHARS].encode("utf-8", "replace").decode()


def _without_largest(fields: dict[str, Any], cutter: _Cutter) -> None:
    """Take the largest fields away until the rest fits."""
    sizes = sorted(((len(_encode(value)), name) for name, value in fields.items()), reverse=True)
    total = len(_encode(fields))
    for size, name in sizes:
        if total <= MOST_BYTES:
            return
        del fields[name]
        cutter.mark(None, name)
        total -= size


def _huge(value: int) -> float | None:
    return float(value) if value.bit_length() < 1023 else None
