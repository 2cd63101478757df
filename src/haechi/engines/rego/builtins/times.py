"""Time: nanoseconds since 1970, or ``[nanoseconds, zone]``, or ``[nanoseconds, zone, layout]``.

The clock stands still within one evaluation. Zones come from the system's data (or the package
``tzdata``); "Local" is UTC here: a verdict must not depend on where it is reached.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from functools import lru_cache
from typing import Final

from haechi.engines.calendar import WEEKDAYS
from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin, Context
from haechi.engines.rego.builtins.layouts import (
    NAMED,
    Moment,
    date_of,
    days_in,
    days_of,
    read,
    write,
)
from haechi.engines.rego.builtins.operands import small_integer, text
from haechi.engines.rego.values import BuiltinError, RegoFailure, Value

_SECOND: Final = 1_000_000_000
_DURATION: Final = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|[smhdwy])")
_UNITS: Final = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "d": 24 * 3600 * _SECOND,
    "w": 7 * 24 * 3600 * _SECOND,
    "y": 365 * 24 * 3600 * _SECOND,
}
_FAR: Final = 1_000_000  # of years, months, days to add: beyond any time there is


def _in_range(nanoseconds: int) -> int:
    if not operands.MIN_INT <= nanoseconds <= operands.MAX_INT:
        raise BuiltinError("time outside of valid range")
    return nanoseconds


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        _has_zones()
        raise BuiltinError(f"unknown time zone {name[:40]}") from error


def _has_zones() -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError as error:
        raise RegoFailure(
            "missing_dependency",
            "a policy asks for a time zone, and this system has no data of them",
            do="install the system's tzdata, or: pip install tzdata",
        ) from error


class _Given:
    """A time argument: when, where, and how it is to be written."""

    def __init__(self, value: Value) -> None:
        items = value if type(value) is list else [value]
        if not items:
            operands.wrong(1, value, "either number (ns) or [number (ns), string (tz)]")
        self.nanoseconds = self._count(items[0])
        name = text(items[1], 1) if len(items) > 1 else ""
        self.layout = text(items[2], 1) if len(items) > 2 else ""
        self.zone = None if name in ("", "UTC", "Local") else _zone(name)

    def _count(self, value: Value) -> int:
        counted = operands.number(value, 1)
        if counted != int(counted) or not operands.MIN_INT <= counted <= operands.MAX_INT:
            raise BuiltinError("timestamp too big")
        return int(counted)

    def offset_at(self, seconds: int) -> tuple[int, str]:
        if self.zone is None:
            return 0, "UTC"
        local = datetime.fromtimestamp(seconds, tz=UTC).astimezone(self.zone)
        offset = local.utcoffset()
        name = local.tzname() or ""
        return 0 if offset is None else int(offset.total_seconds()), name

    def moment(self, nanoseconds: int) -> Moment:
        seconds, rest = divmod(nanoseconds, _SECOND)
        offset, name = self.offset_at(seconds)
        days, of_day = divmod(seconds + offset, 86400)
        year, month, day = date_of(days)
        return Moment(
            year, month, day, of_day // 3600, of_day // 60 % 60, of_day % 60, rest, offset, name
        )


def parse_ns(layout: Value, value: Value) -> int:
    wanted, whole = text(layout, 1), text(value, 2)
    seconds, rest = read(NAMED.get(wanted, wanted), whole)
    return _in_range(seconds * _SECOND + rest)


def parse_rfc3339(value: Value) -> int:
    return parse_ns(NAMED["RFC3339"], text(value, 1))


def parse_duration(value: Value) -> int:
    whole = text(value, 1)
    sign = -1 if whole.startswith("-") else 1
    bare = whole[1:] if whole[:1] in ("-", "+") else whole
    if bare == "0":
        return 0
    total, at = 0, 0
    while at < len(bare):
        found = _DURATION.match(bare, at)
        if found is None or not found.group(1).strip("."):
            raise BuiltinError(f"time: invalid duration {whole[:40]!r}")
        if len(found.group(1)) > 64:
            raise BuiltinError("time: invalid duration")
        total += int(Fraction(found.group(1)) * _UNITS[found.group(2)])
        at = found.end()
    if at == 0 or total > operands.MAX_INT + (sign < 0):
        raise BuiltinError(f"time: invalid duration {whole[:40]!r}")
    return sign * total


def formatted(value: Value) -> str:
    given = _Given(value)
    layout = NAMED.get(given.layout, given.layout) or NAMED["RFC3339Nano"]
    return operands.bounded(write(given.moment(given.nanoseconds), layout))


def date(value: Value) -> list[int]:
    given = _Given(value)
    moment = given.moment(given.nanoseconds)
    return [moment.year, moment.month, moment.day]


def clock(value: Value) -> list[int]:
    given = _Given(value)
    moment = given.moment(given.nanoseconds)
    return [moment.hour, moment.minute, moment.second]


def weekday(value: Value) -> str:
    given = _Given(value)
    moment = given.moment(given.nanoseconds)
    return WEEKDAYS[(days_of(moment.year, moment.month, moment.day) + 4) % 7]


def add_date(value: Value, years: Value, months: Value, days: Value) -> int:
    given = _Given(value)
    more = small_integer(years, 2), small_integer(months, 3), small_integer(days, 4)
    if any(abs(count) > _FAR for count in more):
        raise BuiltinError("time outside of valid range")
    moment = given.moment(given.nanoseconds)
    year, month = divmod((moment.year + more[0]) * 12 + moment.month - 1 + more[1], 12)
    date = days_of(year, month + 1, 1) + moment.day - 1 + more[2]
    local = date * 86400 + moment.hour * 3600 + moment.minute * 60 + moment.second
    if abs(local) > operands.MAX_INT // _SECOND + 2 * 86400:
        raise BuiltinError("time outside of valid range")
    # A local time that does not exist, or exists twice, is resolved as Go does it.
    offset, _ = given.offset_at(local)
    offset, _ = given.offset_at(local - offset)
    return _in_range((local - offset) * _SECOND + moment.nanosecond)


def difference(left: Value, right: Value) -> list[int]:
    """Years, months, days, hours, minutes, seconds from one to the other, in the first's zone."""
    given, other = _Given(left), _Given(right)
    early, late = sorted((given.nanoseconds, other.nanoseconds))
    first, second = given.moment(early), given.moment(late)
    made = [
        second.year - first.year,
        second.month - first.month,
        second.day - first.day,
        second.hour - first.hour,
        second.minute - first.minute,
        second.second - first.second,
    ]
    for index, size in ((5, 60), (4, 60), (3, 24), (2, days_in(first.year, first.month)), (1, 12)):
        if made[index] < 0:
            made[index] += size
            made[index - 1] -= 1
    return made


def now(evaluation: Context) -> int:
    return evaluation.now_ns


TABLE: Final = (
    Builtin(name="time.now_ns", arity=0, call=now, contextual=True),
    Builtin(name="time.parse_ns", arity=2, call=parse_ns),
    Builtin(name="time.parse_rfc3339_ns", arity=1, call=parse_rfc3339),
    Builtin(name="time.parse_duration_ns", arity=1, call=parse_duration),
    Builtin(name="time.format", arity=1, call=formatted),
    Builtin(name="time.date", arity=1, call=date),
    Builtin(name="time.clock", arity=1, call=clock),
    Builtin(name="time.weekday", arity=1, call=weekday),
    Builtin(name="time.add_date", arity=4, call=add_date),
    Builtin(name="time.diff", arity=2, call=difference),
)
