"""Version ranges as VEX documents write them: ``vers:pypi/>=1.0|<1.2.3|!=1.1``.

https://github.com/package-url/vers-spec: constraints are ordered; a version lies in the range when
it equals one that is listed, or lies between two that follow each other. What is not understood
covers nothing: a statement must not hold for more than it says.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from haechi.engines.versions import Scheme
from haechi.errors import HaechiError

_RANGE = re.compile(r"vers:([a-z0-9.+-]*)/(.*)\Z", re.DOTALL)
_CONSTRAINT = re.compile(r"(>=|<=|!=|<|>|=|)(.+)\Z", re.DOTALL)
_ECOSYSTEMS = {
    "pypi": "PyPI",
    "npm": "npm",
    "golang": "Go",
    "cargo": "crates.io",
    "maven": "Maven",
    "gem": "RubyGems",
    "composer": "Packagist",
    "nuget": "NuGet",
    "deb": "Debian",
    "apk": "Alpine",
    "rpm": "Red Hat",
}
_MOST = 1_000


def in_range(span: str, type: str, version: str) -> bool:
    """Whether a version of a package of this purl type lies in a range."""
    found = _RANGE.match(span)
    if found is None or (found[1] not in ("", type, "generic", "semver")):
        return False
    if found[2].strip() == "*":
        return True
    parts = [part.strip() for part in found[2].split("|")]
    if len(parts) > _MOST or not all(parts):
        return False
    constraints = [(c[1] or "=", unquote(c[2])) for p in parts if (c := _CONSTRAINT.match(p))]
    if any(sign == "=" and text == version for sign, text in constraints):
        return True
    try:
        scheme = _scheme(type)
        if scheme is None:
            return False
        return _holds(scheme.key(version), [(sign, scheme.key(text)) for sign, text in constraints])
    except HaechiError:
        return False


def _scheme(type: str) -> Scheme | None:
    from haechi.engines.versions import scheme_of

    ecosystem = _ECOSYSTEMS.get(type)
    return scheme_of(ecosystem) if ecosystem else None


def _holds(key: bytes, constraints: list[tuple[str, bytes]]) -> bool:
    """The algorithm of vers: listed ones first, then each lower bound with the upper bound that
    follows it."""
    if any(sign == "!=" and other == key for sign, other in constraints):
        return False
    if any(other == key and sign in ("=", ">=", "<=") for sign, other in constraints):
        return True
    bounds = sorted(((o, s) for s, o in constraints if s in ("<", "<=", ">", ">=")))
    inside = bool(bounds) and bounds[0][1] in ("<", "<=")
    for other, sign in bounds:
        if key < other or (key == other):
            return inside and key != other
        inside = sign in (">", ">=")
    return inside
