"""OSV records (https://ossf.github.io/osv-schema/) in JSON or YAML → ``Advisory`` and extents.

Whatever a scan does not need is not even decoded, so a database may add fields as it likes; what
is needed must have the right type, or the record is refused by name. Ranges of commits are left
out and counted. Severity is worked out here, once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

import msgspec

from haechi.engines import cvss, versions
from haechi.errors import InputError, VersionError
from haechi.model.advisory import Advisory, Affected, FixState, Symbols
from haechi.model.severity import Severity
from haechi.world.advisories.names import base, normal, of_registry
from haechi.world.advisories.ranges import Extent, extent_of, spelled

MAX_BYTES = 16 * 1024 * 1024
"""Of one record. The longest real ones (of Linux) are near 3 MB."""
_MAX_AFFECTED, _MAX_NAMES, _LONGEST_NAME = 20_000, 2_000, 512
_EPOCH, _END = 1980, 9000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,127}\Z")
_T = TypeVar("_T")
_WORDS = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.INFO,
    "none": Severity.INFO,
}


class NotOsv(InputError):
    """A document that is no advisory at all: it has neither an id nor affected packages."""


class _Severity(msgspec.Struct):
    type: str = ""
    score: str = ""


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None

    def pairs(self) -> Iterator[tuple[str, str]]:
        for kind in ("introduced", "fixed", "last_affected", "limit"):
            text = getattr(self, kind)
            if text is not None:
                yield kind, text


class _Range(msgspec.Struct):
    type: str = ""
    events: list[_Event] | None = None

    def pairs(self) -> list[tuple[str, str]]:
        return [pair for event in self.events or () for pair in event.pairs()]


class _Package(msgspec.Struct):
    ecosystem: str = ""
    name: str = ""


class _Import(msgspec.Struct):
    path: str = ""
    symbols: list[str] | None = None
    goos: list[str] | None = None
    goarch: list[str] | None = None


class _Functions(msgspec.Struct):
    functions: list[str] | None = None


class _Specific(msgspec.Struct):
    """``ecosystem_specific`` of Go (imports, custom_ranges), crates.io (affects), Debian
    (urgency)."""

    imports: list[_Import] | None = None
    custom_ranges: list[_Range] | None = None
    affects: _Functions | None = None
    urgency: str | None = None


class _About(msgspec.Struct):
    """``database_specific`` of a record."""

    severity: str | None = None
    cwe_ids: list[str] | None = None


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None
    ecosystem_specific: Any = None


class _Reference(msgspec.Struct):
    url: str = ""


class _Record(msgspec.Struct):
    id: str
    modified: str | None = None
    published: str | None = None
    withdrawn: str | None = None
    aliases: list[str] | None = None
    related: list[str] | None = None
    summary: str | None = None
    details: str | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: Any = None


class Read(msgspec.Struct, frozen=True):
    """A record, what each of its ``affected`` means, and how many ranges of commits it had."""

    advisory: Advisory
    extents: tuple[Extent, ...]
    commit_ranges: int = 0


_json = msgspec.json.Decoder(_Record)


def read(data: bytes, *, yaml: bool = False, source: str = "") -> Read:
    """One record. Raises NotOsv for another kind of document, InputError for a broken one."""
    if len(data) > MAX_BYTES:
        raise InputError(f"a record of more than {MAX_BYTES >> 20} MiB")
    try:
        record = _of_yaml(data) if yaml else _json.decode(data)
    except msgspec.ValidationError as error:
        raise _misfit(data, yaml, error) from None
    except msgspec.DecodeError as error:
        raise InputError(f"no JSON: {error}") from None
    except UnicodeDecodeError:
        raise InputError("it is not UTF-8") from None
    except RecursionError:
        raise InputError("nested too deeply") from None
    return _read(record, source)


def _misfit(data: bytes, yaml: bool, error: Exception) -> InputError:
    """Another kind of document is told from an advisory with a fault."""
    try:
        value = _plain_yaml(data) if yaml else msgspec.json.decode(data)
    except (ValueError, RecursionError, InputError):
        return InputError(f"no OSV record: {error}")
    if not isinstance(value, dict) or "id" not in value:
        return NotOsv("no advisory: it has no id")
    return InputError(f"no OSV record: {error}")


def _of_yaml(data: bytes) -> _Record:
    value = _plain_yaml(data)
    return msgspec.convert(value, _Record)


def _plain_yaml(data: bytes) -> Any:
    from haechi.engines.documents import Fault, parse_documents

    found = list(parse_documents(data))
    if len(found) != 1:
        raise NotOsv(f"{len(found)} YAML documents where an advisory is one")
    if isinstance(found[0], Fault):
        raise InputError(f"line {found[0].line}: {found[0].message}")
    return found[0].data


def _read(record: _Record, source: str) -> Read:
    affected = record.affected or []
    if not affected and record.withdrawn is None and record.modified is None:
        raise NotOsv("no advisory: it has no affected packages and no date")
    if not _ID.match(record.id):
        raise InputError(f"no id: {record.id[:40]!r}")
    if len(affected) > _MAX_AFFECTED:
        raise InputError(f"more than {_MAX_AFFECTED} affected packages")
    counted = [_affected(one) for one in affected if one.package is not None]
    made = [(one, extent) for one, extent, _ in counted if one.name]
    about = _lenient(record.database_specific, _About)
    vectors = _vectors(record.severity)
    score = cvss.highest([*vectors, *(v for one, _ in made for v in one.vectors)])
    advisory = Advisory(
        id=record.id,
        aliases=_ids(record.aliases, record.id),
        related=_ids(record.related, record.id),
        summary=_text(record.summary),
        details=_text(record.details),
        published=_moment(record.published),
        modified=_moment(record.modified),
        withdrawn=_moment(record.withdrawn),
        vectors=vectors,
        score=score,
        severity=_severity(score, record.severity, about),
        cwe=tuple(about.cwe_ids or ()),
        references=tuple(_text(one.url) for one in record.references or () if one.url),
        affected=tuple(one for one, _ in made),
        malicious=record.id.startswith("MAL-"),
        source=source,
    )
    commits = sum(number for _, _, number in counted)
    commits += sum(len(one.ranges or ()) for one in affected if one.package is None)
    return Read(advisory, tuple(extent for _, extent in made), commits)


def _affected(one: _Affected) -> tuple[Affected, Extent, int]:
    assert one.package is not None  # noqa: S101 - asked by the caller
    ecosystem = of_registry(_name(one.package.ecosystem))
    ranges = [r for r in one.ranges or () if r.type != "GIT"]
    events = [r.pairs() for r in ranges]
    listed = one.versions or []
    specific = _lenient(one.ecosystem_specific, _Specific)
    unmapped = [r.pairs() for r in specific.custom_ranges or ()]
    extent = extent_of(events, listed, _key_of(ecosystem), unmapped)
    debian = base(ecosystem) == "Debian"
    affected = Affected(
        ecosystem=ecosystem,
        name=normal(ecosystem, _name(one.package.name)),
        kind="SEMVER" if ranges and all(r.type == "SEMVER" for r in ranges) else "ECOSYSTEM",
        ranges=tuple(part for pairs in events for part in spelled(pairs)),
        versions=tuple(map(_text, listed)),
        symbols=_symbols(specific, one.package.name),
        vectors=_vectors(one.severity),
        distribution=ecosystem if ":" in ecosystem else "",
        source_package=one.package.name if debian else "",
        fix_state=_fix_state(extent, specific),
    )
    return affected, extent, len(one.ranges or ()) - len(ranges)


@cache
def _key_of(ecosystem: str) -> Callable[[str], bytes]:
    try:
        return versions.scheme_of(ecosystem).key
    except VersionError:
        return _no_version


def _no_version(version: str) -> bytes:
    raise VersionError(f"versions of this ecosystem have no order here: {version[:40]}")


def _fix_state(extent: Extent, specific: _Specific) -> FixState:
    if specific.urgency == "end-of-life":
        return FixState.END_OF_LIFE
    return FixState.FIXED if extent.fixes else FixState.UNKNOWN


def _symbols(specific: _Specific, name: str) -> tuple[Symbols, ...]:
    if specific.affects is not None and specific.affects.functions:
        return (Symbols(name, tuple(map(_text, specific.affects.functions))),)
    return tuple(
        Symbols(
            _text(one.path),
            tuple(map(_text, one.symbols or ())),
            tuple(one.goos or ()),
            tuple(one.goarch or ()),
        )
        for one in specific.imports or ()
    )


def _vectors(found: list[_Severity] | None) -> tuple[str, ...]:
    return tuple(_text(one.score) for one in found or () if one.type.startswith("CVSS_V"))


def _severity(score: float | None, found: list[_Severity] | None, about: _About) -> Severity | None:
    """By the vectors; else what the database says in a word; else not rated."""
    if score is not None:
        return cvss.severity_of(score)
    words = [one.score for one in found or () if not one.type.startswith("CVSS")]
    rated = [_WORDS[w.lower()] for w in [about.severity or "", *words] if w.lower() in _WORDS]
    return min(rated, key=lambda one: one.rank) if rated else None


def _lenient(value: Any, kind: type[_T]) -> _T:
    """What a database says in a shape of its own: left out where it is not as known."""
    try:
        return msgspec.convert(value if isinstance(value, dict) else {}, kind)
    except msgspec.ValidationError:
        return kind()


def _ids(found: list[str] | None, own: str) -> tuple[str, ...]:
    """Other ids. What is none (people leave commas behind) is no reason to lose the record."""
    trimmed = (one.strip(" ,;") for one in found or ())
    ids = [one for one in dict.fromkeys(trimmed) if one != own and _ID.match(one)]
    if len(ids) > _MAX_NAMES:
        raise InputError(f"more than {_MAX_NAMES} other ids")
    return tuple(ids)


def _name(text: str) -> str:
    if len(text) > _LONGEST_NAME or not text.isprintable():
        raise InputError(f"no name of a package: {text[:40]!r}")
    return text


def _text(text: str | None) -> str:
    """JSON may escape halves of pairs (``\\\\ud800``), which no file and no database takes."""
    if not text or text.isascii():
        return text or ""
    return text.encode("utf-8", "replace").decode("utf-8")


def _moment(text: str | None) -> dt.datetime | None:
    """RFC 3339, as the schema says; a bare day for what people write by hand. None for what is
    no date, and for year 1: programs in Go write it for "never". So a record whose ``withdrawn``
    cannot be read still counts."""
    try:
        found = dt.datetime.fromisoformat((text or "")[:40])
    except ValueError:
        return None
    if not _EPOCH <= found.year < _END:
        return None
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
