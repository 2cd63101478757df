"""What libs refuses when it compiles a condition: unknown fields, wrong types, wrong values.

The parser takes whatever the grammar allows; this pass knows the fields. It says the first thing
wrong as a ConditionError, in libs' words, and gathers what is legal and looks like a mistake.
Sources: ``filter.cpp``, ``sinsp_filtercheck.cpp``, ``filter_compare.cpp`` and the transformers of
falcosecurity/libs; ``filter_warning_resolver.cpp`` of falcosecurity/falco.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from haechi.engines.falco import messages, values
from haechi.engines.falco.fields import event_types, field
from haechi.engines.falco.operands import Kind, kind_of
from haechi.engines.falco.parse import parse_operand, parse_operand_at
from haechi.engines.falco.syntax import (
    Check,
    Field,
    Node,
    Operand,
    Place,
    Text,
    Transform,
    Values,
    checks_of,
    fields_in,
)
from haechi.errors import ConditionError

MAX_CAUTIONS = 50
MAX_OUTPUT = 65_536
"""Characters of an output."""
DEPRECATED = frozenset(
    {
        "evt.dir",
        "evt.latency",
        "evt.latency.s",
        "evt.latency.ns",
        "evt.latency.human",
        "evt.wait_latency",
    }
)
_EQUALITY = frozenset({"=", "!=", "in", "intersects", "pmatch"})
_FIELD_LIKE = re.compile(r"[a-zA-Z]\w*(?:\.[a-zA-Z]\w*)+(?:\[[^\]]+\])?", re.ASCII)
_TRANSFORM_LIKE = re.compile(r"(?:val|tolower|toupper|b64|basename|len|join|concat|getopt)\(.*\)")
_NAME = re.compile(r"[\w.]{1,200}", re.ASCII)
_BLANKS = re.compile(r"\s+")
_SPECIAL = re.compile(r"[.+*?^$()\[\]{}|\\]")
_OCCURRENCES = "+*?"


class Caution(msgspec.Struct, frozen=True, kw_only=True):
    """Something legal that is probably not meant."""

    code: str
    message: str
    place: Place


def check_condition(node: Node, source: str) -> list[Caution]:
    """Check every comparison of a tree for rules of ``source``. Raises ConditionError.

    Of what looks like a mistake the first ``MAX_CAUTIONS`` are told.
    """
    cautions: dict[Caution, None] = {}
    for check in checks_of(node):
        for caution in _check(check, source):
            if len(cautions) < MAX_CAUTIONS:
                cautions[caution] = None
    return list(cautions)


def check_operand(operand: Operand, source: str) -> None:
    """Raise ConditionError when ``operand`` cannot be read from events of ``source``."""
    kind_of(operand, source)


def check_output(output: str, source: str) -> None:
    """Raise ConditionError when an output names what is no field of ``source``."""
    if not output:
        raise ConditionError("empty formatting token", Place())
    if len(output) > MAX_OUTPUT:
        what = f"the output has {len(output):,} characters; the limit is {MAX_OUTPUT:,}"
        raise ConditionError(what, Place())
    end = len(output)
    at = output.find("%")
    while at >= 0:
        if at == end - 1:
            raise ConditionError(
                "invalid formatting syntax: formatting cannot end with a %", Place(index=at)
            )
        at += 1
        while at < end and output[at] in "0123456789":
            at += 1
        if at == end:
            raise ConditionError(
                "invalid formatting syntax: formatting cannot end with a number", Place(index=at)
            )
        at = output.find("%", _longest_operand(output, at, source))


def is_field(text: str, source: str) -> bool:
    """Whether an exception may have ``text`` on its left: a field, or a transformer around one."""
    try:
        check_operand(parse_operand(text), source)
    except ConditionError:
        return False
    return True


def _longest_operand(output: str, start: int, source: str) -> int:
    """The end of the field at ``start``. As in libs, a text that is no field loses its last
    characters until it is one: ``%proc.name.exe`` is a field and four characters of text."""
    try:
        operand, end = parse_operand_at(output, start)
        check_operand(operand, source)
    except ConditionError as error:
        what = f"unknown filter: {error.what}"
    else:
        return end
    for end in range(_end_of_name(output, start), start, -1):
        if _is_bare_field(output[start:end], source):
            return end
    raise ConditionError(what, Place(index=start))


def _end_of_name(output: str, start: int) -> int:
    match = _NAME.match(output, start)
    return match.end() if match else start


def _is_bare_field(name: str, source: str) -> bool:
    info = field(name, source)
    return info is not None and info.argument != "required"


# -- one comparison ---------------------------------------------------------------------------


def _check(check: Check, source: str) -> Iterator[Caution]:
    left = kind_of(check.left, source)
    refusal = values.refusal(check.op, left.type, left.many)
    if refusal:
        raise ConditionError(f"filter error: {refusal}", check.place)
    yield from _deprecations(check.left)
    match check.right:
        case Field() | Transform():
            _check_fields(check, left, check.right, source)
        case Text():
            yield from _check_values(check, left, (check.right,), source)
        case Values():
            yield from _check_values(check, left, check.right.values, source)
        case _:
            return


def _deprecations(left: Field | Transform) -> Iterator[Caution]:
    for used in fields_in(left):
        if used.name in DEPRECATED:
            yield Caution(
                code=messages.DEPRECATED_ITEM,
                message=messages.deprecated_field(used.name),
                place=used.place,
            )


def _check_fields(check: Check, left: Kind, other: Field | Transform, source: str) -> None:
    right = kind_of(other, source)
    fault = ""
    if check.op in ("pmatch", "regex"):
        fault = f"operator '{check.op.upper()}' doesn't support right-hand side fields"
    elif left.type == "net":
        fault = "field type 'IPNET' doesn't support right-hand side fields"
    elif not left.compared:
        fault = f"field '{left.name}' doesn't support right-hand side fields"
    elif not right.compared:
        fault = f"field '{right.name}' can't be used as a right-hand side field"
    elif (left.kind, left.many) != (right.kind, right.many) and "dyn" not in (
        left.kind,
        right.kind,
    ):
        fault = (
            f"field '{left.name}' has type {type_name(left)} while the right-hand side field "
            f"'{right.name}' has incompatible type {type_name(right)}"
        )
    if fault:
        raise ConditionError(fault, other.place)


def type_name(kind: Kind) -> str:
    return f"'{kind.kind.upper()}{' (list)' if kind.many else ''}'"


def _check_values(
    check: Check, left: Kind, texts: tuple[Text, ...], source: str
) -> Iterator[Caution]:
    names = [used.name for used in fields_in(check.left)]
    is_type = names == ["evt.type"] and source == "syscall" and left.type == "string"
    unsafe = bool(names) and names[-1].startswith(("ka.", "jevt.")) and check.op in _EQUALITY
    for text in texts:
        if "\x00" in text.value and left.kind != "bytebuf":
            raise ConditionError(
                "filter error: filter value cannot contain a NUL byte (\\x00)", text.place
            )
        try:
            values.constant(text.value, left.type, check.op)
        except ValueError as error:
            raise ConditionError(f"filter error: {error}", text.place) from None
        if is_type and text.value not in event_types():
            raise ConditionError(f"unknown event type {text.value}", text.place)
        if unsafe and text.value == "<NA>":
            yield Caution(
                code=messages.UNSAFE_NA_CHECK, message=messages.UNSAFE_NA, place=text.place
            )
        yield from _misuses(check, text, source)


def _misuses(check: Check, text: Text, source: str) -> Iterator[Caution]:
    message = ""
    if check.op == "regex" and _is_simple(text.value):
        message = (
            f"regex check with '{text.value}' may be optimized with simpler operators such as "
            "'=', 'contains', 'startswith', 'endswith'"
        )
    elif "." in text.value or "(" in text.value:
        bare = _BLANKS.sub("", text.value)
        if _FIELD_LIKE.fullmatch(bare) and is_field(bare, source):
            message = f"'{text.value}' may be a valid field misused as a const string value"
        elif _TRANSFORM_LIKE.fullmatch(bare):
            message = (
                f"'{text.value}' may be a valid field transformer misused as a const string value"
            )
    if message:
        yield Caution(code="LOAD_COMPILE_CONDITION", message=message, place=text.place)


def _is_simple(pattern: str) -> bool:
    """Whether an expression has nothing special but anchors, or ``.*`` and kin at its ends."""
    core = pattern[1:] if pattern.startswith("^") else pattern
    core = core[:-1] if core.endswith("$") else core
    if len(core) > 1 and core[0] == "." and core[1] in _OCCURRENCES:
        core = core[2:]
    if len(core) > 1 and core[-2] == "." and core[-1] in _OCCURRENCES:
        core = core[:-2]
    return _SPECIAL.search(core) is None
