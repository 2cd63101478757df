"""Which reader understands which file, by its name; a reader is imported when its file is there.

A reader is a function ``(data, path, around) -> Sequence[PackageFile]``. It raises InputError for
a file that is broken (``where`` is the path with the line) and LimitExceeded for one that is too
large; ``collect`` makes gaps of them. What a reader could read before that, or what it does not
understand, it gives back with gaps of its own in ``PackageFile.gaps``. A reader never looks
outside: what stands in neighbouring files it asks ``Around`` for.

``covers`` names files of the same folder that a file of this format makes needless: a manifest
beside its lock file is not told twice. Members of workspaces are named by ``PackageFile.covers``.
"""

from __future__ import annotations

import fnmatch
import importlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import msgspec

from haechi.model.package import PackageFile


class Around(Protocol):
    """The files around one that is read. Paths are relative to the scan root, with slashes.

    Readers keep what they parsed of shared files (parent poms, MSBuild's props) by this object,
    for as long as it lives: it is hashed by identity and can be referred to weakly."""

    def read(self, path: str) -> bytes | None:
        """The content of a file; None when it is not there, not readable or too large."""
        ...

    def names(self, folder: str) -> frozenset[str]:
        """Names of the files and folders of a folder ("" is the scan root), ignored ones
        included; empty when there is no such folder."""
        ...


Reader = Callable[[bytes, str, Around], Sequence[PackageFile]]


class Format(msgspec.Struct, frozen=True):
    """A kind of file: ``name`` for people, the reader's ``module`` and ``function``.

    ``pins`` is false for manifests: they are told only where no lock file covers them.
    """

    name: str
    ecosystem: str
    module: str
    function: str
    pins: bool = True
    covers: tuple[str, ...] = ()


_PYTHON = ("pyproject.toml", "setup.cfg", "setup.py")
_NODE = ("package.json",)


def _lock(name: str, ecosystem: str, reader: str, *covers: str) -> Format:
    module, _, function = reader.partition(":")
    return Format(name, ecosystem, module, function or "read", True, covers)


def _manifest(name: str, ecosystem: str, reader: str, *covers: str) -> Format:
    module, _, function = reader.partition(":")
    return Format(name, ecosystem, module, function or "read", False, covers)


_BY_NAME: dict[str, Format] = {
    format.name: format
    for format in (
        _lock("uv.lock", "PyPI", "uv", *_PYTHON),
        _lock("poetry.lock", "PyPI", "poetry", *_PYTHON),
        _lock("pdm.lock", "PyPI", "poetry", *_PYTHON),
        _lock("Pipfile.lock", "PyPI", "pipenv", "Pipfile"),
        _lock("pylock.toml", "PyPI", "pylock", *_PYTHON),
        _manifest("Pipfile", "PyPI", "pipenv:read_manifest"),
        _manifest("pyproject.toml", "PyPI", "pyproject", "setup.cfg", "setup.py"),
        _manifest("setup.cfg", "PyPI", "setup_files:read_cfg", "setup.py"),
        _manifest("setup.py", "PyPI", "setup_files:read_py"),
        _lock("npm-shrinkwrap.json", "npm", "npm", "package-lock.json", *_NODE),
        _lock("package-lock.json", "npm", "npm", *_NODE),
        _lock("yarn.lock", "npm", "yarn", *_NODE),
        _lock("pnpm-lock.yaml", "npm", "pnpm", *_NODE),
        _lock("bun.lock", "npm", "bun", "bun.lockb", *_NODE),
        _lock("bun.lockb", "npm", "bun:read_binary", *_NODE),
        _manifest("package.json", "npm", "package_json"),
        _lock("go.mod", "Go", "go:read_mod", "go.sum"),
        _lock("go.sum", "Go", "go:read_sum"),
        _lock("go.work", "Go", "go:read_work"),
        _lock("Cargo.lock", "crates.io", "cargo:read_lock", "Cargo.toml"),
        _manifest("Cargo.toml", "crates.io", "cargo:read_manifest"),
        _lock("gradle.lockfile", "Maven", "gradle:read_lock", "build.gradle", "build.gradle.kts"),
        _lock("buildscript-gradle.lockfile", "Maven", "gradle:read_lock"),
        _lock("settings-gradle.lockfile", "Maven", "gradle:read_lock"),
        _manifest("pom.xml", "Maven", "maven:read_pom"),
        _manifest("build.gradle", "Maven", "gradle:read_build"),
        _manifest("build.gradle.kts", "Maven", "gradle:read_build"),
        _manifest("libs.versions.toml", "Maven", "gradle:read_catalogue"),
        _lock("Gemfile.lock", "RubyGems", "bundler:read_lock", "Gemfile", "*.gemspec"),
        _lock("gems.locked", "RubyGems", "bundler:read_lock", "gems.rb", "*.gemspec"),
        _manifest("Gemfile", "RubyGems", "bundler:read_gemfile", "*.gemspec"),
        _manifest("gems.rb", "RubyGems", "bundler:read_gemfile", "*.gemspec"),
        _lock("composer.lock", "Packagist", "composer:read_lock", "composer.json"),
        _manifest("composer.json", "Packagist", "composer:read_manifest"),
        _lock(
            "packages.lock.json",
            "NuGet",
            "nuget:read_lock",
            "*.csproj",
            "*.fsproj",
            "*.vbproj",
            "packages.config",
        ),
        _lock("packages.config", "NuGet", "nuget:read_config"),
        _lock("paket.lock", "NuGet", "nuget:read_paket"),
        _lock("project.assets.json", "NuGet", "nuget:read_assets"),
        _manifest("Directory.Packages.props", "NuGet", "nuget:read_central"),
        _manifest("Directory.Build.props", "NuGet", "nuget:read_central"),
    )
}

