"""The bill behind every SBOM that is written: each package once, with where it was found.

A package that several files pin in the same version is one component with several places; what it
needs is the union. ids (``ref``) come from what a package is, never from its place in a list, so
they are the same from run to run and a VEX document can name them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from haechi.engines.logins import without_logins
from haechi.engines.spdx import spelled
from haechi.errors import InputError
from haechi.model.counting import counted
from haechi.model.coverage import Gap
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source

ROOT = "root"
_HEX = re.compile(r"[0-9a-f]+\Z")
_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128, "blake3": 64}
_UNLISTED = frozenset({Source.PATH, Source.WORKSPACE})


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One package. ``purl`` is "" for what lies in the project itself and no registry has.
    ``digests`` are (algorithm in lower case, hexadecimal); ``others`` those that are no plain
    digest of a file (Go's ``h1:``). ``licence`` is an SPDX expression where ``listed``."""

    ref: str
    purl: str
    package: Package
    places: tuple[Location, ...]
    needs: tuple[str, ...]
    direct: bool | None
    development: bool
    optional: bool
    digests: tuple[tuple[str, str], ...]
    others: tuple[str, ...]
    licence: str
    listed: bool


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """One file with packages, as what it stands for: a project or a member of a workspace.
    ``graph`` is false where the file does not tell what needs what."""

    ref: str
    path: str
    format: str
    name: str
    version: str
    needs: tuple[str, ...]
    graph: bool


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an SBOM says. ``missing`` are sentences about what it does not hold."""

    name: str
    version: str
    purl: str
    parts: tuple[Part, ...]
    projects: tuple[Project, ...]
    missing: tuple[str, ...]


def bill_of(
    files: Sequence[PackageFile],
    gaps: Iterable[Gap],
    *,
    name: str,
    version: str = "",
    purl: str = "",
) -> Bill:
    """Join the files of one scan; the order of the result does not depend on theirs."""
    files = sorted(files, key=lambda file: (file.path, file.format))
    made = _Parts()
    numbered = [[made.ref(package) for package in file.packages] for file in files]
    for file, refs in zip(files, numbered, strict=True):
        for package, ref in zip(file.packages, refs, strict=True):
            made.add(ref, package, [refs[index] for index in package.needs])
    return Bill(
        name=name,
        version=version,
        purl=purl,
        parts=made.parts(),
        projects=tuple(_project(file, refs) for file, refs in zip(files, numbered, strict=True)),
        missing=tuple(_missing(files, gaps)),
    )


class _Parts:
    def __init__(self) -> None:
        self._keys: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()
        self._found: dict[str, list[Package]] = {}
        self._needs: dict[str, dict[str, None]] = {}

    def ref(self, package: Package) -> str:
        """The id of a package; the same for the same thing, different for different ones."""
        key = _key(package)
        known = self._keys.get(key)
        if known is None:
            known = _purl(package) or f"local:{package.ecosystem}/{package.name}@{package.version}"
            if known in self._taken:
                digest = hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass"))
                known = f"{known}#{digest.hexdigest()[:12]}"
            self._keys[key] = known
            self._taken.add(known)
        return known

    def add(self, ref: str, package: Package, needs: Iterable[str]) -> None:
        self._found.setdefault(ref, []).append(package)
        told = self._needs.setdefault(ref, {})
        for each in needs:
            if each != ref:
                told[each] = None

    def parts(self) -> tuple[Part, ...]:
        return tuple(
            _part(ref, self._found[ref], tuple(sorted(self._needs[ref])))
            for ref in sorted(self._found)
        )


def _key(package: Package) -> tuple[str, ...]:
    return (
        package.ecosystem,
        package.name,
        package.version,
        package.constraint if not package.version else "",
        package.source.value,
        package.url if package.source is not Source.REGISTRY else "",
        package.distribution,
    )


def _purl(package: Package) -> str:
    """The package URL; none for folders and members of the project: it would name whatever a
    registry has under that name."""
    if package.source in _UNLISTED:
        return ""
    from haechi.engines.purl import purl_of

    try:
        return without_logins(purl_of(package))
    except InputError:
        return ""


def _part(ref: str, found: list[Package], needs: tuple[str, ...]) -> Part:
    first = found[0]
    digests, others = _digests(found)
    licence = next((package.licence for package in found if package.licence), "")
    expression = spelled(licence)
    told = [package.direct for package in found if package.direct is not None]
    places = {(p.location.path, p.location.line): p.location for p in found}
    return Part(
        ref=ref,
        purl=_purl(first),
        package=first,
        places=tuple(places[key] for key in sorted(places)),
        needs=needs,
        direct=any(told) if told else None,
        development=all(package.development for package in found),
        optional=all(package.optional or package.development for package in found)
        and any(package.optional for package in found),
        digests=digests,
        others=others,
        licence=expression or licence,
        listed=expression is not None,
    )


def _digests(found: list[Package]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    plain: set[tuple[str, str]] = set()
    others: set[str] = set()
    for digest in {digest for package in found for digest in package.digests}:
        known = _digest(digest)
        if known:
            plain.add(known)
        else:
            others.add(digest)
    return tuple(sorted(plain)), tuple(sorted(others))


def _digest(text: str) -> tuple[str, str] | None:
    """``sha256:<hex>`` as most write it, ``sha512-<base64>`` as npm does (W3C SRI), bare hex."""
    algorithm, sign, value = text.partition(":")
    if sign and _LENGTHS.get(algorithm.lower()) == len(value) and _HEX.match(value.lower()):
        return algorithm.lower(), value.lower()
    algorithm, sign, value = text.partition("-")
    if sign and algorithm.lower() in _LENGTHS:
        try:
            decoded = base64.b64decode(value.partition("?")[0], validate=True).hex()
        except (binascii.Error, ValueError):
            return None
        return (algorithm.lower(), decoded) if _fits(algorithm, decoded) else None
    bare = text.lower()
    if _HEX.match(bare):
        for name in ("sha1", "sha256", "sha512"):
            if len(bare) == _LENGTHS[name]:
                return name, bare
    return None


def _fits(algorithm: str, digits: str) -> bool:
    return _LENGTHS[algorithm.lower()] == len(digits)


def _project(file: PackageFile, refs: Sequence[str]) -> Project:
    edges = any(package.needs for package in file.packages)
    return Project(
        ref=f"file:{file.path}",
        path=file.path,
        format=file.format,
        name=file.name or file.path,
        version=file.version,
        needs=tuple(sorted({refs[index] for index in _asked(file)})),
        graph=edges or len(file.requires) == len(refs),
    )


def _asked(file: PackageFile) -> Sequence[int]:
    """What a file asks for; besides, whatever hangs on nothing (go.mod tells no edges): no package
    of an SBOM is without a way from the project to it."""
    needed = {index for package in file.packages for index in package.needs}
    first = [index for index in range(len(file.packages)) if index not in needed]
    asked: list[int] = []
    seen: set[int] = set()
    requires = frozenset(file.requires)
    for start in (*file.requires, *first, *range(len(file.packages))):
        if start in seen and start not in requires:
            continue
        asked.append(start)
        pending = [start]
        while pending:
            index = pending.pop()
            if index not in seen:
                seen.add(index)
                pending.extend(file.packages[index].needs)
    return asked


def _missing(files: Sequence[PackageFile], gaps: Iterable[Gap]) -> Iterable[str]:
    """What is not in the SBOM, by cause: gaps, manifests without versions, packages without."""
    told = dict.fromkeys((*gaps, *(gap for file in files for gap in file.gaps)))
    for gap in told:
        yield f"{gap.path}: {gap.reason}"
    for file in files:
        open_ends = Counter(
            not package.version and package.source not in _UNLISTED for package in file.packages
        )[True]
        if open_ends:
            yield f"{file.path}: {counted(open_ends, 'package')} without a version"
    if not files:
        yield "no file that names packages was found"
