"""The catalogue's rules about dependency files: lock files, manifests, settings of package
managers.

Each file is one resource of kind ``package-file``; judges read what its reader made of it, and its
text where a setting is a line. A finding stands at the package or the line, and its fingerprint
holds the file, the rule and what it is about, never a line or a version.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import msgspec
from msgspec.structs import replace

from haechi.checks.deps.licences import UNKNOWN
from haechi.checks.deps.view import KIND, DependencyFile, Policy, place
from haechi.checks.judge import Judge
from haechi.engines.logins import without_logins
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.finding import Finding, fingerprint
from haechi.model.keys import file_key
from haechi.model.location import AttrPath, Location
from haechi.model.package import Package, PackageFile
from haechi.model.resource import Resource
from haechi.model.review import Review, State, Verdict
from haechi.rules.schema import Rule
from haechi.scan.deps.collect import Dependencies as Collected
from haechi.scan.deps.formats import Around, covered_by, format_of, load_reader
from haechi.scan.deps.look import Dependencies
from haechi.scan.deps.manifests import reader_of_text
from haechi.scan.deps.remarks import Remarks
from haechi.scan.deps.settings import is_for_go
from haechi.scan.setup import Setup
from haechi.world.files import Tree

MAX_FINDINGS = 2_000
"""Of one rule in one file: a lock file may name a million packages."""


class Judged(msgspec.Struct, frozen=True):
    """Findings with gaps about what could not be judged; ``rules`` ran."""

    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    rules: frozenset[str] = frozenset()


def with_catalogue(
    found: Dependencies, tree: Tree, setup: Setup, collected: Collected
) -> Dependencies:
    """What was found, with what the catalogue says."""
    around = collected.around
    if around is None:
        return found
    paths = list(collected.others)
    if not any(file.ecosystem == "Go" for file in collected.files):
        paths = [path for path in paths if not is_for_go(path)]
    judged = judged_by_catalogue(collected.files, paths, around, setup)
    part = found.part
    findings = [(finding, None) for finding in judged.findings]
    waivers = Remarks(reader_of_text(tree)).of(findings) if findings else ()
    return replace(
        found,
        part=replace(
            part,
            findings=(*part.findings, *judged.findings),
            gaps=(*part.gaps, *judged.gaps),
            waivers=tuple(dict.fromkeys((*part.waivers, *waivers))),
            evaluated=part.evaluated | judged.rules,
            files=part.files | {finding.location.path for finding in judged.findings},
        ),
    )


def judged_by_catalogue(
    files: Sequence[PackageFile], paths: Sequence[str], around: Around, setup: Setup
) -> Judged:
    """Judge what was read (``files``) and the other files of the walk (``paths``)."""
    rules = [rule for rule in setup.enabled(setup.rules) if KIND in rule.applies_to.kinds]
    if not rules:
        return Judged()
    judge = Judge(rules, setup.expressions())
    run = _Run({rule.id: rule for rule in rules}, setup)
    licences = setup.config.deps.licences
    policy = Policy(allow=tuple(licences.allow), deny=tuple(licences.deny))
    for file in dependency_files(files, paths, around, policy):
        run.take(file, judge.review(Review(resource=resource_of(file))))
    return Judged(tuple(run.findings), tuple(run.gaps()), frozenset(run.rules))


def dependency_files(
    files: Sequence[PackageFile], paths: Sequence[str], around: Around, policy: Policy
) -> Iterator[DependencyFile]:
    """Every file once, in the order of paths."""
    told = {file.path: file for file in files}
    for path in sorted({*told, *paths}):
        yield DependencyFile(
            path=path,
            text=_text(around, path),
            told=told.get(path),
            asked=tuple(_asked(told[path], around)) if path in told else (),
            policy=policy,
        )


def _text(around: Around, path: str) -> Callable[[], str]:
    @cache
    def text() -> str:
        return (around.read(path) or b"").decode("utf-8-sig", "replace")

    return text


def _asked(file: PackageFile, around: Around) -> Iterator[PackageFile]:
    """What the manifests beside a lock file ask for."""
    format = format_of(file.path)
    if format is None or not file.pins or not format.covers:
        return
    folder = posixpath.dirname(file.path)
    for name in sorted(covered_by(format, around.names(folder))):
        path = posixpath.join(folder, name)
        known = format_of(path)
        data = around.read(path) if known is not None and not known.pins else None
        if known is None or data is None:
            continue
        try:
            said = [one for one in load_reader(known)(data, path, around) if one.path == path]
        except InputError:
            continue
        over = overridden(data) if name == "package.json" else frozenset[str]()
        for one in said:
            kept = tuple(each for each in one.packages if each.name not in over)
            yield replace(one, packages=kept) if over else one


def overridden(data: bytes) -> frozenset[str]:
    """The packages whose version a ``package.json`` sets from above: what a dependency asks for
    does not hold for them."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return frozenset()
    if not isinstance(told, dict):
        return frozenset()
    pnpm = told.get("pnpm")
    pending = [told.get("overrides"), told.get("resolutions")]
    pending.append(pnpm.get("overrides") if isinstance(pnpm, dict) else None)
    found: set[str] = set()
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            found.update(match[1] for key in one if (match := _OVERRIDDEN.search(key)))
            pending += one.values()
    return frozenset(found)


_OVERRIDDEN = re.compile(r"(?:^|[/>])((?:@[\w.~-]+/)?[\w.~-]+)(?:@[^/>]*)?$")


