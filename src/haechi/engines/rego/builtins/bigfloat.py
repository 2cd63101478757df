"""Numbers with a fraction as Go's ``big.Float`` holds them: binary, 64 bits, rounded half to even.

OPA computes with these from the decimal text of its operands and writes the result with the fewest
digits that tell it, which is why ``0.1 + 0.2 == 0.3`` there and not with floats of 53 bits. The
last step here is a float again (53 bits): a chain of such operations may differ in its last digit.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from haechi.engines.rego.values import BuiltinError

BITS: Final = 64
_MOST_DIGITS: Final = 22  # always enough to tell one number of 64 bits from the next


def exact(value: Any) -> Fraction:
    """The value of a number's shortest decimal text, to 64 bits."""
    if type(value) is int:
        return rounded(Fraction(value)) if value.bit_length() > BITS else Fraction(value)
    try:
        return rounded(Fraction(repr(value)))
    except ValueError as error:
        raise BuiltinError("not a finite number") from error


def rounded(value: Fraction, bits: int = BITS) -> Fraction:
    top, bottom = abs(value.numerator), value.denominator
    if not top:
        return value
    shift = bits - (top.bit_length() - bottom.bit_length())
    scaled, rest, divisor = _divided(top, bottom, shift)
    if scaled.bit_length() > bits:
        shift -= 1
        scaled, rest, divisor = _divided(top, bottom, shift)
    twice = 2 * rest
    if twice > divisor or (twice == divisor and scaled & 1):
        scaled += 1
    made = Fraction(scaled, 1 << shift) if shift >= 0 else Fraction(scaled << -shift)
    return -made if value < 0 else made


def _divided(top: int, bottom: int, shift: int) -> tuple[int, int, int]:
    if shift >= 0:
        top <<= shift
    else:
        bottom <<= -shift
    return (*divmod(top, bottom), bottom)


def number(value: Fraction, bits: int = BITS) -> Any:
    """What OPA writes for it: a whole number in full, else the nearest float."""
    if value.denominator == 1 and value.numerator.bit_length() <= bits:
        return value.numerator
    if value.denominator != 1:
        near = float(value)  # nearly always what the search below would find
        if rounded(Fraction(repr(near)), bits) == value:
            return near
    shortest = _shortest(value, bits)
    return shortest.numerator if value.denominator == 1 else float(shortest)


def _shortest(value: Fraction, bits: int) -> Fraction:
    """The decimal of the fewest digits that is this number when it is read."""
    power = _magnitude(abs(value))
    low, high = 1, _MOST_DIGITS
    while low < high:  # more digits never tell less
        middle = (low + high) // 2
        if rounded(_decimal(value, middle - 1 - power), bits) == value:
            high = middle
        else:
            low = middle + 1
    return _decimal(value, low - 1 - power)


def _magnitude(value: Fraction) -> int:
    """The power of ten of the first digit."""
    power = int((value.numerator.bit_length() - value.denominator.bit_length()) * 0.30103)
    while _power(power + 1) <= value:
        power += 1
    while _power(power) > value:
        power -= 1
    return power


def _power(exponent: int) -> Fraction:
    return Fraction(10**exponent) if exponent >= 0 else Fraction(1, 10**-exponent)


def _decimal(value: Fraction, places: int) -> Fraction:
    scale = _power(places)
    return Fraction(round(value * scale)) / scale
