"""Floats as Go's ``strconv.FormatFloat`` writes them."""

from __future__ import annotations

import math
from typing import Final

_GENERAL_EXPONENT: Final = 6  # from here on, or from the precision on, %g has one


def float_text(value: float, form: str, precision: int | None) -> str:
    """``form`` is one of e, E, f, g, G; without a precision the fewest digits that tell it."""
    if form == "f" and precision is not None:
        return f"{value:.{precision}f}"
    if form in ("e", "E") and precision is not None:
        return f"{value:.{precision}{form}}"
    sign, digits, exponent = _shortest(value) if precision is None else _rounded(value, precision)
    if form == "f":
        return sign + _plain(digits, exponent)
    if form in ("e", "E"):
        return sign + _scientific(digits, exponent, form)
    limit = _GENERAL_EXPONENT if precision is None else max(precision, 1)
    if limit > len(digits) >= exponent + 1 and precision is not None:
        limit = len(digits)
    if exponent < -4 or exponent >= limit:
        return sign + _scientific(digits, exponent, "E" if form == "G" else "e")
    return sign + _plain(digits, exponent)


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, digits, and the power of ten of the first digit."""
    return _parts(f"{value!r}" if "e" in f"{value!r}" else f"{value!r}e+00")


def _rounded(value: float, precision: int) -> tuple[str, str, int]:
    sign, digits, exponent = _parts(f"{value:.{max(precision, 1) - 1}e}")
    return sign, digits.rstrip("0") or "0", exponent


def _parts(text: str) -> tuple[str, str, int]:
    sign = "-" if text.startswith("-") else ""
    mantissa, _, power = text.removeprefix("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    exponent = int(power) + len(whole) - 1 - leading
    digits = digits.rstrip("0")
    return (sign, digits, exponent) if digits else (sign, "0", 0)


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    if exponent + 1 >= len(digits):
        return digits + "0" * (exponent + 1 - len(digits))
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def _scientific(digits: str, exponent: int, letter: str) -> str:
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}{letter}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def hexadecimal(value: float, verb: str, precision: int | None) -> str:
    """``%x`` of a float: ``0x1.8p+01``."""
    sign, text = ("-", -value) if math.copysign(1, value) < 0 else ("", value)
    mantissa, _, power = text.hex().removeprefix("0x").partition("p")
    fraction = mantissa.partition(".")[2].rstrip("0")
    if precision is not None:
        scaled = round(int(f"1{fraction or '0'}", 16) / 16 ** (len(fraction or "0") - precision))
        fraction = format(scaled, "x")[-precision:] if precision else ""
    made = f"0x1{'.' if fraction else ''}{fraction}p{'-' if int(power) < 0 else '+'}"
    made += f"{abs(int(power)):02d}"
    return sign + (made.upper() if verb == "X" else made)
