"""``sprintf``: Go's ``fmt`` over what OPA gives it: whole numbers, floats, and text.

Everything else is text in Rego's notation before it gets there.

Specification: https://pkg.go.dev/fmt, with its marks for faults (``%!d(MISSING)``,
``%!s(int64=4)``, ``%!(EXTRA string=x)``), which are part of the result.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.numerals import float_text, hexadecimal
from haechi.engines.rego.values import Value, quote, show

_MAX_WIDTH: Final = 1_000_000  # Go's own
_BASES: Final = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_DEFAULT_PRECISION: Final = 6


class _Flags(msgspec.Struct):
    """What stands between the percent sign and the verb."""

    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None


class _State(msgspec.Struct):
    """Where the format's reading stands."""

    format: str
    arguments: list[Any]
    at: int = 0
    argument: int = 0
    reordered: bool = False
    good_index: bool = True


def sprintf(form: Value, arguments: Value) -> str:
    pattern = operands.text(form, 1)
    given = operands.array(arguments, 2)
    simple = _simple(pattern, given)
    return simple if simple is not None else _formatted(pattern, [_argument(x) for x in given])


def _simple(pattern: str, given: list[Value]) -> str | None:
    """Nearly every format in a policy has plain ``%v``, ``%s`` and ``%d`` only, as many as there
    are arguments."""
    pieces = pattern.split("%")
    if len(pieces) != len(given) + 1:
        return None
    made = [pieces[0]]
    for piece, value in zip(pieces[1:], given, strict=True):
        verb, kind = piece[:1], type(value)
        if kind is str and verb in ("v", "s"):
            made.append(value)
        elif kind is int and verb in ("v", "d"):
            made.append(str(value))
        elif verb in ("v", "s") and kind is not int and kind is not float:
            made.append(show(value))
        else:
            return None
        made.append(piece[1:])
    return operands.bounded("".join(made))


def _argument(value: Value) -> Any:
    """int, float or str."""
    kind = type(value)
    if kind is int or kind is str:
        return value
    if kind is float:
        written = repr(value)
        if "e" in written and "." not in written:
            return written  # OPA takes 1e-07, but not 1.5e-07, for text
        return int(value) if value.is_integer() else value
    return show(value)


def _formatted(pattern: str, arguments: list[Any]) -> str:
    state = _State(format=pattern, arguments=arguments)
    made: list[str] = []
    size = 0
    while state.at < len(pattern):
        start = pattern.find("%", state.at)
        if start < 0:
            made.append(pattern[state.at :])
            break
        made.append(pattern[state.at : start])
        state.at = start + 1
        made.append(_directive(state))
        size += len(made[-1])
        if size > operands.MAX_TEXT:
            operands.too_large("the result of sprintf", operands.MAX_TEXT)
    if not state.reordered and state.argument < len(arguments):
        rest = ", ".join(f"{_type(x)}={_plain(x)}" for x in arguments[state.argument :])
        made.append(f"%!(EXTRA {rest})")
    return operands.bounded("".join(made))


def _directive(state: _State) -> str:
    state.good_index = True
    flags = _flags(state)
    faults = _sizes(state, flags)
    if state.at >= len(state.format):
        return f"{faults}%!(NOVERB)"
    verb = state.format[state.at]
    state.at += 1
    if verb == "%":
        return faults + "%"
    if not state.good_index:
        return f"{faults}%!{verb}(BADINDEX)"
    if state.argument >= len(state.arguments):
        return f"{faults}%!{verb}(MISSING)"
    value = state.arguments[state.argument]
    state.argument += 1
    return faults + _printed(flags, verb, value)


def _flags(state: _State) -> _Flags:
    flags = _Flags()
    while state.at < len(state.format):
        character = state.format[state.at]
        if character == "#":
            flags.sharp = True
        elif character == "0":
            flags.zero = True
        elif character == "+":
            flags.plus = True
        elif character == "-":
            flags.minus = True
        elif character == " ":
            flags.space = True
        else:
            break
        state.at += 1
    return flags


