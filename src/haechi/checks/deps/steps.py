"""Whether a lock file is in step with the manifest that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.deps.view import about_line, about_package, file_of
from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from haechi.model.package import Package, Source
from haechi.model.review import Hit, Review

ECOSYSTEMS = frozenset({"PyPI", "npm", "crates.io", "Packagist"})


def out_of_step(review: Review) -> Iterator[Hit]:
    """A direct dependency of the manifest that the lock file does not hold, or holds only in
    versions outside of what is asked for."""
    file = file_of(review)
    told = file.told
    if told is None or not told.pins or told.ecosystem not in ECOSYSTEMS or not told.packages:
        return
    held: dict[str, list[tuple[int, Package]]] = {}
    for index, one in enumerate(told.packages):
        held.setdefault(one.name, []).append((index, one))
    for manifest in file.asked:
        if manifest.ecosystem != told.ecosystem:
            continue
        for wanted in manifest.packages:
            if wanted.source is not Source.REGISTRY or wanted.optional:
                continue
            if wanted.name in (told.name, manifest.name):
                continue  # a group of the project asks for an extra of the project
            locked = held.get(wanted.name)
            if locked is None and told.ecosystem == "Packagist":
                continue  # another package may stand in for it ("replace", "provide")
            if locked is None:
                message = f"{manifest.path} asks for {wanted.name}, which is not locked"
                yield about_line(message, 1, wanted.name)
                continue
            index, one = locked[0]
            if not _fits(told.ecosystem, wanted, [package for _, package in locked]):
                asked = wanted.constraint or wanted.version
                message = f"{manifest.path} asks for {wanted.name} {asked}; {one.version} is locked"
                yield about_package(message, one, index, asked=asked)


def _fits(ecosystem: str, wanted: Package, locked: list[Package]) -> bool:
    """True also where nothing can be compared: only what is surely out of step is told."""
    constraint = wanted.constraint or wanted.version
    versions = [one.version for one in locked if one.source is Source.REGISTRY]
    if not constraint or len(versions) < len(locked) or not all(versions):
        return True
    scheme = scheme_of(ecosystem)
    try:
        if any(map(scheme.prerelease, versions)):
            return True  # which of them may be taken is a setting of each tool
        return any(scheme.satisfies(version, constraint) for version in versions)
    except VersionError:
        return True