_REQUIREMENTS = _lock("requirements.txt", "PyPI", "requirements")
_PROJECT = _manifest("project file", "NuGet", "nuget:read_project")

_BY_PATTERN: tuple[tuple[re.Pattern[str], Format], ...] = tuple(
    (re.compile(pattern), format)
    for pattern, format in (
        (
            r"(?:.*/)?(?:[^/]*[-_.])?(?:requirements?|constraints?)(?:[-_.][^/]*)?\.(?:txt|pip)",
            _REQUIREMENTS,
        ),
        (r"(?:.*/)?(?:requirements|constraints)/[^/]+\.txt", _REQUIREMENTS),
        (r"(?:.*/)?pylock\.[^/.]+\.toml", _lock("pylock.toml", "PyPI", "pylock")),
        (
            r"(?:.*/)?[^/]+\.dist-info/METADATA",
            _lock("site-packages", "PyPI", "installed:read_metadata"),
        ),
        (
            r"(?:.*/)?[^/]+\.egg-info/PKG-INFO",
            _lock("site-packages", "PyPI", "installed:read_egg"),
        ),
        (r"(?:.*/)?[^/]+\.egg-info", _lock("site-packages", "PyPI", "installed:read_egg")),
        (
            r"(?:.*/)?node_modules/\.package-lock\.json",
            _lock("node_modules", "npm", "npm:read_installed"),
        ),
        (
            r"(?:.*/)?vendor/modules\.txt",
            _lock("vendor/modules.txt", "Go", "go:read_vendor"),
        ),
        (
            r"(?:.*/)?gradle/dependency-locks/[^/]+\.lockfile",
            _lock("gradle.lockfile", "Maven", "gradle:read_lock"),
        ),
        (
            r"(?:.*/)?gradle/verification-metadata\.xml",
            _lock("verification-metadata.xml", "Maven", "gradle:read_verification"),
        ),
        (r"(?:.*/)?[^/]+\.gemspec", _manifest("gemspec", "RubyGems", "bundler:read_gemspec")),
        (r"(?:.*/)?[^/]+\.(?:cs|fs|vb)proj", _PROJECT),
        (r"(?:.*/)?[^/]+\.deps\.json", _lock("deps.json", "NuGet", "nuget:read_deps")),
    )
)
_ENDS = (".txt", ".pip", ".toml", "METADATA", "PKG-INFO", ".egg-info", ".json", ".xml", "proj")
_SUFFIXES = (*_ENDS, ".gemspec", ".lockfile")


def format_of(path: str) -> Format | None:
    """The format of a file by its path, or None; imports nothing and reads nothing."""
    name = path.rpartition("/")[2]
    found = _BY_NAME.get(name)
    if found is not None or not name.endswith(_SUFFIXES):
        return found
    for pattern, format in _BY_PATTERN:
        if pattern.fullmatch(path):
            return format
    return None


@cache
def formats() -> tuple[Format, ...]:
    """All formats; one that covers files of another comes before it."""
    return (*_BY_NAME.values(), *dict.fromkeys(format for _, format in _BY_PATTERN))


def reader_of(path: str) -> Reader | None:
    """The reader of a file, or None when no format has such a name."""
    format = format_of(path)
    return None if format is None else load_reader(format)


@cache
def load_reader(format: Format) -> Reader:
    """Import the module that reads a format."""
    module = importlib.import_module(f"{__name__}.{format.module}")
    reader: Reader = getattr(module, format.function)
    return reader


def covered_by(format: Format, names: frozenset[str]) -> frozenset[str]:
    """Those ``names`` of a folder that a file of this format in it makes needless."""
    return frozenset(name for pattern in format.covers for name in fnmatch.filter(names, pattern))
