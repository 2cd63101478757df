"""What Go files import and which functions of it they name.

Imports stand at the head of a file, so only that is looked at; a call is looked for by the name
under which the file imports the package. Where the tree holds ``vendor``, the packages in it are
followed from what the project's own code imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from haechi.model.advisory import Symbols
from haechi.scan.deps.reach_sources import Place, Reader

_BODY = re.compile(rb"^(?:func|type|var|const)\b", re.MULTILINE)
_IMPORT = re.compile(
    rb"^[ \t]*(?:import[ \t]*\(?[ \t]*)?(?:([\w.]+)[ \t]+)?[\"`]([A-Za-z0-9][^\"`\n]{0,300})[\"`]",
    re.MULTILINE,
)
_VERSION = re.compile(r"v[0-9]+\Z")
_COMMENT = re.compile(rb"[ \t]*//")
MAX_VENDORED = 20_000


class Imported(msgspec.Struct, frozen=True):
    """One import of a path; ``alias`` is "" for the package's own name."""

    place: Place
    alias: str


class GoImports:
    """Import paths of a tree's own Go files; the files are read when this is made."""

    def __init__(self, reader: Reader, paths: Iterable[str]) -> None:
        self._reader = reader
        self._by_path: dict[str, list[Imported]] = {}
        for path in paths:
            for imported, alias, offset in imports_of(reader.read(path)):
                held = self._by_path.setdefault(imported, [])
                held.append(Imported(Place(path, offset), alias))

    def paths(self, prefix: str) -> list[str]:
        """Import paths of a module."""
        return [one for one in self._by_path if one == prefix or one.startswith(f"{prefix}/")]

    def places(self, path: str) -> Sequence[Imported]:
        """The imports of a path."""
        return self._by_path.get(path, ())

    @property
    def all(self) -> Iterable[str]:
        """Every import path."""
        return self._by_path

    def calls(self, symbols: Symbols) -> Iterator[tuple[Place, str]]:
        """Places where one of the functions or methods is named by a file that imports them."""
        for one in self.places(symbols.path):
            data = self._reader.again(one.place.path)
            body = _BODY.search(data)
            start = body.start() if body else len(data)
            for symbol in symbols.symbols:
                for match in _named(symbol, one.alias, symbols.path).finditer(data, start):
                    line = data.rfind(b"\n", 0, match.start()) + 1
                    if not _COMMENT.match(data, line, match.start()):
                        yield Place(one.place.path, match.start()), symbol
                        break


def imports_of(data: bytes) -> Iterator[tuple[str, str, int]]:
    """Path, alias and offset of each import of a file."""
    body = _BODY.search(data)
    end = body.start() if body else len(data)
    for match in _IMPORT.finditer(data, 0, end):
        yield match[2].decode("utf-8", "replace"), (match[1] or b"").decode(), match.start(2)


def _named(symbol: str, alias: str, path: str) -> re.Pattern[bytes]:
    kind, _, method = symbol.partition(".")
    if method:
        return re.compile(rb"\.\s*" + re.escape(method.encode()) + rb"\b")
    names = [alias] if alias else package_names(path)
    if alias in (".", "_"):
        return re.compile(rb"(?<![\w.])" + re.escape(kind.encode()) + rb"\s*\(")
    either = b"|".join(re.escape(name.encode()) for name in names)
    return re.compile(rb"(?<![\w.])(?:" + either + rb")\." + re.escape(kind.encode()) + rb"\b")


def package_names(path: str) -> list[str]:
    """What the package at an import path is probably called."""
    parts = path.split("/")
    last = parts[-2] if len(parts) > 1 and _VERSION.match(parts[-1]) else parts[-1]
    last = last.partition(".v")[0]
    bare = last.removeprefix("go-").removesuffix("-go").removesuffix(".go")
    return list(dict.fromkeys((last, bare, bare.replace("-", ""), bare.replace("-", "_"))))


def vendored(reader: Reader, folder: str, roots: Iterable[str]) -> dict[str, str]:
    """Import path → the path that imports it ("" for the project), of all that is reached from
    ``roots`` through ``folder`` (the project's ``vendor``)."""
    reached = dict.fromkeys(roots, "")
    pending = list(reached)
    while pending:
        path = pending.pop()
        if len(reached) > MAX_VENDORED:
            reader.cut = True
            break
        if ".." in path.split("/"):
            continue
        inside = f"{folder}/{path}"
        for name in sorted(reader.tree.listed(inside)):
            if not name.endswith(".go") or name.endswith("_test.go"):
                continue
            for imported, _, _ in imports_of(reader.read(f"{inside}/{name}")):
                if imported not in reached:
                    reached[imported] = path
                    pending.append(imported)
    return reached
