"""How a package comes in: one shortest chain from the project, and how many others need it.

All chains of a graph are exponentially many, and a person follows one. What decides whether an
upgrade helps is who else asks for the package, so that is what is counted.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

import msgspec

from haechi.model.package import Package, PackageFile, Source

ARROW = " → "


class Chain(msgspec.Struct, frozen=True):
    """Positions from a package that the project asks for to the one in question (both may be the
    same). ``others`` counts who else needs it, the project included."""

    steps: tuple[int, ...]
    others: int = 0

    @property
    def direct(self) -> bool:
        """True when the project itself asks for it."""
        return len(self.steps) == 1


class Paths:
    """Chains of one file; the graph is walked once, when it is first asked for."""

    def __init__(self, file: PackageFile) -> None:
        self.file = file
        self._parents: dict[int, int] | None = None
        self._needed_by: dict[int, int] = {}

    def to(self, index: int) -> Chain | None:
        """The chain to a package; None where the file does not tell how it comes in."""
        if self._parents is None:
            self._parents = self._walk()
        if index not in self._parents:
            return None
        steps = [index]
        while (parent := self._parents[steps[-1]]) >= 0:
            steps.append(parent)
        return Chain(tuple(reversed(steps)), max(self._needed_by.get(index, 1) - 1, 0))

    def named(self, chain: Chain) -> tuple[str, ...]:
        """The names along a chain, the project's first."""
        packages = self.file.packages
        return (project_name(self.file), *(spelled(packages[step]) for step in chain.steps))

    def _walk(self) -> dict[int, int]:
        """Position → the one before it on a shortest chain, -1 for what the project asks for."""
        packages = self.file.packages
        roots = self._roots()
        parents = dict.fromkeys(roots, -1)
        self._needed_by = dict.fromkeys(roots, 1)
        wave: Sequence[int] = list(parents)
        while wave:
            following: list[int] = []
            for index in wave:
                for need in dict.fromkeys(packages[index].needs):
                    if need == index or not 0 <= need < len(packages):
                        continue
                    self._needed_by[need] = self._needed_by.get(need, 0) + 1
                    if need not in parents:
                        parents[need] = index
                        following.append(need)
            wave = following
        return parents

    def _roots(self) -> Sequence[int]:
        count = len(self.file.packages)
        named = [index for index in self.file.requires if 0 <= index < count]
        direct = [index for index, one in enumerate(self.file.packages) if one.direct]
        return list(dict.fromkeys((*named, *direct)))


def project_name(file: PackageFile) -> str:
    """What the project of a file is called: by itself, else by its folder, else by the file."""
    folder = posixpath.dirname(file.path)
    return shown(file.name or posixpath.basename(folder) or posixpath.basename(file.path))


def spelled(package: Package) -> str:
    """The package as it was written; a language's own library by the language's name."""
    if package.source is Source.STDLIB:
        return f"{package.ecosystem} {shown(package.name)}"
    return shown(package.spelled or package.name)


def shown(name: str) -> str:
    """A name as a sentence bears it; a lock file may call anything a package."""
    return name if len(name) <= 120 else name[:119] + "…"
