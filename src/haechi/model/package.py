"""Packages as lock files, manifests and SBOMs tell of them. Plain values, no I/O.

One ``PackageFile`` is one file with what it pins and which package brings in which. Ecosystems
are called as OSV calls them (``PyPI``, ``npm``, ``Go``, ``crates.io``, ``Maven``, ``RubyGems``,
``Packagist``, ``NuGet``; of distributions ``Debian:12``, ``Alpine:v3.20``).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from haechi.model.coverage import Gap
from haechi.model.location import Location


class Source(StrEnum):
    """Where a package is taken from. Only ``registry`` and ``stdlib`` have advisories by name."""

    REGISTRY = "registry"
    GIT = "git"
    PATH = "path"
    URL = "url"
    WORKSPACE = "workspace"
    STDLIB = "stdlib"


BY_NAME = frozenset({Source.REGISTRY, Source.STDLIB})
"""Sources whose packages advisories call by name."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one package.

    ``name`` is normalised as the ecosystem does it (PEP 503; npm with scope; Maven
    ``group:artifact``), ``spelled`` as it was written where that differs. ``version`` is ""
    where the file pins none; then ``constraint`` holds what it asks for. ``needs`` are positions
    in ``PackageFile.packages``. ``direct`` is None where the file does not tell. ``development``:
    nothing that is shipped needs it; ``optional``: an extra, an optional dependency, a peer.
    ``url`` never holds credentials. ``licence`` is the SPDX expression or the text found.
    ``distribution``, ``source_package`` and ``module_stream`` are for images.
    """

    ecosystem: str
    name: str
    version: str = ""
    spelled: str = ""
    constraint: str = ""
    location: Location
    source: Source = Source.REGISTRY
    url: str = ""
    direct: bool | None = None
    development: bool = False
    optional: bool = False
    needs: tuple[int, ...] = ()
    digests: tuple[str, ...] = ()
    licence: str = ""
    install_script: bool = False
    yanked: str = ""
    distribution: str = ""
    source_package: str = ""
    module_stream: str = ""


class PackageFile(msgspec.Struct, frozen=True, kw_only=True):
    """What one file says. ``format`` is a short name (``uv.lock``, ``package-lock.json``,
    ``go.mod``, ``cyclonedx``). ``pins`` is false for a manifest whose versions are only asked
    for; a manifest beside the lock file that belongs to it is not told twice. ``name`` is the
    project's own name. ``requires`` are positions of the packages that the project itself asks
    for. ``purl`` is the package URL that an SBOM gives to what it describes. ``covers`` are the
    paths of manifests that this file pins, besides those beside it (members of a workspace)."""

    path: str
    format: str
    ecosystem: str
    packages: tuple[Package, ...] = ()
    requires: tuple[int, ...] = ()
    pins: bool = True
    name: str = ""
    version: str = ""
    purl: str = ""
    covers: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
