"""Go's layouts of time: ``Mon Jan 2 15:04:05 MST 2006`` and its parts, to write and to read.

Specification: https://pkg.go.dev/time#pkg-constants. A layout is cut into pieces once; text
between them must come as it stands (a space in it stands for any number of spaces when read).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from haechi.engines.calendar import MONTHS, WEEKDAYS
from haechi.engines.rego.values import BuiltinError

NAMED: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
_PIECE: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2006|_2|3|4|5|PM|pm"
    r"|-07:00:00|-070000|-07:00|-0700|-07|Z07:00:00|Z070000|Z07:00|Z0700|Z07"
    r"|[.,](?:0+|9+)(?![0-9])"
)
_ZONE: Final = re.compile(r"ChST|MeST|GMT(?:[+-][0-9]{1,2})?|[+-][0-9]{2}|[A-Z]{3,5}")


class Moment(msgspec.Struct, frozen=True):
    """A time at a place: fields of the calendar, ``offset`` in seconds east, and its name."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    offset: int = 0
    zone: str = "UTC"


@lru_cache(maxsize=256)
def _cut(layout: str) -> tuple[tuple[bool, str], ...]:
    """Pieces with whether they mean something."""
    made: list[tuple[bool, str]] = []
    at = 0
    for found in _PIECE.finditer(layout):
        text = layout[at : found.start()]
        piece = found.group()
        if piece == "_2006":  # a literal underscore before the year
            text, piece = f"{text}_", "2006"
        if text:
            made.append((False, text))
        made.append((True, piece))
        at = found.end()
    if layout[at:]:
        made.append((False, layout[at:]))
    return tuple(made)


