"""Packages and what is known against them: the imported database and the repository's own records.

Each package is asked for once, however many lock files pin it. What both sources say of one
vulnerability is one vulnerability. A repository's own records come besides: they say nothing
about how much of an ecosystem is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec.structs import replace

from haechi.errors import ConfigError
from haechi.model.advisory import Advisory, Vulnerability
from haechi.model.package import BY_NAME, Package, PackageFile
from haechi.model.severity import Severity
from haechi.scan.deps.go_standard import is_least
from haechi.world.advisories.groups import is_cve
from haechi.world.advisories.names import base
from haechi.world.advisories.reading import Advisories, open_default
from haechi.world.advisories.shapes import NOTHING, EcosystemState, Matched, Undecided

Place = tuple[int, int]
"""Position of a file, and of a package in it."""


class Sources(msgspec.Struct, frozen=True):
    """Where advisories come from."""

    database: Advisories | None = None
    own: Sequence[Advisories] = ()

    def states(self, ecosystems: Iterable[str]) -> dict[str, EcosystemState | None]:
        """Everything that the database covers, and each of the ecosystems; None: nothing is known
        about it. ``Debian:12`` is covered by all of Debian, if that speaks of it at all."""
        database = self.database
        covered = database.covered() if database else {}
        asked = {
            name: covered.get(name) or covered.get(base(name))
            if database and database.holds(name)
            else None
            for name in ecosystems
        }
        return {**covered, **asked}

    def ids_of(self, name: str) -> Mapping[str, frozenset[str]]:
        """Ecosystem → ids, of the vulnerability that has this id or alias."""
        found: dict[str, set[str]] = {}
        for source in (self.database, *self.own):
            for record in source.by_alias(name) if source else ():
                for affected in record.affected:
                    found.setdefault(affected.ecosystem, set()).update((record.id, *record.aliases))
        return {ecosystem: frozenset(ids) for ecosystem, ids in found.items()}


def open_sources(
    root: Path, places: Iterable[str], database: Advisories | None, stack: ExitStack
) -> Sources:
    """The repository's own folders of advisories and a database: the given one, else that of the
    user, which is closed with the stack as the folders are. Raises ConfigError for a folder that
    is not in the repository."""
    own = [stack.enter_context(Advisories.of_folder(_inside(root, place))) for place in places]
    if database is None:
        database = open_default()
        if database is not None:
            stack.enter_context(database)
    return Sources(database, own)


def _inside(root: Path, place: str) -> Path:
    path = (root / place).resolve()
    if not path.is_relative_to(root.resolve()) or not path.exists():
        raise ConfigError(
            f"deps.advisories: there is no {place} in this repository",
            do="name a folder with OSV files, relative to haechi.yaml",
            where="haechi.yaml",
        )
    return path


class Matching(msgspec.Struct, frozen=True):
    """What was found, by place; ``own`` are ids of what the repository's own records say."""

    found: Mapping[Place, tuple[Vulnerability, ...]]
    undecided: Mapping[Place, tuple[Undecided, ...]]
    own: frozenset[str] = frozenset()


def judged(package: Package) -> bool:
    """True for a package of which advisories can be asked, by name and for one version, and of
    which the answer counts without a look at the code."""
    return _asked(package) and not is_least(package)


def _asked(package: Package) -> bool:
    return bool(package.version) and package.source in BY_NAME


def match(files: Sequence[PackageFile], sources: Sources) -> Matching:
    """Ask for every package that can be judged."""
    asked: dict[tuple[str, ...], int] = {}
    packages: list[Package] = []
    places: list[tuple[Place, int]] = []
    for number, file in enumerate(files):
        for index, package in enumerate(file.packages):
            if not _asked(package):
                continue
            key = _key(package)
            at = asked.get(key)
            if at is None:
                at = asked[key] = len(packages)
                packages.append(package)
            places.append(((number, index), at))
    answers, own = _answers(packages, sources)
    return Matching(
        found={
            place: answers[at].vulnerabilities
            for place, at in places
            if answers[at].vulnerabilities
        },
        undecided={place: answers[at].undecided for place, at in places if answers[at].undecided},
        own=own,
    )


def _key(package: Package) -> tuple[str, ...]:
    return (
        package.ecosystem,
        package.name,
        package.version,
        package.distribution,
        package.source_package,
        package.module_stream,
    )


def _answers(
    packages: Sequence[Package], sources: Sources
) -> tuple[Sequence[Matched], frozenset[str]]:
    answers: list[Matched] = [NOTHING] * len(packages)
    if sources.database is not None and packages:
        answers = list(sources.database.bulk(packages))
    own: set[str] = set()
    for source in sources.own:
        for at, said in enumerate(source.bulk(packages) if packages else ()):
            own.update(id_ for one in said.vulnerabilities for id_ in one.ids)
            if said.vulnerabilities or said.undecided:
                answers[at] = joined(answers[at], said)
    return answers, frozenset(own)


def joined(first: Matched, second: Matched) -> Matched:
    """Both answers about one package; a vulnerability that both know is told once, in the words
    of the first, with the ids and fixed versions of both."""
    known = list(first.vulnerabilities)
    for other in second.vulnerabilities:
        same = next(
            (at for at, one in enumerate(known) if one.id == other.id),
            next((at for at, one in enumerate(known) if _is_same(one, other)), None),
        )
        if same is None:
            known.append(other)
        else:
            known[same] = _both(known[same], other)
    decided = {id_ for one in known for id_ in one.ids}
    undecided = [
        one for one in (*first.undecided, *second.undecided) if decided.isdisjoint(one.ids)
    ]
    return Matched(vulnerabilities=tuple(known), undecided=tuple(undecided))


def _rating(advisory: Advisory) -> tuple[int, float]:
    worse = -advisory.severity.rank if advisory.severity is not None else -len(Severity)
    return worse, advisory.score or 0.0


def _is_same(one: Vulnerability, other: Vulnerability) -> bool:
    """By a name that they share; two CVEs are two, though one record be about both."""
    if is_cve(one.id) and is_cve(other.id):
        return one.id == other.id
    return not set(one.ids).isdisjoint(other.ids)


def _both(one: Vulnerability, other: Vulnerability) -> Vulnerability:
    """Rated as the worse of both does: a database that gives no rating takes none away."""
    rated = one.advisory
    if _rating(other.advisory) > _rating(one.advisory):
        more = other.advisory
        rated = replace(rated, severity=more.severity, score=more.score, vectors=more.vectors)
    return replace(
        one,
        advisory=rated,
        ids=tuple(dict.fromkeys((*one.ids, *other.ids))),
        fixed=tuple(dict.fromkeys((*one.fixed, *other.fixed))),
    )
