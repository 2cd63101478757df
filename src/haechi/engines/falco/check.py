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
from haechi.engines.falco.fields import FieldInfo, event_types, field
from haechi.engines.falco.parse import parse_operand, parse_operand_at
from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    Items,
    Macro,
    Node,
    Not,
    Operand,
    Or,
    Place,
    Text,
    Transform,
    Values,
)
from haechi.errors import ConditionError

_STRINGS = frozenset({"charbuf", "fspath", "fsrelpath"})
_TRANSFORMS = {
    "tolower": _STRINGS,
    "toupper": _STRINGS,
    "b64": frozenset({"charbuf", "bytebuf"}),
    "basename": _STRINGS,
    "len": _STRINGS | {"bytebuf"},
}
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


class _Kind(msgspec.Struct, frozen=True):
    """What an operand gives: ``name`` for messages, the rest as in FieldInfo."""

    name: str
    type: str
    kind: str
    many: bool = False
    compared: bool = True


def checks_of(node: Node) -> Iterator[Check]:
    """The checks of a tree in the order they are written; macros are not entered."""
    match node:
        case Check():
            yield node
        case Not():
            yield from checks_of(node.part)
        case And() | Or():
            for part in node.parts:
                yield from checks_of(part)
        case Macro():
            return


def check_condition(node: Node, source: str) -> list[Caution]:
    """Check every comparison of a tree for rules of ``source``. Raises ConditionError."""
    cautions: list[Caution] = []
    for check in checks_of(node):
        cautions.extend(_check(check, source))
    return list(dict.fromkeys(cautions))


def check_operand(operand: Operand, source: str) -> None:
    """Raise ConditionError when ``operand`` cannot be read from events of ``source``."""
    _kind_of(operand, source)


def check_output(output: str, source: str) -> None:
    """Raise ConditionError when an output names what is no field of ``source``."""
    if not output:
        raise ConditionError("empty formatting token", Place())
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


# -- what an operand is -----------------------------------------------------------------------


def _kind_of(operand: Operand, source: str) -> _Kind:
    match operand:
        case Field():
            info = _field(operand, source)
            return _Kind(operand.name, info.type, info.kind, info.many, info.compared)
        case Transform():
            return _transform(operand, source)
        case Text():
            return _Kind("NA", "string", "charbuf")
        case Items():
            for item in operand.items:
                _kind_of(item, source)
            return _Kind("NA", "string", "charbuf", many=True)


def _field(wanted: Field, source: str) -> FieldInfo:
    info = field(wanted.name, source)
    if info is None:
        if source == "syscall" and wanted.name.startswith(("evt.arg.", "evt.rawarg.")):
            name = wanted.name.split(".", 2)[2]
            raise ConditionError(f"unknown event argument {name}", wanted.place)
        raise _nonexistent(wanted)
    if wanted.arg is None:
        if info.argument == "required":
            raise _without_argument(wanted, info)
    elif info.argument == "none":
        raise _with_argument(wanted, info)
    elif not info.key and not _is_index(wanted.arg, info):
        raise _not_an_index(wanted, info)
    return info


def _nonexistent(wanted: Field) -> ConditionError:
    return ConditionError(f"filter_check called with nonexistent field {wanted}", wanted.place)


def _without_argument(wanted: Field, info: FieldInfo) -> ConditionError:
    if info.plugin:
        what = f"filter '{wanted}': {info.name} requires an argument but none provided"
        return ConditionError(what, wanted.place)
    return ConditionError(f"filter syntax error: {wanted}", wanted.place)


def _with_argument(wanted: Field, info: FieldInfo) -> ConditionError:
    if info.plugin:
        what = (
            f"filter '{wanted}': {info.name} does not allow nor require an argument but one is "
            f"provided: {wanted.arg}"
        )
        return ConditionError(what, wanted.place)
    return _nonexistent(wanted)


def _not_an_index(wanted: Field, info: FieldInfo) -> ConditionError:
    if info.plugin:
        what = f"filter '{wanted}': {info.name} has an invalid index argument: {wanted.arg}"
        return ConditionError(what, wanted.place)
    if info.argument == "required":
        return ConditionError(f"{wanted.arg} is not a valid number", wanted.place)
    return _nonexistent(wanted)


def _is_index(arg: str, info: FieldInfo) -> bool:
    if info.plugin and len(arg) > 1 and arg.startswith("0"):
        return False
    return len(arg) <= 10 and arg.isascii() and arg.isdigit()


