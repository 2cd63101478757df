"""Times in RFC 3339: formatdate, timeadd, timecmp. The time of a run is unknown."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from haechi.engines.calendar import MONTHS, WEEKDAYS
from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.values import EvalFault
from haechi.model.unknown import Unknown

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:([Zz])|([+-])(\d\d):(\d\d))"
)
_TOKEN = re.compile(r"'((?:[^']|'')*+)'|([A-Za-z])\2*|[^A-Za-z']+|'")
_SPAN = re.compile(r"[-+]?(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+|[-+]?0")
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def _time(function: str, text: str) -> dt.datetime:
    found = _TIME.fullmatch(text)
    if found is None:
        raise EvalFault(f"{function}: {text[:60]!r} is no time of RFC 3339")
    year, month, day, hour, minute, second = (int(found[at]) for at in range(1, 7))
    offset = dt.timedelta(0)
    if found[9]:
        offset = dt.timedelta(hours=int(found[10]), minutes=int(found[11]))
        offset = -offset if found[9] == "-" else offset
    micro = int(float(found[7] or 0) * 1_000_000)
    try:
        zone = dt.timezone(offset)
        return dt.datetime(year, month, day, hour, minute, second, micro, zone)
    except ValueError:
        raise EvalFault(f"{function}: {text[:60]!r} is no time of RFC 3339") from None


def _formatdate(context: Context, form: str, text: str) -> str:
    moment = _time("formatdate", text)
    out: list[str] = []
    for found in _TOKEN.finditer(form):
        word = found[0]
        if found[1] is not None:
            out.append(found[1].replace("''", "'"))
        elif found[2]:
            out.append(_field(word, moment))
        elif word == "'":
            raise EvalFault("formatdate: a quote is not closed")
        else:
            out.append(word)
    return "".join(out)


def _field(word: str, moment: dt.datetime) -> str:
    hour = (moment.hour + 11) % 12 + 1
    fields = {
        "YYYY": f"{moment.year:04d}",
        "YY": f"{moment.year % 100:02d}",
        "MMMM": MONTHS[moment.month - 1],
        "MMM": MONTHS[moment.month - 1][:3],
        "MM": f"{moment.month:02d}",
        "M": str(moment.month),
        "DD": f"{moment.day:02d}",
        "D": str(moment.day),
        "EEEE": WEEKDAYS[moment.isoweekday() % 7],
        "EEE": WEEKDAYS[moment.isoweekday() % 7][:3],
        "hh": f"{moment.hour:02d}",
        "h": str(moment.hour),
        "HH": f"{hour:02d}",
        "H": str(hour),
        "AA": "AM" if moment.hour < 12 else "PM",
        "aa": "am" if moment.hour < 12 else "pm",
        "mm": f"{moment.minute:02d}",
        "m": str(moment.minute),
        "ss": f"{moment.second:02d}",
        "s": str(moment.second),
        "ZZZZZ": _zone(moment, ":"),
        "ZZZZ": _zone(moment, ""),
        "ZZZ": "UTC" if not moment.utcoffset() else _zone(moment, ""),
        "Z": "Z" if not moment.utcoffset() else _zone(moment, ":"),
    }
    field = fields.get(word)
    if field is None:
        raise EvalFault(f"formatdate: there is no field {word[:20]!r}")
    return field


def _zone(moment: dt.datetime, between: str) -> str:
    minutes = int((moment.utcoffset() or dt.timedelta(0)).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{between}{abs(minutes) % 60:02d}"


def _timeadd(context: Context, text: str, span: str) -> str:
    moment = _time("timeadd", text)
    if _SPAN.fullmatch(span) is None or len(span) > 60:
        raise EvalFault(f"timeadd: {span[:40]!r} is no duration")
    seconds = sum(float(found[1]) * _SECONDS[found[2]] for found in _PIECE.finditer(span))
    try:
        later = moment + dt.timedelta(seconds=-seconds if span.startswith("-") else seconds)
    except OverflowError:
        raise EvalFault("timeadd: the result is out of range") from None
    fraction = f".{later.microsecond:06d}".rstrip("0") if later.microsecond else ""
    zone = "Z" if not later.utcoffset() else _zone(later, ":")
    return f"{later:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + zone


def _timecmp(context: Context, left: str, right: str) -> int:
    one, other = _time("timecmp", left), _time("timecmp", right)
    return (one > other) - (one < other)


def _now(name: str) -> Any:
    def unknown(context: Context) -> Unknown:
        return Unknown(f"{name}() is the time of the run", cause=f"{name}()", given=True)

    return unknown


FUNCTIONS = (
    Function("formatdate", "s s", _formatdate),
    Function("plantimestamp", "", _now("plantimestamp")),
    Function("timeadd", "s s", _timeadd),
    Function("timecmp", "s s", _timecmp),
    Function("timestamp", "", _now("timestamp")),
)
