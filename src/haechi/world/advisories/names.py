"""Names of packages and ecosystems as the database compares them.

Both sides go through ``normal``: what an import writes and what a lookup asks, so a lock file
that spells a name otherwise than an advisory does still finds it.
"""

from __future__ import annotations

import re

from haechi.model.package import Package

_RUNS = re.compile(r"[-_.]+")
_BY_SOURCE = frozenset({"Debian", "Ubuntu", "Alpine", "Wolfi", "Chainguard"})
_CASELESS = frozenset({"NuGet", "Packagist", "GitHub Actions", "VSCode"})

KNOWN = (
    "PyPI",
    "npm",
    "Go",
    "crates.io",
    "Maven",
    "RubyGems",
    "Packagist",
    "NuGet",
    "Alpine",
    "Debian",
    "Ubuntu",
    "Red Hat",
    "Rocky Linux",
    "AlmaLinux",
    "SUSE",
    "openSUSE",
    "Wolfi",
    "Chainguard",
    "Hex",
    "Pub",
    "GitHub Actions",
    "SwiftURL",
    "Hackage",
    "CRAN",
    "Bitnami",
    "OSS-Fuzz",
    "Linux",
    "Android",
)
"""Ecosystems whose exports may be asked for by name alone (OSV's schema, "Defined Ecosystems")."""


def base(ecosystem: str) -> str:
    """``Debian`` of ``Debian:12``."""
    return ecosystem.partition(":")[0]


def asked_name(package: Package) -> str:
    """What advisories call a package: those of some distributions go by the source package."""
    if package.source_package and base(package.ecosystem) in _BY_SOURCE:
        return package.source_package
    return package.name


def of_registry(ecosystem: str) -> str:
    """``Packagist`` of ``Packagist:https://packages.drupal.org/8``: after a language's ecosystem
    stands which of its registries is meant, and lock files do not tell that. A name that is in
    two of them is rare, and to be told of it is better than not to be."""
    family, colon, rest = ecosystem.partition(":")
    return family if colon and "://" in rest else ecosystem


def normal(ecosystem: str, name: str) -> str:
    """The name as compared. PEP 503 for PyPI; case does not count for NuGet, Packagist."""
    family = base(ecosystem)
    if family == "PyPI":
        return _RUNS.sub("-", name).lower()
    if family in _CASELESS:
        return name.lower()
    return name


def is_folded(ecosystem: str) -> bool:
    """Whether lookups pass over case though names have it: package URLs of Go modules are in
    lower case by the rules, and no two modules differ by it alone."""
    return ecosystem == "Go"


def folded(ecosystem: str, name: str) -> str:
    """The name as looked up."""
    found = normal(ecosystem, name)
    return found.lower() if is_folded(ecosystem) else found
