"""Values written as YAML or JSON text, in the style of the place where they go."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from haechi.engines.values import plain_scalar
from haechi.scan.fix.changes import Octal

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*(?:[:@=][A-Za-z0-9_./+-]+)*\Z")


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How a document is laid out. ``unit`` is the indentation of a nested mapping and
    ``dash`` that of a list's dashes, both counted from the key above; ``json`` writes JSON."""

    unit: int = 2
    dash: int = 2
    newline: str = "\n"
    json: bool = False


def scalar_text(value: Any, *, quote: str = "", json_style: bool = False) -> str:
    """One scalar. ``quote`` is the quotation mark that stood there before."""
    if isinstance(value, Octal):
        return str(int(value)) if json_style else f"0{value:o}"
    if json_style or not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if quote != '"' and _PLAIN.match(value) and plain_scalar(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def flow_text(value: Any, style: Style) -> str:
    """A value on one line: ``{drop: [ALL]}``, or JSON."""
    if style.json:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{scalar_text(k)}: {flow_text(v, style)}" for k, v in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(flow_text(item, style) for item in value) + "]"
    return scalar_text(value)


def entry_lines(key: str, value: Any, indent: int, style: Style) -> list[str]:
    """``key: value`` in block style with everything below it."""
    head = f"{' ' * indent}{scalar_text(key)}:"
    if not isinstance(value, dict | list) or not value:
        return [f"{head} {flow_text(value, style)}"]
    return [head, *block_lines(value, indent, style)]


def block_lines(value: Any, indent: int, style: Style) -> list[str]:
    """The lines of a filled mapping or list that hangs below a key at ``indent``."""
    if isinstance(value, dict):
        return [
            line
            for key, inner in value.items()
            for line in entry_lines(key, inner, indent + style.unit, style)
        ]
    return [line for item in value for line in item_lines(item, indent + style.dash, style)]


def item_lines(item: Any, indent: int, style: Style) -> list[str]:
    """A list item with its dash at ``indent``."""
    dash = " " * indent + "- "
    if not isinstance(item, dict) or not item:
        return [dash + flow_text(item, style)]
    lines = [
        line for key, value in item.items() for line in entry_lines(key, value, indent + 2, style)
    ]
    return [dash + lines[0][indent + 2 :], *lines[1:]]
