"""Version ranges as VEX documents write them: ``vers:pypi/>=1.0|<1.2.3|!=1.1``.

https://github.com/package-url/vers-spec: constraints are ordered; a version lies in the range when
it equals one that is listed, or lies between two that follow each other. What is not understood
covers nothing where a statement would take a finding away, and everything where it would keep
one: a statement must not hide more than it says.
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


def in_range(span: str, type: str, version: str) -> bool | None:
    """Whether a version of a package of this purl type lies in a range; None for a range that is
    not understood. CSAF writes ranges with and without ``vers:…/`` before them."""
    found = _RANGE.match(span)
    if found is None and not span.startswith(("<", ">", "=", "!")):
        return None
    kind, written = (found[1], found[2]) if found else ("", span)
    if written.strip() == "*":
        return True
    if kind not in ("", type, "generic", "semver") or not version:
        return None
    parts = [part.strip() for part in written.split("|")]
    if len(parts) > _MOST or not all(parts):
        return None
    constraints = [(c[1] or "=", unquote(c[2])) for p in parts if (c := _CONSTRAINT.match(p))]
    if any(sign == "=" and text == version for sign, text in constraints):
        return True
    if not any(sign != "!=" for sign, _ in constraints) and all(
        text != version for _, text in constraints
    ):
        return None  # everything else, or nothing: vers does not say
    if all(sign == "=" and not _is_one(type, text) for sign, text in constraints):
        return False  # names of releases, and this is none of them
    try:
        scheme = _scheme(type)
        if scheme is None:
            return None
        return _holds(scheme.key(version), [(sign, scheme.key(text)) for sign, text in constraints])
    except HaechiError:
        return None


def _is_one(type: str, text: str) -> bool:
    """Whether a text is a version that can be compared."""
    try:
        scheme = _scheme(type)
        if scheme is not None:
            scheme.key(text)
    except HaechiError:
        return False
    return scheme is not None


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
