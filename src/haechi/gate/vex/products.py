"""Whether a product in a VEX statement is the package of a finding, or what holds it.

A package URL in a statement is a pattern: type, namespace and name must be equal; version,
qualifiers and subpath only where the statement names them (OpenVEX 0.2, "product matching";
purl-spec). A statement with parts means those parts *of that product*: the product must be what
was scanned, or a package through which alone the part comes in. That product is what users have
to name, so a statement that fails by it alone is told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from urllib.parse import quote

import msgspec

from haechi.engines.purl import Purl, parse_purl
from haechi.errors import HaechiError
from haechi.model.package import PackageFile
from haechi.model.vex import Identity, Product

_PREFIXED = frozenset({"golang"})
_FOLDED = frozenset({"nuget"})
_TYPES = {
    "PyPI": "pypi",
    "npm": "npm",
    "Go": "golang",
    "crates.io": "cargo",
    "Maven": "maven",
    "RubyGems": "gem",
    "Packagist": "composer",
    "NuGet": "nuget",
}


class Fit(IntEnum):
    """How a product fits a finding. NEAR: the part does, the product is not what was scanned."""

    NOT = 0
    NEAR = 1
    FITS = 2


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What was scanned: ``names`` are what the whole is called (package URLs, or any text that a
    document may call it), ``files`` what was read, by path."""

    names: frozenset[str] = frozenset()
    files: Mapping[str, PackageFile] = {}

    def called(self, path: str) -> frozenset[str]:
        """What the project of one file is called."""
        file = self.files.get(path)
        if file is None:
            return self.names
        own = {file.purl} if file.purl else set()
        kind = _TYPES.get(file.ecosystem) if file.ecosystem else "generic"
        if file.name and kind and not file.purl:
            name = file.name.replace(":", "/") if kind == "maven" else file.name
            name = name.replace("@", "%40", 1) if name.startswith("@") else name
            name = name if file.ecosystem else quote(name, safe="")
            own.add(f"pkg:{kind}/{name}" + (f"@{file.version}" if file.version else ""))
        return self.names | own


