"""Packages of files, judged: sources opened, vulnerabilities told, gaps named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from haechi.model.coverage import Gap
from haechi.model.finding import Finding
from haechi.model.location import Location
from haechi.model.package import BY_NAME, PackageFile
from haechi.model.waiver import Waiver
from haechi.scan.deps import go_standard
from haechi.scan.deps.collect import Dependencies as Collected
from haechi.scan.deps.findings import Told, findings_of
from haechi.scan.deps.gaps import data_gaps, day_of, ecosystems_of, package_gaps
from haechi.scan.deps.look import Dependencies
from haechi.scan.deps.manifests import Manifests, reader_of_text
from haechi.scan.deps.matching import Sources, match, open_sources
from haechi.scan.deps.reach import with_reach
from haechi.scan.deps.remarks import Remarks
from haechi.scan.setup import Part, Setup
from haechi.world.files import Tree

EVALUATED = "advisories:"
"""What ``Coverage.evaluated`` says of an ecosystem that was judged begins so."""


def judged(
    tree: Tree, setup: Setup, files: tuple[PackageFile, ...], collected: Collected
) -> Dependencies:
    """What is known against the packages of some files."""
    with ExitStack() as stack:
        sources = open_sources(tree.project, setup.config.deps.advisories, setup.advisories, stack)
        return _judged(tree, setup, files, collected.gaps, collected.seen, sources)


def _judged(
    tree: Tree,
    setup: Setup,
    files: tuple[PackageFile, ...],
    gaps: Sequence[Gap],
    seen: frozenset[str],
    sources: Sources,
) -> Dependencies:
    ecosystems = ecosystems_of(files)
    states = sources.states(ecosystems)
    matching = match(files, sources)
    told = findings_of(files, matching, setup.config)
    data = data_gaps(
        ecosystems,
        states,
        today=setup.clock().date(),
        max_age=setup.config.deps.max_age_days,
    )
    held = frozenset(name for name, state in states.items() if state and state.covered)
    placed, waivers = _placed(told, files, tree)
    reached, cut = with_reach(placed, files, tree)
    findings, left_out = go_standard.told(reached, whole=not cut)
    held_ids = {finding.rule for finding in findings}
    said = go_standard.sentences(files, left_out) if "Go" in data.evaluated else ()
    return Dependencies(
        part=Part(
            findings=tuple(findings),
            gaps=(
                *gaps,
                *data.gaps,
                *package_gaps(files, matching, held),
                *_own_faults(sources, tree.project),
                *_left_out(told),
            ),
            waivers=waivers,
            looked=_counts(files, told),
            evaluated=_evaluated(data.evaluated, ecosystems, findings, sources, setup),
            files=seen | {file.path for file in files},
            warnings=(*data.warnings, *cut, *said),
        ),
        files=files,
        rules={id_: rule for id_, rule in told.rules.items() if id_ in held_ids},
        known={id_: known for id_, known in told.known.items() if id_ in held_ids},
        data={
            name: day
            for name, state in states.items()
            if state and state.covered and (day := day_of(state))
        },
    )


def _own_faults(sources: Sources, root: Path) -> Iterator[Gap]:
    for source in sources.own:
        for fault in source.faults:
            here = f"{root.resolve()}/"
            yield Gap(
                kind="advisory-syntax",
                path=fault.place.removeprefix(here),
                reason=f"no advisory in OSV's format: {fault.why.replace(here, '')}",
                do="correct it",
            )


def _left_out(told: Told) -> Iterator[Gap]:
    if told.left_out:
        reason = f"{told.left_out:,} further findings are not listed"
        yield Gap(kind="too-many-findings", path=".", reason=reason)


def _counts(files: Sequence[PackageFile], told: Told) -> dict[str, int]:
    packages = {
        (package.ecosystem, package.name, package.version)
        for file in files
        for package in file.packages
        if package.source in BY_NAME
    }
    counts = {"lock files": len(files), "packages": len(packages)}
    if told.ignored:
        counts["vulnerabilities left out for development only"] = told.ignored
    return counts


def _evaluated(
    covered: frozenset[str],
    present: Mapping[str, str],
    findings: Sequence[Finding],
    sources: Sources,
    setup: Setup,
) -> frozenset[str]:
    """Ecosystems with data that counts (also those of which no package is left), the
    repository's own advisories, what was found, and those vulnerabilities that waivers ask
    about whose ecosystems were judged, as far as there are any packages of them here."""
    found = {f"{EVALUATED}{name}" for name in covered}
    found.update(id_ for source in sources.own for id_ in source.ids())
    found.update(finding.rule for finding in findings)
    for name in setup.vulnerabilities:
        concerned = sources.ids_of(name)
        if concerned and all(one in covered or one not in present for one in concerned):
            found.add(name)
    return frozenset(found)


def _placed(
    told: Told, files: Sequence[PackageFile], tree: Tree
) -> tuple[tuple[Finding, ...], tuple[Waiver, ...]]:
    """Findings with the line of the manifest that brings each in, and what people said there."""
    if not told.findings:
        return (), ()
    read = reader_of_text(tree)
    manifests = Manifests(read)
    findings: list[tuple[Finding, Location | None]] = []
    for finding in told.findings:
        path = finding.evidence["path"]
        first = path[1] if len(path) > 1 else finding.evidence["package"]
        place = manifests.place_of(finding.location.path, finding.evidence["ecosystem"], first)
        if place is not None:
            evidence = {**finding.evidence, "manifest": str(place)}
            finding = replace(finding, evidence=evidence)
        findings.append((finding, place))
    waivers = dict.fromkeys(Remarks(read).of(findings))
    return tuple(finding for finding, _ in findings), tuple(waivers)
