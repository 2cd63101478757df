"""What each language's imports say of one package: a place that uses it, or why that is not known.

A package may be used without an import: a command in a Dockerfile, a name in settings, a plugin of
a build tool. Such mentions do not prove a use; they only keep "no path found" from being said.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import msgspec

from haechi.model.advisory import Symbols
from haechi.model.package import PackageFile
from haechi.scan.deps import go_standard
from haechi.scan.deps.formats.decoding import table
from haechi.scan.deps.formats.node_names import FIELDS, split_name, texts
from haechi.scan.deps.imports_go import GoImports, vendored
from haechi.scan.deps.imports_javascript import JavaScriptImports
from haechi.scan.deps.imports_python import PythonImports
from haechi.scan.deps.module_names import modules_of
from haechi.scan.deps.reach_sources import Place, Reader, Walked, nearest, words

Own = Callable[[str], bool]
_COMMANDS = re.compile(
    r"(?:.*/)?(?:[^/]*Dockerfile[^/]*|[^/]*\.dockerfile|Containerfile|Procfile|[Mm]akefile|justfile"
    r"|Taskfile\.ya?ml|tox\.ini|[^/]*\.(?:sh|bash|mk|service|bat|ps1)|supervisord\.conf"
    r"|(?:docker-)?compose[^/]*\.ya?ml|\.gitlab-ci\.yml|\.travis\.yml|mkdocs\.ya?ml|app\.ya?ml"
    r"|serverless\.ya?ml|\.pre-commit-config\.yaml|\.github/workflows/[^/]+\.ya?ml|logging\.[^/]+)"
)
_NODE = re.compile(
    r"(?:.*/)?(?:\.(?:babel|eslint|stylelint|prettier|postcss|mocha|nyc|swc|release|lintstaged)rc[^/]*"
    r"|[^/]+\.config\.(?:json|[cm]?[jt]s)|tsconfig[^/]*\.json|angular\.json|nx\.json|lerna\.json"
    r"|gulpfile\.[^/]+|gruntfile\.[^/]+)", re.IGNORECASE
)  # fmt: skip
_ASKED = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies", "name",
          "bundledDependencies", "resolutions", "overrides", "description", "keywords")  # fmt: skip
_SCRIPTLESS = re.compile(r"types-|.*-stubs\Z")


class Used(msgspec.Struct, frozen=True):
    """A place that uses a package; else ``why`` it is not known, "" where no use was found."""

    place: Place | None = None
    why: str = ""


class UsedGo(msgspec.Struct, frozen=True):
    """The same of Go. ``whole``: vendored code was followed, too; ``what`` was looked for."""

    what: str
    place: Place | None = None
    symbol: str = ""
    through: str = ""
    why: str = ""
    whole: bool = False


class Python:
    """Packages of the Python index."""

    def __init__(self, reader: Reader, walk: Walked, files: Sequence[PackageFile]) -> None:
        self._reader = reader
        self._paths = walk.sources["PyPI"]
        self._imports = PythonImports(reader, self._paths)
        self._commands = [path for path in walk.others if _COMMANDS.fullmatch(path)]
        self._names = {
            one.name for file in files if file.ecosystem == "PyPI" for one in file.packages
        }
        self._installed = installed(reader, files)

    def any(self, own: Own) -> bool:
        """Whether the project has source files."""
        return any(map(own, self._paths))

    def used(self, name: str, own: Own) -> Used:
        """What is known of one package."""
        modules = modules_of(name, self._installed)
        place = nearest(self._imports.places(modules.names), own)
        if place is not None:
            return Used(place)
        if _SCRIPTLESS.match(name):
            return Used(why=f"{name} is never imported")
        named = nearest(self._named.get(name, ()), own)
        if named is not None:
            return Used(why=f"{named.path}:{self._reader.line(named)} names {name}")
        return Used(why="" if modules.sure else f"the module of {name} is not known")

    def computed(self, own: Own) -> Place | None:
        """An import of a name that is only known when it runs."""
        return nearest(self._imports.computed, own)

    @cached_property
    def _named(self) -> Mapping[str, Sequence[Place]]:
        found: dict[str, list[Place]] = {}
        modules = {
            module: name
            for name in sorted(self._names)
            for module in modules_of(name, self._installed).names
            if "." not in module
        }
        wanted = frozenset((*self._names, *modules))
        for word, place in words(self._reader, self._commands, wanted):
            _keep(found, modules.get(word, word), place)
        for name, place in self._imports.strings(self._paths, modules):
            _keep(found, name, place)
        return found


def installed(reader: Reader, files: Sequence[PackageFile]) -> dict[str, tuple[str, ...]]:
    """Modules by package, as the environments say from which the packages were read."""
    told: dict[str, tuple[str, ...]] = {}
    homes = {
        file.path.partition("site-packages/")[0] + "site-packages"
        for file in files
        if "site-packages/" in file.path
    }
    for home in sorted(homes):
        for name in sorted(reader.tree.listed(home)):
            if name.endswith(".dist-info") and "top_level.txt" in reader.tree.listed(
                f"{home}/{name}"
            ):
                text = reader.again(f"{home}/{name}/top_level.txt").decode("utf-8", "replace")
                key = re.sub(r"[-_.]+", "-", name.rpartition("-")[0].rpartition("-")[0] or name)
                modules = tuple(one for one in text.split() if one.isidentifier())
                if modules:
                    told[key.lower()] = modules
    return told


class JavaScript:
    """Packages of npm."""

    def __init__(self, reader: Reader, walk: Walked) -> None:
        self._reader = reader
        self._paths = walk.sources["npm"]
        self._others = walk.others
        self._imports = JavaScriptImports(reader, self._paths)

    def any(self, own: Own) -> bool:
        """Whether the project has source files."""
        return any(map(own, self._paths))

    def used(self, name: str, own: Own) -> Used:
        """What is known of one package, under all names that the project gives it."""
        names = (name, *self._aliases.get(name, ()))
        place = nearest(chain.from_iterable(map(self._imports.places, names)), own)
        if place is not None:
            return Used(place)
        if name.startswith("@types/"):
            return Used()
        for one in names:
            named = nearest(self._named.get(one, ()), own)
            if named is not None:
                return Used(why=f"{named.path}:{self._reader.line(named)} names {one}")
        return Used()

    def computed(self, own: Own) -> Place | None:
        """An import of a name that is only known when it runs."""
        return nearest(self._imports.computed, own)

    @cached_property
    def _aliases(self) -> Mapping[str, Sequence[str]]:
        """Other names by package, of ``"other": "npm:package@1"``."""
        found: dict[str, dict[str, None]] = {}
        for path in self._others:
            if posixpath.basename(path) != "package.json":
                continue
            data = self._reader.read(path)
            for name, spec in _asked_for(data) if b'"npm:' in data else ():
                if spec.startswith("npm:"):
                    found.setdefault(split_name(spec[4:])[0], {})[name] = None
        return {name: tuple(others) for name, others in found.items()}

    @cached_property
    def _named(self) -> Mapping[str, Sequence[Place]]:
        found: dict[str, list[Place]] = {}
        configured = [
            path
            for path in (*self._paths, *self._others)
            if _NODE.fullmatch(path) or _COMMANDS.fullmatch(path)
        ]
        for path in configured:
            for match in _NAME.finditer(self._reader.read(path)):
                _named_as(found, match[0].decode("ascii"), Place(path, match.start()))
        for path in self._others:
            if posixpath.basename(path) == "package.json":
                for word in _words_of(self._reader.read(path)):
                    _named_as(found, word, Place(path, 0))
        for name, place in self._imports.styles(self._others):
            _keep(found, name, place)
        return found


def _below(folder: str) -> Own:
    return lambda path: not folder or path.startswith(f"{folder}/")


def _and_no_test(own: Own) -> Own:
    return lambda path: not path.endswith("_test.go") and own(path)


_NAME = re.compile(rb"@?[A-Za-z][\w.~-]*(?:/[A-Za-z][\w.~-]*)?")


def _named_as(found: dict[str, list[Place]], word: str, place: Place) -> None:
    """A word as a package: itself, and as tools shorten it (``next/core-web-vitals``, a preset)."""
    scope, _, rest = word.partition("/")
    for name in {word, rest if word.startswith("@") else scope}:
        _keep(found, name, place)
    if not word.startswith("@"):
        for prefix in ("eslint-plugin-", "eslint-config-", "babel-preset-", "babel-plugin-",
                       "@babel/preset-", "@babel/plugin-"):  # fmt: skip
            _keep(found, prefix + scope, place)


def _asked_for(data: bytes) -> Iterator[tuple[str, str]]:
    """What a package.json depends on, and in which version."""
    try:
        told = table(json.loads(data))
    except (ValueError, RecursionError):
        return
    for field in FIELDS:
        yield from texts(told.get(field)).items()


def _words_of(data: bytes) -> Iterator[str]:
    """Words of package.json besides what it depends on: scripts, and settings of tools."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return
    pending: list[Any] = [
        value for key, value in told.items() if key not in _ASKED
    ] if isinstance(told, dict) else []  # fmt: skip
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += (*value, *value.values())
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str):
            for match in _NAME.finditer(value.encode("utf-8", "replace")):
                yield match[0].decode("ascii")


