"""What an operand gives: the type of a field, of a transformer around it, of a list of them.

Refuses what libs refuses when it makes a filter check: fields that are not there, arguments that
are missing or too many, transformers on types that they do not take. Sources:
``sinsp_filtercheck*.cpp``, ``plugin_filtercheck.cpp`` and the transformers of falcosecurity/libs.
"""

from __future__ import annotations

import msgspec

from haechi.engines.falco.fields import FieldInfo, field
from haechi.engines.falco.syntax import Field, Items, Operand, Text, Transform
from haechi.errors import ConditionError

_STRINGS = frozenset({"charbuf", "fspath", "fsrelpath"})
_TRANSFORMS = {
    "tolower": _STRINGS,
    "toupper": _STRINGS,
    "b64": frozenset({"charbuf", "bytebuf"}),
    "basename": _STRINGS,
    "len": _STRINGS | {"bytebuf"},
}


class Kind(msgspec.Struct, frozen=True):
    """What an operand gives: ``name`` for messages, the rest as in FieldInfo.

    ``base`` is what it was before a transformer changed its type: libs looks at that where a
    transformer takes several arguments.
    """

    name: str
    type: str
    kind: str
    many: bool = False
    compared: bool = True
    base: Kind | None = None


def kind_of(operand: Operand, source: str) -> Kind:
    match operand:
        case Field():
            info = field_of(operand, source)
            return Kind(operand.name, info.type, info.kind, info.many, info.compared)
        case Transform():
            return _transform(operand, source)
        case Text():
            return Kind("NA", "string", "charbuf")
        case Items():
            for item in operand.items:
                kind_of(item, source)
            return Kind("NA", "string", "charbuf", many=True)


def field_of(wanted: Field, source: str) -> FieldInfo:
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


def _transform(operand: Transform, source: str) -> Kind:
    if len(operand.args) != 1:
        return _several(operand, source)
    inner = kind_of(operand.args[0], source)
    takes = _TRANSFORMS.get(operand.name)
    if operand.arg is not None:
        raise ConditionError(
            f"transformer '{operand.name}' does not support field arguments", operand.place
        )
    if takes is None:
        raise ConditionError(f"{operand.name}() requires more than one argument", operand.place)
    innermost = _innermost(operand)
    if isinstance(innermost, Field) and not field_of(innermost, source).transformed:
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
        return Kind(
            inner.name, "number", "uint64", compared=inner.compared, base=inner.base or inner
        )
    return inner


def _innermost(operand: Operand) -> Operand:
    while isinstance(operand, Transform) and len(operand.args) == 1:
        operand = operand.args[0]
    return operand


def _several(operand: Transform, source: str) -> Kind:
    """Transformers of several arguments: join, concat and getopt."""
    found = [kind_of(arg, source) for arg in operand.args]
    kinds = [kind.base or kind for kind in found]
    fault = _SEVERAL.get(operand.name, lambda _: "unknown multivalue transformer")(kinds)
    if not fault and operand.arg is not None:
        if operand.name != "getopt":
            fault = f"transformer '{operand.name}' does not support field arguments"
        elif len(operand.arg) != 1:
            fault = "getopt() field argument must be a single option character"
    if fault:
        raise ConditionError(fault, operand.place)
    many = operand.name == "getopt" and operand.arg is None
    return Kind("INTERNAL", "string", "charbuf", many=many)


def _join(kinds: list[Kind]) -> str:
    if len(kinds) != 2:
        return "join() requires exactly 2 arguments: separator and list"
    if kinds[0].many:
        return "join() first argument (separator) must be a single value, not a list"
    return "" if kinds[1].many else "join() second argument must be a list"


def _concat(kinds: list[Kind]) -> str:
    texts = all(kind.kind == "charbuf" and not kind.many for kind in kinds)
    return "" if texts else "concat() arguments must be strings"


def _getopt(kinds: list[Kind]) -> str:
    if len(kinds) != 2:
        return "getopt() requires exactly 2 arguments: args list and optstring"
    if not kinds[0].many:
        return "getopt() first argument must be a list"
    if kinds[1].many:
        return "getopt() second argument (optstring) must be a single value"
    texts = all(kind.kind == "charbuf" for kind in kinds)
    return "" if texts else "getopt() arguments must be strings"


_SEVERAL = {"join": _join, "concat": _concat, "getopt": _getopt}
