"""What could not be said about dependencies, told by cause: data that is missing or old, packages
that no advisory can be asked about.

One gap for each file and kind, with how many packages it hides and the first of them. A project's
own packages (workspaces, paths) hide nothing: nobody publishes advisories about them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from haechi.model.counting import counted
from haechi.model.coverage import Gap
from haechi.model.package import BY_NAME, Package, PackageFile, Source
from haechi.scan.deps.matching import Matching
from haechi.scan.deps.paths import shown, spelled
from haechi.world.advisories.shapes import EcosystemState

WARN_DAYS = 30
"""Data older than this is warned about; ``deps.max_age_days`` makes a gap of it."""
_TOLD = frozenset({"no-lock-file", "ignored-lock-file"})
"""Gaps by which ``collect`` says that a file pins nothing."""
_NAMED = 3
_ARCHIVE = re.compile(
    r"\.(?:tgz|tar(?:\.\w{1,4})?|zip|whl|egg|jar|aar|war|gem|nupkg|crate)(?:[#?].*)?\Z",
    re.IGNORECASE,
)
States = Mapping[str, EcosystemState | None]


class Data(msgspec.Struct, frozen=True):
    """What the data at hand can answer for: ecosystems ``evaluated``, and what is wrong with it."""

    evaluated: frozenset[str] = frozenset()
    gaps: tuple[Gap, ...] = ()
    warnings: tuple[str, ...] = ()


def ecosystems_of(files: Iterable[PackageFile]) -> dict[str, str]:
    """Ecosystem → the first file with packages of it that advisories call by name."""
    found: dict[str, str] = {}
    for file in files:
        for package in file.packages:
            if package.ecosystem not in found and package.source in BY_NAME:
                found[package.ecosystem] = file.path
    return found


def data_gaps(
    ecosystems: Mapping[str, str], states: States, *, today: dt.date, max_age: int
) -> Data:
    """Ecosystems without data, with data that is too old, with data that grows old. ``states``
    are all that is known; what is not in ``ecosystems`` concerns no package here."""
    missing: dict[str, list[str]] = {}
    stale: dict[str, list[tuple[str, str]]] = {}
    warnings: list[str] = []
    evaluated: set[str] = set()
    for name in dict.fromkeys((*ecosystems, *states)):
        state, path = states.get(name), ecosystems.get(name)
        if path is None:
            if state and state.covered and _counts(state, today, max_age):
                evaluated.add(name)
            continue
        if state is None or not state.covered:
            missing.setdefault(path, []).append(name)
            continue
        day = day_of(state)
        age = max((today - day).days, 0) if day else None
        if age is None or age > max_age:
            stale.setdefault(path, []).append((name, _age(age)))
            continue
        if state.newest is None:
            warnings.append(
                f"Advisories of {name} carry no dates; their age is counted from their import"
            )
        evaluated.add(name)
        if age > WARN_DAYS:
            warnings.append(
                f"Advisories of {name} are {counted(age, 'day')} old; past {max_age} "
                "(deps.max_age_days) they no longer count: `haechi db import` brings newer ones"
            )
        if state.incomplete:
            warnings.append(
                f"Some advisories of {name} could not be read when they were imported; "
                "`haechi db status` names them"
            )
    gaps = [*_missing(missing), *_stale(stale, max_age)]
    return Data(frozenset(evaluated), tuple(gaps), tuple(warnings))


def _counts(state: EcosystemState, today: dt.date, max_age: int) -> bool:
    day = day_of(state)
    return day is not None and (today - day).days <= max_age


def day_of(state: EcosystemState) -> dt.date | None:
    """The day up to which the data goes: of its newest record, or of its import where its records
    carry no dates."""
    moment = state.newest or state.imported
    return moment.date() if moment else None


def _age(age: int | None) -> str:
    return "of unknown age" if age is None else f"{counted(age, 'day')} old"


def _missing(missing: Mapping[str, Sequence[str]]) -> Iterator[Gap]:
    for path, names in missing.items():
        yield _gap(
            "no-advisories",
            path,
            f"no advisories of {_joined(names)} were imported",
            f"haechi db import {' '.join(names)}, or an OSV export as a file",
        )


def _stale(stale: Mapping[str, Sequence[tuple[str, str]]], max_age: int) -> Iterator[Gap]:
    for path, told in stale.items():
        said = _joined([f"{name} are {age}" for name, age in told])
        yield _gap(
            "stale-advisories",
            path,
            f"advisories of {said}, past deps.max_age_days ({max_age})",
            f"haechi db import {' '.join(name for name, _ in told)}",
        )


def package_gaps(
    files: Sequence[PackageFile], matching: Matching, covered: frozenset[str]
) -> Iterator[Gap]:
    """Packages that could not be judged, by file and reason. Where an ecosystem has no data that
    is told already. ``covered`` are ecosystems that have any."""
    for number, file in enumerate(files):
        unpinned: list[str] = []
        foreign: list[str] = []
        undecided: list[str] = []
        for index, package in enumerate(file.packages):
            if package.source in (Source.GIT, Source.URL) or _is_archive(package):
                foreign.append(_called(package))
            elif package.source in BY_NAME and not package.version:
                if package.ecosystem in covered:
                    unpinned.append(_called(package))
            elif (number, index) in matching.undecided:
                ids = ", ".join(one.id for one in matching.undecided[number, index][:_NAMED])
                undecided.append(f"{_called(package)} ({ids})")
        if not _TOLD.isdisjoint(gap.kind for gap in file.gaps):
            unpinned = []
        yield from _of_file(file, unpinned, foreign, undecided)


def _is_archive(package: Package) -> bool:
    """A packed copy that lies in the tree is as a rule somebody else's, unlike a folder."""
    return package.source is Source.PATH and _ARCHIVE.search(package.url) is not None


def _of_file(
    file: PackageFile, unpinned: list[str], foreign: list[str], undecided: list[str]
) -> Iterator[Gap]:
    if unpinned:
        verb = "has" if len(unpinned) == 1 else "have"
        yield _gap(
            "unpinned-package",
            file.path,
            f"{counted(len(unpinned), 'package')} {verb} no version: {_some(unpinned)}",
            "pin the version" if file.pins else "commit a lock file, or pin the versions",
        )
    if foreign:
        verb = "comes" if len(foreign) == 1 else "come"
        yield _gap(
            "package-source",
            file.path,
            f"{counted(len(foreign), 'package')} {verb} from git, a URL or an archive, where "
            f"advisories by name and version do not apply: {_some(foreign)}",
            "take it from a registry, or look at it by hand",
        )
    if undecided:
        yield _gap(
            "undecided-version",
            file.path,
            f"{counted(len(undecided), 'package')} may be affected: the version or the advisory's "
            f"range is none that can be compared: {_some(undecided)}",
            "compare by hand, and waive what does not concern you",
        )


def _gap(kind: str, path: str, reason: str, do: str) -> Gap:
    return Gap(kind=kind, path=path, reason=reason, do=do)


def _called(package: Package) -> str:
    return f"{spelled(package)} {shown(package.version or package.constraint)}".rstrip()


def _some(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _NAMED} more" if len(unique) > _NAMED else ""
    return ", ".join(unique[:_NAMED]) + more


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
