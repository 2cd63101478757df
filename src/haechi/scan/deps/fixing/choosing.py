"""The version to upgrade to: the lowest that clears what is asked and brings nothing new.

Without an index of the registry only those versions are known that advisories name as fixed and
that files pin. So a target means "at least": the ecosystem's tool may choose a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from haechi.engines.versions import Scheme, scheme_of
from haechi.errors import VersionError
from haechi.model.advisory import FixState, Vulnerability
from haechi.model.package import BY_NAME, Package, Source
from haechi.world.advisories.shapes import Matched

MAX_CANDIDATES = 300
_LISTED = 3
_MINOR_BREAKS = frozenset({"npm", "crates.io", "Packagist", "Hex", "Pub"})
"""Ecosystems in whose ``^0.2.3`` the second number breaks."""

Affected = Callable[[str, str, str], Matched]
"""(ecosystem, name, version) → what is known against it."""
Blocks = Callable[[Vulnerability], bool]
"""Whether a vulnerability has to be cleared."""


def without(answer: Matched, accepted: Callable[[Vulnerability], bool]) -> Matched:
    """The answer less what is accepted: it stands in no version's way."""
    left = tuple(one for one in answer.vulnerabilities if not accepted(one))
    if len(left) == len(answer.vulnerabilities):
        return answer
    return msgspec.structs.replace(answer, vulnerabilities=left)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A version to go to. ``major``: it may break what relies on the old one. ``remaining`` must
    be cleared and are not by any known version, ``leaves`` are milder ones that stay or come."""

    version: str
    major: bool = False
    remaining: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()


class NoTarget(msgspec.Struct, frozen=True):
    """There is no version to go to."""

    reason: str


class _Candidate(msgspec.Struct, frozen=True):
    version: str
    key: bytes
    blocking: frozenset[str]
    leaves: tuple[str, ...]
    unsure: bool


def target_of(
    package: Package,
    wanted: Sequence[Vulnerability],
    *,
    affected: Affected,
    blocks: Blocks,
    others: Iterable[str] = (),
) -> Target | NoTarget:
    """The lowest version above the one in use that clears ``wanted`` (all of which block): no
    known advisory that blocks may concern it, milder ones only if nothing else is left. What
    concerns the version in use and is not wanted (waived, or not asked for) stands in no way: it
    counts as a milder one. The same major version is preferred. ``others`` are further versions
    known to exist."""
    if reason := _unfit(package, wanted):
        return NoTarget(reason)
    try:
        scheme = scheme_of(package.ecosystem)
        scheme.key(package.version)
    except VersionError as error:
        return NoTarget(error.what)
    present = frozenset(one.id for one in wanted)
    here = affected(package.ecosystem, package.name, package.version).vulnerabilities
    accepted = frozenset(id_ for one in here if one.id not in present for id_ in one.ids)
    search = _Search(
        package,
        scheme,
        affected,
        lambda one: blocks(one) and (one.id in present or accepted.isdisjoint(one.ids)),
    )
    versions = [version for one in wanted for version in one.fixed]
    candidates = search.candidates((*versions, *others))
    fit = [one for one in candidates if one.blocking < present]
    if not fit:
        return NoTarget(_reason(wanted, candidates, search.passed))
    best = _best(package, fit)
    now, then = (series(package.ecosystem, one) for one in (package.version, best.version))
    marked = package.version.startswith("v") and not best.version.startswith("v")
    return Target(
        version=f"v{best.version}" if marked else best.version,
        major=now != then,
        remaining=tuple(sorted(best.blocking)),
        leaves=best.leaves,
    )


def series(ecosystem: str, version: str) -> tuple[str, ...]:
    """Versions of one series are meant to be compatible: the major version, or 0 with the minor
    one where ``^0.2`` says so."""
    plain = version.lstrip("vV=").partition("!")[2] or version.lstrip("vV=")
    parts = plain.partition("-")[0].partition("+")[0].split(".")
    if parts[0] == "0" and ecosystem in _MINOR_BREAKS:
        return tuple(parts[:2])
    return tuple(parts[:1])


def _best(package: Package, fit: Sequence[_Candidate]) -> _Candidate:
    fewest = min(len(one.blocking) for one in fit)
    clearing = sorted((one for one in fit if len(one.blocking) == fewest), key=lambda one: one.key)
    same = series(package.ecosystem, package.version)
    ranks: dict[tuple[str, ...], int] = {same: -1}
    for rank, one in enumerate(clearing):
        ranks.setdefault(series(package.ecosystem, one.version), rank)
    return min(
        clearing,
        key=lambda one: (
            ranks[series(package.ecosystem, one.version)],
            bool(one.leaves) or one.unsure,
            one.key,
        ),
    )


class _Search:
    """Candidates of one package. ``passed`` are fixed versions that are pre-releases."""

    def __init__(
        self, package: Package, scheme: Scheme, affected: Affected, blocks: Blocks
    ) -> None:
        self.package = package
        self.scheme = scheme
        self.affected = affected
        self.blocks = blocks
        self.now = scheme.key(package.version)
        self.early = scheme.prerelease(package.version)
        self.passed: list[str] = []

    def candidates(self, versions: Iterable[str]) -> list[_Candidate]:
        """Those versions above the present one, and the ones that fix what is wrong with them."""
        pending = list(dict.fromkeys(versions))
        seen = set(pending)
        found: list[_Candidate] = []
        while pending and len(found) < MAX_CANDIDATES:
            version = pending.pop(0)
            key = self._key(version)
            if key is None:
                continue
            package = self.package
            matched = self.affected(package.ecosystem, package.name, version)
            found.append(self._candidate(version, key, matched))
            fixes = [fix for one in matched.vulnerabilities for fix in one.fixed if fix not in seen]
            seen.update(fixes)
            pending += dict.fromkeys(fixes)
        return found

    def _key(self, version: str) -> bytes | None:
        try:
            key = self.scheme.key(version)
            early = self.scheme.prerelease(version) and not self.early
        except VersionError:
            return None
        if key <= self.now:
            return None
        if early:
            self.passed.append(version)
            return None
        return key

    def _candidate(self, version: str, key: bytes, matched: Matched) -> _Candidate:
        blocking = {one.id for one in matched.vulnerabilities if self.blocks(one)}
        leaves = tuple(one.id for one in matched.vulnerabilities if one.id not in blocking)
        return _Candidate(version, key, frozenset(blocking), leaves, bool(matched.undecided))


def _unfit(package: Package, wanted: Sequence[Vulnerability]) -> str:
    if any(one.advisory.malicious for one in wanted):
        return "it is malicious: remove it, and treat what it could reach as stolen"
    if package.source not in BY_NAME:
        kind = {Source.GIT: "a git repository", Source.URL: "an address"}
        return f"it comes from {kind.get(package.source, 'a folder')}: no registry has its versions"
    if not package.version:
        return "no file says which version is in use"
    if all(one.fix_state is FixState.WONT_FIX for one in wanted):
        return "its vendor will not fix it"
    return ""


def _reason(
    wanted: Sequence[Vulnerability], candidates: Sequence[_Candidate], passed: Sequence[str]
) -> str:
    if candidates:
        lowest = min(candidates, key=lambda one: one.key)
        known = ", ".join(sorted(lowest.blocking)[:_LISTED])
        return f"the fixed versions known are vulnerable themselves: {lowest.version} by {known}"
    if passed:
        return f"it is fixed only in pre-releases: {', '.join(dict.fromkeys(passed[:_LISTED]))}"
    if any(one.fixed for one in wanted):
        return "no fixed version above the one in use is known"
    return "no fixed version is known"
