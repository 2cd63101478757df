"""Looks into JSON that may be anything: each gives the type asked for, or its empty value."""

from __future__ import annotations

from typing import Any, cast

MOST_TEXT = 65_536
"""Longer texts are never looked into; they are cut before they are kept anyway."""


def mapping(value: object) -> dict[str, Any]:
    """The value when it is an object, else an empty one."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def array(value: object) -> list[Any]:
    """The value when it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """The value when it is text, else an empty one."""
    if not isinstance(value, str):
        return ""
    return value if len(value) <= MOST_TEXT else value[:MOST_TEXT]


def whole(value: object) -> int | None:
    """A whole number within 64 bits, also when it came as text (protobuf writes them so)."""
    if isinstance(value, str) and len(value) <= 20:
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            return None
        value = int(value)
    if type(value) is not int:
        return None
    return value if -(2**63) <= value < 2**63 else None


def known(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that have a value: an absent key is a missing value, never null or empty."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value != "" and value != []
    }


def dig(value: object, *path: str) -> Any:
    """What lies at the path, or None."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
