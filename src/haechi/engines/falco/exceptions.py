"""Exceptions of rules: from ``fields``, ``comps`` and ``values`` to ``and not (…)``.

As in Falco the values are put into a condition as text and parsed there, so that a value may be
the name of a list, and a value with a blank in it is one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from haechi.engines.falco import messages
from haechi.engines.falco.load_yaml import Item, LoadError
from haechi.engines.falco.ruleset import At, Exclusion
from haechi.engines.falco.syntax import LISTS, MODIFIERS, OPERATORS, TEXTUAL

Entry: TypeAlias = "str | list[Entry]"
"""A text, or a list of entries: fields, comps and each row of values come in both shapes."""

_MAX_NESTING = 4


class ExceptionInfo(msgspec.Struct):
    """One exception as it stands in a file; ``fields`` and ``comps`` may be left out."""

    name: str
    at: At
    fields: Entry | None = None
    comps: Entry | None = None
    values: list[Entry] = msgspec.field(default_factory=list)


def read_exception(item: Item, *, optional_fields: bool) -> ExceptionInfo:
    """One entry of a rule's ``exceptions``. Raises LoadError."""
    info = ExceptionInfo(name=item.text("name"), at=item.at)
    if "fields" in item or not optional_fields:
        if "fields" not in item:
            raise item.wrong("Item has no mapping for key 'fields'")
        info.fields = _entry(item, item.node_of("fields"), 0)
    if "comps" in item:
        info.comps = _entry(item, item.node_of("comps"), 0)
    if "values" in item:
        node = item.node_of("values")
        if node.id != "sequence":
            raise item.wrong("Rule exception values must be a sequence", node)
        info.values = [_entry(item, row, 0) for row in node.value]
    return info


def _entry(item: Item, node: Any, depth: int) -> Entry:
    if node.id == "scalar":
        if not node.value:
            raise item.wrong("Value must be non-empty", node)
        return str(node.value)
    if node.id != "sequence" or depth >= _MAX_NESTING:
        raise item.wrong("an exception holds texts and lists of texts only", node)
    return [_entry(item, part, depth + 1) for part in node.value]


def validate(info: ExceptionInfo, is_field: Any) -> None:
    """Complete ``comps`` and check that they go with ``fields``. Raises LoadError.

    ``is_field`` tells whether a text may stand on the left; None when the source is unknown.
    """
    if isinstance(info.fields, list):
        _validate_several(info, info.fields)
    else:
        _validate_single(info)
    for name in fields_of(info):
        if is_field is not None and not is_field(name):
            raise _wrong(info, f"'{name}' is not a supported filter field")


def _validate_several(info: ExceptionInfo, fields: list[Entry]) -> None:
    if not info.comps:
        info.comps = ["="] * len(fields)
    if not isinstance(info.comps, list) or len(info.comps) != len(fields):
        raise _wrong(info, "Fields and comps lists must have equal length")
    comps = [_normal(comp) for comp in info.comps]
    for comp in comps:
        if comp not in OPERATORS and comp != "==" and not with_modifier(comp):
            raise _wrong(info, f"'{comp}' is not a supported comparison operator")
    info.comps = list(comps)


def _validate_single(info: ExceptionInfo) -> None:
    if not info.comps:
        info.comps = "in"
    if isinstance(info.comps, list):
        raise _wrong(info, "Fields and comps must both be strings")
    info.comps = _normal(info.comps)
    if info.comps not in LISTS and not with_modifier(info.comps):
        raise _wrong(
            info,
            "When fields is a single value, comps must be one of (in, pmatch, intersects) or a "
            "modifier operator (e.g. startswith oneof)",
        )


def with_modifier(comp: str) -> bool:
    """Whether ``comp`` is an operator with a modifier, as ``startswith oneof``."""
    op, _, modifier = comp.partition(" ")
    return modifier in MODIFIERS and (op in TEXTUAL or op == "==")


def _normal(comp: Entry) -> str:
    return comp.strip(" \t\r\n") if isinstance(comp, str) else ""


def _wrong(info: ExceptionInfo, what: str) -> LoadError:
    return LoadError(messages.VALIDATE, what, info.at)


def fields_of(info: ExceptionInfo) -> tuple[str, ...]:
    """The fields as texts, one or several."""
    entries = info.fields if isinstance(info.fields, list) else [info.fields or ""]
    return tuple(entry if isinstance(entry, str) else "" for entry in entries)


def condition_of(info: ExceptionInfo) -> str:
    """What the exception leaves out, as the text of a condition; empty without values."""
    if isinstance(info.fields, list):
        rows = [_row(info, row) for row in info.values]
        return " or ".join(f"({row})" for row in rows)
    if not info.values:
        return ""
    items = ", ".join(_single(info, value) for value in info.values)
    return f"{info.fields} {info.comps} ({items})"


def _single(info: ExceptionInfo, value: Entry) -> str:
    if isinstance(value, list):
        raise _wrong(info, "Expected values array to contain a list of strings")
    return quote_item(value)


def _row(info: ExceptionInfo, row: Entry) -> str:
    fields, comps = info.fields or [], info.comps or []
    if not isinstance(row, list) or len(row) != len(fields):
        raise _wrong(info, "Fields and values lists must have equal length")
    return " and ".join(
        f"{field} {comp} {_value(info, str(comp), value)}"
        for field, comp, value in zip(fields, comps, row, strict=True)
    )


def _value(info: ExceptionInfo, comp: str, value: Entry) -> str:
    if isinstance(value, list):
        return f"({', '.join(_single(info, part) for part in value)})"
    if comp in LISTS or with_modifier(comp):
        return value if value.startswith("(") else f"({value})"
    return quote_item(value)


def quote_item(item: str) -> str:
    """An item as it goes into a condition: with quotes when there is a blank in it."""
    return f'"{item}"' if " " in item and item[0] not in "\"'" else item


def exclusion(info: ExceptionInfo) -> Exclusion:
    """The exception as rules keep it."""
    comps: Sequence[Entry] = info.comps if isinstance(info.comps, list) else [info.comps or ""]
    return Exclusion(
        name=info.name,
        fields=fields_of(info),
        comps=tuple(str(comp) for comp in comps),
        values=tuple(_rows(info)),
        at=info.at,
    )


def _rows(info: ExceptionInfo) -> Iterator[tuple[Any, ...]]:
    several = isinstance(info.fields, list)
    for row in info.values:
        parts = row if several and isinstance(row, list) else [row]
        yield tuple(tuple(part) if isinstance(part, list) else part for part in parts)
