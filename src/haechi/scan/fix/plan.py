"""Plan the fixes of a scan, file by file: what can be done, what cannot and why.

Fixes are made one after the other on the text in memory. After each, the resource is judged
again: the finding must be gone and no rule may complain more often than before, else that fix is
withdrawn with its reason. At the end the whole file is read and judged once more. Nothing is
written here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from haechi.checks.judge import Judge
from haechi.engines.documents import Document, decode, parse_documents
from haechi.errors import InputError
from haechi.model.finding import Finding
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.scan.fix.changes import Refused, same
from haechi.scan.fix.fixer import Fixer, parse_fixer
from haechi.scan.fix.pins import Pins
from haechi.scan.fix.pipelines import Means, read_pipeline
from haechi.scan.fix.proof import Auditor, Found, Key, Prover, risen
from haechi.scan.fix.subject import DockerText, Manifest, Subject, docker_text_of, manifest_of
from haechi.scan.iac.sources import Source, classify
from haechi.scan.iac.workflows import PIPELINES, may_be_action

MAX_SIZE = 1024 * 1024
"""Larger files are generated; each of their fixes would cost a reading of the whole."""
MAX_FIXES = 1_000
"""Fixes of one file."""
_BOM = b"\xef\xbb\xbf"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is gone.

    ``risky``: the fix may change how the program behaves. ``uncovers`` names rules of lower
    severity that the finding had hidden: a privileged container has no seccomp profile to miss.
    """

    finding: Finding
    risky: bool
    uncovers: tuple[str, ...] = ()


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that stays, and why."""

    finding: Finding
    reason: str


class FileFix(msgspec.Struct, frozen=True, kw_only=True):
    """One file's new content. Equal ``before`` and ``after``: nothing could be done."""

    path: str
    before: bytes
    after: bytes
    made: tuple[Made, ...] = ()
    left: tuple[Left, ...] = ()


