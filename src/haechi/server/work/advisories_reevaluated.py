"""After advisories changed: what is now known against the stored SBOMs, without a rescan.

Only SBOMs that hold a package whose answer may differ are read; the others are marked as judged.
Each SBOM carries the generation that it was judged by, written in the same transaction as what
became of it: that is the whole state, so whoever is killed in the middle goes on where it was.
Computing happens here, in a thread of its own; the store's writer gets small pieces.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from zstandard import ZstdError

from haechi.errors import HaechiError
from haechi.model.bill import Bill
from haechi.scan.deps.matching import Place
from haechi.server.work.advisories_compared import Comparing, Held
from haechi.server.work.advisories_known import known_of, names_at_other_risk, names_found
from haechi.server.work.advisories_writing import Writing
from haechi.server.work.bills import facts_in, files_in
from haechi.server.work.bills_judged import Judge, Name, words
from haechi.server.work.proposals_accepted import Accepting
from haechi.store.state.bills import Stored, Waiting
from haechi.store.state.rejudged import Generation

if TYPE_CHECKING:
    from haechi.server.world import World

log = logging.getLogger("haechi.server.advisories")
READ, PACKAGES = 50, 20_000
"""SBOMs, and packages in them, that are read at a time: what bounds the memory."""
PLACES = 1_000
"""Packages of one SBOM that are judged before what is found is written."""
_RULES = 5_000


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
                named = self._named(identity, number)
                changed = self._changed(number, named)
                affected = self._affected((identity, number), changed)
            for some in _portions(affected):
                if stopping():
                    return self.writing.changes
                self._several(some, changed, named or frozenset())
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

    def _named(self, identity: str, number: int) -> frozenset[Name] | None:
        """Packages of which the database itself says that its answer is another than it was in
        that generation; None where it cannot tell."""
        database = self._judge.database
        if not number or identity != database.identity:
            return None
        return database.changed_since(number)

    def _changed(self, number: int, named: frozenset[Name] | None) -> frozenset[Name] | None:
        """Packages whose answers may differ from those of that generation; None: all."""
        state = self._world.store.state
        if not number:
            # Never judged: of others the server has nothing to say, unless a run found some.
            return self._judge.database.names() | names_found(state)
        if named is None:
            return None
        if self._at_risk is None:
            self._at_risk = names_at_other_risk(state, self._judge)
        return named | self._at_risk

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

    def _several(
        self,
        some: Sequence[Waiting],
        changed: frozenset[Name] | None,
        named: frozenset[Name],
    ) -> None:
        state, judge = self._world.store.state, self._judge
        with self._stage("read"):
            stored = state.bills.read([one.n for one in some])
            read = [_read(one, judge, changed) for one in stored]
            targets = [one.target for one in read]
            known, proposals = known_of(state, targets), state.proposals.of(targets)
            today = self._world.clock().date()
            waivers = state.waivers.active(today=today)
        with self._stage("ask"):
            judge.prefetch([(one.files, one.places) for one in read])
        for one in read:
            accepted = Accepting(waivers, one.target, today)
            shown = False
            for part, last in _parts(one, judge):
                with self._stage("judge"):
                    said = judge.said(part.bill, part.files, part.places)
                    rules = [rule for rule in words(said.rules.values()) if self._first(rule.id)]
                    comparing = Comparing(part, said, judge, known[one.target], today, named)
                    done = comparing.rejudged(proposals[one.target], accepted)
                    done = replace(done, first=not shown, last=last)
                    shown = shown or bool(done.seen)
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


def _parts(held: Held, judge: Judge) -> Iterator[tuple[Held, bool]]:
    """One SBOM a few packages at a time, so that what is found first shows first; and whether it
    is the last. All versions of a package in a file stay together."""
    if len(held.places) <= PLACES:
        yield held, True
        return
    together: dict[tuple[str, Name], list[Place]] = {}
    for number, at in held.places:
        package = held.files[number].packages[at]
        where = (package.location.path, judge.name(package))
        together.setdefault(where, []).append((number, at))
    portion: list[Place] = []
    for some in together.values():
        if portion and len(portion) + len(some) > PLACES:
            yield replace(held, places=portion), False
            portion = []
        portion += some
    yield replace(held, places=portion), True


def _read(one: Stored, judge: Judge, changed: frozenset[Name] | None) -> Held:
    target = (one.cluster, one.source, one.ref)
    try:
        bill, files = facts_in(one), files_in(one.content)
    except (msgspec.MsgspecError, HaechiError, ZstdError):
        log.exception("the SBOM %s of %s cannot be read", one.n, one.source)
        return Held(one.n, target, Bill(), (), ())
    return Held(one.n, target, bill, files, judge.concerned(files, changed))
