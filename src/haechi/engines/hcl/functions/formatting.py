"""``format``: the verbs of Go's fmt that cty has, with widths that are bounded.

https://developer.hashicorp.com/terraform/language/functions/format
"""

from __future__ import annotations

import json
import re
from typing import Any

from haechi.engines.hcl.functions.signature import Context
from haechi.engines.hcl.operators import whole_number
from haechi.engines.hcl.structures import text_with_unknowns
from haechi.engines.hcl.values import (
    Budget,
    EvalFault,
    as_bool,
    as_number,
    as_text,
    joined,
    unknowns_in,
)
from haechi.model.unknown import Unknown

_VERB = re.compile(
    r"%(?P<flags>[ +\-#0]*+)(?P<width>\d{1,9}|\*)?+(?:\.(?P<precision>\d{0,9}|\*))?+"
    r"(?:\[(?P<index>\d{1,4})\])?+(?P<verb>.)?",
    re.DOTALL,
)
_MAX_WIDTH = 1_000_000


def formatted(context: Context, form: str, args: list[Any]) -> str | Unknown:
    """The text; where arguments are unknown, its pieces."""
    pieces: list[Any] = []
    at = used = 0
    explicit = False
    for found in _VERB.finditer(form):
        pieces.append(form[at : found.start()])
        at = found.end()
        if found["verb"] is None:
            raise EvalFault("format: '%' at the end of the text")
        if found["verb"] == "%":
            pieces.append("%")
            continue
        width, used = _star(found["width"], args, used)
        precision, used = _star(found["precision"], args, used)
        if found["index"]:
            used = int(found["index"]) - 1
            explicit = True
        if not 0 <= used < len(args):
            raise EvalFault(f"format: there is no argument for {found[0]!r}")
        value = args[used]
        used += 1
        piece = _verb(context.budget, found, value, width, precision)
        if isinstance(piece, Unknown):
            pieces.extend(piece.parts or (piece,))
        else:
            context.budget.grow(len(piece))
            pieces.append(piece)
    if used < len(args) and not explicit:
        raise EvalFault(f"format: {len(args)} arguments, but verbs for {used}")
    pieces.append(form[at:])
    context.budget.grow(len(form))
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    return text_with_unknowns(pieces)


def _star(text: str | None, args: list[Any], used: int) -> tuple[int | None, int]:
    if text is None:
        return None, used
    if text == "*":
        if used >= len(args) or isinstance(args[used], Unknown):
            raise EvalFault("format: there is no argument for a width '*'")
        width = whole_number(args[used])
        used += 1
    else:
        width = int(text or 0)
    if not 0 <= width <= _MAX_WIDTH:
        raise EvalFault("format: a width is too large")
    return width, used


def _verb(
    budget: Budget, found: re.Match[str], value: Any, width: int | None, precision: int | None
) -> Any:
    flags, verb = found["flags"], found["verb"]
    if isinstance(value, Unknown):
        return value if verb in "vs" and width is None else joined([value], given=True)
    unknowns = list(unknowns_in(value, budget))
    if unknowns:
        return joined(unknowns, given=True)
    try:
        text = _converted(verb, flags, value, precision)
    except EvalFault as fault:
        raise EvalFault(f"format: {found[0]!r}: {fault.what}") from None
    if width is None or len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb in "dbxXofFeEgGt":
        sign = text[:1] if text[:1] in ("-", "+") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width, "0" if "0" in flags else " ")


def _converted(verb: str, flags: str, value: Any, precision: int | None) -> str:
    if value is None and verb not in ("v", "#v"):
        raise EvalFault("the argument is null")
    match verb:
        case "v":
            if "#" in flags:
                return to_json(value)
            if isinstance(value, (list, dict)) or value is None:
                return to_json(value)
            return as_text(value)
        case "s":
            text = as_text(value)
            return text if precision is None else text[:precision]
        case "q":
            text = as_text(value)
            return json.dumps(text if precision is None else text[:precision], ensure_ascii=False)
        case "t":
            return "true" if as_bool(value) else "false"
        case "d" | "b" | "o" | "x" | "X":
            if verb in "xX" and isinstance(value, str):
                return value.encode().hex() if verb == "x" else value.encode().hex().upper()
            return _whole(verb, flags, as_number(value))
        case "e" | "E" | "f" | "F" | "g" | "G":
            return _fraction(verb, flags, as_number(value), precision)
    raise EvalFault("there is no such verb")


def _whole(verb: str, flags: str, value: int | float) -> str:
    number = int(value)
    text = format(abs(number), verb)
    sign = "-" if number < 0 else "+" if "+" in flags else " " if " " in flags else ""
    return sign + text


def _fraction(verb: str, flags: str, value: int | float, precision: int | None) -> str:
    try:
        number = float(value)
    except OverflowError:
        raise EvalFault("the number is too large") from None
    if verb in "gG" and precision is None:
        text = _shortest(number)
        text = text.upper() if verb == "G" else text
    elif verb in "fF" and isinstance(value, int):
        places = min(6 if precision is None else precision, 1000)
        text = f"{value}.{'0' * places}" if places else str(value)
    else:
        text = format(number, f".{min(6 if precision is None else precision, 1000)}{verb}")
    sign = "+" if "+" in flags else " " if " " in flags else ""
    return text if text.startswith("-") else sign + text


def _shortest(number: float) -> str:
    """Go's ``%g``: an exponent below -4 and from 21 on."""
    exponent = f"{number:e}".partition("e")[2]
    if -4 <= int(exponent) < 21:
        return repr(int(number)) if number.is_integer() else repr(number)
    return repr(number)


def to_json(value: Any) -> str:
    """As Go's encoding/json writes it: no spaces, keys in order, ``<>&`` escaped."""
    text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&\u2028\u2029":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