def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def date_of(days: int) -> tuple[int, int, int]:
    era, of_era = divmod(days + 719468, 146097)
    of_cycle = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * of_cycle + of_cycle // 4 - of_cycle // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return of_cycle + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def days_in(year: int, month: int) -> int:
    following = (year + month // 12, month % 12 + 1)
    return days_of(*following, 1) - days_of(year, month, 1)


def write(moment: Moment, layout: str) -> str:
    return "".join(_written(moment, piece) if meant else piece for meant, piece in _cut(layout))


def _written(moment: Moment, piece: str) -> str:
    if piece[0] in "-Z" and len(piece) > 1:
        return _written_offset(moment.offset, piece)
    if piece[0] in ".,":
        digits = f"{moment.nanosecond:09d}"[: len(piece) - 1]
        if piece[1] == "9":
            digits = digits.rstrip("0")
            return piece[0] + digits if digits else ""
        return piece[0] + digits.ljust(len(piece) - 1, "0")
    days = days_of(moment.year, moment.month, moment.day)
    of_year = days - days_of(moment.year, 1, 1) + 1
    weekday = WEEKDAYS[(days + 4) % 7]
    half = moment.hour % 12 or 12
    texts: dict[str, str] = {
        "January": MONTHS[moment.month - 1],
        "Jan": MONTHS[moment.month - 1][:3],
        "Monday": weekday,
        "Mon": weekday[:3],
        "MST": moment.zone,
        "2006": f"{moment.year:04d}",
        "06": f"{moment.year % 100:02d}",
        "01": f"{moment.month:02d}",
        "1": f"{moment.month}",
        "02": f"{moment.day:02d}",
        "_2": f"{moment.day:2d}",
        "2": f"{moment.day}",
        "002": f"{of_year:03d}",
        "__2": f"{of_year:3d}",
        "15": f"{moment.hour:02d}",
        "03": f"{half:02d}",
        "3": f"{half}",
        "04": f"{moment.minute:02d}",
        "4": f"{moment.minute}",
        "05": f"{moment.second:02d}",
        "5": f"{moment.second}",
        "PM": "PM" if moment.hour >= 12 else "AM",
        "pm": "pm" if moment.hour >= 12 else "am",
    }
    return texts[piece]


def _written_offset(offset: int, piece: str) -> str:
    if piece[0] == "Z" and offset == 0:
        return "Z"
    sign, seconds = ("-" if offset < 0 else "+"), abs(offset)
    made = f"{seconds // 3600:02d}"
    colon = ":" if ":" in piece else ""
    if len(piece) > 3:
        made += f"{colon}{seconds // 60 % 60:02d}"
    if len(piece) > 6:
        made += f"{colon}{seconds % 60:02d}"
    return sign + made


class _Reader:
    """What was read of a value so far."""

    def __init__(self, value: str) -> None:
        self.rest = value
        self.fields: dict[str, int] = {}
        self.afternoon: bool | None = None
        self.offset = 0

    def fail(self, what: str) -> BuiltinError:
        return BuiltinError(f"parsing time: cannot parse {self.rest[:40]!r} as {what!r}")

    def number(self, piece: str, fixed: bool, digits: int = 2) -> int:
        wide = self.rest[:digits]
        if len(wide) == digits and wide.isascii() and wide.isdigit():
            self.rest = self.rest[digits:]
            return int(wide)
        if fixed or not (self.rest[:1].isascii() and self.rest[:1].isdigit()):
            raise self.fail(piece)
        size = 2 if digits == 3 and self.rest[:2].isdigit() else 1
        found, self.rest = self.rest[:size], self.rest[size:]
        return int(found)

    def name(self, names: tuple[str, ...], piece: str, short: bool) -> int:
        for index, name in enumerate(names):
            wanted = name[:3] if short else name
            if self.rest[: len(wanted)].lower() == wanted.lower():
                self.rest = self.rest[len(wanted) :]
                return index
        raise self.fail(piece)

    def literal(self, text: str) -> None:
        at = 0
        while at < len(text):
            if text[at] == " ":
                if self.rest and self.rest[0] != " ":
                    raise self.fail(text)
                self.rest = self.rest.lstrip(" ")
                while at < len(text) and text[at] == " ":
                    at += 1
                continue
            if self.rest[:1] != text[at]:
                raise self.fail(text)
            self.rest = self.rest[1:]
            at += 1

    def fraction(self, digits: int) -> None:
        taken = self.rest[1 : digits + 1]
        self.rest = self.rest[digits + 1 :]
        self.fields["nanosecond"] = int(taken[:9].ljust(9, "0"))

    def loose_fraction(self) -> None:
        """A fraction of a second may follow the seconds though the layout has none."""
        found = re.match(r"[.,][0-9]+", self.rest)
        if found:
            self.fraction(found.end() - 1)


_NUMBERS: Final = {
    "01": ("month", True),
    "1": ("month", False),
    "02": ("day", True),
    "2": ("day", False),
    "_2": ("day", False),
    "15": ("hour", False),
    "03": ("hour", True),
    "3": ("hour", False),
    "04": ("minute", True),
    "4": ("minute", False),
    "05": ("second", True),
    "5": ("second", False),
}
_LIMITS: Final = {"month": (1, 12), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}


def read(layout: str, value: str) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds; BuiltinError where the value is not of the layout."""
    reader = _Reader(value)
    pieces = _cut(layout)
    for index, (meant, piece) in enumerate(pieces):
        if not meant:
            reader.literal(piece)
            continue
        _read_piece(reader, piece)
        if piece in ("5", "05"):
            following = pieces[index + 1][1] if index + 1 < len(pieces) else ""
            if following[:1] not in (".", ",") or not pieces[index + 1][0]:
                reader.loose_fraction()
    if reader.rest:
        raise BuiltinError(f"parsing time: extra text: {reader.rest[:40]!r}")
    return _instant(reader)


def _read_piece(reader: _Reader, piece: str) -> None:
    fields = reader.fields
    if piece in _NUMBERS:
        name, fixed = _NUMBERS[piece]
        if piece == "_2":
            reader.rest = reader.rest.removeprefix(" ")
        fields[name] = reader.number(piece, fixed)
        low, high = (0, 12) if piece in ("3", "03") else _LIMITS.get(name, (0, 99))
        if not low <= fields[name] <= high:
            raise BuiltinError(f"parsing time: {name} out of range")
    elif piece == "2006":
        fields["year"] = reader.number(piece, True, 4)
    elif piece == "06":
        year = reader.number(piece, True)
        fields["year"] = year + (1900 if year >= 69 else 2000)
    elif piece in ("January", "Jan"):
        fields["month"] = reader.name(MONTHS, piece, piece == "Jan") + 1
    elif piece in ("Monday", "Mon"):
        reader.name(WEEKDAYS, piece, piece == "Mon")
    elif piece in ("002", "__2"):
        reader.rest = reader.rest.lstrip(" ") if piece == "__2" else reader.rest
        fields["of_year"] = reader.number(piece, piece == "002", 3)
    elif piece in ("PM", "pm"):
        reader.afternoon = bool(reader.name(("AM", "PM"), piece, False))
    elif piece == "MST":
        _read_zone(reader)
    elif piece[0] in ".,":
        _read_fraction(reader, piece)
    else:
        _read_offset(reader, piece)


def _read_fraction(reader: _Reader, piece: str) -> None:
    found = re.match(r"[.,][0-9]+", reader.rest)
    if piece[1] == "9":
        if found:
            reader.fraction(found.end() - 1)
        return
    if found is None or found.end() < len(piece):
        raise reader.fail(piece)
    reader.fraction(len(piece) - 1)


def _read_zone(reader: _Reader) -> None:
    found = _ZONE.match(reader.rest)
    if found is None:
        raise reader.fail("MST")
    name = found.group()
    if name[0].isalpha() and "+" not in name and "-" not in name:
        name = _abbreviation(reader, name)
    # A name says nothing about the offset: Go knows none but those of its own place, and even of
    # "GMT+3" it takes the name only.
    if name.startswith("GMT") and len(name) > 3 and not -23 <= int(name[3:]) <= 23:
        raise reader.fail("MST")
    reader.rest = reader.rest[len(name) :]


def _abbreviation(reader: _Reader, name: str) -> str:
    """Three letters, or four or five that end in T (or WITA)."""
    if name in ("ChST", "MeST") or len(name) == 3:
        return name
    if name.startswith("UTC"):
        return "UTC"
    if name[-1] == "T" or name == "WITA":
        return name
    raise reader.fail("MST")


def _read_offset(reader: _Reader, piece: str) -> None:
    if piece[0] == "Z" and reader.rest.startswith("Z"):
        reader.rest = reader.rest[1:]
        return
    colon = ":" if ":" in piece else ""
    parts = 1 if len(piece) == 3 else 2 if len(piece) < 7 else 3
    found = re.match("([+-])" + colon.join([r"([0-9]{2})"] * parts), reader.rest)
    if found is None:
        raise reader.fail(piece)
    reader.rest = reader.rest[found.end() :]
    numbers = [int(part) for part in found.groups()[1:]] + [0, 0]
    if numbers[0] > 24 or numbers[1] > 60 or numbers[2] > 60:
        raise BuiltinError("parsing time: time zone offset out of range")
    seconds = numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    reader.offset = -seconds if found.group(1) == "-" else seconds


def _instant(reader: _Reader) -> tuple[int, int]:
    fields = reader.fields
    hour = fields.get("hour", 0)
    if reader.afternoon is True and hour < 12:
        hour += 12
    elif reader.afternoon is False and hour == 12:
        hour = 0
    days = _day(fields)
    seconds = days * 86400 + hour * 3600 + fields.get("minute", 0) * 60 + fields.get("second", 0)
    return seconds - reader.offset, fields.get("nanosecond", 0)


def _day(fields: dict[str, int]) -> int:
    year = fields.get("year", 0)
    if "of_year" in fields:
        leap = days_in(year, 2) == 29
        if not 1 <= fields["of_year"] <= 365 + leap:
            raise BuiltinError("parsing time: day-of-year out of range")
        days = days_of(year, 1, 1) + fields["of_year"] - 1
        _, month, day = date_of(days)
        if fields.get("month", month) != month or fields.get("day", day) != day:
            raise BuiltinError("parsing time: day-of-year does not match month or day")
        return days
    month, day = fields.get("month", 1), fields.get("day", 1)
    if not 1 <= day <= days_in(year, month):
        raise BuiltinError("parsing time: day out of range")
    return days_of(year, month, day)
