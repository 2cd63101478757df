"""Vulnerable packages → findings: one for each file, package name and vulnerability.

A file may pin several versions of a package. They are one finding that lists them: one line of a
manifest or one upgrade of what brings them in is what a person changes, whether their fixes are
the same or not, and a finding that splits and joins as versions come and go would lose its
history. For the same reason neither version nor line is part of the fingerprint.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.engines.purl import purl_of
from haechi.model.advisory import Vulnerability
from haechi.model.config import Config, Development
from haechi.model.finding import UPGRADE, Finding, fingerprint
from haechi.model.package import Package, PackageFile
from haechi.model.severity import Severity
from haechi.rules.schema import Rule
from haechi.scan.deps.go_standard import LEAST, is_least
from haechi.scan.deps.matching import Matching
from haechi.scan.deps.paths import ARROW, Chain, Paths, spelled
from haechi.scan.deps.versions import affected_text, highest, upgrade_of
from haechi.scan.deps.words import rule_of, title_of, url_of

LIMIT = 100_000
_MILDER = dict(zip(Severity, (*list(Severity)[1:], Severity.INFO), strict=True))
_LISTED = 50
_SYMBOLS = 500
"""Of one path: what looks for calls reads them from here. The longest real list has 190."""


class Known(msgspec.Struct, frozen=True):
    """What the lock needs of a vulnerability: whose data names it, since when, and how bad it
    was before it was known to be exploited. ``own`` ones are the repository's own word."""

    ecosystem: str
    since: dt.date | None
    severity: Severity
    exploited_since: dt.date | None = None
    own: bool = False


class Told(msgspec.Struct):
    """All findings of a run with their rules. ``left_out`` are beyond the limit; ``ignored``
    counts those of development packages that haechi.yaml leaves out."""

    findings: list[Finding]
    rules: dict[str, Rule]
    known: dict[str, Known]
    left_out: int = 0
    ignored: int = 0


class _Hit(msgspec.Struct, frozen=True):
    """A vulnerability in one package name of one file; ``indices`` are its affected versions."""

    file: PackageFile
    indices: tuple[int, ...]
    vulnerability: Vulnerability

    @property
    def packages(self) -> list[Package]:
        return [self.file.packages[index] for index in self.indices]

    @property
    def development(self) -> bool:
        return all(package.development for package in self.packages)


def findings_of(files: Sequence[PackageFile], matching: Matching, config: Config) -> Told:
    """Findings in the order of files; rules by the ids of vulnerabilities."""
    told = Told([], {}, {})
    seen: dict[str, list[tuple[_Hit, Finding]]] = {}
    paths: dict[int, Paths] = {}
    disabled = frozenset(config.disable)
    for number, hit in _hits(files, matching):
        vulnerability = hit.vulnerability
        if not disabled.isdisjoint((vulnerability.id, *vulnerability.ids)):
            continue
        if _ignored(hit, config):
            told.ignored += 1
            continue
        if len(told.findings) >= LIMIT:
            told.left_out += 1
            continue
        ways = paths.get(number) or paths.setdefault(number, Paths(hit.file))
        finding = _finding(hit, ways, config)
        told.findings.append(finding)
        seen.setdefault(vulnerability.id, []).append((hit, finding))
    for id_, cases in seen.items():
        told.rules[id_] = _rule(cases)
        told.known[id_] = _known(
            cases[0][0], own=not matching.own.isdisjoint(cases[0][0].vulnerability.ids)
        )
    return told


def _hits(files: Sequence[PackageFile], matching: Matching) -> Sequence[tuple[int, _Hit]]:
    grouped: dict[tuple[int, str, str, str], list[tuple[int, Vulnerability]]] = {}
    for (number, index), vulnerabilities in matching.found.items():
        package = files[number].packages[index]
        for one in vulnerabilities:
            key = (number, package.ecosystem, package.name, one.id)
            grouped.setdefault(key, []).append((index, one))
    return [
        (
            number,
            _Hit(
                files[number],
                tuple(index for index, _ in cases),
                _of_all([one for _, one in cases]),
            ),
        )
        for (number, *_), cases in grouped.items()
    ]


