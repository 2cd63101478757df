"""Writes web/src/lib/api/types.ts from the server's own Structs.

The page's types are not typed by hand, and need no running server: the Structs of
``server/shapes.py`` and ``store/records.py`` are what goes over the wire, and whatever else an
operation of the API takes or gives. A test compares the file with this module's output, so that
a change of a shape fails until the file is made again:

    python -m web.dev.api_types >web/src/lib/api/types.ts
"""

from __future__ import annotations

import collections.abc
import datetime as dt
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from enum import EnumMeta, StrEnum

import msgspec

from haechi.model import access, event, severity
from haechi.server import shapes
from haechi.server.api import all_operations
from haechi.store import records

MODULES = (severity, access, event, records, shapes)
REQUESTS = {
    "SignIn",
    "FindingPatch",
    "FindingFilter",
    "WaiverRequest",
    "TokenRequest",
    "UserPatch",
    "Reach",
}
"""What the page sends: keys with a default may be left out."""
NOT_ON_THE_WIRE = {"Record", "Principal", "Notice", "AuditEntry", "FindingFilter", "Follow"}
PLAIN = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dt.datetime: "string",
    dt.date: "string",
    bytes: "string",
    msgspec.Raw: "unknown",
    type(None): "null",
    typing.Any: "unknown",
}
HEAD = "// Made by `python -m web.dev.api_types`; do not edit.\n"


def render() -> str:
    """The whole file: the modules in their order, then what else operations name, by name."""
    parts = [HEAD]
    known: dict[str, type] = {}
    for module in MODULES:
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") != module.__name__ or name in NOT_ON_THE_WIRE:
                continue
            if isinstance(value, EnumMeta) or _is_struct(value):
                known[name] = value
                parts.append(_declared(name, value, asked=name in REQUESTS))
    asked = _reached([one.body for one in all_operations()], known)
    given = _reached([one.answer for one in all_operations()], known)
    for name in sorted(asked.keys() | given.keys()):
        if name in asked and name in given and asked[name] is not given[name]:
            raise TypeError(f"two types of the API are named {name}")
        value = given.get(name) or asked[name]
        parts.append(_declared(name, value, asked=name not in given))
    return "\n".join(parts)


def _is_struct(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, msgspec.Struct)


def _declared(name: str, value: type, *, asked: bool) -> str:
    if isinstance(value, EnumMeta):
        return _enum(name, typing.cast(type[StrEnum], value))
    return _interface(name, value, asked=asked)


def _reached(roots: Iterable[object], known: dict[str, type]) -> dict[str, type]:
    """Structs and enums that these types lead to, without the known ones."""
    found: dict[str, type] = {}
    waiting = list(roots)
    while waiting:
        hint = waiting.pop()
        if _is_struct(typing.get_origin(hint) or hint):
            waiting.extend(_inside(hint))
        else:
            waiting.extend(typing.get_args(hint))
        if not isinstance(hint, type) or not (isinstance(hint, EnumMeta) or _is_struct(hint)):
            continue
        name = hint.__name__
        if known.get(name, hint) is not hint or found.get(name, hint) is not hint:
            raise TypeError(f"two types of the API are named {name}")
        if name in known or name in found or name in NOT_ON_THE_WIRE:
            continue
        found[name] = hint
        waiting.extend(typing.get_type_hints(hint).values() if _is_struct(hint) else ())
    return found


def _inside(hint: object) -> Iterator[object]:
    """The arguments of a generic Struct (``Page[Finding]``)."""
    yield from typing.get_args(hint)


def _enum(name: str, enum: type[StrEnum]) -> str:
    values = " | ".join(f'"{one.value}"' for one in enum)
    return f"export type {name} = {values};\n"


def _interface(name: str, struct: type[msgspec.Struct], *, asked: bool) -> str:
    hints = typing.get_type_hints(struct)
    generic = "<T>" if getattr(struct, "__parameters__", ()) else ""
    lines = [
        f"  {field.encode_name}{_mark(struct, field, asked=asked)}: {_type(hints[field.name])};"
        for field in msgspec.structs.fields(struct)
    ]
    return "\n".join([f"export interface {name}{generic} {{", *lines, "}\n"])


def _mark(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo, *, asked: bool) -> str:
    """``?`` for what may be absent: in requests, and where a Struct leaves defaults out."""
    leaves_out = struct.__struct_config__.omit_defaults or asked
    return "?" if leaves_out and not field.required else ""


def _type(hint: object) -> str:
    if isinstance(hint, typing.TypeVar):
        return "T"
    if hint in PLAIN:
        return PLAIN[typing.cast(typing.Any, hint)]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type(one) for one in arguments if one is not msgspec.UnsetType)
    if origin is typing.Literal:
        return " | ".join(f'"{one}"' for one in arguments)
    if origin in (list, tuple, set, frozenset):
        inner = _type(arguments[0])
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if origin in (dict, collections.abc.Mapping):
        return f"Record<string, {_type(arguments[1])}>"
    if isinstance(hint, type):
        return hint.__name__
    raise TypeError(f"no TypeScript for {hint!r}")


if __name__ == "__main__":
    sys.stdout.write(render())