def _sizes(state: _State, flags: _Flags) -> str:
    """Width and precision, as numbers or from arguments, and explicit indexes of arguments."""
    faults = ""
    indexed = _index(state)
    if _peek(state) == "*":
        state.at += 1
        flags.width = _size_argument(state)
        if flags.width is None:
            faults += "%!(BADWIDTH)"
        elif flags.width < 0:
            flags.width, flags.minus, flags.zero = -flags.width, True, False
        indexed = False
    else:
        flags.width = _digits(state)
        if indexed and flags.width is not None:
            state.good_index = False
    if _peek(state) == ".":
        state.at += 1
        if indexed:
            state.good_index = False
        indexed = _index(state)
        if _peek(state) == "*":
            state.at += 1
            flags.precision = _size_argument(state)
            if flags.precision is None:
                faults += "%!(BADPREC)"
            elif flags.precision < 0:
                flags.precision = None
            indexed = False
        else:
            flags.precision = _digits(state) or 0
    if not indexed:
        _index(state)
    return faults


def _peek(state: _State) -> str:
    return state.format[state.at : state.at + 1]


def _digits(state: _State) -> int | None:
    start = state.at
    while _peek(state).isdigit() and _peek(state).isascii():
        state.at += 1
    if start == state.at or state.at - start > len(str(_MAX_WIDTH)):
        return None
    found = int(state.format[start : state.at])
    return found if found <= _MAX_WIDTH else None


def _size_argument(state: _State) -> int | None:
    if state.argument >= len(state.arguments):
        return None
    value = state.arguments[state.argument]
    state.argument += 1
    return value if type(value) is int and abs(value) <= _MAX_WIDTH else None


def _index(state: _State) -> bool:
    """``[n]``: the next argument to take, from 1."""
    if _peek(state) != "[":
        return False
    state.reordered = True
    close = state.format.find("]", state.at)
    if close < 0:
        state.good_index = False
        state.at += 1
        return False
    inner = state.format[state.at + 1 : close]
    state.at = close + 1
    number = int(inner) if inner.isdigit() and inner.isascii() and len(inner) < 8 else 0
    if not 1 <= number <= len(state.arguments):
        state.good_index = False
        return True
    state.argument = number - 1
    return True


def _printed(flags: _Flags, verb: str, value: Any) -> str:
    if verb == "T":
        return _padded(_Flags(width=flags.width, minus=flags.minus), _type(value))
    if type(value) is str:
        return _text(flags, verb, value)
    if type(value) is float:
        return _float(flags, verb, value)
    if -(1 << 63) <= value < 1 << 63:
        return _whole(flags, verb, value)
    return _big(flags, verb, value)


def _type(value: Any) -> str:
    if type(value) is int:
        return "int64" if -(1 << 63) <= value < 1 << 63 else "*big.Int"
    return "string" if type(value) is str else "float64"


def _plain(value: Any) -> str:
    return _printed(_Flags(), "v", value)


def _bad_verb(flags: _Flags, verb: str, value: Any) -> str:
    return f"%!{verb}({_type(value)}={_printed(flags, 'v', value)})"


def _padded(flags: _Flags, text: str) -> str:
    missing = (flags.width or 0) - len(text)
    if missing <= 0:
        return text
    if flags.minus:
        return text + " " * missing
    return ("0" if flags.zero else " ") * missing + text


def _text(flags: _Flags, verb: str, value: str) -> str:
    if verb == "v" and flags.sharp:
        return _padded(flags, quote(value))
    if verb in ("v", "s"):
        return _padded(flags, value if flags.precision is None else value[: flags.precision])
    if verb == "q":
        cut = value if flags.precision is None else value[: flags.precision]
        if flags.sharp and "`" not in cut and all(c == "\t" or c.isprintable() for c in cut):
            return _padded(flags, f"`{cut}`")
        return _padded(flags, _ascii(quote(cut)) if flags.plus else quote(cut))
    if verb in ("x", "X"):
        return _padded(flags, _bytes(flags, verb, value.encode("utf-8", "replace")))
    return _bad_verb(flags, verb, value)