def _of_all(told: Sequence[Vulnerability]) -> Vulnerability:
    """What is known of several versions: each has its own ends and its own vulnerable symbols."""
    if len(told) == 1:
        return told[0]
    widest = max(told, key=lambda one: len(one.fixed))
    fixed = (version for one in (widest, *told) for version in one.fixed)
    symbols = (each for one in told for each in one.symbols)
    return msgspec.structs.replace(
        widest, fixed=tuple(dict.fromkeys(fixed)), symbols=tuple(dict.fromkeys(symbols))
    )


def _ignored(hit: _Hit, config: Config) -> bool:
    """What is malicious runs where it is installed, shipped or not."""
    ignores = config.deps.development is Development.IGNORE
    return ignores and hit.development and not hit.vulnerability.advisory.malicious


def _finding(hit: _Hit, paths: Paths, config: Config) -> Finding:
    vulnerability, file = hit.vulnerability, hit.file
    index, chain = _nearest(hit, paths)
    package = file.packages[index]
    upgrades = [upgrade_of(one, vulnerability) for one in hit.packages]
    upgrade = highest(package.ecosystem, upgrades) if all(upgrades) else ""
    title = title_of(vulnerability, spelled(package))
    context = f"{package.ecosystem}/{package.name}/{vulnerability.id}"
    versions = list(dict.fromkeys(one.version for one in hit.packages))
    return Finding(
        rule=vulnerability.id,
        aliases=tuple(id_ for id_ in vulnerability.ids if id_ != vulnerability.id),
        severity=severity_of(hit.vulnerability, config, development=hit.development),
        title=title,
        message=_message(hit, title, package, versions, upgrade, _way(chain, paths, package)),
        location=package.location,
        resource=purl_of(package),
        label=f"{spelled(package)} {', '.join(versions[:3])}",
        fingerprint=fingerprint("dependency", file.path, context, 0),
        domain="deps",
        cwe=vulnerability.advisory.cwe,
        tags=tuple(_tags(hit)),
        fix=f"{UPGRADE}{upgrade}" if upgrade else None,
        evidence=_evidence(hit, package, versions, upgrades, chain, paths),
    )


def _nearest(hit: _Hit, paths: Paths) -> tuple[int, Chain | None]:
    """The affected version that is nearest to the project: what a person can change first."""
    chains = [(index, paths.to(index)) for index in hit.indices]
    return min(
        chains,
        key=lambda one: (
            len(one[1].steps) if one[1] else 1 << 20,
            hit.file.packages[one[0]].location.line,
            one[0],
        ),
    )


def severity_of(vulnerability: Vulnerability, config: Config, *, development: bool) -> Severity:
    """Malicious packages are critical, known exploited ones at least high, unrated ones medium;
    haechi.yaml's own word wins."""
    for id_ in (vulnerability.id, *vulnerability.ids):
        if id_ in config.severity:
            return config.severity[id_]
    if vulnerability.advisory.malicious:
        return Severity.CRITICAL
    severity = vulnerability.advisory.severity or Severity.MEDIUM
    if _exploited(vulnerability) and not severity.at_least(Severity.HIGH):
        severity = Severity.HIGH
    if development and config.deps.development is Development.LOWER:
        severity = _MILDER[severity]
    return severity


def _exploited(vulnerability: Vulnerability) -> dt.date | None:
    return vulnerability.risk.exploited_since if vulnerability.risk else None


def _tags(hit: _Hit) -> list[str]:
    named = {
        "malicious": hit.vulnerability.advisory.malicious,
        "exploited": _exploited(hit.vulnerability) is not None,
        "development": hit.development,
        "optional": all(package.optional for package in hit.packages),
        "no-fix": not hit.vulnerability.fixed and not hit.vulnerability.advisory.malicious,
    }
    return [tag for tag, holds in named.items() if holds]


def _way(chain: Chain | None, paths: Paths, package: Package) -> str:
    if chain is None:
        return "brought in by another package" if package.direct is False else ""
    if chain.direct:
        return ""
    names = paths.named(chain)
    if len(names) > 6:
        names = (*names[:3], "…", *names[-2:])
    others = f" and {chain.others} more" if chain.others else ""
    return f"comes in by {ARROW.join(names)}{others}"


