"""Times as sources write them, and what is done about clocks that are wrong.

The store refuses events from before 2000 or from more than a day ahead. An event whose source
has no clock must not be lost for that: it is given the time of its arrival, and the time that it
claimed stays beside it as ``haechi.clock``.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
EARLIEST_NS = 946_684_800 * SECOND_NS
"""2000-01-01."""
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,18}))?\s?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_NUMBER = re.compile(r"(\d{1,19})(?:\.(\d{1,18}))?", re.ASCII)


def parse(value: object) -> int | None:
    """Nanoseconds since 1970 of RFC 3339 text (a space for the T and a comma are fine, no zone is
    UTC), or of a number of s, ms, µs or ns since then; None for anything else."""
    if type(value) is str:
        return _of_text(value.strip()) if len(value) <= 64 else None
    if type(value) is int:
        return _of_number(value, 0)
    if type(value) is float and 0 <= value < 1e18:
        return _of_number(int(value), round((value % 1) * SECOND_NS))
    return None


def settle(value: object, now_ns: int) -> tuple[int, str]:
    """The time to store, and what was claimed when that cannot be right ("" when it can)."""
    found = parse(value)
    if found is not None and EARLIEST_NS <= found <= now_ns + DAY_NS:
        return found, ""
    return now_ns, _claimed(value)


def by_pattern(value: str, pattern: str) -> int | None:
    """Nanoseconds since 1970 of a time written as ``pattern`` (``strptime``) says; UTC unless the
    pattern holds a zone."""
    try:
        found = dt.datetime.strptime(value[:100], pattern)
        found = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        past = found - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (past.days * 86_400 + past.seconds) * SECOND_NS + past.microseconds * 1_000


def _of_text(text: str) -> int | None:
    found = _STAMP.fullmatch(text)
    if found is None:
        number = _NUMBER.fullmatch(text)
        if number is None:
            return None
        return _of_number(int(number[1]), int((number[2] or "").ljust(9, "0")[:9]))
    seconds = _seconds(found[1], found[2], found[4] or "Z")
    if seconds is None:
        return None
    return seconds * SECOND_NS + int((found[3] or "").ljust(9, "0")[:9])


@lru_cache(maxsize=1024)
def _seconds(day: str, clock: str, zone: str) -> int | None:
    """Whole seconds since 1970; most events of a batch are of the same second."""
    leap = clock.endswith(":60")
    try:
        found = dt.datetime.fromisoformat(
            f"{day}T{clock[:6] + '59' if leap else clock}{'Z' if zone in 'Zz' else zone}"
        )
    except ValueError:
        return None
    past = found - _EPOCH
    return past.days * 86_400 + past.seconds + leap


def _of_number(number: int, fraction_ns: int) -> int | None:
    """By its size: seconds until the year 5138, then ms, µs, ns."""
    if number < 0:
        return None
    if number < 10**11:
        return number * SECOND_NS + fraction_ns
    for limit, factor in ((10**14, 10**6), (10**17, 10**3), (10**20, 1)):
        if number < limit:
            return number * factor
    return None


def _claimed(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, str | int | float) and not (
        isinstance(value, int) and value.bit_length() > 128
    ):
        return str(value)[:64]
    return "unreadable"


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
