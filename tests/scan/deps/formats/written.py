"""Files of a made tree, as readers ask for what stands around them; and short views of packages."""

from __future__ import annotations

import posixpath
import random
from collections.abc import Iterator
from textwrap import dedent

from haechi.errors import InputError
from haechi.model.package import Package, PackageFile
from haechi.scan.deps.formats import reader_of


class Written:
    """A tree that only exists here; texts lose their common indentation."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = {path: dedent(text).encode() for path, text in files.items()}

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def names(self, folder: str) -> frozenset[str]:
        below = f"{folder}/" if folder else ""
        return frozenset(
            path[len(below) :].split("/")[0] for path in self.files if path.startswith(below)
        )

    def told(self, path: str) -> PackageFile:
        """What the one reader of a file says."""
        (file,) = self.all(path)
        return file

    def all(self, path: str) -> list[PackageFile]:
        reader = reader_of(path)
        assert reader is not None, path
        return list(reader(self.files[path], path, self))


def told(path: str, text: str) -> PackageFile:
    """One file alone."""
    return Written({path: text}).told(path)


def versions(file: PackageFile) -> dict[str, str]:
    return {package.name: package.version for package in file.packages}


def named(file: PackageFile, name: str) -> Package:
    (found,) = [package for package in file.packages if package.name == name]
    return found


def needs(file: PackageFile) -> dict[str, list[str]]:
    """Names by name, without those that need nothing."""
    return {
        package.name: [file.packages[at].name for at in package.needs]
        for package in file.packages
        if package.needs
    }


def direct(file: PackageFile) -> set[str]:
    return {package.name for package in file.packages if package.direct}


def development(file: PackageFile) -> set[str]:
    return {package.name for package in file.packages if package.development}


def kinds(file: PackageFile) -> list[str]:
    return [gap.kind for gap in file.gaps]


def lines(file: PackageFile) -> dict[str, int]:
    return {package.name: package.location.line for package in file.packages}


def mutated(text: bytes, count: int, seed: int = 7) -> Iterator[bytes]:
    """Damaged copies: bytes changed, pieces cut, doubled, swapped."""
    chance = random.Random(seed)  # noqa: S311 # the same damage in each run
    for _ in range(count):
        data = bytearray(text)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data) + 1)
            length = chance.randint(0, 40)
            match chance.randrange(4):
                case 0:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    del data[at : at + length]
                case 2:
                    data[at:at] = data[at : at + length]
                case _:
                    data[at:at] = chance.choice(
                        (b"\n", b'"', b"{", b"<", b"${a}", b"\\u0000", b"(")
                    )
        yield bytes(data)


def survives(path: str, text: str, around: dict[str, str] | None = None, count: int = 150) -> int:
    """Read damaged copies: packages or an InputError, never anything else. How many were read."""
    tree = Written({**(around or {}), path: text})
    whole = tree.files[path]
    reader = reader_of(path)
    assert reader is not None
    read = 0
    for data in mutated(whole, count):
        tree.files[path] = data
        fresh = Written({})
        fresh.files = tree.files
        try:
            found = reader(data, path, fresh)
        except InputError:
            continue
        read += 1
        for file in found:
            assert posixpath.basename(file.path)
            for package in file.packages:
                assert package.name
                assert all(0 <= at < len(file.packages) for at in package.needs)
    return read