def _message(
    hit: _Hit, title: str, package: Package, versions: Sequence[str], upgrade: str, way: str
) -> str:
    vulnerability = hit.vulnerability
    more = f" and {len(versions) - 3} more" if len(versions) > 3 else ""
    head = f"{spelled(package)} {', '.join(versions[:3])}{more}"
    if vulnerability.advisory.malicious:
        return "; ".join(filter(None, (f"{head} is malicious", way)))
    said = [f"{head}: {title}"]
    if held := affected_text(package, vulnerability):
        said[0] += f" (affects {held})"
    if upgrade:
        said.append(f"fixed in {upgrade}")
    else:
        said.append(
            "no fixed version is known" if not vulnerability.fixed else "see the advisory for a fix"
        )
    said.append(way)
    if is_least(package):
        said.append(f"the least release that {hit.file.format} allows to build with")
    if hit.development:
        said.append("for development only")
    if since := _exploited(vulnerability):
        said.append(f"known to be exploited since {since.isoformat()}")
    if vulnerability.advisory.severity is None:
        said.append("not rated")
    return "; ".join(filter(None, said))


def _evidence(
    hit: _Hit,
    package: Package,
    versions: Sequence[str],
    upgrades: Sequence[str],
    chain: Chain | None,
    paths: Paths,
) -> Mapping[str, Any]:
    vulnerability = hit.vulnerability
    advisory, risk = vulnerability.advisory, vulnerability.risk
    said: dict[str, Any] = {
        "package": package.name,
        "ecosystem": package.ecosystem,
        "version": package.version,
        "purl": purl_of(package),
        "fixed": list(vulnerability.fixed[:_LISTED]),
        "ids": list(vulnerability.ids),
        "path": list(paths.named(chain)) if chain else [],
        "others": chain.others if chain else 0,
        "cvss": list(advisory.vectors[:3]),
        "score": advisory.score,
        "rated": advisory.severity.value if advisory.severity else None,
        "url": url_of(vulnerability),
        "published": advisory.published.date() if advisory.published else None,
    }
    if len(versions) > 1:
        places = zip(hit.packages[:_LISTED], upgrades, strict=False)
        said["versions"] = [
            {"version": one.version, "line": one.location.line, "upgrade": upgrade}
            for one, upgrade in places
        ]
    if risk and risk.epss is not None:
        said["epss"] = risk.epss
    if is_least(package):
        said[LEAST] = True
    if since := _exploited(vulnerability):
        said["exploited_since"] = since
    if 0 < len(vulnerability.symbols) <= _SYMBOLS:
        said["symbols"] = [
            # No symbols mean all of a path: half of a list would make the others look harmless.
            {"path": one.path, "symbols": list(one.symbols) if len(one.symbols) <= _SYMBOLS else []}
            for one in vulnerability.symbols
        ]
    return said


def _rule(cases: Sequence[tuple[_Hit, Finding]]) -> Rule:
    packages = list(dict.fromkeys(spelled(hit.packages[0]) for hit, _ in cases))
    wanted: dict[tuple[str, str], list[str]] = {}
    for hit, finding in cases:
        if finding.upgrade:
            key = (hit.packages[0].ecosystem, spelled(hit.packages[0]))
            wanted.setdefault(key, []).append(finding.upgrade)
    upgrades = [f"{name} {highest(eco, found)}" for (eco, name), found in wanted.items()]
    worst = min((finding.severity for _, finding in cases), key=lambda one: one.rank)
    hit, finding = cases[0]
    return rule_of(hit.vulnerability, finding.title, worst, packages, upgrades)


def _known(hit: _Hit, *, own: bool) -> Known:
    advisory = hit.vulnerability.advisory
    since = advisory.published or advisory.modified
    return Known(
        ecosystem=hit.packages[0].ecosystem,
        since=since.date() if since else None,
        severity=Severity.CRITICAL if advisory.malicious else advisory.severity or Severity.MEDIUM,
        exploited_since=_exploited(hit.vulnerability),
        own=own,
    )