def _ascii(text: str) -> str:
    return "".join(
        c if ord(c) < 128 else (f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}")
        for c in text
    )


def _bytes(flags: _Flags, verb: str, value: bytes) -> str:
    cut = value if flags.precision is None else value[: flags.precision]
    digits = [format(byte, f"02{verb}") for byte in cut]
    if not digits:
        return ""
    prefix = f"0{verb}" if flags.sharp else ""
    if flags.space:
        return " ".join(prefix + pair for pair in digits)
    return prefix + "".join(digits)


def _whole(flags: _Flags, verb: str, value: int) -> str:
    if verb in _BASES:
        return _integer(flags, verb, value)
    character = chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000 else "\ufffd"
    if verb == "c":
        return _padded(flags, character)
    if verb == "q":
        return _padded(flags, _ascii(_quoted(character)) if flags.plus else _quoted(character))
    if verb == "U":
        digits = format(value & 0xFFFFFFFFFFFFFFFF, "X").rjust(max(4, flags.precision or 0), "0")
        shown = f" {_quoted(character)}" if flags.sharp and character.isprintable() else ""
        return _padded(_Flags(width=flags.width, minus=flags.minus), f"U+{digits}{shown}")
    return _bad_verb(flags, verb, value)


def _quoted(character: str) -> str:
    if character == '"':
        return "'\"'"
    return "'\\''" if character == "'" else f"'{quote(character)[1:-1]}'"


def _integer(flags: _Flags, verb: str, value: int) -> str:
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    if flags.precision == 0 and value == 0:
        return _padded(_Flags(width=flags.width, minus=flags.minus), "")
    least, zero = flags.precision, flags.zero
    if least is None and zero and not flags.minus and flags.width is not None:
        least = flags.width - len(sign)
    digits = format(abs(value), _BASES[verb]).rjust(least or 0, "0")
    if flags.sharp and verb in ("b", "x", "X"):
        digits = f"0{verb}{digits}"
    elif flags.sharp and verb == "o" and not digits.startswith("0"):
        digits = f"0{digits}"
    if verb == "O":
        digits = f"0o{digits}"
    return _padded(_Flags(width=flags.width, minus=flags.minus), sign + digits)


def _big(flags: _Flags, verb: str, value: int) -> str:
    if verb == "s":
        verb = "d"
    if verb in _BASES:
        return _integer(flags, verb, value)
    return f"%!{verb}(big.Int={value})"


def _float(flags: _Flags, verb: str, value: float) -> str:
    if verb in ("x", "X"):
        return _signed(flags, hexadecimal(value, verb, flags.precision))
    if verb == "b":
        mantissa, exponent = math.frexp(value)
        text = f"{int(mantissa * (1 << 53))}p{exponent - 53:+d}"
    elif verb == "v":
        text = float_text(value, "g", flags.precision)
    elif verb in ("g", "G"):
        text = float_text(value, verb, flags.precision)
    elif verb in ("e", "E", "f", "F"):
        precision = _DEFAULT_PRECISION if flags.precision is None else flags.precision
        text = float_text(value, verb.replace("F", "f"), precision)
    else:
        return _bad_verb(flags, verb, value)
    return _signed(flags, text)


def _signed(flags: _Flags, text: str) -> str:
    sign = "-" if text.startswith("-") else "+" if flags.plus else " " if flags.space else ""
    digits = text.removeprefix("-")
    if flags.zero and not flags.minus and flags.width is not None:
        return sign + digits.rjust(flags.width - len(sign), "0")
    return _padded(_Flags(width=flags.width, minus=flags.minus), sign + digits)