class Fitter:
    """Answers for one subject; remembers what it has walked."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._walked: dict[tuple[str, frozenset[int]], frozenset[int]] = {}

    def versions_of(self, purl: str, path: str) -> list[str]:
        """The package URLs of all versions of a package in a file."""
        from haechi.engines.purl import purl_of

        file, package = self._subject.files.get(path), _parsed(purl)
        if file is None or package is None:
            return []
        bare = Identity(str(msgspec.structs.replace(package, version="", qualifiers={})))
        return [purl_of(file.packages[index]) for index in _matching((bare,), file)]

    def fit(self, product: Product, purl: str, path: str, *, doubt: bool = False) -> Fit:
        """How a product fits the package ``purl`` in the file ``path``. ``doubt``: whether a range
        of versions that is not understood fits."""
        package = _parsed(purl)
        if package is None:
            return Fit.NOT
        if not product.parts:
            fits = _any(product.names, package, doubt) or self._is_whole(product.names, path)
            return Fit.FITS if fits else Fit.NOT
        if not any(_any(part, package, doubt) for part in product.parts):
            return Fit.NOT
        if all(self._holds(names, purl, path) for names in (product.names, *product.through)):
            return Fit.FITS
        return Fit.NOT if self._is_elsewhere(product.names, path) else Fit.NEAR

    def _holds(self, names: tuple[Identity, ...], purl: str, path: str) -> bool:
        return self._is_whole(names, path) or self._is_the_way(names, purl, path)

    def _is_whole(self, names: Iterable[Identity], path: str) -> bool:
        return any(
            name.name == called or _names(name, called, path)
            for called in self._subject.called(path)
            for name in names
        )

    def _is_elsewhere(self, names: Iterable[Identity], path: str) -> bool:
        """True when what was scanned is meant, and another file of it."""
        bare = tuple(Identity(name.name.partition("#")[0], name.range) for name in names)
        return self._is_whole(bare, path)

    def _is_the_way(self, names: tuple[Identity, ...], purl: str, path: str) -> bool:
        """True when the package comes in through packages with these names alone."""
        file = self._subject.files.get(path)
        if file is None or not file.requires:
            return False
        gates = frozenset(_matching(names, file))
        targets = _matching((Identity(purl),), file)
        if not gates or not targets:
            return False
        key = (file.path, gates)
        if key not in self._walked:
            self._walked[key] = _reached(file, gates)
        return not any(index in self._walked[key] for index in targets)


def _reached(file: PackageFile, without: frozenset[int]) -> frozenset[int]:
    """The packages that the project gets without going through some of them."""
    seen = {index for index in file.requires if index not in without}
    pending = list(seen)
    while pending:
        for index in file.packages[pending.pop()].needs:
            if index not in seen and index not in without:
                seen.add(index)
                pending.append(index)
    return frozenset(seen)


def _matching(names: tuple[Identity, ...], file: PackageFile) -> list[int]:
    from haechi.engines.purl import purl_of

    patterns = [pattern for name in names if (pattern := _parsed(name.name)) is not None]
    wanted = {one.name.lower() for one in patterns}
    wanted |= {one.subpath.lower().rpartition("/")[2] for one in patterns if one.subpath}
    found = []
    for index, package in enumerate(file.packages):
        # Cheap first: writing a package URL for each of 10,000 packages is not.
        last = package.name.lower().replace(":", "/").rpartition("/")[2]
        if last in wanted and (parsed := _parsed(purl_of(package))) and _any(names, parsed):
            found.append(index)
    return found


def _any(names: Iterable[Identity], package: Purl, doubt: bool = False) -> bool:
    return any(
        pattern is not None and _covers(pattern, name.range, package, doubt)
        for name in names
        for pattern in (_parsed(name.name),)
    )


def _names(name: Identity, called: str, path: str) -> bool:
    """A package URL that means what is ``called`` so; its subpath, if any, is the file."""
    pattern, actual = _parsed(name.name), _parsed(called)
    if pattern is None or actual is None:
        return False
    if pattern.subpath and pattern.subpath != path:
        return False
    bare = msgspec.structs.replace(pattern, subpath="")
    return _covers(bare, name.range, actual)


def _covers(pattern: Purl, span: str, actual: Purl, doubt: bool = False) -> bool:
    if pattern.type == actual.type == "golang":
        pattern, actual = _module(pattern), _module(actual)
    if (pattern.type, pattern.namespace) != (actual.type, actual.namespace):
        return False
    if pattern.name != actual.name and not (
        pattern.type in _FOLDED and pattern.name.lower() == actual.name.lower()
    ):
        return False
    if pattern.version and _bare(pattern) != _bare(actual):
        return False
    if pattern.subpath and pattern.subpath != actual.subpath:
        return False
    if not pattern.qualifiers.items() <= actual.qualifiers.items():
        return False
    return not span or _in_range(span, actual, doubt)


def _module(purl: Purl) -> Purl:
    """A Go module by its whole path: some write the end of it as the subpath, and many all of it
    in lower case."""
    path = "/".join(filter(None, (purl.namespace, purl.name, purl.subpath))).lower()
    return msgspec.structs.replace(purl, namespace="", name=path, subpath="")


def _bare(purl: Purl) -> str:
    """Go's versions are written with and without their ``v``."""
    return purl.version.removeprefix("v") if purl.type in _PREFIXED else purl.version


def _in_range(span: str, actual: Purl, doubt: bool) -> bool:
    from haechi.gate.vex.ranges import in_range

    epoch = actual.qualifiers.get("epoch", "")
    version = f"{epoch}:{actual.version}" if epoch and actual.version else actual.version
    found = in_range(span, actual.type, version)
    if not found and epoch:  # a release may be listed without it
        found = in_range(span, actual.type, actual.version) if _listed(span) else found
    return doubt if found is None else found


def _listed(span: str) -> bool:
    """Whether a range names versions and compares with none."""
    return not any(sign in span for sign in "<>!")


@lru_cache(maxsize=65_536)
def _parsed(text: str) -> Purl | None:
    if not text.startswith("pkg:"):
        return None
    try:
        return parse_purl(text)
    except HaechiError:
        return None
