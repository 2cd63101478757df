"""From gated findings to claims: one for each vulnerability, package and status.

Where the same package is affected through one lock file and justified in another, the claim names
the file as the product's subpath, because a statement about the whole product would be wrong for
one of the two.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from haechi.model.finding import Finding, FindingState
from haechi.model.scan import WaiverUse
from haechi.model.vex import VexStatus
from haechi.model.waiver import WaiverOrigin
from haechi.report.material import Material
from haechi.report.outline import WaiverLookup
from haechi.report.text import flat

_OWN = "deps-"
_CVE = re.compile(r"CVE-\d{4}-\d{4,}\Z")
_LONGEST = 2_000


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What the document is about. ``purl`` has no subpath."""

    purl: str
    name: str
    version: str = ""

    def at(self, path: str) -> str:
        """The product, or the part of it that one file stands for."""
        return f"{self.purl}#{quote(path, safe='/')}" if path else self.purl


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One claim. ``packages`` are package URLs; ``path`` is the file that it is narrowed to."""

    vulnerability: str
    aliases: tuple[str, ...]
    packages: tuple[str, ...]
    status: VexStatus
    justification: str = ""
    impact: str = ""
    action: str = ""
    path: str = ""
    title: str = ""
    score: float | None = None
    vectors: tuple[str, ...] = ()
    severity: str = ""
    url: str = ""
    cwe: tuple[str, ...] = ()
    said: str = ""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of the baseline that is no more: the vulnerability is fixed here."""

    vulnerability: str
    aliases: tuple[str, ...]
    package: str
    path: str


def is_vulnerability(finding: Finding) -> bool:
    """True for findings about a vulnerability of a package, in the tree."""
    return (
        finding.domain == "deps"
        and finding.resource.startswith("pkg:")
        and not finding.rule.startswith(_OWN)
    )


def claims_of(
    material: Material, *, gone: Iterable[Gone] = (), investigating: bool = False
) -> list[Claim]:
    """What a scan has to say, in a stable order. ``investigating``: findings that are simply open
    are stated as under investigation instead of as affected."""
    waivers = WaiverLookup(material.decision)
    raw = [
        (finding.location.path, _claim(finding, purl, waivers.of(finding), investigating))
        for finding in material.scan.findings
        if is_vulnerability(finding)
        for purl in purls_of(finding)
    ]
    raw += [(each.path, _fixed(each)) for each in gone]
    by_fault: defaultdict[tuple[str, str], list[tuple[str, Claim]]] = defaultdict(list)
    for path, claim in raw:
        by_fault[claim.vulnerability, claim.packages[0]].append((path, claim))
    return _joined([each for cases in by_fault.values() for each in _told_once(cases)])


def purls_of(finding: Finding) -> list[str]:
    """The package URL of each version that the finding is about."""
    found = [finding.resource]
    head, sign, rest = finding.resource.partition("?")
    name, at, _ = head.rpartition("@")
    versions = finding.evidence.get("versions")
    for each in versions if at and isinstance(versions, list) else ():
        version = each.get("version") if isinstance(each, dict) else None
        if isinstance(version, str) and version:
            found.append(f"{name}@{quote(version, safe=':')}{sign}{rest}")
    return list(dict.fromkeys(found))


def _told_once(cases: list[tuple[str, Claim]]) -> Iterator[Claim]:
    """One claim for the whole product where all files agree, else one for each file."""
    suppressing = {claim.status.suppresses for _, claim in cases}
    if len(suppressing) == 1:
        yield from dict.fromkeys(claim for _, claim in cases)
        return
    for path, claim in cases:
        yield msgspec.structs.replace(claim, path=path)


def _joined(claims: list[Claim]) -> list[Claim]:
    """Claims that differ in the package alone are one claim about several."""
    groups: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for claim in claims:
        bare = msgspec.structs.replace(claim, packages=())
        groups[msgspec.structs.astuple(bare)].extend(claim.packages)
    fields = Claim.__struct_fields__
    made = [
        Claim(**{**dict(zip(fields, key, strict=True)), "packages": tuple(sorted(set(packages)))})
        for key, packages in groups.items()
    ]
    return sorted(made, key=lambda c: (c.vulnerability, c.packages, c.path, c.status, c.action))


def _claim(finding: Finding, purl: str, use: WaiverUse | None, investigating: bool) -> Claim:
    evidence = finding.evidence
    url, score, vectors = evidence.get("url"), evidence.get("score"), evidence.get("cvss")
    status, justification, impact, action, said = _stated(finding, use, investigating)
    return Claim(
        vulnerability=finding.rule,
        aliases=tuple(sorted(finding.aliases)),
        packages=(purl,),
        status=status,
        justification=justification,
        impact=impact[:_LONGEST],
        action=action[:_LONGEST],
        title=flat(finding.title)[:500],
        score=float(score) if isinstance(score, int | float) else None,
        vectors=tuple(v for v in vectors if isinstance(v, str))
        if isinstance(vectors, list | tuple)
        else (),
        severity=finding.severity.value,
        url=url if isinstance(url, str) else "",
        cwe=tuple(finding.cwe),
        said=said,
    )


def _stated(
    finding: Finding, use: WaiverUse | None, investigating: bool
) -> tuple[VexStatus, str, str, str, str]:
    """(status, justification, impact, action, how it was put before)."""
    if finding.state is FindingState.WAIVED and use is not None:
        waiver = use.waiver
        reason = flat(waiver.reason)
        if waiver.origin is WaiverOrigin.VEX:
            before = waiver.source.partition(":")[2]
            fixed = before in ("fixed", "first_fixed", "resolved", "resolved_with_pedigree")
            status = VexStatus.FIXED if fixed else VexStatus.NOT_AFFECTED
            return status, _known(waiver.justification), reason, "", before
        if waiver.justification:
            return VexStatus.NOT_AFFECTED, waiver.justification, reason, "", ""
        until = f" until {waiver.expires}" if waiver.expires else ""
        owner = f" by {waiver.owner}" if waiver.owner else ""
        action = f"Accepted{owner}{until}: {reason or 'no reason given'}"
        return VexStatus.AFFECTED, "", "", action, ""
    vex = finding.evidence.get("vex")
    told = vex.get("status") if isinstance(vex, dict) else ""
    if told == VexStatus.UNDER_INVESTIGATION or (investigating and told != VexStatus.AFFECTED):
        return VexStatus.UNDER_INVESTIGATION, "", "", "", ""
    return VexStatus.AFFECTED, "", "", _action(finding), ""


def _known(justification: str) -> str:
    from haechi.model.vex import Justification

    return justification if justification in list(Justification) else ""


def _action(finding: Finding) -> str:
    fixed = finding.evidence.get("fixed")
    versions = [each for each in fixed if isinstance(each, str)] if isinstance(fixed, list) else []
    if finding.fix:
        return finding.fix[0].upper() + finding.fix[1:]
    if versions:
        return f"Upgrade to {' or '.join(versions[:3])}"
    return "No fixed version is known yet"


def _fixed(gone: Gone) -> Claim:
    return Claim(
        vulnerability=gone.vulnerability,
        aliases=gone.aliases,
        packages=(gone.package,),
        status=VexStatus.FIXED,
        impact="The affected version is not used any more",
    )


def is_cve(name: str) -> bool:
    """True for ids of the CVE list, which CSAF has a place of its own for."""
    return _CVE.match(name) is not None


def sequence(claims: Sequence[Claim]) -> list[str]:
    """The package URLs of all claims, each once, in order."""
    return sorted({purl for claim in claims for purl in claim.packages})
