"""A push with packages: judged by the server's advisories besides the run's own, and kept.

What the run says about known vulnerabilities and what the server knows become one list before the
store sees it, so that a client with old advisories changes nothing that it cannot know about: no
finding is called fixed, none comes back, within one push or between two.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from haechi.model.bill import Bill
from haechi.model.finding import Finding
from haechi.model.keys import repository_key
from haechi.model.package import PackageFile
from haechi.model.push import Push
from haechi.scan.deps.bills import files_of
from haechi.server.work.bills import check_bill, content_of, facts_of, files_in, merged
from haechi.server.work.bills_judged import (
    Judge,
    Said,
    documents,
    due_of,
    is_about_package,
    run_day,
    words,
)
from haechi.server.work.proposals import Planning, Target, ended, proposed
from haechi.store.records import Notice
from haechi.store.state.bills import PUSH, Billed, keep_bill
from haechi.store.state.engine import Transaction
from haechi.store.state.proposals import Proposed, settle
from haechi.store.state.state import State

_KEPT = ("owner", "due", "state", "waiver")
"""What the run's gate decided about a finding that the server knows more about."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A push whose packages were judged. ``files`` are the whole repository's, of which the bill is
    ``kept`` when it is of the branch that counts. ``judged`` are the ecosystems that the server's
    own data covers (None: it has none)."""

    push: Push
    bill: Bill | None = None
    files: tuple[PackageFile, ...] = ()
    kept: bool = False
    judged: frozenset[str] | None = None
    identity: str = ""
    generation: int = 0
    proposed: tuple[Proposed, ...] = ()


def judged_push(state: State, push: Push, judge: Judge | None, today: dt.date) -> Taken:
    """The push with what the server knows about its packages. Raises LimitExceeded, InputError."""
    ecosystems = judge.ecosystems if judge is not None else None
    if push.packages is None:
        return Taken(push=push, judged=None if ecosystems is None else frozenset())
    bill = push.packages
    check_bill(bill)
    files = files_of(bill)
    held: tuple[PackageFile, ...] = files
    counts = push.origin.default and "deps" in push.scope.domains and push.scope.tree
    if push.scope.within and counts:
        origin = push.origin
        known = state.bills.current(origin.cluster, repository_key(origin.repository), PUSH)
        held = merged(files_in(known.content) if known else (), files, push.scope.within)
    if judge is None:
        told = _proposed(push.report["findings"], push, bill, held, None) if counts else ()
        return Taken(push=push, bill=bill, files=held, kept=counts, proposed=told)
    said = judge.said(bill, files, judge.concerned(files))
    findings = joined(push.report["findings"], said, judge, bill, today)
    report = {**push.report, "findings": findings}
    known_rules = {rule.id for rule in push.rules}
    rules = [rule for rule in words(said.rules.values()) if rule.id not in known_rules]
    return Taken(
        push=replace(push, report=report, rules=(*push.rules, *rules)),
        bill=bill,
        files=held,
        kept=counts,
        judged=ecosystems,
        identity=judge.database.identity,
        generation=judge.database.generation,
        proposed=_proposed(findings, push, bill, held, judge) if counts else (),
    )


def _target(push: Push) -> Target:
    origin = push.origin
    return origin.cluster, repository_key(origin.repository), origin.ref


def _proposed(
    findings: Sequence[Any],
    push: Push,
    bill: Bill,
    files: Sequence[PackageFile],
    judge: Judge | None,
) -> tuple[Proposed, ...]:
    """What is proposed about the findings, while the database can be asked."""
    told = (one for one in findings if isinstance(one, dict))
    affected = judge.affected if judge is not None else None
    planning = Planning(files=files, bill=bill, affected=affected)
    return tuple(proposed(told, _target(push), planning))


def joined(
    findings: Sequence[Any], said: Said, judge: Judge, bill: Bill, today: dt.date
) -> list[Any]:
    """The run's findings and the server's: one for each vulnerability of a package in a file."""
    own = frozenset(bill.own)
    mine: dict[Any, list[tuple[frozenset[str], Finding]]] = {}
    for made in said.findings:
        place = (made.location.path, made.evidence["ecosystem"], made.evidence["package"])
        mine.setdefault(place, []).append((frozenset(made.ids), made))
    paths = {file.path for file in bill.files}
    met: set[str] = set()
    result: list[Any] = []
    for one in findings:
        if not isinstance(one, dict) or not is_about_package(one):
            result.append(one)
            continue
        kept = _decided(one, mine, judge, bill, own, paths, met, today)
        if kept is not None:
            result.append(kept)
    fresh = [
        made
        for made in said.findings
        if made.fingerprint not in met
        and not judge.refuted(
            said.vulnerabilities[made.rule],
            made.evidence["ecosystem"],
            run_day(bill, made.evidence["ecosystem"]),
        )
    ]
    return [*result, *_plain(documents(fresh, bill, today))]


def _decided(
    one: dict[str, Any],
    mine: Mapping[Any, Sequence[tuple[frozenset[str], Finding]]],
    judge: Judge,
    bill: Bill,
    own: frozenset[str],
    paths: set[str],
    met: set[str],
    today: dt.date,
) -> dict[str, Any] | None:
    """What becomes of a finding of the run: as it is, in the server's newer words, or nothing."""
    evidence = one.get("evidence")
    ids = frozenset((str(one["rule"]), *_ids(one.get("aliases"))))
    if not isinstance(evidence, dict) or not isinstance(one.get("location"), dict):
        return one
    ecosystem, path = str(evidence.get("ecosystem", "")), one["location"].get("path")
    same = [
        made
        for known, made in mine.get((path, ecosystem, evidence.get("package")), ())
        if not known.isdisjoint(ids)
    ]
    met.update(made.fingerprint for made in same)
    run = run_day(bill, ecosystem)
    if not own.isdisjoint(ids) or path not in paths:
        return one
    if same:
        newer = judge.newer(ecosystem, run)
        return _retold(one, same[0], bill, today) if newer else one
    return None if judge.decides(ids, ecosystem, run) else one


def _retold(one: dict[str, Any], made: Finding, bill: Bill, today: dt.date) -> dict[str, Any]:
    (told,) = _plain(documents([made], bill, today))
    kept = {name: one[name] for name in _KEPT if name in one}
    if one.get("severity") != told["severity"] and kept.get("state") != "waived":
        kept["due"] = due_of(told["severity"], bill, today)
    return {**told, **kept, "evidence": {**one["evidence"], **told["evidence"]}}


def _plain(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = msgspec.to_builtins(found, builtin_types=())
    return plain


def _ids(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


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
        within = taken.push.scope.within.strip("/")
        known = state.proposals.of([self._target])[self._target]
        known = [one for one in known if not within or one.path.startswith(f"{within}/")]
        self._ended = ended(known, self._proposed, taken.files, None)

    def __call__(self, transaction: Transaction, scan: str) -> None:
        keep_bill(transaction, self._billed, scan=scan, by=self._by)
        changed = settle(transaction, self._proposed, self._ended, by=f"scan:{scan}")
        if changed:
            data = {"source": self._target[1], **changed}
            transaction.tell(Notice(topic="proposal", cluster=self._target[0], data=data))
