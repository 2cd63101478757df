"""The kernel's type information (BTF): where fields lie and which function has which id.

One pass over the type section notes where each type starts (0.1 s of CPU for the 126,000 types
of a 6.18 kernel), so nothing is cached on disk; only types that are asked for are decoded. The
blob comes from the kernel, but it is read as hostile all the same: every length is checked and
every walk is bounded. Format: Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

PLACE = Path("/sys/kernel/btf/vmlinux")
MAX_BYTES = 128 << 20
MAX_TYPES = 4_000_000
MAX_DEPTH = 32

INT, POINTER, ARRAY, STRUCT, UNION, ENUM, FORWARD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNCTION, PROTOTYPE, VARIABLE, SECTION, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)
_FIXED = {INT: 4, ARRAY: 12, VARIABLE: 4, DECL_TAG: 4}
_EACH = {STRUCT: 12, UNION: 12, ENUM: 8, PROTOTYPE: 8, SECTION: 12, ENUM64: 12}
_TRANSPARENT = {TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG}

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")


class BtfError(ValueError):
    """Not BTF, damaged, or it has no such type or field."""


class Btf:
    """Types of one kernel. ``of_kernel`` reads the running one's."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) < _HEADER.size:
            raise BtfError("too short for a BTF header")
        if len(blob) > MAX_BYTES:
            raise BtfError(f"{len(blob)} bytes; at most {MAX_BYTES}")
        magic, version, _, head, types, types_size, names, names_size = _HEADER.unpack_from(blob)
        if magic != 0xEB9F:
            raise BtfError("not BTF of this byte order (magic is not 0xEB9F)")
        if version != 1:
            raise BtfError(f"BTF version {version}; 1 is known")
        if head + types + types_size > len(blob) or head + names + names_size > len(blob):
            raise BtfError("a section reaches past the end")
        self._blob = blob
        self._names = head + names
        self._names_end = self._names + names_size
        self._places = _places(blob, head + types, head + types + types_size)
        self._by_name: dict[str, list[int]] = {}

    @classmethod
    def of_kernel(cls, place: Path = PLACE) -> Btf:
        try:
            with place.open("rb") as file:
                blob = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise BtfError(f"{place} cannot be read ({error.strerror})") from error
        return cls(blob)

    def __len__(self) -> int:
        return len(self._places)

    def find(self, *names: str) -> None:
        """Learn the ids of these names in one pass; ``identify`` and ``offset`` need it first."""
        wanted: dict[int, str] = {}
        region = self._blob[self._names : self._names_end]
        for name in names:
            self._by_name.setdefault(name, [])
            for place in _occurrences(region, name.encode()):
                wanted[place] = name
        get = wanted.get
        unpack = struct.Struct("<I").unpack_from
        blob = self._blob
        for number, place in enumerate(self._places):
            name_ = get(unpack(blob, place)[0])
            if name_ is not None and number and number not in self._by_name[name_]:
                self._by_name[name_].append(number)

    def identify(self, name: str, *kinds: int) -> int | None:
        """The id of the type with this name and one of these kinds."""
        if name not in self._by_name:
            self.find(name)
        for number in self._by_name[name]:
            if self.kind(number) in kinds:
                return number
        return None

    def kind(self, number: int) -> int:
        return (self._type(number)[1] >> 24) & 31

    def size(self, name: str) -> int:
        """Bytes of a struct or union."""
        return self._type(self._struct(name))[2]

    def parameters(self, number: int) -> int:
        """How many parameters a function, or a typedef of a pointer to a prototype, has."""
        for _ in range(MAX_DEPTH):
            _, info, target = self._type(number)
            kind = (info >> 24) & 31
            if kind == PROTOTYPE:
                return info & 0xFFFF
            if kind not in _TRANSPARENT and kind not in (FUNCTION, POINTER):
                break
            number = target
        raise BtfError("not a function")

    def offset(self, path: str) -> int:
        """Bytes from the start of a struct to a field: ``task_struct.cred``, ``a.b.c``.

        Anonymous structs and unions are looked through. BtfError when a part is missing or a
        bit field.
        """
        head, *parts = path.split(".")
        number = self._struct(head)
        total = 0
        for part in parts:
            number = self._bare(number)
            found = self._member(number, part, 0)
            if found is None:
                raise BtfError(f"{path}: this kernel has no field {part!r} there")
            bits, number = found
            if bits % 8:
                raise BtfError(f"{path}: {part} is a bit field")
            total += bits // 8
        return total

    def has(self, path: str) -> bool:
        try:
            self.offset(path)
        except BtfError:
            return False
        return True

    def _struct(self, name: str) -> int:
        number = self.identify(name, STRUCT, UNION)
        if number is None:
            raise BtfError(f"this kernel has no struct {name}")
        return number

    def _bare(self, number: int) -> int:
        for _ in range(MAX_DEPTH):
            _, info, target = self._type(number)
            if (info >> 24) & 31 not in _TRANSPARENT:
                return number
            number = target
        raise BtfError("types refer to each other in a circle")

    def _member(self, number: int, name: str, depth: int) -> tuple[int, int] | None:
        if depth > MAX_DEPTH:
            raise BtfError("structs nest too deeply")
        inner: list[tuple[int, int]] = []
        for name_offset, target, bits in self._members(number):
            own = self._text(name_offset)
            if own == name:
                return bits, target
            if not own:
                inner.append((bits, target))
        for bits, target in inner:
            bare = self._bare(target)
            if self.kind(bare) in (STRUCT, UNION):
                found = self._member(bare, name, depth + 1)
                if found is not None:
                    return bits + found[0], found[1]
        return None

    def _members(self, number: int) -> Iterator[tuple[int, int, int]]:
        _, info, _ = self._type(number)
        if (info >> 24) & 31 not in (STRUCT, UNION):
            return
        place = self._places[number] + _TYPE.size
        flagged = info >> 31
        for index in range(info & 0xFFFF):
            name, target, bits = _MEMBER.unpack_from(self._blob, place + index * _MEMBER.size)
            if flagged:
                # with the flag set the upper byte is a bit field's width
                bits = (bits & 0xFFFFFF) | (1 if bits >> 24 else 0)
            yield name, target, bits

    def _type(self, number: int) -> tuple[int, int, int]:
        if not 0 < number < len(self._places):
            raise BtfError(f"there is no type {number}")
        name, info, third = _TYPE.unpack_from(self._blob, self._places[number])
        return name, info, third

    def _text(self, offset: int) -> str:
        start = self._names + offset
        if start >= self._names_end:
            raise BtfError("a name lies outside of the names")
        end = self._blob.find(b"\0", start, min(self._names_end, start + 512))
        if end < 0:
            raise BtfError("a name has no end")
        return self._blob[start:end].decode("utf-8", "replace")


def _places(blob: bytes, place: int, end: int) -> list[int]:
    """Where each type starts; index 0 is ``void``."""
    places = [place]
    unpack, note = struct.Struct("<II").unpack_from, places.append
    fixed = [_FIXED.get(kind, 0) for kind in range(32)]
    each = [_EACH.get(kind, 0) for kind in range(32)]
    while place < end:
        if place + 12 > end:
            raise BtfError("the types end in the middle of one")
        info = unpack(blob, place)[1]
        kind = (info >> 24) & 31
        if not 0 < kind <= ENUM64:
            raise BtfError(f"type {len(places)} is of the unknown kind {kind}")
        note(place)
        place += 12 + fixed[kind] + each[kind] * (info & 0xFFFF)
    if place != end:
        raise BtfError("the last type reaches past the end")
    if len(places) > MAX_TYPES:
        raise BtfError(f"{len(places)} types; at most {MAX_TYPES}")
    return places


def _occurrences(region: bytes, name: bytes) -> Iterator[int]:
    needle = b"\0" + name + b"\0"
    place = region.find(needle)
    while place >= 0:
        yield place + 1
        place = region.find(needle, place + 1)
