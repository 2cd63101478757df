"""What a judge of dependency files is given: the file as text, and what its reader made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from haechi.model.location import AttrPath
from haechi.model.package import Package, PackageFile
from haechi.model.review import Hit, Review

KIND = "package-file"
"""The kind of resource that a lock file, a manifest or settings of a package manager are."""
_COMMENT = re.compile(r"\s*(?:#|//|;)")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Which licences may be used: SPDX identifiers and kinds. Empty: there is no policy."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allow or self.deny)


class DependencyFile(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One file. ``told`` is what its reader said (None for settings), ``asked`` what the manifests
    say that this lock file pins; ``policy`` is that of haechi.yaml."""

    path: str
    text: Callable[[], str]
    told: PackageFile | None = None
    asked: Sequence[PackageFile] = ()
    beside: Callable[[str], str | None] = lambda _: None
    policy: Policy = Policy()

    @property
    def name(self) -> str:
        """The file's name in small letters."""
        return self.path.rpartition("/")[2].lower()

    @property
    def packages(self) -> Sequence[Package]:
        return self.told.packages if self.told else ()


def file_of(review: Review) -> DependencyFile:
    """The reviewed file."""
    file: DependencyFile = review.resource.data
    return file


def about_package(message: str, package: Package, index: int, **evidence: Any) -> Hit:
    """A violation by one package; ``subject`` is what tells it from others when lines move."""
    told = {"subject": package.name, "package": package.name, **evidence}
    return Hit(message, ("packages", index), told)


def about_line(message: str, number: int, subject: str) -> Hit:
    """A violation by a line, from 1."""
    return Hit(message, ("lines", number), {"subject": subject})


def lines_of(file: DependencyFile) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without those that are comments."""
    for number, line in enumerate(file.text().splitlines(), 1):
        if line.strip() and not _COMMENT.match(line):
            yield number, line[:2_000]


def place(path: AttrPath) -> tuple[str, int]:
    """What a path addresses: a package by its position, or a line."""
    match path:
        case ("packages" | "lines" as what, int(number)):
            return what, number
        case _:
            return "lines", 1