class Planner(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What planning needs: how to judge, the scan's resources, and the files' contents."""

    judge: Judge
    resources: Sequence[Resource]
    read: Callable[[str], bytes]
    means: Means = Means(pins=Pins({}))
    audits: Auditor | None = None
    memo: Mapping[str, object] = msgspec.field(default_factory=dict)

    def plan(self, findings: Sequence[Finding]) -> Iterator[FileFix]:
        """One FileFix for each file with fixable findings, ordered by path."""
        by_file: dict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            if finding.fix:
                by_file[finding.location.path].append(finding)
        for path in sorted(by_file):
            yield self._file(path, by_file[path])

    def _file(self, path: str, findings: Sequence[Finding]) -> FileFix:
        before = b""
        try:
            before = self.read(path)
            text, bom = _text_of(before)
            subjects = self._subjects(path, text)
        except InputError as error:
            left = tuple(Left(finding=finding, reason=error.what) for finding in findings)
            return FileFix(path=path, before=before, after=before, left=left)
        others = [resource for resource in self.resources if resource.file != path]
        prover = Prover(judge=self.judge, others=others, memo=self.memo, audits=self.audits)
        work = _File(text, subjects, prover, lambda edited: self._subjects(path, edited))
        work.fix(findings)
        return FileFix(
            path=path,
            before=before,
            after=bom + work.text.encode("utf-8"),
            made=tuple(work.made),
            left=tuple(work.left),
        )

    def _subjects(self, path: str, text: str) -> list[tuple[Subject, int]]:
        """What the file holds, each with its offset. Raises InputError."""
        source = classify(path)
        if source is Source.DOCKERFILE:
            return [(docker_text_of(text, path), 0)]
        if source in PIPELINES and (
            source is not Source.ACTION or may_be_action(text.encode("utf-8"))
        ):
            return [read_pipeline(text, PIPELINES[source], path, self.means)]
        return _manifests(path, text, self.judge.templates)


class _File:
    """The fixes of one file, one after the other. ``read`` tells what an edited text holds."""

    def __init__(
        self,
        text: str,
        subjects: Sequence[tuple[Subject, int]],
        prover: Prover,
        read: Callable[[str], Sequence[tuple[Subject, int]]],
    ) -> None:
        self._read = read
        self.text = text
        self.made: list[Made] = []
        self.left: list[Left] = []
        self._spans = [(start, start + len(subject.text)) for subject, start in subjects]
        self._subjects = [subject for subject, _ in subjects]
        self._prover = prover
        self._ranks = {rule.id: rule.severity.rank for rule in prover.judge.rules}
        self._uncovered: Counter[str] = Counter()

    def fix(self, findings: Sequence[Finding]) -> None:
        """Fix what can be fixed of the findings."""
        original = self.text
        before = self._prover.counts(self._subjects)
        wanted: dict[tuple[str, int], list[Finding]] = defaultdict(list)
        for finding in findings:
            wanted[finding.rule, finding.location.line].append(finding)
        for number in range(len(self._subjects)):
            self._fix_subject(number, wanted)
        for rest in wanted.values():
            self._leave(
                rest, "it is not in the file as it stands, only in what is rendered from it"
            )
        self.text = self._assembled(original)
        reason = self._fault_of_the_whole(before)
        if reason:
            self.text = original
            self._leave([made.finding for made in self.made], reason)
            self.made.clear()

    def _fix_subject(self, number: int, wanted: dict[tuple[str, int], list[Finding]]) -> None:
        subject = self._subjects[number]
        scope = self._prover.scope(self._subjects)
        for position in range(len(subject.resources)):
            result = self._prover.result(self._subjects[number], position, scope)
            pending: list[tuple[Key, Finding]] = []
            for found in result.found:
                matching = wanted.get((found.key[0], found.line))
                if matching:
                    pending.append((found.key, matching.pop(0)))
            if pending:
                self._fix_resource(number, position, pending)

    def _fix_resource(self, number: int, position: int, pending: list[tuple[Key, Finding]]) -> None:
        # From the end of a Dockerfile to its start, so that inserted lines move nothing pending.
        if isinstance(self._subjects[number], DockerText):
            pending.sort(key=lambda item: item[0][1], reverse=True)
        result = self._prover.result(
            self._subjects[number], position, self._prover.scope(self._subjects)
        )
        while pending:
            key, finding = pending.pop(0)
            fixer = parse_fixer(finding.fix or "")
            found = next((one for one in result.found if one.key == key), None)
            if found is None:
                self.made.append(Made(finding=finding, risky=fixer.risky))  # gone with another
                continue
            if len(self.made) >= MAX_FIXES:
                self._leave([finding], f"more than {MAX_FIXES:,} fixes in one file")
                continue
            try:
                after = self._attempt(number, fixer, found)
                scope = self._prover.scope(self._with(number, after))
                new = self._prover.result(after, position, scope)
                uncovers = self._compare(key[0], fixer, result.counts, new.counts)
            except Refused as reason:
                self._leave([finding], reason.what)
                continue
            before = self._subjects[number]
            pending = [
                ((rule, before.moved(place, found.path, after), ordinal), other)
                for (rule, place, ordinal), other in pending
            ]
            self._subjects[number], result = after, new
            self.made.append(Made(finding=finding, risky=fixer.risky, uncovers=tuple(uncovers)))

    def _compare(
        self, rule: str, fixer: Fixer, before: Mapping[str, int], after: Mapping[str, int]
    ) -> list[str]:
        """The rules that now complain more often, if that may be: a risky fix may uncover what
        is less severe than what it removes. Raises Refused for anything else."""
        if after.get(rule, 0) >= before.get(rule, 0):
            raise Refused("the finding would still be there")
        rules = risen(before, after)
        rank = self._ranks[rule]
        worse = [name for name in rules if not fixer.risky or self._ranks[name] <= rank]
        if worse:
            raise Refused(f"it would raise {', '.join(worse)}")
        for name in rules:
            self._uncovered[name] += after[name] - before.get(name, 0)
        return rules

    def _attempt(self, number: int, fixer: Fixer, found: Found) -> Subject:
        before = self._subjects[number]
        after = before.fixed(fixer, found.position, found.path)
        same_objects = [r.key for r in after.resources] == [r.key for r in before.resources]
        if not same_objects and fixer.function not in ("api-version", "api-group"):
            raise Refused("it would turn the object into another one")
        return after

    def _with(self, number: int, subject: Subject) -> list[Subject]:
        return [*self._subjects[:number], subject, *self._subjects[number + 1 :]]

    def _leave(self, findings: Sequence[Finding], reason: str) -> None:
        self.left.extend(Left(finding=finding, reason=reason) for finding in findings)

    def _assembled(self, original: str) -> str:
        out = []
        at = 0
        for (start, end), subject in zip(self._spans, self._subjects, strict=True):
            out += [original[at:start], subject.text]
            at = end
        return "".join([*out, original[at:]])

    def _fault_of_the_whole(self, before: Mapping[str, int]) -> str:
        """Why the file's fixes cannot stand together, or ""."""
        if not self.made:
            return ""
        try:
            read = self._read(self.text)
        except InputError as error:
            return f"the edited file cannot be read: {error.what}"
        whole = [subject for subject, _ in read]
        if len(whole) != len(self._subjects) or not all(map(_alike, whole, self._subjects)):
            return "the edited file does not read back as intended"
        allowed = Counter(before) + self._uncovered
        rules = risen(allowed, self._prover.counts(whole))
        return f"together the fixes would raise {', '.join(rules)}" if rules else ""


def _alike(one: Subject, other: Subject) -> bool:
    if isinstance(one, Manifest) and isinstance(other, Manifest):
        return same(one.document.data, other.document.data)
    return one.text == other.text


def _text_of(data: bytes) -> tuple[str, bytes]:
    """Text and byte order mark. Raises InputError for what cannot be written back as it was."""
    if len(data) > MAX_SIZE:
        raise InputError(f"files of more than {MAX_SIZE:,} bytes are not edited")
    bom = _BOM if data.startswith(_BOM) else b""
    text = decode(data)
    if bom + text.encode("utf-8") != data:
        raise InputError("only files in UTF-8 are edited")
    return text, bom


def _manifests(
    path: str, text: str, templates: Mapping[str, AttrPath]
) -> list[tuple[Subject, int]]:
    out: list[tuple[Subject, int]] = []
    for document in parse_documents(text.encode("utf-8")):
        if isinstance(document, Document):
            out.append((manifest_of(document, path, templates), document.offset))
        elif document.kind == "template":
            raise InputError("a template: what it renders to is judged; change it by hand")
    return out
