"""After advisories changed: what is now known against the stored SBOMs, without a rescan.

Only SBOMs that hold a package whose answer may differ are read; the others are marked as judged.
Each SBOM carries the generation that it was judged by, written in the same transaction as what
became of it: that is the whole state, so whoever is killed in the middle goes on where it was.
Computing happens here, in a thread of its own; the store's writer gets small pieces.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, tuple_
from zstandard import ZstdError

from haechi.engines.purl import package_of_purl
from haechi.errors import HaechiError, InputError
from haechi.model.advisory import is_vulnerability
from haechi.model.bill import Bill
from haechi.model.finding import DEPENDENCIES, Finding
from haechi.model.package import PackageFile
from haechi.model.push import PushedRule
from haechi.scan.deps.matching import judged
from haechi.server.work.bills import asked_as, facts_in, files_in
from haechi.server.work.bills_judged import Judge, Name, Said, documents, run_day, words
from haechi.server.work.matching import StoreWaivers
from haechi.server.work.proposals import Place, Planning, ended, proposed
from haechi.server.work.proposals_told import still_told
from haechi.store.dependency_records import Proposal
from haechi.store.state.bills import Stored
from haechi.store.state.bulk import parts
from haechi.store.state.plain import from_json
from haechi.store.state.pushed import seen_findings
from haechi.store.state.rejudged import ACTOR, Generation, Rejudged, rejudge
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import finding_text

if TYPE_CHECKING:
    from haechi.server.world import World

log = logging.getLogger("haechi.server.advisories")
READ = 50
"""SBOMs that are read at a time: what bounds the memory."""
WRITTEN = 150
"""Findings that are written at a time: what bounds how long others wait for the writer."""
_RULES = 5_000


class Known(msgspec.Struct, frozen=True):
    """An open or accepted finding about a package, as the store has it."""

    n: int
    fingerprint: str
    rule: str
    path: str
    name: Name
    ids: frozenset[str]
    scan: str
    evidence: str


class _Held(msgspec.Struct, frozen=True):
    """An SBOM that was read; ``places`` are those of the packages in question."""

    n: int
    target: tuple[str, str, str]
    bill: Bill
    files: Sequence[PackageFile]
    places: Sequence[tuple[int, int]]


def reevaluate(world: World, judge: Judge, stopping: Callable[[], bool]) -> dict[str, int]:
    """Judge again what an older generation judged; counts of findings by change. Ends early, to
    be taken up again, when ``stopping`` says so."""
    generation = Generation(judge.database.identity, judge.database.generation)
    bills = world.store.state.bills
    behind = bills.behind(generation.identity, generation.number)
    total: dict[str, int] = {}
    if not behind:
        return total
    records = world.store.state.advisories
    records.begin(generation.identity, generation.number)
    began = time.monotonic()
    told: set[str] = set()
    for identity, number in behind:
        changed = _changed(world, judge, identity, number)
        affected = _affected(world, (identity, number), changed, generation)
        for some in parts(affected, READ):
            if stopping():
                return total
            for what, count in _several(world, judge, some, changed, generation, told).items():
                total[what] = total.get(what, 0) + count
    records.finish(generation.identity, generation.number, round((time.monotonic() - began) * 1e3))
    log.info("judged stored SBOMs by generation %s: %s", generation.number, total or "no change")
    return total


def _changed(world: World, judge: Judge, identity: str, number: int) -> frozenset[Name] | None:
    """Packages whose answers may differ from those of that generation; None: all."""
    if not number:
        # Never judged: of other packages the server has nothing to say, unless a run found some.
        return judge.database.names() | _found(world)
    if identity != judge.database.identity:
        return None
    return judge.database.changed_since(number)


def _found(world: World) -> frozenset[Name]:
    """Packages that something is open or accepted against."""
    ask = select(f.c.resource).where(f.c.domain == DEPENDENCIES, f.c.live == 1).distinct()
    with world.store.state.read() as connection:
        resources = connection.execute(ask).scalars().all()
    return frozenset(name for one in resources if (name := _name(one)) is not None)


def _affected(
    world: World,
    before: tuple[str, int],
    changed: frozenset[Name] | None,
    generation: Generation,
) -> list[int]:
    """Numbers of the SBOMs to be read; the others of this kind are marked."""
    bills = world.store.state.bills
    waiting = bills.waiting(*before)
    if changed is None:
        return [n for n, _ in waiting]
    holding = bills.holding(changed)
    bills.mark(
        [n for n, body in waiting if body not in holding], generation.identity, generation.number
    )
    return [n for n, body in waiting if body in holding]


def _several(
    world: World,
    judge: Judge,
    numbers: Sequence[int],
    changed: frozenset[Name] | None,
    generation: Generation,
    told: set[str],
) -> dict[str, int]:
    state, today = world.store.state, world.clock().date()
    stored = state.bills.read(numbers)
    read = [_read(one, judge, changed) for one in stored]
    judge.prefetch([(one.files, one.places) for one in read])
    targets = [(one.cluster, one.source, one.ref) for one in stored]
    known = _known(world, targets)
    proposals = state.proposals.of(targets)
    waived = StoreWaivers(today)
    total: dict[str, int] = {}
    results: list[Rejudged] = []
    rules: list[PushedRule] = []

    def write() -> None:
        done = rejudge(state.database, results, generation, rules=rules, waived=waived, today=today)
        for what, count in done.items():
            total[what] = total.get(what, 0) + count
        results.clear()
        rules.clear()

    for one in read:
        said = judge.said(one.bill, one.files, one.places)
        rules += [rule for rule in words(said.rules.values()) if _first(rule.id, told)]
        target = one.target
        results.append(_judged(one, said, judge, known[target], proposals[target], today))
        if sum(1 + len(each.seen) + len(each.over) for each in results) >= WRITTEN:
            write()
    if results:
        write()
    return total


def _first(id_: str, told: set[str]) -> bool:
    """Words of a rule are written once in a run: they are much the same for each repository."""
    if id_ in told or len(told) >= _RULES:
        return False
    told.add(id_)
    return True


def _read(one: Stored, judge: Judge, changed: frozenset[Name] | None) -> _Held:
    target = (one.cluster, one.source, one.ref)
    try:
        bill, files = facts_in(one), files_in(one.content)
    except (msgspec.MsgspecError, HaechiError, ZstdError):
        log.exception("the SBOM %s of %s cannot be read", one.n, one.source)
        return _Held(one.n, target, Bill(), (), ())
    return _Held(one.n, target, bill, files, judge.concerned(files, changed))


def _judged(
    one: _Held,
    said: Said,
    judge: Judge,
    known: Sequence[Known],
    proposals: Sequence[Proposal],
    today: dt.date,
) -> Rejudged:
    asked = _judged_places(one, judge)
    here = [each for each in known if (each.path, each.name) in asked]
    fresh, same = _wanted(said, here, judge, one.bill)
    names = {finding.fingerprint for finding in fresh}
    over = [
        each
        for each in here
        if each.fingerprint not in same
        and each.fingerprint not in names
        and _over(each, judge, one.bill)
    ]
    before = {each.fingerprint: each.evidence for each in here}
    found = [_with_more(each, before) for each in documents(fresh, one.bill, today)]
    gone = {each.fingerprint for each in over}
    kept = [each for each in here if each.fingerprint not in names and each.fingerprint not in gone]
    planning = Planning(files=one.files, bill=one.bill, affected=judge.affected)
    told = [*found, *still_told(kept, proposals)]
    proposed_now = proposed(told, one.target, planning)
    places: set[Place] = {(path, *name) for path, name in asked}
    cluster, source, ref = one.target
    return Rejudged(
        bill=one.n,
        cluster=cluster,
        source=source,
        ref=ref,
        seen=seen_findings(found, source.removeprefix("repo:")),
        over=list(gone),
        proposed=proposed_now,
        ended=ended(proposals, proposed_now, one.files, places),
    )


def _judged_places(one: _Held, judge: Judge) -> set[tuple[str, Name]]:
    """Where packages of these names can be judged: nothing is over in a file that pins no version
    any more, as by a scan."""
    asked: dict[tuple[str, Name], bool] = {}
    for number, index in one.places:
        package = one.files[number].packages[index]
        place = (package.location.path, judge.name(package))
        asked[place] = asked.get(place, True) and judged(package)
    return {place for place, can in asked.items() if can}


def _with_more(finding: dict[str, Any], before: Mapping[str, str]) -> dict[str, Any]:
    """What a run saw in the repository itself (a manifest's line, whether the package is imported)
    stays with a finding that is told anew."""
    known = before.get(finding["fingerprint"])
    said = from_json(known) if known else None
    if not isinstance(said, dict):
        return finding
    return {**finding, "evidence": {**said, **finding["evidence"]}}


def _wanted(
    said: Said, here: Sequence[Known], judge: Judge, bill: Bill
) -> tuple[list[Finding], set[str]]:
    """The server's findings that count, and fingerprints of known ones that are still so."""
    by_place: dict[tuple[str, Name], list[Known]] = {}
    for each in here:
        by_place.setdefault((each.path, each.name), []).append(each)
    fresh: list[Finding] = []
    same: set[str] = set()
    for finding in said.findings:
        ecosystem = finding.evidence["ecosystem"]
        run = run_day(bill, ecosystem)
        place = (
            finding.location.path,
            (ecosystem, asked_as(ecosystem, finding.evidence["package"])),
        )
        ids = frozenset(finding.ids)
        met = [each for each in by_place.get(place, ()) if not each.ids.isdisjoint(ids)]
        exact = any(each.fingerprint == finding.fingerprint for each in met)
        if met and not judge.newer(ecosystem, run) and not exact:
            same.update(each.fingerprint for each in met)
            continue
        if not met and judge.refuted(said.vulnerabilities[finding.rule], ecosystem, run):
            continue
        fresh.append(finding)
        same.add(finding.fingerprint)
    return fresh, same


def _over(each: Known, judge: Judge, bill: Bill) -> bool:
    """A known finding that the server does not find: whether the server can tell."""
    if not each.ids.isdisjoint(bill.own):
        return False
    return each.scan.startswith(ACTOR) or judge.decides(
        each.ids, each.name[0], run_day(bill, each.name[0])
    )


def _known(
    world: World, targets: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], list[Known]]:
    """Findings about packages that are not fixed."""
    found: dict[tuple[str, str, str], list[Known]] = {one: [] for one in targets}
    place = (f.c.cluster, f.c.source, f.c.ref)
    columns = (
        *(f.c.n, f.c.fingerprint, f.c.rule, f.c.path, f.c.resource, f.c.aliases, f.c.scan),
        finding_text.c.evidence,
    )
    with world.store.state.read() as connection:
        for some in parts(found, 200):
            ask = (
                select(*place, *columns)
                .outerjoin(finding_text, finding_text.c.n == f.c.n)
                .where(tuple_(*place).in_(some), f.c.domain == DEPENDENCIES, f.c.live == 1)
            )
            for row in connection.execute(ask):
                if not is_vulnerability(row.rule) or (name := _name(row.resource)) is None:
                    continue
                one = Known(
                    row.n,
                    row.fingerprint,
                    row.rule,
                    row.path,
                    name,
                    frozenset((row.rule, *from_json(row.aliases))),
                    row.scan,
                    row.evidence or "",
                )
                found[row.cluster, row.source, row.ref].append(one)
    return found


def _name(resource: str) -> Name | None:
    try:
        package = package_of_purl(resource)
    except InputError:
        return None
    return (
        None if package is None else (package.ecosystem, asked_as(package.ecosystem, package.name))
    )
