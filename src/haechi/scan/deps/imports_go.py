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
_CALLED = re.compile(rb"[ \t]*\(")
"""A method counts where it is called: fields are called alike."""
_VERSION = re.compile(r"v[0-9]+\Z")
_COMMENT = re.compile(rb"[ \t]*//")
_SELECTED = re.compile(rb"(?<![\w.\"])([A-Za-z_]\w*)?\.([A-Za-z_]\w*)\b")
_METHODS = """Read Write Close String Error Len Next Less Swap Reset Get Set Add Do Run Start Stop
Is As Unwrap Seek Flush Bytes Name Size Open Copy Scan Wait Done Err Value Type Key"""
_COMMON = frozenset(_METHODS.split())
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
        self._selected: dict[str, dict[bytes, int]] = {}
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
            named = self._named(one.place.path)
            names = [one.alias] if one.alias else package_names(symbols.path)
            for symbol in symbols.symbols:
                offset = _offset(symbol, names, named)
                if offset is not None:
                    yield Place(one.place.path, offset), symbol

    def mentions(self, symbols: Symbols) -> Iterator[Place]:
        """Imports by files that name one of the functions, or something called after the type of
        one of the methods (``os.OpenRoot`` of ``Root.Open``); all where none is told."""
        for one in self.places(symbols.path):
            names = [one.alias] if one.alias else package_names(symbols.path)
            if not symbols.symbols or any(
                _is_mentioned(symbol, names, self._named(one.place.path))
                for symbol in symbols.symbols
            ):
                yield one.place

    def _named(self, path: str) -> dict[bytes, int]:
        """What a file selects (``html.Parse``, ``.Parse``) → the offset where it first does."""
        found = self._selected.get(path)
        if found is None:
            found = self._selected[path] = {}
            data = self._reader.again(path)
            body = _BODY.search(data)
            packages = set(_packages(data))
            for match in _SELECTED.finditer(data, body.start() if body else len(data)):
                line = data.rfind(b"\n", 0, match.start()) + 1
                if not _COMMENT.match(data, line, match.start() + 1):
                    found.setdefault(match[0], match.start())
                    if match[1] not in packages and _CALLED.match(data, match.end()):
                        found.setdefault(b"." + match[2], match.start(2))
        return found


def imports_of(data: bytes) -> Iterator[tuple[str, str, int]]:
    """Path, alias and offset of each import of a file."""
    body = _BODY.search(data)
    end = body.start() if body else len(data)
    for match in _IMPORT.finditer(data, 0, end):
        yield match[2].decode("utf-8", "replace"), (match[1] or b"").decode(), match.start(2)


def _packages(data: bytes) -> Iterator[bytes]:
    """What a file calls the packages that it imports: what it selects of them is no method."""
    for path, alias, _ in imports_of(data):
        yield from (one.encode() for one in ([alias] if alias else package_names(path)))


def _offset(symbol: str, names: list[str], named: dict[bytes, int]) -> int | None:
    """Where a symbol is named. A method counts where the file also names its type or makes
    something by a function ``New…`` of the package, for methods of other types are called alike;
    one that half of all types have says nothing."""
    kind, _, method = symbol.partition(".")
    if not method:
        return next((at for name in names if (at := named.get(f"{name}.{kind}".encode()))), None)
    if method in _COMMON:
        return None
    made = tuple(f"{name}.New".encode() for name in names)
    types = any(f"{name}.{kind}".encode() in named for name in names)
    if types or any(key.startswith(made) for key in named):
        return named.get(f".{method}".encode())
    return None


def _is_mentioned(symbol: str, names: list[str], named: dict[bytes, int]) -> bool:
    kind, _, method = symbol.partition(".")
    if not method:
        return any(f"{name}.{kind}".encode() in named for name in names)
    heads = tuple(f"{name}.".encode() for name in names)
    made = tuple(f"{name}.New".encode() for name in names)
    return any(
        key.startswith(made) or (key.startswith(heads) and kind.encode() in key) for key in named
    )


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
