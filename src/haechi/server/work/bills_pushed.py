"""A push with packages: judged by the server's advisories besides the run's own, and kept.

What the run says about known vulnerabilities and what the server knows become one list before the
store sees it, so that a client with old advisories changes nothing that it cannot know about: no
finding is called fixed, none comes back, within one push or between two.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from haechi.model.bill import Bill
from haechi.model.keys import repository_key
from haechi.model.package import PackageFile
from haechi.model.push import Push
from haechi.scan.deps.bills import files_of
from haechi.server.work.bills import UPLOADED, check_bill, content_of, facts_in, facts_of, files_in
from haechi.server.work.bills_joined import joined
from haechi.server.work.bills_judged import Judge, words
from haechi.server.work.bills_merged import Rest
from haechi.server.work.proposals import Planning, Target, ended, proposed
from haechi.server.work.proposals_accepted import Accepting
from haechi.store.records import Notice
from haechi.store.state.bills import PUSH, Billed, Stored, keep_bill
from haechi.store.state.engine import Transaction
from haechi.store.state.proposals import Ended, Proposed, settle
from haechi.store.state.state import State


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A push whose packages were judged. ``files`` are the whole repository's, of which the bill is
    ``kept`` when it is of the branch that counts. ``judged`` are the ecosystems that the server's
    own data covers (None: it has none). ``identity`` and ``generation`` are those of the
    advisories by which all of ``files`` were judged. ``decided`` false: what is proposed was not
    asked for."""

    push: Push
    bill: Bill | None = None
    files: tuple[PackageFile, ...] = ()
    kept: bool = False
    judged: frozenset[str] | None = None
    identity: str = ""
    generation: int = 0
    proposed: tuple[Proposed, ...] = ()
    decided: bool = True


def judged_push(state: State, push: Push, judge: Judge | None, today: dt.date) -> Taken:
    """The push with what the server knows about its packages. Raises LimitExceeded, InputError."""
    ecosystems = judge.ecosystems if judge is not None else None
    if push.packages is None:
        return Taken(push=push, judged=None if ecosystems is None else frozenset())
    bill = push.packages
    check_bill(bill)
    files = files_of(bill)
    counts = push.origin.default and "deps" in push.scope.domains and push.scope.tree
    known = _rest(state, push) if counts else None
    held, facts = files, bill
    if known is not None:
        rest = Rest(facts_in(known), files_in(known.content), push.scope.within)
        held, facts = rest.with_pushed(files), rest.facts(bill, files)
        known = known if rest.files else None
    accepting = Accepting(state.waivers.active(today=today), _target(push), today)
    if judge is None:
        told = _proposed(push.report["findings"], push, bill, held, accepting) if counts else ()
        return Taken(push=push, bill=facts, files=held, kept=counts, proposed=told)
    said = judge.said(bill, files, judge.concerned(files))
    findings = joined(push.report["findings"], said, judge, bill, files, today)
    report = {**push.report, "findings": findings}
    known_rules = {rule.id for rule in push.rules}
    rules = [rule for rule in words(said.rules.values()) if rule.id not in known_rules]
    return Taken(
        push=replace(push, report=report, rules=(*push.rules, *rules)),
        bill=facts,
        files=held,
        kept=counts,
        judged=ecosystems,
        identity=known.judged_by if known else judge.database.identity,
        generation=known.judged if known else judge.database.generation,
        proposed=_proposed(findings, push, bill, held, accepting, judge) if counts else (),
    )


def unjudged_push(state: State, push: Push, today: dt.date) -> Taken:
    """The push while the server's advisories cannot be read. It is kept all the same, to be judged
    as soon as they can be; until then the server may know more than the run, so nothing known
    about packages is over, and proposals stay as they are."""
    taken = judged_push(state, push, None, today)
    unjudged = replace(push, packages=None)
    return replace(taken, push=unjudged, judged=frozenset(), proposed=(), decided=False)


def _rest(state: State, push: Push) -> Stored | None:
    """The bill of which a push of a folder replaces a part."""
    if not push.scope.within.strip("/"):
        return None
    origin = push.origin
    return state.bills.current(origin.cluster, repository_key(origin.repository), PUSH)


def _target(push: Push) -> Target:
    origin = push.origin
    return origin.cluster, repository_key(origin.repository), origin.ref


def _proposed(
    findings: Sequence[Any],
    push: Push,
    bill: Bill,
    files: Sequence[PackageFile],
    accepted: Accepting,
    judge: Judge | None = None,
) -> tuple[Proposed, ...]:
    """What is proposed about the findings, while the database can be asked."""
    told = (one for one in findings if isinstance(one, dict))
    affected = judge.affected if judge is not None else None
    planning = Planning(files=files, bill=bill, affected=affected, accepted=accepted)
    return tuple(proposed(told, _target(push), planning))


class Keeping:
    """The bill and the proposals of a push, in its transaction."""

    def __init__(self, state: State, taken: Taken, *, by: str) -> None:
        assert taken.bill is not None  # noqa: S101
        origin = taken.push.origin
        self._by = by
        self._target = _target(taken.push)
        self._billed = Billed(
            cluster=self._target[0],
            source=self._target[1],
            ref=self._target[2],
            content=state.bills.prepare(content_of(taken.files)),
            facts=facts_of(taken.bill),
            commit=origin.commit[:200],
            judged_by=taken.identity,
            judged=taken.generation,
        )
        self._proposed = taken.proposed
        self._ended = self._over(state, taken) if taken.decided else []

    def _over(self, state: State, taken: Taken) -> list[Ended]:
        within = taken.push.scope.within.strip("/")
        known = [
            one
            for one in state.proposals.of([self._target])[self._target]
            if not one.path.startswith(UPLOADED)
            and (not within or one.path.startswith(f"{within}/"))
        ]
        return ended(known, self._proposed, taken.files, None)

    def __call__(self, transaction: Transaction, scan: str) -> None:
        keep_bill(transaction, self._billed, scan=scan, by=self._by)
        changed = settle(transaction, self._proposed, self._ended, by=f"scan:{scan}")
        if changed:
            data = {"source": self._target[1], **changed}
            transaction.tell(Notice(topic="proposal", cluster=self._target[0], data=data))
