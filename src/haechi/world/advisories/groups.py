"""Which records are about one vulnerability: union-find over ids and aliases of all sources.

``aliases`` of OSV is symmetric and transitive; ``related`` is neither and joins nothing. Records
that were withdrawn join nothing either: many were withdrawn because they said the wrong thing.

A CVE is a vulnerability of its own, whatever is called its alias: databases write one record for
several (GO-2022-0586 for four), and through such a bundle a waiver or a VEX statement about one
CVE would hide the others. So a bundle is about each of its CVEs and joins none of them to another,
and no chain of aliases does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

MOST_CVES = 64
"""Of one record; one with more is about a release, and stands for itself alone."""


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


def is_cve(name: str) -> bool:
    """True for an id of the CVE list."""
    return _place(name)[0] == 0


def names_in(id_: str, aliases: Sequence[str], vulnerability: str) -> tuple[str, ...]:
    """The names of one record that are names of one of its vulnerabilities. Which GHSA of a
    bundle belongs to which CVE it does not tell: their own records do."""
    if sum(map(is_cve, (id_, *aliases))) < 2:
        return id_, *aliases
    return (id_, vulnerability) if not is_cve(id_) or id_ == vulnerability else (vulnerability,)


def grouped(records: Iterable[tuple[str, Iterable[str]]]) -> Mapping[str, tuple[str, ...]]:
    """(id, aliases) of each record → id → leading ids of the vulnerabilities that it is about:
    one, but for bundles."""
    named = {own: tuple(dict.fromkeys((own, *aliases))) for own, aliases in records}
    cves = {own: tuple(filter(is_cve, names)) for own, names in named.items()}
    bundles = {own for own, found in cves.items() if len(found) > 1}
    groups = _Groups()
    single = sorted(own for own in named if own not in bundles)
    for own in single:  # first what is certain: two names of one CVE are names of one thing
        for cve in cves[own]:
            groups.join(own, cve)
    for own in single:
        for alias in named[own]:
            if alias not in bundles:
                groups.join(own, alias)
    leads = groups.leads()
    return {
        own: _of_bundle(own, cves[own], leads) if own in bundles else (leads.get(own, own),)
        for own in named
    }


def _of_bundle(own: str, cves: Sequence[str], leads: Mapping[str, str]) -> tuple[str, ...]:
    if len(cves) > MOST_CVES:
        return (own,)
    return ordered(leads.get(cve, cve) for cve in cves)


class _Groups:
    """Sets of names with at most one CVE each."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._cve: dict[str, str] = {}

    def _root(self, name: str) -> str:
        found = name
        while (up := self._parent.setdefault(found, found)) != found:
            found = up
        while self._parent[name] != found:
            self._parent[name], name = found, self._parent[name]
        return found

    def join(self, one: str, other: str) -> None:
        """Unless that would make two CVEs one."""
        first, second = self._root(one), self._root(other)
        if first == second:
            return
        told = [cve for cve in map(self._of, (first, second)) if cve]
        if len(set(told)) > 1:
            return
        self._parent[second] = first
        if told:
            self._cve[first] = told[0]

    def _of(self, root: str) -> str:
        return self._cve.get(root, "") or (root if is_cve(root) else "")

    def leads(self) -> dict[str, str]:
        """Each name → the leading one of its set."""
        members: dict[str, list[str]] = {}
        for name in list(self._parent):
            members.setdefault(self._root(name), []).append(name)
        return {
            name: one for names in members.values() for one in [leading(names)] for name in names
        }
