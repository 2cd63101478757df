"""SBOMs as package files: CycloneDX and SPDX 2, of whoever wrote them.

An SBOM is read when it is *named* (as the path of the scan, by ``--sbom``, by ``deps.sboms`` in
haechi.yaml), never because it lies in the tree: most that do were made from the lock files beside
them, are older than those, or are somebody's test data. What a lock file of the same scan pins in
the same version is told there alone (``without_pinned``).

https://cyclonedx.org/docs/1.6/json/ · https://spdx.github.io/spdx-spec/v2.3/
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from haechi.engines.bom import Document, Kind, read_document
from haechi.errors import InputError
from haechi.model.package import Package, PackageFile
from haechi.scan.deps.sbom.assembled import assemble


def read_sbom(data: bytes, path: str) -> PackageFile:
    """The packages of an SBOM with their edges. Raises InputError for what is none, LimitExceeded
    for one that is too large; what cannot be told of a readable one is in its gaps."""
    return sbom_of(read_document(data, path), path)


def sbom_of(document: Document, path: str) -> PackageFile:
    """The same of a document that was read: decoding is most of the work and of the memory."""
    if document.kind is Kind.CYCLONEDX:
        from haechi.scan.deps.sbom.cyclonedx import contents
    elif document.kind is Kind.SPDX:
        from haechi.scan.deps.sbom.spdx import contents
    else:
        raise InputError(
            f"a VEX document ({document.kind}), not an SBOM", do="give it to --vex", where=path
        )
    return assemble(contents(document.data), document.places, path, document.kind.value)


def without_pinned(sboms: Iterable[PackageFile], files: Iterable[PackageFile]) -> list[PackageFile]:
    """The SBOMs less the packages that a lock file pins in the same version: one finding, and it
    points at what can be changed."""
    pinned = {
        _called(package)
        for file in files
        for package in file.packages
        if file.pins and package.version
    }
    return [_without(sbom, pinned) for sbom in sboms] if pinned else list(sboms)


def _without(sbom: PackageFile, pinned: set[tuple[str, str, str]]) -> PackageFile:
    kept = [index for index, package in enumerate(sbom.packages) if _called(package) not in pinned]
    if len(kept) == len(sbom.packages):
        return sbom
    places = {index: place for place, index in enumerate(kept)}
    packages = tuple(_renumbered(sbom.packages[index], places) for index in kept)
    requires = tuple(places[index] for index in sbom.requires if index in places)
    return replace(sbom, packages=packages, requires=requires)


def _renumbered(package: Package, places: dict[int, int]) -> Package:
    needs = tuple(places[index] for index in package.needs if index in places)
    return package if needs == package.needs else replace(package, needs=needs)


def _called(package: Package) -> tuple[str, str, str]:
    """What a package is, however its name is cased: package URLs of Go are often in lower case."""
    name = package.name.lower() if package.ecosystem == "Go" else package.name
    return package.ecosystem, name, package.version
