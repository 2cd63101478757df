"""Optional files about CVEs: FIRST's EPSS scores (CSV, also gzipped) and CISA's catalogue of
known exploited vulnerabilities (JSON). Both are kept whole: they are small, and may come before
the advisories that they are about. Numbers of CVEs serve as keys (CVE-2024-3094 → 2024·10⁸+3094).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zlib
from collections.abc import Iterator

import msgspec

from haechi.errors import InputError, LimitExceeded

_CVE = re.compile(r"CVE-(\d{4})-(\d{1,8})\Z", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_YEAR = 10**8
SCALE = 100_000
"""EPSS gives five digits."""
MAX_BYTES = 256 * 1024 * 1024
_MAX_ROWS, _MEMBERS = 2_000_000, 64


class Score(msgspec.Struct, frozen=True):
    """One row of EPSS, scaled to whole numbers."""

    cve: int
    score: int
    percentile: int | None


class Exploited(msgspec.Struct, frozen=True):
    """One entry of KEV."""

    cve: int
    since: str
    ransomware: bool


class _Entry(msgspec.Struct):
    cveID: str
    dateAdded: str
    knownRansomwareCampaignUse: str = ""


class _Catalogue(msgspec.Struct):
    vulnerabilities: list[msgspec.Raw]
    dateReleased: str = ""


class Scores(msgspec.Struct):
    """An EPSS file."""

    date: dt.date | None
    rows: list[Score]
    faults: list[str]


class Catalogue(msgspec.Struct):
    """A KEV file."""

    date: dt.date | None
    rows: list[Exploited]
    faults: list[str]


def number_of(cve: str) -> int | None:
    """The key of a CVE's id."""
    found = _CVE.match(cve)
    return None if found is None else int(found[1]) * _YEAR + int(found[2])


def is_epss(head: bytes) -> bool:
    """By the first bytes, unpacked."""
    return head.startswith((b"#model_version:", b"cve,epss"))


def is_kev(head: bytes) -> bool:
    """By the first bytes."""
    return head.lstrip().startswith(b"{") and (b'"catalogVersion"' in head or b'"cveID"' in head)


def unzipped(data: bytes) -> bytes:
    """A gzip file's content. Raises InputError when it is cut, LimitExceeded when too large."""
    plain = bytearray()
    for _ in range(_MEMBERS):  # one after the other, each of its own (RFC 1952, 2.2)
        opener = zlib.decompressobj(31)
        try:
            plain += opener.decompress(data, MAX_BYTES + 1 - len(plain))
        except zlib.error as error:
            raise InputError("no whole gzip file", why=str(error)) from None
        if len(plain) > MAX_BYTES:
            raise LimitExceeded(f"more than {MAX_BYTES >> 20} MiB when unpacked")
        if not opener.eof:
            raise InputError("a gzip file that is cut off", do="fetch it again")
        data = opener.unused_data
        if not data.strip(b"\0"):
            return bytes(plain)
    raise LimitExceeded(f"a gzip file of more than {_MEMBERS} members")


def epss(data: bytes) -> Scores:
    """Read EPSS. Raises InputError when it is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("no EPSS file: it is not UTF-8") from None
    date = _first_day(text[:500]) if text.startswith("#") else None
    lines = io.StringIO(text, newline="")
    if text.startswith("#"):
        lines.readline()
    found = Scores(date, [], [])
    for number, row in enumerate(_rows(lines), start=1):
        if number == 1 and row[:2] == ["cve", "epss"]:
            continue
        if number > _MAX_ROWS:
            raise LimitExceeded(f"more than {_MAX_ROWS:,} rows")
        _score(row, number, found)
    if not found.rows:
        raise InputError("no EPSS file: it has no scores")
    return found


def _rows(lines: io.StringIO) -> Iterator[list[str]]:
    try:
        yield from (row for row in csv.reader(lines) if row)
    except csv.Error as error:
        raise InputError(f"no EPSS file: {error}") from None


def _score(row: list[str], number: int, found: Scores) -> None:
    cve = number_of(row[0])
    try:
        values = [float(one) for one in row[1:3]]
    except ValueError:
        values = []
    if cve is None or not values or not all(0 <= one <= 1 for one in values):
        found.faults.append(f"row {number}: {','.join(row)[:60]!r}")
        return
    scaled = [round(one * SCALE) for one in values]
    found.rows.append(Score(cve, scaled[0], scaled[1] if len(scaled) > 1 else None))


def kev(data: bytes) -> Catalogue:
    """Read KEV. Raises InputError when it is none."""
    if len(data) > MAX_BYTES:
        raise LimitExceeded(f"more than {MAX_BYTES >> 20} MiB")
    try:
        whole = msgspec.json.decode(data, type=_Catalogue)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no KEV catalogue: {error}") from None
    found = Catalogue(_first_day(whole.dateReleased), [], [])
    for number, raw in enumerate(whole.vulnerabilities, start=1):
        try:
            entry = msgspec.json.decode(raw, type=_Entry)
            since = dt.date.fromisoformat(entry.dateAdded)
        except (ValueError, RecursionError) as error:
            found.faults.append(f"entry {number}: {error}"[:160])
            continue
        cve = number_of(entry.cveID)
        if cve is None:
            found.faults.append(f"entry {number}: {entry.cveID[:40]!r} is no CVE")
            continue
        ransomware = entry.knownRansomwareCampaignUse.lower() == "known"
        found.rows.append(Exploited(cve, since.isoformat(), ransomware))
    if not found.rows:
        raise InputError("no KEV catalogue: it has no entries")
    return found


def _first_day(text: str) -> dt.date | None:
    match = _DAY.search(text)
    try:
        return dt.date.fromisoformat(match[0]) if match else None
    except ValueError:
        return None
