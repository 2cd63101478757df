"""Findings about packages → proposals of upgrades, with a text that is ready for a pull request.

A proposal is about one package of one file: the lowest version that clears everything which has a
fix. For what comes in by another package it says by which of the project's own: that is where a
person starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from haechi.model.finding import UPGRADE
from haechi.model.package import PackageFile
from haechi.model.severity import Severity
from haechi.scan.deps.paths import shown
from haechi.scan.deps.versions import highest
from haechi.server.work.bills import asked_as
from haechi.server.work.bills_judged import is_about_package
from haechi.store.dependency_records import Proposal, ProposedFix
from haechi.store.state.proposals import Ended, Proposed

_VERSIONS, _FIXES, _PATH = 20, 100, 20
_DEVELOPMENT = "development"
Target = tuple[str, str, str]
"""Cluster, source, branch."""
Place = tuple[str, str, str]
"""File, ecosystem, package as advisories call it."""


def place_of(finding: Mapping[str, Any]) -> Place | None:
    """What a finding about a package is about; None for one that does not tell."""
    said = finding.get("evidence")
    where = finding.get("location")
    if not isinstance(said, dict) or not isinstance(where, dict):
        return None
    ecosystem, package, path = said.get("ecosystem"), said.get("package"), where.get("path")
    if not all(isinstance(one, str) and one for one in (ecosystem, package, path)):
        return None
    return str(path), str(ecosystem), asked_as(str(ecosystem), str(package))


def proposed(findings: Iterable[Mapping[str, Any]], target: Target) -> list[Proposed]:
    """What is proposed about findings in the report's shape; those without a fix propose
    nothing."""
    grouped: dict[Place, list[Mapping[str, Any]]] = {}
    for finding in findings:
        if is_about_package(finding) and (place := place_of(finding)) is not None:
            grouped.setdefault(place, []).append(finding)
    made = (_proposed(place, several, target) for place, several in grouped.items())
    return [one for one in made if one is not None]


def _proposed(
    place: Place, findings: Sequence[Mapping[str, Any]], target: Target
) -> Proposed | None:
    path, ecosystem, package = place
    upgrades = [_upgrade(one) for one in findings]
    version = highest(ecosystem, upgrades)
    if not version:
        return None
    first = findings[0]
    way = _texts(first["evidence"].get("path"))[1:-1][:_PATH]
    direct = None if not first["evidence"].get("path") else not way
    cluster, source, ref = target
    return Proposed(
        cluster=cluster,
        source=source,
        ref=ref,
        path=path,
        ecosystem=ecosystem,
        package=shown(str(first["evidence"]["package"])) or package,
        versions=tuple(_versions(findings)),
        target=version,
        direct=direct,
        via=tuple(way),
        development=all(_DEVELOPMENT in _texts(one.get("tags")) for one in findings),
        fixes=tuple(map(_fix, findings[:_FIXES], upgrades)),
    )


def _upgrade(finding: Mapping[str, Any]) -> str:
    fix = finding.get("fix")
    return fix.removeprefix(UPGRADE) if isinstance(fix, str) and fix.startswith(UPGRADE) else ""


def _versions(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for one in findings:
        said = one["evidence"]
        several = said.get("versions")
        if isinstance(several, list) and several:
            found.update(
                dict.fromkeys(
                    str(each.get("version")) for each in several if isinstance(each, dict)
                )
            )
        else:
            found[str(said.get("version", ""))] = None
    return [one for one in found if one][:_VERSIONS]


def _fix(finding: Mapping[str, Any], upgrade: str) -> ProposedFix:
    url = finding["evidence"].get("url")
    return ProposedFix(
        id=str(finding["rule"]),
        aliases=_texts(finding.get("aliases"))[:20],
        title=str(finding.get("title", ""))[:300],
        severity=_severity(finding.get("severity")),
        fingerprint=str(finding.get("fingerprint", "")),
        fixed=upgrade,
        url=url if isinstance(url, str) else "",
        cleared=bool(upgrade),
    )


def _severity(value: Any) -> Severity:
    try:
        return msgspec.convert(value, Severity)
    except msgspec.ValidationError:
        return Severity.INFO


def _texts(value: Any) -> list[str]:
    return (
        [one for one in value if isinstance(one, str)] if isinstance(value, (list, tuple)) else []
    )


def ended(
    known: Iterable[Proposal],
    now: Iterable[Proposed],
    held: Iterable[PackageFile],
    places: Iterable[Place] | None,
) -> list[Ended]:
    """Proposals that are over: of ``places`` (None: everywhere), what is not proposed now. It was
    taken where the file has the version, or the package no more."""
    proposed_now = {one.id for one in now}
    asked = None if places is None else frozenset(places)
    files = {file.path: file for file in held}
    found: list[Ended] = []
    for one in known:
        place = (one.path, one.ecosystem, asked_as(one.ecosystem, one.package))
        if one.id in proposed_now or (asked is not None and place not in asked):
            continue
        found.append(Ended(id=one.id, taken=_taken(one, files.get(one.path))))
    return found


def _taken(one: Proposal, file: PackageFile | None) -> bool:
    if file is None:
        return True
    name = asked_as(one.ecosystem, one.package)
    here = [
        each.version
        for each in file.packages
        if each.ecosystem == one.ecosystem and asked_as(one.ecosystem, each.name) == name
    ]
    return all(_reaches(one.ecosystem, version, one.target) for version in here)


def _reaches(ecosystem: str, version: str, target: str) -> bool:
    try:
        scheme = scheme_of(ecosystem)
        return bool(version) and scheme.key(version) >= scheme.key(target)
    except VersionError:
        return False


def with_words(one: Proposal) -> Proposal:
    """The proposal with the title and the text of a pull request."""
    return msgspec.structs.replace(one, title=title_of(one), body=_body(one))


def title_of(one: Proposal) -> str:
    """In one line."""
    return f"Upgrade {one.package} to {one.target} in {one.path}"


def _body(one: Proposal) -> str:
    cleared = [each for each in one.fixes if each.cleared]
    left = [each for each in one.fixes if not each.cleared]
    count = len(cleared)
    noun = "vulnerability" if count == 1 else "vulnerabilities"
    versions = ", ".join(map(_code, one.versions))
    lines = [
        f"Upgrades {_code(one.package)} ({one.ecosystem}) in {_code(one.path)} from {versions} to"
        f" {_code(one.target)}, the lowest version that clears {count} known {noun}.",
        "",
        "| Advisory | Severity | What | Fixed in |",
        "| --- | --- | --- | --- |",
        *(_row(each) for each in cleared),
        "",
        *_way(one),
    ]
    if left:
        names = ", ".join(_linked(each) for each in left)
        lines += ["", f"Not cleared, as no fixed version is known: {names}."]
    lines += [
        "",
        "To apply it: `haechi patch` makes a branch with this and the other upgrades of the"
        " repository, and scans it again.",
    ]
    return "\n".join(lines) + "\n"


def _way(one: Proposal) -> list[str]:
    if one.via:
        top = _code(one.via[0])
        way = " → ".join(map(_code, (*one.via, one.package)))
        return [
            f"The project asks for it through {top} ({way}): upgrade {top} to a version that"
            f" allows {_code(one.target)}, or pin {_code(one.package)} itself."
        ]
    if one.direct:
        return ["The project asks for it itself."]
    return ["The file does not tell what brings it in."]


def _row(one: ProposedFix) -> str:
    cells = (_linked(one), one.severity.value, _plain(one.title), _code(one.fixed))
    return f"| {' | '.join(cells)} |"


def _linked(one: ProposedFix) -> str:
    if one.url.startswith("https://") and not set(one.url) & set(" ()<>|\n"):
        return f"[{_plain(one.id)}]({one.url})"
    return _plain(one.id)


def _code(text: str) -> str:
    """A name in Markdown; whoever wrote the lock file chose it."""
    return f"`{_plain(text, code=True)}`"


def _plain(text: str, *, code: bool = False) -> str:
    flat = " ".join(text.split()).replace("`", "'").replace("|", "/")
    if code:
        return flat
    for sign in "\\[]<>*_#@!":
        flat = flat.replace(sign, f"\\{sign}")
    return flat
