"""Which ecosystem orders its versions how; names are OSV's (schema, "affected[].package")."""

from __future__ import annotations

from collections.abc import Callable

from haechi.engines.versions import Scheme
from haechi.errors import VersionError


def scheme_named(name: str) -> Scheme:
    """The scheme of an ecosystem without its suffix; made once."""
    made = _MADE.get(name)
    if made is None:
        kind = _KINDS.get(name)
        if kind is None:
            raise VersionError(
                f"nothing is known about the order of versions of {name[:60]!r}",
                why="commits and unknown ecosystems have no order that a text shows",
                do="name the ecosystem as OSV does (PyPI, npm, Go, Debian:12)",
            )
        made = _MADE[name] = _MAKERS[kind]()
    return made


def _pep440() -> Scheme:
    from haechi.engines.versions.pep440 import Pep440

    return Pep440()


def _npm() -> Scheme:
    from haechi.engines.versions import semver, semver_ranges

    return semver.Semver("npm", semver_ranges.NPM)


def _go() -> Scheme:
    from haechi.engines.versions import semver, semver_ranges

    return semver.Semver("Go", semver_ranges.GO, read=semver.go_version)


def _cargo() -> Scheme:
    from haechi.engines.versions import semver, semver_ranges

    return semver.Semver("crates.io", semver_ranges.CARGO)


def _hex() -> Scheme:
    from haechi.engines.versions import semver, semver_ranges

    return semver.Semver("Hex", semver_ranges.HEX)


def _pub() -> Scheme:
    from haechi.engines.versions import semver, semver_ranges

    return semver.Semver("Pub", semver_ranges.PUB, builds=True)


def _semver() -> Scheme:
    from haechi.engines.versions import semver, semver_ranges

    return semver.Semver("semver", semver_ranges.PLAIN)


def _maven() -> Scheme:
    from haechi.engines.versions.maven import Maven

    return Maven()


def _nuget() -> Scheme:
    from haechi.engines.versions.nuget import NuGet

    return NuGet()


def _rubygems() -> Scheme:
    from haechi.engines.versions.rubygems import RubyGems

    return RubyGems()


def _composer() -> Scheme:
    from haechi.engines.versions.composer import Composer

    return Composer()


def _debian() -> Scheme:
    from haechi.engines.versions.debian import Debian

    return Debian()


def _rpm() -> Scheme:
    from haechi.engines.versions.rpm import Rpm

    return Rpm()


def _alpine() -> Scheme:
    from haechi.engines.versions.alpine import Alpine

    return Alpine()


_MADE: dict[str, Scheme] = {}
_MAKERS: dict[str, Callable[[], Scheme]] = {
    "pep440": _pep440,
    "npm": _npm,
    "go": _go,
    "cargo": _cargo,
    "hex": _hex,
    "pub": _pub,
    "semver": _semver,
    "maven": _maven,
    "nuget": _nuget,
    "rubygems": _rubygems,
    "composer": _composer,
    "debian": _debian,
    "rpm": _rpm,
    "alpine": _alpine,
}
_KINDS = {
    "PyPI": "pep440",
    "npm": "npm",
    "Go": "go",
    "crates.io": "cargo",
    "Hex": "hex",
    "Pub": "pub",
    "SwiftURL": "semver",
    "Bitnami": "semver",
    "Julia": "semver",
    "GitHub Actions": "semver",
    "Maven": "maven",
    "NuGet": "nuget",
    "RubyGems": "rubygems",
    "Packagist": "composer",
    "Debian": "debian",
    "Ubuntu": "debian",
    "Echo": "debian",
    "opam": "debian",
    "Red Hat": "rpm",
    "Rocky Linux": "rpm",
    "AlmaLinux": "rpm",
    "SUSE": "rpm",
    "openSUSE": "rpm",
    "openEuler": "rpm",
    "Mageia": "rpm",
    "Azure Linux": "rpm",
    "Photon OS": "rpm",
    "Fedora": "rpm",
    "Amazon Linux": "rpm",
    "Oracle Linux": "rpm",
    "CentOS": "rpm",
    "Alpine": "alpine",
    "Alpaquita": "alpine",
    "BellSoft Hardened Containers": "alpine",
    "Chainguard": "alpine",
    "Wolfi": "alpine",
    "MinimOS": "alpine",
}
