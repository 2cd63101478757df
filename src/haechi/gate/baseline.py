"""What was there before: findings of an earlier report, or of the scan of another commit.

Findings that the baseline holds are ``known`` and do not block, so a gate can be switched on in
a repository that is not clean yet. A finding that was waived back then is not known: it was
accepted for a time, and when that time is over it has to come back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from haechi.errors import ConfigError
from haechi.model.finding import DEPENDENCIES, Finding, FindingState
from haechi.model.keys import without_version
from haechi.model.scan import SCHEMA, Scan

MAX_CHARACTERS = 256 * 1024 * 1024

_BESIDE = "beside a CVE: "


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Fingerprint → due date of every finding that was there. ``source`` names it to people.

    ``secrets`` are the fingerprints of those that have a ``secret_id``, ``credentials`` their rule,
    path and ``secret_id``: a value that takes another's place is another finding.

    ``vulnerabilities`` are path, package and id of those that have several ids: the one that leads
    changes when a number is assigned, which makes nothing new.
    """

    source: str
    findings: Mapping[str, dt.date | None] = msgspec.field(default_factory=dict)
    waived: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    credentials: frozenset[tuple[str, str, str]] = frozenset()
    vulnerabilities: frozenset[tuple[str, str, str]] = frozenset()

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self.findings

    def holds(self, finding: Finding) -> bool:
        """True when the finding was there."""
        if finding.secret_id is None:
            return finding.fingerprint in self or (
                bool(self.vulnerabilities) and not self.vulnerabilities.isdisjoint(_asked(finding))
            )
        if (finding.rule, finding.location.path, finding.secret_id) in self.credentials:
            return True
        return finding.fingerprint in self and finding.fingerprint not in self.secrets

    def due(self, fingerprint: str) -> dt.date | None:
        """The date by which the finding was to be fixed, as first promised."""
        return self.findings.get(fingerprint)


class _Place(msgspec.Struct, frozen=True):
    path: str = ""


class _Earlier(msgspec.Struct, frozen=True):
    fingerprint: str
    state: FindingState
    rule: str = ""
    domain: str = ""
    resource: str = ""
    aliases: tuple[str, ...] = ()
    location: _Place = _Place()
    due: dt.date | None = None
    secret_id: str | None = None


class _Schema(msgspec.Struct, frozen=True):
    schema: str


class _Report(msgspec.Struct, frozen=True):
    """What a baseline needs of a report; a newer haechi may write further keys."""

    findings: list[_Earlier]


def baseline_from_json(text: str, source: str) -> Baseline:
    """Read a ``haechi.scan/1`` report. ``source`` is its file name.

    Raises ConfigError for anything else: a baseline that cannot be read must not be taken for
    an empty one, nor the other way round.
    """
    if len(text) > MAX_CHARACTERS:
        raise _unusable(f"has more than {MAX_CHARACTERS >> 20} Mi characters", source)
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise _unusable(f"has schema {schema[:80]!r}; this haechi reads {SCHEMA!r}", source)
        report = msgspec.json.decode(text, type=_Report)
    except msgspec.ValidationError as error:
        raise _unusable(f"is not a haechi report: {error}", source) from error
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise _unusable(f"is not JSON: {error}", source) from error
    return _baseline(source, report.findings)


def baseline_from_scan(scan: Scan, source: str) -> Baseline:
    """The baseline that a scan of another commit gives (``git:main``).

    Give it the scan after the gate judged it with that commit's own waivers; without them a
    waiver that is taken away later would go unnoticed.
    """
    return _baseline(source, scan.findings)


def _baseline(source: str, findings: Iterable[_Earlier | Finding]) -> Baseline:
    known: dict[str, dt.date | None] = {}
    secrets = set()
    credentials = set()
    waived = set()
    vulnerabilities: set[tuple[str, str, str]] = set()
    for finding in findings:
        if finding.state is FindingState.WAIVED:
            waived.add(finding.fingerprint)
            continue
        known[finding.fingerprint] = finding.due
        vulnerabilities.update(_named(finding))
        if finding.secret_id:
            secrets.add(finding.fingerprint)
            credentials.add((finding.rule, finding.location.path, finding.secret_id))
    return Baseline(
        source=source,
        findings=known,
        waived=frozenset(waived),
        secrets=frozenset(secrets),
        credentials=frozenset(credentials),
        vulnerabilities=frozenset(vulnerabilities),
    )


def _named(finding: _Earlier | Finding) -> Iterator[tuple[str, str, str]]:
    """A vulnerability by each of its ids, in its package of any version."""
    if finding.domain == DEPENDENCIES:
        package = without_version(finding.resource)
        for id_ in (finding.rule, *finding.aliases):
            beside = _is_cve(finding.rule) and not _is_cve(id_)
            yield finding.location.path, package, _BESIDE + id_ if beside else id_


def _asked(finding: Finding) -> Iterator[tuple[str, str, str]]:
    """Names by which a vulnerability was known before. Two CVEs are two, though one record (of Go)
    be about both and lend them its name."""
    for path, package, id_ in _named(finding):
        yield path, package, id_.removeprefix(_BESIDE)
        if not _is_cve(finding.rule):
            yield path, package, _BESIDE + id_


def _is_cve(name: str) -> bool:
    return name.startswith("CVE-")


def _unusable(fault: str, source: str) -> ConfigError:
    return ConfigError(
        f"the baseline {fault}",
        why="only a complete earlier report tells known findings from new ones",
        do="write it again with `haechi scan --format json`, or leave the baseline out",
        where=source,
    )