def _keep(found: dict[str, list[Place]], name: str, place: Place) -> None:
    held = found.setdefault(name, [])
    if len(held) < 20:
        held.append(place)


class Go:
    """Modules of Go, and the paths and functions that advisories name."""

    def __init__(self, reader: Reader, walk: Walked) -> None:
        self._reader = reader
        self._imports = GoImports(reader, walk.sources["Go"])
        self._vendored: dict[str, dict[str, str] | None] = {}

    def used(self, module: str, told: Sequence[Mapping[str, Any]], lock: str, own: Own) -> UsedGo:
        """What is known of the vulnerable paths of a module, or of all of it."""
        symbols = [Symbols(one["path"], tuple(one["symbols"])) for one in told if one["path"]]
        wanted = [one.path for one in symbols] or self._imports.paths(module)
        if module == go_standard.NAME:
            return self._standard(symbols, lock, own)
        what = " or ".join(dict.fromkeys(one.path for one in symbols)) or module
        if len(what) > 200:
            what = f"a vulnerable package of {module}"
        for one in symbols:
            calls = [(place, name) for place, name in self._imports.calls(one) if own(place.path)]
            if calls:
                place, name = min(calls, key=lambda call: call[0].test)
                return UsedGo(what, place, symbol=f"{one.path.rpartition('/')[2]}.{name}")
        for path in wanted:
            found = nearest((one.place for one in self._imports.places(path)), own)
            if found is not None:
                named = any(one.path == path and one.symbols for one in symbols)
                why = "no call of what is vulnerable in it found" if named else ""
                return UsedGo(what, found, why=why)
        vendored = self._by_vendor(module, [one.path for one in symbols], what, lock, own)
        if vendored.whole or vendored.place is not None:
            return vendored
        for path in self._imports.paths(module):
            other = nearest((one.place for one in self._imports.places(path)), own)
            if other is not None:
                at = f"{other.path}:{self._reader.line(other)}"
                why = f"{path} is imported in {at}; what it imports in its turn is not followed"
                return UsedGo(what, why=why)
        return vendored

    def _by_vendor(
        self, module: str, wanted: Sequence[str], what: str, lock: str, own: Own
    ) -> UsedGo:
        folder = posixpath.join(
            posixpath.dirname(lock.removesuffix("vendor/modules.txt")), "vendor"
        )
        if folder not in self._vendored:
            self._vendored[folder] = self._follow(folder)
        reached = self._vendored[folder]
        if reached is None:
            return UsedGo(what)
        for path in reached:
            if path in wanted or (not wanted and (path == module or path.startswith(module + "/"))):
                first = path
                while reached[first]:
                    first = reached[first]
                place = nearest((one.place for one in self._imports.places(first)), own)
                if place is not None:
                    return UsedGo(what, place, through=first)
        return UsedGo(what, whole=True)

    def _standard(self, symbols: Sequence[Symbols], lock: str, own: Own) -> UsedGo:
        """What leads to packages of Go's own library: tests are not built into a program."""
        wanted = [one.path for one in symbols]
        what = " or ".join(dict.fromkeys(wanted)) or "the standard library"
        if posixpath.basename(lock) == "go.work":
            own = _below(posixpath.dirname(lock))
        built = _and_no_test(own)
        for one in symbols:
            for place, name in self._imports.calls(one):
                if built(place.path):
                    return UsedGo(what, place, symbol=f"{one.path.rpartition('/')[2]}.{name}")
        for one in symbols:
            found = nearest(self._imports.mentions(one), built)
            if found is not None:
                why = "no call of what is vulnerable in it found" if one.symbols else ""
                return UsedGo(what, found, why=why)
        for way in (way for path in wanted for way in go_standard.ways_to(path)):
            found = nearest((one.place for one in self._imports.places(way)), built)
            if found is not None:
                return UsedGo(what, found, through=way)
        ways = [way for path in wanted for way in (path, *go_standard.ways_to(path))]
        vendored = self._by_vendor(go_standard.NAME, ways, what, lock, built)
        if vendored.place is not None:
            return vendored
        return UsedGo(what, why="what other modules import of it is not followed")

    def _follow(self, folder: str) -> dict[str, str] | None:
        if not self._reader.tree.is_file(f"{folder}/modules.txt"):
            return None
        return vendored(self._reader, folder, self._imports.all)
