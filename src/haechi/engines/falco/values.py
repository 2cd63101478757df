"""What a text means for a field's type, and how two values compare: after ``filter_compare.cpp``.

A value that is not there never gets here: every check on it is false, ``!=`` too, and only
``not`` around the check makes that true (libs returns false as soon as extraction yields
nothing). What libs takes as constants is taken, and a little more: hexadecimal and fractional
numbers, durations with a unit (``5s``), names of ports and error numbers.

Texts compare byte by byte in libs; for UTF-8 that is the order of code points, which is Python's.
Letter case is ASCII's, as in the C locale that Falco runs in.
"""

from __future__ import annotations

import errno
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from haechi.engines.falco import netsets, pmatch

TEXT = frozenset({"string", "path"})
NUMBER = frozenset({"number", "port", "duration", "errno"})
_EQUAL = frozenset({"=", "!=", "in", "intersects", "exists"})
_ORDER = frozenset({"<", "<=", ">", ">="})
_WORDS = frozenset({"contains", "startswith", "endswith"})
_PATTERNS = frozenset({"icontains", "glob", "iglob", "regex", "pmatch"})
_RAW = frozenset({"bcontains", "bstartswith"})
_TAKES: dict[str, tuple[frozenset[str], str]] = {
    "text": (_EQUAL | _ORDER | _WORDS | _PATTERNS, "string filters"),
    "number": (_EQUAL | _ORDER, "numeric filters"),
    "bool": (_EQUAL, "numeric filters"),
    "address": (_EQUAL, "ip address and network filters"),
    "net": (_EQUAL, "ip address and network filters"),
    "bytes": (_EQUAL | _WORDS | _RAW, "buffer filters"),
    "any": (_EQUAL | _ORDER | _WORDS | _PATTERNS, "string filters"),
}
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
          "d": 86400 * 10**9}  # fmt: skip
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h|d)")
_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?")
_HEX = re.compile(r"[+-]?0[xX][0-9a-fA-F]+")
_DIGITS = 40
PORTS = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "tftp": 69,
    "http": 80, "kerberos": 88, "pop3": 110, "sunrpc": 111, "ntp": 123, "imap2": 143, "imap": 143,
    "snmp": 161, "snmp-trap": 162, "bgp": 179, "ldap": 389, "https": 443, "microsoft-ds": 445,
    "submissions": 465, "syslog": 514, "submission": 587, "ldaps": 636, "domain-s": 853,
    "imaps": 993, "pop3s": 995, "socks": 1080, "openvpn": 1194, "ms-sql-s": 1433, "nfs": 2049,
    "mysql": 3306, "svn": 3690, "sip": 5060, "postgresql": 5432, "amqp": 5672, "redis": 6379,
    "ircd": 6667, "http-alt": 8080,
}  # fmt: skip
"""Names that ``=`` on a port takes; libs asks the machine's own table, which differs by machine."""
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_LOWER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}


def family(type: str) -> str:
    """``text``, ``number``, ``bool``, ``address``, ``net``, ``bytes`` or ``any``."""
    if type in TEXT:
        return "text"
    if type in NUMBER:
        return "number"
    return type if type in _TAKES else "any"


def refusal(op: str, type: str, many: bool) -> str:
    """Why a field of this type cannot be tested so, in libs' words; "" when it can."""
    if op == "exists":
        return ""
    if many:
        kind = "list filters"
        if op in ("in", "intersects"):
            return ""
    else:
        takes, kind = _TAKES[family(type)]
        if op in takes:
            return ""
    return f"'{op}' operator not supported for {kind}"


# -- constants --------------------------------------------------------------------------------


def constant(text: str, type: str, op: str) -> Any:
    """What a text on the right of ``op`` stands for. Raises ValueError, in libs' words."""
    kind = family(type)
    if op in _RAW:
        return _unhex(text)
    if kind == "text":
        return _pattern(text, op)
    if kind == "any":
        return (_pattern(text, op), _number_or_none(text))
    return _CONSTANTS[type if type in _CONSTANTS else kind](text)


def _pattern(text: str, op: str) -> Any:
    if op == "regex":
        return regex(text)
    if op in ("glob", "iglob"):
        return pmatch.glob(text, op == "iglob")
    return lowered(text) if op == "icontains" else text


@lru_cache(maxsize=1024)
def regex(text: str) -> Any:
    """A POSIX expression as libs compiles it: no ``\\d``, no ``(?i)``. Raises ValueError."""
    try:
        return pmatch.compiled(pmatch.encodable(text), posix=True)
    except re2.error as error:
        told = error.args[0] if error.args else b""
        reason = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise ValueError(f"invalid regex pattern: {reason[:200]}") from None


def _unhex(text: str) -> bytes:
    try:
        if " " in text:
            raise ValueError
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("bcontains and bstartswith operator support hex strings only") from None


def _number_or_none(text: str) -> int | float | None:
    if len(text) > _DIGITS:
        return None
    if _HEX.fullmatch(text):
        return int(text, 16)
    if not _DECIMAL.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def _number(text: str) -> int | float:
    number = _number_or_none(text)
    if number is None:
        raise ValueError(f"{text} is not a valid number")
    return number


