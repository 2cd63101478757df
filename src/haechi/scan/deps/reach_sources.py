"""The source files of a tree, by language, read within bounds: what reachability looks at.

Folders of other people's code are left out, except where a language's own module asks for them.
A file counts as the own of the nearest project above it, so that in a repository of many projects
an import in one of them says nothing about the lock file of another.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from haechi.errors import InputError
from haechi.model.package import PackageFile
from haechi.world.files import Tree

MAX_FILES = 30_000
MAX_BYTES = 128 << 20
"""Of all files that are read, of all languages together."""
MAX_FILE = 4 << 20
OTHERS = frozenset({"vendor", "node_modules", "bower_components", "site-packages", "third_party"})
LANGUAGES = {
    "PyPI": (".py", ".pyx", ".pyw"),
    "npm": (
        ".js",
        ".jsx",
        ".ts",
        ".tsx",
        ".mjs",
        ".cjs",
        ".mts",
        ".cts",
        ".vue",
        ".svelte",
        ".astro",
    ),
    "Go": (".go",),
}
_TEST = re.compile(r"(?:^|[/_.-])(?:tests?|specs?|testing|__tests__|e2e|conftest)(?=[/_.-])", re.I)


class Place(msgspec.Struct, frozen=True):
    """Where something is written: a file and the offset in it."""

    path: str
    offset: int

    @property
    def test(self) -> bool:
        """Whether the file tells by its name that it is of tests."""
        return _TEST.search(self.path) is not None


class Reader:
    """Reads files of a tree until the bounds are reached; ``cut`` says that they were."""

    def __init__(self, tree: Tree, files: int = MAX_FILES, size: int = MAX_BYTES) -> None:
        self.tree = tree
        self.cut = False
        self._files = files
        self._left = size
        self._lines: dict[Place, int] = {}

    def read(self, path: str) -> bytes:
        """The content; nothing for what cannot be read or is past the bounds."""
        if self._files <= 0 or self._left <= 0:
            self.cut = True
            return b""
        self._files -= 1
        try:
            data = self.tree.read(path, limit=MAX_FILE)
        except InputError:
            self.cut = self.cut or not path.endswith(".min.js")
            return b""
        self._left -= len(data)
        return data

    def again(self, path: str) -> bytes:
        """The content of a file that was read before."""
        try:
            return self.tree.read(path, limit=MAX_FILE)
        except InputError:
            return b""

    def line(self, place: Place) -> int:
        """The line of a place, from 1."""
        if place not in self._lines:
            self._lines[place] = self.again(place.path).count(b"\n", 0, place.offset) + 1
        return self._lines[place]


class Walked(msgspec.Struct, frozen=True):
    """Paths of a tree: sources by ecosystem, and the rest that may name a package."""

    sources: dict[str, list[str]]
    others: list[str]


def walked(tree: Tree, ecosystems: Iterable[str]) -> Walked:
    """One walk for all languages that are asked for."""
    wanted = {one: LANGUAGES[one] for one in ecosystems if one in LANGUAGES}
    suffixes = {suffix: one for one, all_ in wanted.items() for suffix in all_}
    found: dict[str, list[str]] = {one: [] for one in wanted}
    others: list[str] = []
    fresh = Tree(
        root=tree.root,
        exclude=tree.exclude,
        within=tree.within,
        source=tree.source,
        ignored=tree.ignored,
    )
    for entry in fresh.walk():
        path = entry.path
        if not OTHERS.isdisjoint(path.split("/")[:-1]):
            continue
        ecosystem = suffixes.get(posixpath.splitext(path)[1])
        if ecosystem is None:
            others.append(path)
        elif not path.endswith((".min.js", ".d.ts")):
            found[ecosystem].append(path)
    return Walked(found, others)


class Projects:
    """Whose file is whose: by the folders of lock files and manifests of one ecosystem."""

    def __init__(self, files: Sequence[PackageFile], ecosystem: str) -> None:
        self._folders = {
            _folder(file.path) for file in files if file.ecosystem == ecosystem and file.packages
        }

    def own(self, lock: str) -> Callable[[str], bool]:
        """A test of paths: does a file belong to the project of ``lock``? What lies in the folder
        of another project belongs to that one alone; what lies in none belongs to all."""
        home = _folder(lock)

        known: dict[str, bool] = {}

        def belongs(path: str) -> bool:
            folder = posixpath.dirname(path)
            if folder not in known:
                known[folder] = self._is_of(folder, home)
            return known[folder]

        return belongs

    def _is_of(self, folder: str, home: str) -> bool:
        while folder != home:
            if folder in self._folders:
                return False
            if not folder:
                break
            folder = posixpath.dirname(folder)
        return True


def _folder(path: str) -> str:
    """The project's folder: that of the file, or above one for requirements alone."""
    folder = posixpath.dirname(path)
    name = posixpath.basename(folder).lower()
    return posixpath.dirname(folder) if name in ("requirements", "constraints", "deps") else folder


def nearest(places: Iterable[Place], own: Callable[[str], bool]) -> Place | None:
    """The first place of the project, one outside of tests if there is any."""
    first: Place | None = None
    for place in places:
        if own(place.path):
            if not place.test:
                return place
            first = first or place
    return first


def words(
    reader: Reader, paths: Iterable[str], wanted: frozenset[str]
) -> Iterator[tuple[str, Place]]:
    """Names that stand in files as words of their own."""
    for path in paths:
        for match in _WORD.finditer(reader.read(path)):
            word = match[0].decode("ascii")
            for name in {word, word.lower().replace("_", "-"), word.partition("/")[0]}:
                if name in wanted:
                    yield name, Place(path, match.start())


_WORD = re.compile(rb"(?<![\w@-])(?<!\w\.)@?[A-Za-z_][\w-]*(?:/[A-Za-z_][\w-]*)?")
