"""Whether a version is affected, by all records about each vulnerability of its package."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.engines import versions
from haechi.errors import VersionError
from haechi.model.advisory import Vulnerability
from haechi.world.advisories.known import Known, Vulnerabilities
from haechi.world.advisories.merging import Row, fix_state, fixed_versions, symbols_of
from haechi.world.advisories.ranges import LONGEST
from haechi.world.advisories.shapes import NOTHING, Matched, Undecided


def judge(
    name: tuple[str, str], version: str, rows: Sequence[Row], all_known: Vulnerabilities
) -> Matched:
    """What the rows of a package say of one version of it."""
    keys = _keys(name[0], version)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.vulnerability, []).append(row)
    hit: list[Vulnerability] = []
    unsure: list[Undecided] = []
    for vulnerability, group in groups.items():
        verdicts = [(row, row.extent.judge(version, keys)) for row in group]
        hits = [row for row, verdict in verdicts if verdict]
        if hits:
            hit.append(_vulnerability(all_known.of(vulnerability), keys, hits, group))
        elif any(verdict is None for _, verdict in verdicts):
            unsure.append(_undecided(all_known.of(vulnerability), name, version, keys))
    if not hit and not unsure:
        return NOTHING
    hit.sort(key=_badness)
    unsure.sort(key=lambda one: one.id)
    return Matched(vulnerabilities=tuple(hit), undecided=tuple(unsure))


def _vulnerability(
    known: Known, keys: Sequence[bytes], hits: Sequence[Row], group: Sequence[Row]
) -> Vulnerability:
    fixed = fixed_versions(keys[0] if keys else None, hits, group)
    return Vulnerability(
        id=known.advisory.id,
        ids=known.ids,
        advisory=known.advisory,
        fixed=fixed,
        symbols=symbols_of(known.records[row.record].affected[row.position] for row in hits),
        fix_state=fix_state(fixed, hits),
        risk=known.risk,
    )


def _undecided(
    known: Known, name: tuple[str, str], version: str, keys: Sequence[bytes]
) -> Undecided:
    why = (
        "its range has a boundary that is no version there, or that could not be mapped to one"
        if keys
        else f"{version[:80]!r} of {name[1]} is no version of {name[0]}"
    )
    return Undecided(id=known.advisory.id, ids=known.ids, why=why, advisory=known.advisory)


def _keys(ecosystem: str, version: str) -> tuple[bytes, ...]:
    if len(version) > LONGEST:
        return ()
    try:
        key = versions.scheme_of(ecosystem).key
        found = key(version)
        if "+" in version and ecosystem == "PyPI":
            return found, key(version.partition("+")[0])
        return (found,)
    except VersionError:
        return ()


def _badness(one: Vulnerability) -> tuple[int, float, str]:
    severity = one.advisory.severity
    rank = 2.5 if severity is None else severity.rank
    return 0 if one.advisory.malicious else 1, rank, one.id