def _port(text: str) -> int | float:
    if not text:
        return 0
    number = _number_or_none(text)
    number = PORTS.get(text.lower()) if number is None else number
    if number is None:
        raise ValueError(f"unrecognized protocol {text}")
    return number


def _duration(text: str) -> int | float:
    match = _DURATION.fullmatch(text) if len(text) <= _DIGITS else None
    if match is None:
        return _number(text)
    amount = float(match[1]) if "." in match[1] else int(match[1])
    return int(amount * _UNITS[match[2]])


def _errno(text: str) -> int | float:
    known = getattr(errno, text, None) if text.startswith("E") else None
    return -known if isinstance(known, int) else _number(text)


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"unrecognized boolean value {text}")
    return text == "true"


def _address(text: str) -> netsets.Address:
    found = netsets.address(text)
    if found is None:
        kind = "IPv4" if "." in text else "IPv6"
        raise ValueError(f"unrecognized {kind} address {text}")
    return found


_CONSTANTS: dict[str, Callable[[str], Any]] = {
    "number": _number,
    "port": _port,
    "duration": _duration,
    "errno": _errno,
    "bool": _bool,
    "address": _address,
    "net": netsets.network,
    "bytes": lambda text: text.encode("utf-8", "surrogateescape"),
}


# -- what an event holds ----------------------------------------------------------------------


def coerce(value: Any, type: str) -> Any:
    """An event's value as its field's type has it; None (not there) when it cannot be that.

    Events come from outside: a field may hold anything that JSON can."""
    return _COERCE[family(type)](value)


def text_of(value: Any) -> str | None:
    """A scalar as outputs print it; None for what is no scalar."""
    if value.__class__ is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, str) else None


def number_text(value: int | float) -> str:
    """Digits; an integer beyond 64 bits in hexadecimal, because its digits take long to find."""
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else hex(value)
    return f"{value:.1f}"


def coerce_number(value: Any) -> int | float | None:
    """A number, also one given as a text; a truth value counts as 0 or 1."""
    if isinstance(value, str):
        return _number_or_none(value)
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, int | float) else None


def coerce_bool(value: Any) -> bool | None:
    """A truth value; a number is one when it is not 0."""
    if isinstance(value, int | float):
        return value != 0
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def _to_address(value: Any) -> netsets.Address | None:
    return netsets.address(value) if isinstance(value, str) else None


def _to_bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape" if _escaped(value) else "surrogatepass")
    return value if isinstance(value, bytes) else None


def _escaped(text: str) -> bool:
    """Whether its lone surrogates, if any, stand for bytes."""
    return all("\udc80" <= char <= "\udcff" for char in text if "\ud800" <= char <= "\udfff")


def _to_any(value: Any) -> Any:
    return value if text_of(value) is not None and value == value else None


_COERCE: dict[str, Callable[[Any], Any]] = {
    "text": text_of,
    "number": coerce_number,
    "bool": coerce_bool,
    "address": _to_address,
    "net": _to_address,
    "bytes": _to_bytes,
    "any": _to_any,
}


# -- comparing --------------------------------------------------------------------------------


def lowered(text: str) -> str:
    """Small letters for ASCII's capital ones."""
    return text.lower() if text.isascii() else text.translate(_UPPER)


def raised(text: str) -> str:
    """Capital letters for ASCII's small ones."""
    return text.upper() if text.isascii() else text.translate(_LOWER)


def _regex_holds(left: str, right: Any) -> bool:
    return right.fullmatch(pmatch.encodable(left)) is not None


OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": operator.contains,
    "bcontains": operator.contains,
    "icontains": lambda left, right: right in lowered(left),
    "startswith": lambda left, right: left.startswith(right),
    "bstartswith": lambda left, right: left.startswith(right),
    "endswith": lambda left, right: left.endswith(right),
    "glob": lambda left, right: right.matches(left),
    "iglob": lambda left, right: right.matches(left),
    "regex": _regex_holds,
}


def compare(op: str, type: str, left: Any, right: Any) -> bool:
    """Whether it holds between one value that is there and one constant or other value."""
    kind = family(type)
    if kind == "net":
        return netsets.within(left, right) == (op == "=")
    if kind == "any":
        return compare_any(op, left, right)
    return OPERATIONS[op](left, right)


def compare_any(op: str, left: Any, right: tuple[Any, int | float | None]) -> bool:
    """A field without a declared type: as numbers when both are, as texts otherwise."""
    pattern, number = right
    if op in _ORDER or (op in ("=", "!=") and not isinstance(left, str)):
        mine = coerce_number(left)
        if mine is not None and number is not None:
            return OPERATIONS[op](mine, number)
    return OPERATIONS[op](text_of(left), pattern)


def as_constant(value: Any, type: str) -> Any:
    """A value of the event on the right side (``val(…)``), as ``constant`` would give it."""
    return (text_of(value), coerce_number(value)) if family(type) == "any" else value
