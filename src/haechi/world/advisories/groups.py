"""Which records are about one vulnerability: union-find over ids and aliases of all sources.

``aliases`` of OSV is symmetric and transitive; ``related`` is neither and joins nothing. Records
that were withdrawn join nothing either: many were withdrawn because they said the wrong thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MOST_CVES = 8


def leading(ids: Iterable[str]) -> str:
    """The id that a finding carries: the CVE, else the GHSA, else the first in order."""
    return min(ids, key=_place)


def ordered(ids: Iterable[str]) -> tuple[str, ...]:
    """All ids, the leading one first."""
    return tuple(sorted(set(ids), key=_place))


def _place(one: str) -> tuple[int, int, int, str]:
    kind, year, number = [*one.split("-", 2), "", ""][:3]
    if kind == "CVE" and year.isdecimal() and number.isdecimal() and len(one) < 40:
        return 0, int(year), int(number), one
    return (1 if kind == "GHSA" else 2), 0, 0, one


def grouped(records: Iterable[tuple[str, Iterable[str]]]) -> Mapping[str, str]:
    """(id, aliases) of each record → id and alias → leading id of its group."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        found = name
        while (up := parent.setdefault(found, found)) != found:
            found = up
        while parent[name] != found:
            parent[name], name = found, parent[name]
        return found

    for own, aliases in records:
        top = root(own)
        named = list(aliases)
        if sum(name.startswith("CVE-") for name in named) > MOST_CVES:
            continue
        for alias in named:
            other = root(alias)
            if other != top:
                parent[other] = top
    members: dict[str, list[str]] = {}
    for name in parent:
        members.setdefault(root(name), []).append(name)
    return {name: lead for names in members.values() for lead in [leading(names)] for name in names}
