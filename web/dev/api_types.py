"""Writes web/src/lib/api/types.ts from the server's own Structs.

The page's types are not typed by hand, and need no running server: the Structs of
``server/shapes.py`` and ``store/records.py`` are what goes over the wire. A test compares the
file with this module's output, so that a change of a shape fails until the file is made again:

    python -m web.dev.api_types >web/src/lib/api/types.ts
"""

from __future__ import annotations

import datetime as dt
import sys
import types
import typing
from enum import EnumMeta, StrEnum

import msgspec

from haechi.model import access, event, severity
from haechi.server import shapes
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
NOT_ON_THE_WIRE = {"Record", "Principal", "Notice", "AuditEntry", "FindingFilter"}
PLAIN = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dt.datetime: "string",
    dt.date: "string",
    type(None): "null",
    typing.Any: "unknown",
}
HEAD = "// Made by `python -m web.dev.api_types`; do not edit.\n"


def render() -> str:
    """The whole file."""
    parts = [HEAD]
    for module in MODULES:
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") != module.__name__ or name in NOT_ON_THE_WIRE:
                continue
            if isinstance(value, EnumMeta):
                parts.append(_enum(name, typing.cast(type[StrEnum], value)))
            elif isinstance(value, type) and issubclass(value, msgspec.Struct):
                parts.append(_interface(name, value))
    return "\n".join(parts)


def _enum(name: str, enum: type[StrEnum]) -> str:
    values = " | ".join(f'"{one.value}"' for one in enum)
    return f"export type {name} = {values};\n"


def _interface(name: str, struct: type[msgspec.Struct]) -> str:
    hints = typing.get_type_hints(struct)
    generic = "<T>" if getattr(struct, "__parameters__", ()) else ""
    lines = [
        f"  {field.encode_name}{_mark(name, struct, field)}: {_type(hints[field.name])};"
        for field in msgspec.structs.fields(struct)
    ]
    return "\n".join([f"export interface {name}{generic} {{", *lines, "}\n"])


def _mark(name: str, struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> str:
    """``?`` for what may be absent: in requests, and where a Struct leaves defaults out."""
    leaves_out = struct.__struct_config__.omit_defaults or name in REQUESTS
    return "?" if leaves_out and not field.required else ""


def _type(hint: object) -> str:
    if isinstance(hint, typing.TypeVar):
        return "T"
    if hint in PLAIN:
        return PLAIN[typing.cast(typing.Any, hint)]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type(one) for one in arguments if one is not msgspec.UnsetType)
    if origin in (list, tuple):
        inner = _type(arguments[0])
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if origin is dict:
        return f"Record<string, {_type(arguments[1])}>"
    if isinstance(hint, type):
        return hint.__name__
    raise TypeError(f"no TypeScript for {hint!r}")


if __name__ == "__main__":
    sys.stdout.write(render())
