"""Package files ↔ the bill that a push carries and the server keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from haechi.model.advisory import is_vulnerability
from haechi.model.bill import (
    MOST_DIGESTS,
    MOST_FILES,
    MOST_PACKAGES,
    Bill,
    BilledFile,
    BilledGap,
    BilledPackage,
)
from haechi.model.config import DUE_DAYS, Config, DepsSection, GateSection
from haechi.model.coverage import Gap
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile
from haechi.scan.deps.look import Dependencies

OwnerOf = Callable[[str, str], str | None]
_MOST_GAPS = 200
_OF_JUDGING = frozenset(
    {
        "no-advisories",
        "stale-advisories",
        "advisory-syntax",
        "undecided-version",
        "package-source",
        "rule-error",
        "too-many-findings",
    }
)
"""Gaps about what is known of packages, not about which there are."""


def bill_of(
    looked: Dependencies, config: Config | None = None, owner_of: OwnerOf | None = None
) -> Bill:
    """The bill of a look at dependencies; what is beyond the bounds is counted."""
    config = config or Config()
    files, left_out = _bounded(looked.files)
    digests = sum(len(file.packages) for file in files) <= MOST_DIGESTS
    return Bill(
        files=tuple(_billed(file, digests=digests) for file in files),
        data=dict(looked.data),
        own=tuple(sorted(id_ for id_, known in looked.known.items() if known.own)),
        disabled=tuple(id_ for id_ in config.disable if is_vulnerability(id_)),
        severity={id_: one for id_, one in config.severity.items() if is_vulnerability(id_)},
        development=config.deps.development,
        fail_on=config.gate.fail_on,
        due_days={} if config.gate.due_days == DUE_DAYS else config.gate.due_days,
        owners=_owners(files, owner_of) if owner_of else {},
        missing=tuple(islice(_missing(files, looked.part.gaps, digests=digests), _MOST_GAPS)),
        left_out=left_out,
    )


def files_of(bill: Bill) -> tuple[PackageFile, ...]:
    """The package files of a bill. Positions that lead nowhere are dropped: a bill comes from
    outside."""
    return tuple(file_of(file) for file in bill.files)


def config_of(bill: Bill) -> Config:
    """What haechi.yaml says about the vulnerabilities of this bill."""
    return Config(
        disable=list(bill.disabled),
        severity=dict(bill.severity),
        deps=DepsSection(development=bill.development),
        gate=GateSection(fail_on=bill.fail_on),
    )


def gaps_of(bill: Bill) -> tuple[Gap, ...]:
    """What the bill does not hold, as gaps."""
    gaps = [Gap(kind="sbom", path=one.path, reason=one.reason) for one in bill.missing]
    if bill.left_out:
        reason = f"{bill.left_out:,} further packages are not listed"
        gaps.append(Gap(kind="sbom", path=".", reason=reason))
    return tuple(gaps)


def _bounded(files: Sequence[PackageFile]) -> tuple[Sequence[PackageFile], int]:
    """Whole files, as far as they go: half of one would look like an upgrade."""
    kept: list[PackageFile] = []
    count = left_out = 0
    for file in files:
        size = len(file.packages)
        if len(kept) < MOST_FILES and count + size <= MOST_PACKAGES:
            kept.append(file)
            count += size
        else:
            left_out += size
    return kept, left_out


def _missing(
    files: Sequence[PackageFile], gaps: Iterable[Gap], *, digests: bool
) -> Iterator[BilledGap]:
    told = dict.fromkeys((*gaps, *(gap for file in files for gap in file.gaps)))
    for gap in told:
        if gap.kind in _OF_JUDGING:
            continue  # the packages are there
        yield BilledGap(path=gap.path[:1_000], reason=gap.reason[:500])
    if not digests and any(package.digests for file in files for package in file.packages):
        reason = f"digests are left out where a push has more than {MOST_DIGESTS:,} packages"
        yield BilledGap(path=".", reason=reason)


def _owners(files: Sequence[PackageFile], owner_of: OwnerOf) -> dict[str, str]:
    found = {file.path: owner_of(file.path, "") for file in files}
    return {path: owner for path, owner in found.items() if owner}


def _billed(file: PackageFile, *, digests: bool) -> BilledFile:
    return BilledFile(
        path=file.path,
        format=file.format,
        ecosystem=file.ecosystem,
        name=file.name,
        version=file.version,
        purl=file.purl,
        pins=file.pins,
        requires=file.requires,
        covers=file.covers,
        packages=tuple(_package(one, file, digests=digests) for one in file.packages),
    )


def _package(one: Package, file: PackageFile, *, digests: bool) -> BilledPackage:
    return BilledPackage(
        name=one.name,
        version=one.version,
        ecosystem="" if one.ecosystem == file.ecosystem else one.ecosystem,
        spelled="" if one.spelled == one.name else one.spelled,
        constraint=one.constraint,
        path="" if one.location.path == file.path else one.location.path,
        line=one.location.line,
        source=one.source,
        url=one.url,
        direct=one.direct,
        development=one.development,
        optional=one.optional,
        needs=one.needs,
        digests=one.digests[:1] if digests else (),
        licence=one.licence,
        install_script=one.install_script,
        yanked=one.yanked,
        distribution=one.distribution,
        source_package=one.source_package,
        module_stream=one.module_stream,
    )


def file_of(file: BilledFile) -> PackageFile:
    """One package file of a bill."""
    count = len(file.packages)
    places: dict[tuple[str, int], Location] = {}
    return PackageFile(
        path=file.path,
        format=file.format,
        ecosystem=file.ecosystem,
        packages=tuple(_unbilled(one, file, count, places) for one in file.packages),
        requires=_within(file.requires, count),
        pins=file.pins,
        name=file.name,
        version=file.version,
        purl=file.purl,
        covers=file.covers,
    )


def _unbilled(
    one: BilledPackage,
    file: BilledFile,
    count: int,
    places: dict[tuple[str, int], Location],
) -> Package:
    where = (one.path or file.path, one.line)
    location = places.get(where)
    if location is None:
        location = places[where] = Location(path=where[0], line=where[1])
    return Package(
        ecosystem=one.ecosystem or file.ecosystem,
        name=one.name,
        version=one.version,
        spelled=one.spelled,
        constraint=one.constraint,
        location=location,
        source=one.source,
        url=one.url,
        direct=one.direct,
        development=one.development,
        optional=one.optional,
        needs=_within(one.needs, count),
        digests=one.digests,
        licence=one.licence,
        install_script=one.install_script,
        yanked=one.yanked,
        distribution=one.distribution,
        source_package=one.source_package,
        module_stream=one.module_stream,
    )


def _within(places: tuple[int, ...], count: int) -> tuple[int, ...]:
    if not places or (min(places) >= 0 and max(places) < count):
        return places
    return tuple(place for place in places if 0 <= place < count)
