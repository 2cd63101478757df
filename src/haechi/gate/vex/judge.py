"""Which VEX statements hold for which findings, and what becomes of each statement.

Of several that fit one finding the latest counts, by its time and whatever it says; of equally old
ones the strictest, and that they contradict each other is told. What suppresses becomes a waiver
of origin ``vex`` (one for each statement); everything that fits is written into the finding's
evidence, so that an ``under_investigation`` is seen, too.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from haechi.gate.vex import VexFile
from haechi.gate.vex.products import Fit, Fitter, Subject
from haechi.model.finding import Finding
from haechi.model.vex import Product, Statement
from haechi.model.waiver import Waiver, WaiverOrigin

_BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)
_LISTED = 10
_TOLD = 20
"""Versions from which on a finding may not tell all of them."""
_IDLE = 50
"""Statements of one document that are listed as fitting nothing; a vendor's has thousands."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The findings with what VEX says of them as evidence, the waivers for the gate, and
    sentences for people."""

    findings: tuple[Finding, ...]
    waivers: tuple[Waiver, ...] = ()
    notes: tuple[str, ...] = ()


class _Known(msgspec.Struct, frozen=True, eq=False):
    statement: Statement
    file: VexFile


def judge(findings: Sequence[Finding], files: Sequence[VexFile], subject: Subject) -> Judged:
    """Hold the statements of all documents against the findings."""
    if not files:
        return Judged(findings=tuple(findings))
    court = _Court(files, Fitter(subject))
    seen = tuple(court.see(finding) for finding in findings)
    return Judged(findings=seen, waivers=tuple(court.waivers()), notes=tuple(court.notes()))


class _Court:
    def __init__(self, files: Sequence[VexFile], fitter: Fitter) -> None:
        self._files = files
        self._fitter = fitter
        self._by_id: defaultdict[str, list[_Known]] = defaultdict(list)
        self._covered: defaultdict[int, list[str]] = defaultdict(list)
        self._heard: set[int] = set()
        self._conflicts: list[str] = []
        self._near: dict[str, None] = {}
        self._statements = [_Known(each, file) for file in files for each in file.statements]
        for known in self._statements:
            for name in dict.fromkeys(map(str.casefold, known.statement.vulnerabilities)):
                self._by_id[name].append(known)

    def see(self, finding: Finding) -> Finding:
        """The finding with the statement that counts for it as evidence."""
        if not finding.resource.startswith("pkg:"):
            return finding
        by_version = [
            self._latest(purl, finding, fitting) if fitting else None
            for purl in self._purls(finding)
            for fitting in (list(self._fitting(purl, finding)),)
        ]
        counts = [known for known in by_version if known is not None]
        if not counts:
            return finding
        whole = len(counts) == len(by_version) and all(
            known.statement.status.suppresses for known in counts
        )
        for known in counts if whole else ():
            self._covered[id(known)].append(finding.fingerprint)
        shown = min(counts, key=lambda known: known.statement.status.strictness).statement
        said = {"status": shown.status.value, "at": str(shown.location)}
        if reason := shown.justification or shown.impact or shown.action:
            said["reason"] = reason[:500]
        if shown.status.suppresses and not whole:
            said["reason"] = "only some of the versions found are covered"
        return replace(finding, evidence={**finding.evidence, "vex": said})

    def _fitting(self, purl: str, finding: Finding) -> Iterator[_Known]:
        path = finding.location.path
        names = dict.fromkeys(map(str.casefold, (finding.rule, *finding.aliases)))
        tried: set[int] = set()
        for name in names:
            for known in self._by_id.get(name, ()):
                if id(known) in tried:
                    continue
                tried.add(id(known))
                if known.file.within and known.file.within != path:
                    continue
                doubt = not known.statement.status.suppresses
                products = known.statement.products
                fit = max(
                    (self._fitter.fit(p, purl, path, doubt=doubt) for p in products),
                    default=Fit.NOT,
                )
                if fit is Fit.FITS:
                    self._heard.add(id(known))
                    yield known
                elif fit is Fit.NEAR:
                    self._near.setdefault(self._other_product(known, purl, finding))

    def _other_product(self, known: _Known, purl: str, finding: Finding) -> str:
        product = next(
            each
            for each in known.statement.products
            if self._fitter.fit(each, purl, finding.location.path) is not Fit.NOT
        )
        by = "naming that SBOM" if _is_bom(product) else "--product or deps.product"
        return (
            f"{known.statement.location} speaks of {finding.rule} in {purl} as a part "
            f"of {_called(product)}, which is not what was scanned; if it is, say so by {by}"
        )

    def _purls(self, finding: Finding) -> list[str]:
        """Those of all versions that the finding is about. A long list is told in part, and then
        all versions in the file have to be spoken of."""
        told = _purls(finding)
        if len(told) < _TOLD:
            return told
        return list(
            dict.fromkeys((*told, *self._fitter.versions_of(told[0], finding.location.path)))
        )

    def _latest(self, purl: str, finding: Finding, fitting: list[_Known]) -> _Known:
        newest = max(known.statement.time or _BEGINNING for known in fitting)
        equal = [known for known in fitting if (known.statement.time or _BEGINNING) == newest]
        counts = min(equal, key=lambda known: known.statement.status.strictness)
        if any(k.statement.status.suppresses for k in equal) and not all(
            k.statement.status.suppresses for k in equal
        ):
            others = next(k for k in equal if k.statement.status.suppresses)
            self._conflicts.append(
                f"VEX contradicts itself on {finding.rule} in {purl}: "
                f"{counts.statement.status} at {counts.statement.location}, "
                f"{others.statement.status} at {others.statement.location}, equally old; "
                "the stricter counts"
            )
        return counts

    def waivers(self) -> Iterator[Waiver]:
        """One for each statement that suppresses; of those that fit nothing the first few."""
        idle: defaultdict[str, int] = defaultdict(int)
        for known in self._statements:
            statement = known.statement
            if not statement.status.suppresses:
                continue
            covered = tuple(dict.fromkeys(self._covered.get(id(known), ())))
            if not covered:
                if id(known) in self._heard:
                    continue  # it fits, and a later or stricter one counts
                idle[known.file.path] += 1
                if idle[known.file.path] > _IDLE:
                    continue
            yield _waiver(statement, covered)

    def notes(self) -> Iterator[str]:
        """What people should know: what was not applied, and why."""
        for file in self._files:
            yield from _first(file.faults, f"{file.path}: further faults in VEX statements")
        yield from _first(self._conflicts, "further contradictions in VEX statements")
        yield from _first(list(self._near), "further VEX statements of other products")


def _waiver(statement: Statement, covered: tuple[str, ...]) -> Waiver:
    said = f"{statement.status.value}: " if not statement.justification else ""
    why = statement.impact or statement.action
    reason = ": ".join(part for part in (statement.justification, why) if part)
    when = f" ({statement.time:%Y-%m-%d})" if statement.time else ""
    return Waiver(
        rule=statement.vulnerabilities[0],
        origin=WaiverOrigin.VEX,
        location=statement.location,
        reason=(said + reason)[:2_000].rstrip(": ") + when,
        owner=statement.author or None,
        source=statement.said,
        justification=statement.justification,
        fingerprints=covered,
    )


def _purls(finding: Finding) -> list[str]:
    """The package URL of each version that the finding tells of: one file may hold several."""
    found = {finding.resource: None}
    versions = finding.evidence.get("versions")
    head, _, rest = finding.resource.partition("?")
    name, at, _ = head.rpartition("@")
    if isinstance(versions, list) and at:
        for each in versions:
            version = each.get("version") if isinstance(each, dict) else None
            if isinstance(version, str) and version:
                purl = f"{name}@{quote(version, safe=':')}" + (f"?{rest}" if rest else "")
                found.setdefault(purl)
    return list(found)


def _called(product: Product) -> str:
    wholes = (product.names, *product.through)
    return " in ".join(" or ".join(name.name for name in names) for names in wholes[::-1])[:300]


def _is_bom(product: Product) -> bool:
    return any(name.name.startswith("urn:cdx:") for name in product.names)


def _first(sentences: Sequence[str], more: str) -> Iterator[str]:
    yield from sentences[:_LISTED]
    if len(sentences) > _LISTED:
        yield f"{more}: {len(sentences) - _LISTED:,}"
