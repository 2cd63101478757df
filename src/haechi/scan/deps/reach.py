"""Is a vulnerable package used at all: imported by the tree's own code, itself or by way of what
brings it in, and for Go, is a function that the advisory names called.

The answer says what was looked at and found, never what cannot happen: ``not_found`` is "no path
found". It is given only where the file tells who needs the package and none of them is imported;
where a name is computed, where settings or commands name the package, or where the limits cut the
look short, the answer is ``unknown``. Neither severity nor gate depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec
from msgspec.structs import replace

from haechi.model.finding import Finding
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.paths import spelled
from haechi.scan.deps.reach_languages import Go, JavaScript, Python
from haechi.scan.deps.reach_sources import LANGUAGES, MAX_FILES, Place, Projects, Reader, walked
from haechi.world.files import Tree

_MOST_OWNERS = 5_000


class Reach(StrEnum):
    """How far a path to a package was followed."""

    CALLED = "called"
    IMPORTED = "imported"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


_TAGS = {
    Reach.CALLED: ("reached",),
    Reach.IMPORTED: ("reached",),
    Reach.NOT_FOUND: ("not-reached",),
}
"""What lists are narrowed by; nothing where nothing is known."""


class Answer(msgspec.Struct, frozen=True):
    """``at`` is a place (``a.py:3``), ``through`` the package that is imported there instead,
    ``why`` what the answer rests on where there is no place."""

    reach: Reach
    at: str = ""
    through: str = ""
    why: str = ""
    symbol: str = ""

    @property
    def sentence(self) -> str:
        """For people; nothing where nothing is known."""
        match self.reach:
            case Reach.CALLED:
                return f"a call by the name of {self.symbol} in {self.at}"
            case Reach.IMPORTED if self.through:
                return f"reached through {self.through}, which is imported in {self.at}"
            case Reach.IMPORTED:
                return f"imported in {self.at}{f'; {self.why}' if self.why else ''}"
            case Reach.NOT_FOUND:
                return f"no path found: {self.why}"
            case Reach.UNKNOWN:
                return ""

    @property
    def evidence(self) -> Mapping[str, str]:
        """What a finding keeps."""
        told = {
            "reach": self.reach.value,
            "reach_at": self.at,
            "reach_through": self.through,
            "reach_symbol": self.symbol,
            "reach_why": self.why,
        }
        return {key: value for key, value in told.items() if value}


def with_reach(
    findings: Sequence[Finding], files: Sequence[PackageFile], tree: Tree
) -> tuple[list[Finding], tuple[str, ...]]:
    """The findings with what was found out about each, and sentences about what was cut short."""
    present = {finding.evidence["ecosystem"] for finding in findings}
    ecosystems = [one for one in LANGUAGES if one in present]
    if not ecosystems:
        return list(findings), ()
    looks = _Looks(tree, files, ecosystems)
    told = [_told(finding, looks.answer(finding)) for finding in findings]
    if not looks.reader.cut:
        return told, ()
    return told, (
        f"Whether vulnerable packages are used was looked up in the first {MAX_FILES:,} source "
        f"files alone, and in none above 4 MiB; where nothing was found there, it is unknown.",
    )


def _told(finding: Finding, answer: Answer | None) -> Finding:
    if answer is None:
        return finding
    said = "; ".join(filter(None, (finding.message, answer.sentence)))
    tags = (*finding.tags, *_TAGS.get(answer.reach, ()))
    return replace(
        finding, message=said, tags=tags, evidence={**finding.evidence, **answer.evidence}
    )


class _Looks:
    """The answers of one run; a language is looked at when the first package of it is asked for."""

    def __init__(self, tree: Tree, files: Sequence[PackageFile], ecosystems: Iterable[str]) -> None:
        self.reader = Reader(tree)
        self._files = {file.path: file for file in files}
        for file in files:  # a go.mod of old tells of packages at their lines of go.sum
            for path in {one.location.path for one in file.packages}:
                self._files.setdefault(path, file)
        self._all = files
        self._walked = walked(tree, ecosystems)
        self._owners: dict[str, _Owners] = {}
        self._answers: dict[tuple[str, str, str], Answer] = {}
        self._projects: dict[str, Projects] = {}
        self._own: dict[str, Callable[[str], bool]] = {}

    @cached_property
    def _python(self) -> Python:
        return Python(self.reader, self._walked, self._all)

    @cached_property
    def _javascript(self) -> JavaScript:
        return JavaScript(self.reader, self._walked)

    @cached_property
    def _go(self) -> Go:
        return Go(self.reader, self._walked)

    def answer(self, finding: Finding) -> Answer | None:
        evidence = finding.evidence
        ecosystem, name, path = evidence["ecosystem"], evidence["package"], finding.location.path
        file = self._files.get(path)
        if ecosystem not in LANGUAGES or file is None:
            return None
        if ecosystem not in self._projects:
            self._projects[ecosystem] = Projects(self._all, ecosystem)
        own = self._own.get(path)
        if own is None:
            own = self._own[path] = self._projects[ecosystem].own(path)
        if ecosystem == "Go":
            return self._of_go(name, file, evidence, own)
        key = (ecosystem, name, path)
        if key not in self._answers:
            used: Python | JavaScript = self._python if ecosystem == "PyPI" else self._javascript
            self._answers[key] = self._of_package(name, file, used, own)
        return self._answers[key]

    def _of_package(
        self, name: str, file: PackageFile, used: Python | JavaScript, own: Callable[[str], bool]
    ) -> Answer:
        if not used.any(own):
            return Answer(Reach.UNKNOWN, why="the project has no source files here")
        itself = used.used(name, own)
        if itself.place is not None:
            return Answer(Reach.IMPORTED, at=self._at(itself.place))
        owners = self._owners.setdefault(file.path, _Owners(file))
        told = owners.of(name)
        unsure = itself
        for index in told:
            owner = file.packages[index]
            other = used.used(owner.name, own)
            if other.place is not None:
                return Answer(Reach.IMPORTED, at=self._at(other.place), through=spelled(owner))
            if other.why and not unsure.why:
                unsure = other
        if not owners.known:
            return Answer(Reach.UNKNOWN, why=f"{file.path} does not tell what needs it")
        if unsure.why:
            return Answer(Reach.UNKNOWN, why=unsure.why)
        if self.reader.cut:
            return Answer(Reach.UNKNOWN, why="the look was cut short")
        if computed := used.computed(own):
            return Answer(Reach.UNKNOWN, why=f"{self._at(computed)} imports what is computed")
        others = f", nor what brings it in ({len(told)})" if told else ""
        return Answer(Reach.NOT_FOUND, why=f"no source file here imports it{others}")

    def _at(self, place: Place) -> str:
        return f"{place.path}:{self.reader.line(place)}"

    def _of_go(
        self, name: str, file: PackageFile, evidence: Mapping[str, Any], own: Callable[[str], bool]
    ) -> Answer:
        symbols = evidence.get("symbols") or ()
        found = self._go.used(name, symbols, file.path, own)
        if found.place is not None:
            at = self._at(found.place)
            if found.symbol:
                return Answer(Reach.CALLED, at=at, symbol=found.symbol)
            return Answer(Reach.IMPORTED, at=at, through=found.through, why=found.why)
        if found.why:
            return Answer(Reach.UNKNOWN, why=found.why)
        if self.reader.cut:
            return Answer(Reach.UNKNOWN, why="the look was cut short")
        if found.whole:
            return Answer(
                Reach.NOT_FOUND, why=f"neither this code nor vendor/ imports {found.what}"
            )
        if all(one.name == name or one.source is Source.STDLIB for one in file.packages):
            return Answer(Reach.NOT_FOUND, why=f"no source file here imports {found.what}")
        return Answer(Reach.UNKNOWN, why="other modules may import it; vendor/ would tell")


class _Owners:
    """Who needs the packages of a file, directly or not, the nearest first."""

    def __init__(self, file: PackageFile) -> None:
        self._parents: dict[int, list[int]] = {}
        self._by_name: dict[str, list[int]] = {}
        self._file = file
        for index, package in enumerate(file.packages):
            self._by_name.setdefault(package.name, []).append(index)
            for need in package.needs:
                self._parents.setdefault(need, []).append(index)
        self.known = bool(self._parents) and any(one.direct for one in file.packages)

    def of(self, name: str) -> Sequence[int]:
        """Positions of all that bring a package in, without it."""
        start = self._by_name.get(name, [])
        seen = dict.fromkeys(start)
        pending = list(start)
        for index in pending:
            for parent in self._parents.get(index, ()):
                if parent not in seen and len(seen) < _MOST_OWNERS:
                    seen[parent] = None
                    pending.append(parent)
        owners = [index for index in seen if index not in set(start)]
        direct = [index for index in owners if self._file.packages[index].direct]
        return [*direct, *(index for index in owners if not self._file.packages[index].direct)]