def _transform(operand: Transform, source: str) -> _Kind:
    if len(operand.args) != 1:
        return _several(operand, source)
    inner = _kind_of(operand.args[0], source)
    takes = _TRANSFORMS.get(operand.name)
    if operand.arg is not None:
        raise ConditionError(
            f"transformer '{operand.name}' does not support field arguments", operand.place
        )
    if takes is None:
        raise ConditionError(f"{operand.name}() requires more than one argument", operand.place)
    innermost = _innermost(operand)
    if isinstance(innermost, Field) and not _field(innermost, source).transformed:
        raise ConditionError(
            f"field '{innermost.name}' does not support transformers", operand.place
        )
    if inner.kind not in takes and not (operand.name == "len" and inner.many):
        raise ConditionError(
            f"can't add field transformer: type '{inner.kind.upper()}' is not supported by "
            f"'{operand.name}' transformer applied on {'list ' if inner.many else ''}field "
            f"'{inner.name}'",
            operand.place,
        )
    if operand.name == "len":
        return _Kind(inner.name, "number", "uint64", compared=inner.compared)
    return inner


def _innermost(operand: Operand) -> Operand:
    while isinstance(operand, Transform) and len(operand.args) == 1:
        operand = operand.args[0]
    return operand


def _several(operand: Transform, source: str) -> _Kind:
    """Transformers of several arguments: join, concat and getopt."""
    for arg in operand.args:
        _kind_of(arg, source)
    kinds = [_kind_of(_innermost(arg), source) for arg in operand.args]
    fault = _SEVERAL.get(operand.name, lambda _: "unknown multivalue transformer")(kinds)
    if not fault and operand.arg is not None:
        if operand.name != "getopt":
            fault = f"transformer '{operand.name}' does not support field arguments"
        elif len(operand.arg) != 1:
            fault = "getopt() field argument must be a single option character"
    if fault:
        raise ConditionError(fault, operand.place)
    many = operand.name == "getopt" and operand.arg is None
    return _Kind("INTERNAL", "string", "charbuf", many=many)


def _join(kinds: list[_Kind]) -> str:
    if len(kinds) != 2:
        return "join() requires exactly 2 arguments: separator and list"
    if kinds[0].many:
        return "join() first argument (separator) must be a single value, not a list"
    return "" if kinds[1].many else "join() second argument must be a list"


def _concat(kinds: list[_Kind]) -> str:
    texts = all(kind.kind == "charbuf" and not kind.many for kind in kinds)
    return "" if texts else "concat() arguments must be strings"


def _getopt(kinds: list[_Kind]) -> str:
    if len(kinds) != 2:
        return "getopt() requires exactly 2 arguments: args list and optstring"
    if not kinds[0].many:
        return "getopt() first argument must be a list"
    if kinds[1].many:
        return "getopt() second argument (optstring) must be a single value"
    texts = all(kind.kind == "charbuf" for kind in kinds)
    return "" if texts else "getopt() arguments must be strings"


_SEVERAL = {"join": _join, "concat": _concat, "getopt": _getopt}


# -- one comparison ---------------------------------------------------------------------------


def _check(check: Check, source: str) -> Iterator[Caution]:
    left = _kind_of(check.left, source)
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
                code="LOAD_DEPRECATED_ITEM",
                message=messages.deprecated_field(used.name),
                place=used.place,
            )


def fields_in(operand: Operand) -> Iterator[Field]:
    """Every field that an operand reads."""
    match operand:
        case Field():
            yield operand
        case Transform():
            for arg in operand.args:
                yield from fields_in(arg)
        case Items():
            for item in operand.items:
                yield from fields_in(item)
        case Text():
            return


def _check_fields(check: Check, left: _Kind, other: Field | Transform, source: str) -> None:
    right = _kind_of(other, source)
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
            f"field '{left.name}' has type {_type_name(left)} while the right-hand side field "
            f"'{right.name}' has incompatible type {_type_name(right)}"
        )
    if fault:
        raise ConditionError(fault, other.place)


def _type_name(kind: _Kind) -> str:
    return f"'{kind.kind.upper()}{' (list)' if kind.many else ''}'"


def _check_values(
    check: Check, left: _Kind, texts: tuple[Text, ...], source: str
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
            yield Caution(code="LOAD_UNSAFE_NA_CHECK", message=messages.UNSAFE_NA, place=text.place)
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
