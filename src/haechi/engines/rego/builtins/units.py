"""Amounts with a unit, semantic versions, UUIDs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin, Context
from haechi.engines.rego.builtins.operands import text
from haechi.engines.rego.values import UNDEFINED, BuiltinError, Value, key

_LETTERS: Final = "kmgtpe"
_UNITS: Final[dict[str, Fraction]] = {
    "": Fraction(1),
    # The float nearest to a thousandth, which upstream multiplies with; rounded away in the end.
    "m": Fraction(0.001),
    **{
        letter: Fraction(1000 ** (power + 1)) for power, letter in enumerate(_LETTERS) if power != 1
    },
    **{letter.upper(): Fraction(1000 ** (power + 1)) for power, letter in enumerate(_LETTERS)},
    **{f"{letter}i": Fraction(1024 ** (power + 1)) for power, letter in enumerate(_LETTERS)},
    **{
        f"{letter.upper()}i": Fraction(1024 ** (power + 1)) for power, letter in enumerate(_LETTERS)
    },
}
# "e" and "E" after a digit are read as an exponent only where digits follow; alone they are exa.
_BYTES: Final[dict[str, int]] = {
    "": 1,
    **{letter + tail: 1000 ** (n + 1) for n, letter in enumerate(_LETTERS) for tail in ("", "b")},
    **{letter + tail: 1024 ** (n + 1) for n, letter in enumerate(_LETTERS) for tail in ("i", "ib")},
}
_MAX_EXPONENT_DIGITS: Final = 6
_MAX_EXPONENT: Final = 4000  # what a number of ours may hold
_PLACES: Final = 10**10  # upstream writes ten places


def _amount(value: str) -> tuple[str, str]:
    """Number and unit."""
    at = 0
    while at < len(value):
        character = value[at]
        if character in "eE":
            following = value[at + 1 : at + 2]
            if not following or following not in "0123456789+-":
                break
            if following in "+-":
                at += 1
            digits = at + 1
            while digits < len(value) and value[digits] in "0123456789":
                digits += 1
            if digits - at - 1 > _MAX_EXPONENT_DIGITS:
                raise BuiltinError("exponent too large")
        elif character not in "0123456789.+-":
            break
        at += 1
    return value[:at], value[at:]


def _exact(digits: str) -> Fraction:
    exponent = digits.lower().partition("e")[2]
    if exponent.lstrip("+-").isdigit() and abs(int(exponent)) > _MAX_EXPONENT:
        operands.too_large("an exponent", _MAX_EXPONENT)
    if len(digits) > _MAX_EXPONENT:
        operands.too_large("an amount's digits", _MAX_EXPONENT)
    try:
        return Fraction(digits)
    except ValueError as error:
        raise BuiltinError("could not parse amount to a number") from error


def _split(value: Value, whole: str) -> tuple[str, str]:
    bare = whole.replace('"', "")
    if " " in bare:
        raise BuiltinError("spaces not allowed in resource strings")
    digits, unit = _amount(bare)
    if not digits:
        raise BuiltinError("no amount provided")
    return digits, unit


def parse(value: Value) -> Any:
    digits, unit = _split(value, text(value, 1))
    unit = unit[:1] + unit[1:].lower()
    if unit not in _UNITS:
        raise BuiltinError(f"unit {unit[:40]} not recognized")
    made = _exact(digits) * _UNITS[unit]
    if made.denominator == 1:
        return operands.bounded_whole(made.numerator)
    scaled = abs(made) * _PLACES
    rounded = Fraction((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator))
    result = float(rounded / _PLACES)
    return -result if made < 0 else result


def parse_bytes(value: Value) -> int:
    digits, unit = _split(value, text(value, 1).lower())
    if unit not in _BYTES:
        raise BuiltinError(f"byte unit {unit[:40]} not recognized")
    return operands.bounded_whole(int(_exact(digits) * _BYTES[unit]))


Version = tuple[int, int, int, str]


def _version(value: str) -> Version | None:
    bare, _, metadata = value.removeprefix("v").partition("+")
    bare, _, pre = bare.partition("-")
    if not _identifiers(metadata) or not _identifiers(pre):
        return None
    parts = bare.split(".")
    if len(parts) != 3:
        return None
    numbers = [_int64(part) for part in parts]
    major, minor, patch = numbers
    if major is None or minor is None or patch is None:
        return None
    return major, minor, patch, pre


def _int64(digits: str) -> int | None:
    bare = digits[1:] if digits[:1] in ("+", "-") else digits
    if not bare.isascii() or not bare.isdigit() or len(bare.lstrip("0")) > 19:
        return None
    found = int(digits)
    return found if operands.MIN_INT <= found <= operands.MAX_INT else None


def _identifiers(value: str) -> bool:
    return not value or all(
        part and part.isascii() and part.replace("-", "a").isalnum() for part in value.split(".")
    )


def semver_compare(left: Value, right: Value) -> int:
    first, second = text(left, 1), text(right, 2)
    one, other = _version(first), _version(second)
    if one is None or other is None:
        position, named = (1, first) if one is None else (2, second)
        raise BuiltinError(f"operand {position}: string {named[:40]} is not a valid SemVer")
    if one[:3] != other[:3]:
        return -1 if one[:3] < other[:3] else 1
    return _precedence(one[3], other[3])


def _precedence(left: str, right: str) -> int:
    """Of pre-releases; none is after all."""
    if left == right:
        return 0
    if not left or not right:
        return 1 if not left else -1
    first, second = _ranks(left), _ranks(right)
    return (first > second) - (first < second)


def _ranks(pre: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in pre.split(".")]


def semver_is_valid(value: Value) -> bool:
    return type(value) is str and _version(value) is not None


_VARIANTS: Final = ((0xC0, 0x80, "RFC4122"), (0xE0, 0xC0, "Microsoft"), (0xE0, 0xE0, "Future"))
_DOMAINS: Final = {0: "Person", 1: "Group", 2: "Org"}
_EPOCH: Final = 122_192_928_000_000_000  # 1582-10-15 to 1970-01-01, in 100 ns


def _uuid_bytes(value: str) -> bytes | None:
    """Canonical, with ``urn:uuid:``, in braces, or bare digits, as google/uuid reads them."""
    bare = value
    if len(bare) == 45 and bare[:9].lower() == "urn:uuid:":
        bare = bare[9:]
    elif len(bare) == 38:
        bare = bare[1:-1]  # whatever the two characters are
    elif len(bare) == 32:
        return _hex(bare)
    if len(bare) != 36 or any(bare[at] != "-" for at in (8, 13, 18, 23)):
        return None
    return _hex(bare.replace("-", ""))


def _hex(digits: str) -> bytes | None:
    try:
        return bytes.fromhex(digits) if len(digits) == 32 and " " not in digits else None
    except ValueError:
        return None


def uuid_parse(value: Value) -> Value:
    """Undefined where it is none."""
    raw = _uuid_bytes(text(value, 1))
    if raw is None:
        return UNDEFINED
    version = raw[6] >> 4
    variant = next((name for mask, bits, name in _VARIANTS if raw[8] & mask == bits), "Reserved")
    made: dict[str, Any] = {"version": version, "variant": variant}
    if version in (1, 2):
        made["time"] = _uuid_time(raw)
        made["nodeid"] = "-".join(f"{byte:02x}" for byte in raw[10:])
        made["macvariables"] = _mac(raw[10])
        made["clocksequence"] = int.from_bytes(raw[8:10], "big") & 0x3FFF
    if version == 2:
        made["id"] = int.from_bytes(raw[:4], "big")
        made["domain"] = _DOMAINS.get(raw[9], f"Domain{raw[9]}")
    return made


def _uuid_time(raw: bytes) -> int:
    """Nanoseconds since 1970, overflowing as a machine's integer does."""
    ticks = int.from_bytes(raw[:4], "big")
    ticks |= int.from_bytes(raw[4:6], "big") << 32
    ticks |= (int.from_bytes(raw[6:8], "big") & 0xFFF) << 48
    nanoseconds = (ticks - _EPOCH) * 100
    return (nanoseconds + (1 << 63)) % (1 << 64) - (1 << 63)


def _mac(first: int) -> str:
    return f"{'local' if first & 2 else 'global'}:{'multicast' if first & 1 else 'unicast'}"


def uuid_new(evaluation: Context, name: Value) -> str:
    """The same for the same argument within one evaluation."""
    held = ("uuid.rfc4122", key(name))
    if held not in evaluation.memo:
        bits = evaluation.random.getrandbits(128)
        bits = bits & ~(0xF << 76) & ~(0x3 << 62) | 4 << 76 | 2 << 62
        digits = f"{bits:032x}"
        made = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        evaluation.memo[held] = made
    return str(evaluation.memo[held])


TABLE: Final = (
    Builtin(name="units.parse", arity=1, call=parse),
    Builtin(name="units.parse_bytes", arity=1, call=parse_bytes),
    Builtin(name="semver.compare", arity=2, call=semver_compare),
    Builtin(name="semver.is_valid", arity=1, call=semver_is_valid),
    Builtin(name="uuid.parse", arity=1, call=uuid_parse),
    Builtin(name="uuid.rfc4122", arity=1, call=uuid_new, contextual=True),
)