def resource_of(file: DependencyFile) -> Resource:
    """The file as something to judge."""

    def locate(path: AttrPath) -> Location:
        what, number = place(path)
        if what == "packages" and 0 <= number < len(file.packages):
            return file.packages[number].location
        return Location(path=file.path, line=number, end_line=number)

    name = posixpath.basename(file.path)
    return Resource(
        key=file_key(file.path), kind=KIND, data=file, locate=locate, file=file.path, name=name
    )


class _Run:
    """Verdicts of one run → findings."""

    def __init__(self, rules: Mapping[str, Rule], setup: Setup) -> None:
        self.rules = rules
        self.findings: list[Finding] = []
        self._setup = setup
        self._ordinals: Counter[tuple[str, str, str]] = Counter()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._troubles: dict[tuple[str, str], Gap] = {}
        self._without: list[tuple[str, str]] = []

    def take(self, file: DependencyFile, verdicts: Sequence[Verdict]) -> None:
        """What the rules say of one file."""
        resource = resource_of(file)
        for verdict in verdicts:
            if verdict.state is State.FAIL:
                self._fail(file, resource, verdict)
            elif verdict.state is State.ERROR:
                key = (verdict.rule, file.path)
                self._troubles[key] = Gap(
                    kind="rule-error", path=file.path, reason=f"{verdict.rule}: {verdict.message}"
                )
            elif verdict.evidence.get("cause") == UNKNOWN:
                self._without.append((file.path, verdict.message))

    def _fail(self, file: DependencyFile, resource: Resource, verdict: Verdict) -> None:
        rule = self.rules[verdict.rule]
        self._counts[rule.id, file.path] += 1
        if self._counts[rule.id, file.path] > MAX_FINDINGS:
            self._troubles[rule.id, file.path] = Gap(
                kind="too-many-findings",
                path=file.path,
                reason=f"{rule.id}: only the first {MAX_FINDINGS:,} are listed",
            )
            return
        subject = str(verdict.evidence.get("subject", ""))
        key = (rule.id, file.path, subject)
        ordinal = self._ordinals[key]
        self._ordinals[key] += 1
        package = _package(file, verdict.path)
        self.findings.append(
            Finding(
                rule=rule.id,
                severity=self._setup.config.severity.get(rule.id, rule.severity),
                title=rule.title,
                message=without_logins(verdict.message) or rule.title,
                location=resource.locate(verdict.path),
                resource=resource.key,
                label=f"{package.name} {package.version}".strip() if package else file.path,
                fingerprint=fingerprint(rule.id, file.path, subject, ordinal),
                domain="deps",
                cwe=tuple(rule.cwe),
                tags=tuple(rule.tags),
                since=max(verdict.since, 1),
                evidence=_evidence(file, package, verdict),
            )
        )

    def gaps(self) -> Iterator[Gap]:
        """Troubles, and one gap for all packages of which no licence is known."""
        yield from self._troubles.values()
        if self._without:
            path, message = self._without[0]
            more = f", and in {len(self._without) - 1} more files" if self._without[1:] else ""
            yield Gap(
                kind="licences",
                path=path,
                reason=f"{message} here{more}: the files do not tell it",
                do="scan an SBOM or an environment that holds them, or accept the gap",
            )


def _package(file: DependencyFile, path: AttrPath) -> Package | None:
    what, number = place(path)
    return file.packages[number] if what == "packages" and number < len(file.packages) else None


def _evidence(
    file: DependencyFile, package: Package | None, verdict: Verdict
) -> Mapping[str, object]:
    """Also what reports ask of every finding about dependencies."""
    told = {key: value for key, value in verdict.evidence.items() if key != "subject"}
    ecosystem = package.ecosystem if package else file.told.ecosystem if file.told else ""
    version = package.version if package else ""
    return {"package": "", "ecosystem": ecosystem, "version": version, "path": [], **told}


# --- examples ------------------------------------------------------------------------------------

_FILE = re.compile(r"^=== (\S+)\n", re.MULTILINE)


class _Texts:
    """The files of an example."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def read(self, path: str) -> bytes | None:
        text = self._texts.get(path)
        return None if text is None else text.encode()

    def names(self, folder: str) -> frozenset[str]:
        start = f"{folder}/" if folder else ""
        return frozenset(
            path[len(start) :].partition("/")[0] for path in self._texts if path.startswith(start)
        )


def example_reviews(text: str) -> list[Review]:
    """The reviews of an example: ``=== PATH`` on a line of its own comes before each file. The
    policy of licences is that of a ``haechi.yaml`` among them."""
    parts = _FILE.split(text)
    texts = dict(zip(parts[1::2], parts[2::2], strict=True))
    if not texts or parts[0].strip():
        raise InputError("an example begins with a line `=== PATH`, then that file's text")
    around = _Texts(texts)
    files: list[PackageFile] = []
    covered: set[str] = set()
    for path in sorted(texts, key=lambda one: not getattr(format_of(one), "pins", False)):
        format = format_of(path)
        if format is None or path in covered:
            continue
        files += load_reader(format)(texts[path].encode(), path, around)
        folder = posixpath.dirname(path)
        names = covered_by(format, around.names(folder))
        covered.update(posixpath.join(folder, name) for name in names)
    paths = [path for path in texts if path != "haechi.yaml"]
    policy = _policy(texts.get("haechi.yaml", ""))
    return [
        Review(resource=resource_of(file))
        for file in dependency_files(files, paths, around, policy)
    ]


def _policy(text: str) -> Policy:
    from haechi.engines.documents import Fault, parse_documents

    for document in parse_documents(text.encode()) if text else ():
        if not isinstance(document, Fault):
            return msgspec.convert(document.data["deps"]["licences"], Policy)
    return Policy()
