"""Times and dates between records and columns."""

from __future__ import annotations

import datetime as dt

from haechi.store.state.metadata import NEVER

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def utc_now() -> dt.datetime:
    """The clock on the wall."""
    return dt.datetime.now(dt.UTC)


def to_us(at: dt.datetime) -> int:
    """Microseconds since 1970; the time has to be aware."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(number: int) -> dt.datetime:
    """The time of a column; UTC."""
    return _EPOCH + dt.timedelta(microseconds=number)


def maybe_us(number: int) -> dt.datetime | None:
    """0 is no time."""
    return from_us(number) if number else None


def to_day(day: dt.date | None) -> str:
    """A date as it sorts; none is last."""
    return day.isoformat() if day else NEVER


def from_day(day: str) -> dt.date | None:
    """The date of a column."""
    return None if day == NEVER else dt.date.fromisoformat(day)
