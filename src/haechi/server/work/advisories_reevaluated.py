"""After advisories changed: what is now known against the stored SBOMs, without a rescan.

Only SBOMs that hold a package whose answer may differ are read; the others are marked as judged.
Each SBOM carries the generation that it was judged by, written in the same transaction as what
became of it: that is the whole state, so whoever is killed in the middle goes on where it was.
Computing happens here, in a thread of its own; the store's writer gets small pieces.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from zstandard import ZstdError

from haechi.errors import HaechiError
from haechi.model.bill import Bill
from haechi.model.finding import Finding
from haechi.model.package import PackageFile
from haechi.server.work.advisories_known import (
    Known,
    Target,
    known_of,
    names_at_other_risk,
    names_found,
)
from haechi.server.work.advisories_writing import Writing
from haechi.server.work.bills import asked_as, facts_in, files_in
from haechi.server.work.bills_judged import (
    Judge,
    Name,
    Said,
    documents,
    due_of,
    is_same,
    judged_places,
    run_day,
    words,
)
from haechi.server.work.bills_kept import told_anew, with_risk
from haechi.server.work.proposals import Place, Planning, ended, proposed
from haechi.server.work.proposals_told import still_told
from haechi.store.dependency_records import Proposal
from haechi.store.state.bills import Stored, Waiting
from haechi.store.state.pushed import Seen, seen_findings
from haechi.store.state.rejudged import Generation, Rejudged

if TYPE_CHECKING:
    from haechi.server.world import World

log = logging.getLogger("haechi.server.advisories")
READ, PACKAGES = 50, 20_000
"""SBOMs, and packages in them, that are read at a time: what bounds the memory."""
_RULES = 5_000


class _Held(msgspec.Struct, frozen=True):
    """An SBOM that was read; ``places`` are those of the packages in question."""

    n: int
    target: Target
    bill: Bill
    files: Sequence[PackageFile]
    places: Sequence[tuple[int, int]]


def reevaluate(world: World, judge: Judge, stopping: Callable[[], bool]) -> dict[str, int]:
    """Judge again what an older generation judged; counts of findings by change. Ends early, to
    be taken up again, when ``stopping`` says so."""
    return Reevaluation(world, judge).run(stopping)


class Reevaluation:
    """One run. ``seconds`` say where its time went, by stage; ``writing`` what was written."""

    def __init__(self, world: World, judge: Judge) -> None:
        self._world, self._judge = world, judge
        self._generation = Generation(judge.database.identity, judge.database.generation)
        self.writing = Writing(world, self._generation)
        self._told: set[str] = set()
        self._at_risk: frozenset[Name] | None = None
        self.seconds: dict[str, float] = {}

    def run(self, stopping: Callable[[], bool]) -> dict[str, int]:
        """Counts of findings by change."""
        generation, state = self._generation, self._world.store.state
        behind = state.bills.behind(generation.identity, generation.number)
        if not behind:
            return {}
        state.advisories.begin(generation.identity, generation.number)
        began = time.monotonic()
        for identity, number in behind:
            with self._stage("find"):
                changed = self._changed(identity, number)
                affected = self._affected((identity, number), changed)
            for some in _portions(affected):
                if stopping():
                    return self.writing.changes
                self._several(some, changed)
        spent = round((time.monotonic() - began) * 1e3)
        state.advisories.finish(generation.identity, generation.number, spent)
        changes = self.writing.changes
        log.info("judged stored SBOMs by generation %s: %s", generation.number, changes or "same")
        return changes

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def _changed(self, identity: str, number: int) -> frozenset[Name] | None:
        """Packages whose answers may differ from those of that generation; None: all."""
        database, state = self._judge.database, self._world.store.state
        if not number:
            # Never judged: of others the server has nothing to say, unless a run found some.
            return database.names() | names_found(state)
        changed = database.changed_since(number) if identity == database.identity else None
        if changed is None:
            return None
        if self._at_risk is None:
            self._at_risk = names_at_other_risk(state, self._judge)
        return changed | self._at_risk

    def _affected(
        self, before: tuple[str, int], changed: frozenset[Name] | None
    ) -> Sequence[Waiting]:
        """The SBOMs to be read; the others of this kind are marked."""
        bills, generation = self._world.store.state.bills, self._generation
        waiting = bills.waiting(*before)
        if changed is None:
            return waiting
        holding = bills.holding(changed)
        others = [one.n for one in waiting if one.body not in holding]
        bills.mark(others, generation.identity, generation.number)
        return [one for one in waiting if one.body in holding]

    def _several(self, some: Sequence[Waiting], changed: frozenset[Name] | None) -> None:
        state, judge = self._world.store.state, self._judge
        with self._stage("read"):
            stored = state.bills.read([one.n for one in some])
            read = [_read(one, judge, changed) for one in stored]
            targets = [one.target for one in read]
            known, proposals = known_of(state, targets), state.proposals.of(targets)
        with self._stage("ask"):
            judge.prefetch([(one.files, one.places) for one in read])
        for one in read:
            with self._stage("judge"):
                said = judge.said(one.bill, one.files, one.places)
                rules = [rule for rule in words(said.rules.values()) if self._first(rule.id)]
                today = self._world.clock().date()
                comparing = _Comparing(one, said, judge, known[one.target], today)
                done = comparing.rejudged(proposals[one.target])
            with self._stage("write"):
                self.writing.add(done, rules)
        with self._stage("write"):
            self.writing.flush()

    def _first(self, id_: str) -> bool:
        """Words of a rule are written once in a run: they are much the same everywhere."""
        if id_ in self._told or len(self._told) >= _RULES:
            return False
        self._told.add(id_)
        return True


def _portions(affected: Iterable[Waiting]) -> Iterator[list[Waiting]]:
    """A few at a time, and never many packages: one monorepo may hold as many as a hundred."""
    portion: list[Waiting] = []
    held = 0
    for one in affected:
        if portion and (len(portion) >= READ or held + one.packages > PACKAGES):
            yield portion
            portion, held = [], 0
        portion.append(one)
        held += one.packages
    if portion:
        yield portion


def _read(one: Stored, judge: Judge, changed: frozenset[Name] | None) -> _Held:
    target = (one.cluster, one.source, one.ref)
    try:
        bill, files = facts_in(one), files_in(one.content)
    except (msgspec.MsgspecError, HaechiError, ZstdError):
        log.exception("the SBOM %s of %s cannot be read", one.n, one.source)
        return _Held(one.n, target, Bill(), (), ())
    return _Held(one.n, target, bill, files, judge.concerned(files, changed))


class _Comparing:
    """What the server says about one SBOM, beside what is known against it."""

    def __init__(
        self, held: _Held, said: Said, judge: Judge, known: Sequence[Known], today: dt.date
    ) -> None:
        self._held, self._said, self._judge, self._today = held, said, judge, today
        self._bill = held.bill
        self._own = frozenset(held.bill.own)
        self._places = judged_places(held.files, held.places)
        self._here = [one for one in known if (one.path, one.name) in self._places]
        self._by_place: dict[tuple[str, Name], list[Known]] = {}
        for one in self._here:
            self._by_place.setdefault((one.path, one.name), []).append(one)
        self._same: set[str] = set()
        self._seen: dict[str, Seen] = {}
        self._found: list[dict[str, Any]] = []

    def rejudged(self, proposals: Sequence[Proposal]) -> Rejudged:
        """What becomes of it."""
        for made in self._said.findings:
            self._compare(made)
        over = {one.fingerprint for one in self._here if self._is_over(one)}
        kept = [
            one
            for one in self._here
            if one.fingerprint not in self._seen and one.fingerprint not in over
        ]
        held = self._held
        planning = Planning(files=held.files, bill=held.bill, affected=self._judge.affected)
        told = [*self._found, *still_told(kept, proposals)]
        proposed_now = proposed(told, held.target, planning)
        places: set[Place] = {(path, *name) for path, name in self._places}
        cluster, source, ref = held.target
        return Rejudged(
            bill=held.n,
            cluster=cluster,
            source=source,
            ref=ref,
            seen=list(self._seen.values()),
            over=list(over),
            proposed=proposed_now,
            ended=ended(proposals, proposed_now, held.files, places),
        )

    def _compare(self, made: Finding) -> None:
        """A finding of the server's: it counts, or known ones that are the same stay."""
        evidence, path = made.evidence, made.location.path
        name = (evidence["ecosystem"], asked_as(evidence["ecosystem"], evidence["package"]))
        met = [
            one
            for one in self._by_place.get((path, name), ())
            if is_same(one.rule, one.ids, made.rule, made.ids)
        ]
        exact = [one for one in met if one.fingerprint == made.fingerprint]
        if met and self._is_told_by_run(made, met, exact=bool(exact)):
            for one in met:
                self._stays(one, made)
        elif met or not self._is_refuted(made):
            self._same.add(made.fingerprint)
            self._tell(made, [*exact, *(one for one in met if one not in exact)])

    def _is_told_by_run(self, made: Finding, met: Sequence[Known], *, exact: bool) -> bool:
        """Whether the words of a run count more than the server's: its data is newer, or as new
        and under another id, or the record is the repository's own."""
        if any(not one.ids.isdisjoint(self._own) for one in met):
            return True
        ecosystem = made.evidence["ecosystem"]
        if self._judge.newer(ecosystem, run_day(self._bill, ecosystem)):
            return False
        return not exact or self._is_refuted(made)

    def _is_refuted(self, made: Finding) -> bool:
        ecosystem = made.evidence["ecosystem"]
        vulnerability = self._said.vulnerabilities[made.rule]
        return self._judge.refuted(vulnerability, ecosystem, run_day(self._bill, ecosystem))

    def _stays(self, one: Known, made: Finding) -> None:
        """As it is known, with what EPSS and KEV say of it."""
        self._same.add(one.fingerprint)
        was = one.document()
        (anew,) = documents([made], self._bill, self._today)
        told = with_risk(was, anew, self._bill, newer=True)
        if told is not was:
            self._add(told, one)

    def _tell(self, made: Finding, met: Sequence[Known]) -> None:
        """In the server's words; ``met`` is what it was known as."""
        (told,) = documents([made], self._bill, self._today)
        waived = next((one for one in met if one.waived), None)
        before = waived or (met[0] if met else None)
        if before is not None:
            counts = not before.by_server
            told = told_anew(told, before.document(), self._bill, risk=counts)
            told["owner"] = before.row.owner_scan or told["owner"]
            told["due"] = before.due
        self._add(told, before)

    def _add(self, told: dict[str, Any], before: Known | None) -> None:
        if before is not None and told["severity"] != before.document()["severity"]:
            told = {**told, "due": due_of(told["severity"], self._bill, self._today)}
        (seen,) = seen_findings([told], self._held.target[1].removeprefix("repo:"))
        if before is not None and before.waived:
            row = before.row
            told = {**told, "state": "waived"}
            seen = msgspec.structs.replace(
                seen,
                waived=True,
                waiver=row.waiver,
                waived_until=row.waived_until,
                due=row.due_scan,
            )
        self._found.append(told)
        self._seen[seen.fingerprint] = seen

    def _is_over(self, one: Known) -> bool:
        """A known finding that the server does not find: whether the server can tell."""
        if one.fingerprint in self._same or one.fingerprint in self._seen:
            return False
        if not one.ids.isdisjoint(self._own) or self._said.cannot_tell(one.path, one.name, one.ids):
            return False
        day = run_day(self._bill, one.name[0])
        return one.by_server or self._judge.decides(one.ids, one.name[0], day)
