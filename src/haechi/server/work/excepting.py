"""Exceptions that are proposed to an asker, with what they would have silenced.

Two passes over the stored detections within the reach: what recurs, and what the proposals made of
it (and of incidents that were marked false positive) would have silenced. Both end at a deadline
and say so.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from haechi.model.access import Reach
from haechi.model.event import Event
from haechi.model.incident import IncidentState
from haechi.runtime.incidents.exceptions import Candidate, Groups, exception_name, rule_file
from haechi.runtime.incidents.measuring import Measure
from haechi.server.shapes import RuleText
from haechi.server.shapes_incidents import (
    ExceptionProposal,
    ExceptionProposals,
    ExceptionValue,
)
from haechi.store.events.shapes import EventFilter
from haechi.store.records import StoredEvent

if TYPE_CHECKING:
    from haechi.server.world import World
    from haechi.store.state.incidents_records import Evidence

DEADLINE_S = 20.0
MOST_RULES, MOST_PROPOSALS, MOST_LOOKED_AT = 30, 50, 400_000
NOISY_A_DAY, NOISY_SHARE = 20.0, 0.02
"""A cause is noisy that comes so often, and is so large a part of its rule's detections."""
SERIOUS = (
    IncidentState.ACKNOWLEDGED,
    IncidentState.CONTAINED,
    IncidentState.NOT_CONTAINED,
    IncidentState.RESOLVED,
)
"""States by which somebody has said that there was something."""
_MOST_INCIDENTS, _MOST_EVIDENCE = 500, 20_000
_FILE = "exceptions.yaml"
Why = Literal["false_positive", "noisy"]


def proposed(
    world: World,
    *,
    within: tuple[Reach, ...],
    since: dt.datetime,
    until: dt.datetime,
    incidents: Sequence[str],
    ids: Sequence[str],
    rules: Sequence[str],
    noisy: bool,
    deadline_s: float = DEADLINE_S,
) -> ExceptionProposals:
    """The proposals and their effect."""
    work = _Work(world, within, since, until, time.monotonic() + deadline_s)
    false = Groups()
    work.learn_incidents(false, incidents, rules)
    frequent = Groups()
    counts = work.loud_rules(rules)
    if noisy:
        for event in work.detections(list(counts)[:MOST_RULES]):
            frequent.add(event)
    chosen = _chosen(false, frequent, work.days)
    measure = Measure([one for one, _, _ in chosen])
    chosen = [one for one in chosen if one[0].id not in measure.broken]
    warned = work.evidence_lost(measure, {one.id for one, _, _ in chosen}, false)
    quiet = frozenset(one.id for one, _, _ in chosen if one.id not in warned)
    for event in work.detections(sorted({one.rule for one, _, _ in chosen})):
        measure.add(event, quiet)
    proposals = [work.told(one, why, from_, measure, warned) for one, why, from_ in chosen]
    proposals.sort(key=lambda one: (-one.silences, one.id))
    wanted = set(ids) or quiet
    asked = [one for one, _, _ in chosen if one.id in wanted]
    return ExceptionProposals(
        proposals=proposals[:MOST_PROPOSALS],
        silences=measure.any.total(),
        of=sum(counts.values()),
        since=since,
        complete=work.complete,
        file=RuleText(name=_FILE, text=_text(asked, proposals, here=True)),
        falco=_text(asked, proposals, here=False),
    )


def _chosen(false: Groups, frequent: Groups, days: float) -> list[tuple[Candidate, Why, list[str]]]:
    """Candidates with why they are there, and of which incidents."""
    found: dict[str, tuple[Candidate, Why, list[str]]] = {}
    for group in false.groups.values():
        if (one := group.candidate()) is not None:
            found[one.id] = (one, "false_positive", sorted(group.incidents))
    of_rule: dict[tuple[str, bool], int] = {}
    for group in frequent.groups.values():
        key = (group.rule, group.here)
        of_rule[key] = of_rule.get(key, 0) + group.count
    loud = sorted(frequent.groups.values(), key=lambda group: -group.count)
    for group in loud[: 4 * MOST_PROPOSALS]:
        share = group.count / of_rule[group.rule, group.here]
        if group.count < NOISY_A_DAY * days or share < NOISY_SHARE:
            continue
        if (one := group.candidate()) is not None:
            found.setdefault(one.id, (one, "noisy", []))
    return list(found.values())[: 2 * MOST_PROPOSALS]


def _text(asked: Sequence[Candidate], told: Sequence[ExceptionProposal], *, here: bool) -> str:
    mine = [one for one in asked if one.here == here]
    effect = {one.id: one for one in told}
    said = [
        f"{exception_name(one)}: would have silenced {effect[one.id].silences:,} of "
        f"{effect[one.id].of:,} since {effect[one.id].since:%Y-%m-%d}"
        for one in mine
    ]
    return rule_file(mine, "\n".join(said))


class _Work:
    """What both passes share."""

    def __init__(
        self,
        world: World,
        within: tuple[Reach, ...],
        since: dt.datetime,
        until: dt.datetime,
        ends: float,
    ) -> None:
        self._world, self._within, self._ends = world, within, ends
        self._since, self._until = since, until
        self.days = max(1.0, (until - since).total_seconds() / 86_400)
        self.complete = True

    def loud_rules(self, rules: Sequence[str]) -> dict[str, int]:
        """Rules with their numbers of detections, from the counts; the loudest first."""
        start, end = int(self._since.timestamp()), int(self._until.timestamp()) + 60
        found = self._world.store.events.series(
            since_s=start,
            until_s=end,
            step_s=end - start,
            by="rule",
            within=self._within,
            ask=EventFilter(rule=list(rules)),
            lines=1_000,
        )
        counts = {name: sum(values) for name, values in found.lines.items() if name}
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def detections(self, rules: Sequence[str]) -> Iterator[Event]:
        """Stored detections of these rules, newest first, until the deadline."""
        if not rules:
            return
        ask = EventFilter(rule=list(rules), since=self._since, until=self._until)
        number = 0
        for one in self._world.store.events.search(
            ask, within=self._within, limit=MOST_LOOKED_AT + 1
        ):
            if time.monotonic() > self._ends or number >= MOST_LOOKED_AT:
                self.complete = False
                return
            if isinstance(one, StoredEvent):
                number += 1
                yield one.event

    def learn_incidents(self, groups: Groups, ids: Sequence[str], rules: Sequence[str]) -> None:
        """What incidents rest on: of these, or of all that were marked false positive."""
        for id_, evidence in self._evidence(ids, (IncidentState.FALSE_POSITIVE,)):
            if not rules or evidence.rule in rules:
                groups.add(event_of(evidence), evidence.count, id_)

    def evidence_lost(self, measure: Measure, known: set[str], false: Groups) -> dict[str, Any]:
        """By proposal: incidents that somebody took seriously and that would have lost some."""
        asked = {id_ for group in false.groups.values() for id_ in group.incidents}
        found: dict[str, set[str]] = {}
        for id_, evidence in self._evidence((), SERIOUS):
            if id_ in asked:
                continue
            for one in measure.silencers(event_of(evidence)):
                if one in known:
                    found.setdefault(one, set()).add(id_)
        return {name: sorted(ids) for name, ids in found.items()}

    def _evidence(
        self, ids: Sequence[str], states: Sequence[IncidentState]
    ) -> Iterator[tuple[str, Evidence]]:
        from haechi.store.state.incidents_records import IncidentFilter

        incidents = self._world.store.state.incidents
        if not ids:
            ask = IncidentFilter(state=list(states))
            page = incidents.page(ask, within=self._within, sort="-changed", limit=_MOST_INCIDENTS)
            self.complete = self.complete and page.next is None
            ids = [one.id for one in page.items]
        number = 0
        for id_ in ids:
            cursor: str | None = None
            while True:
                part = incidents.timeline(id_, within=self._within, limit=1_000, cursor=cursor)
                for one in part.items:
                    number += 1
                    yield id_, one
                if part.next is None:
                    break
                cursor = part.next
            if number > _MOST_EVIDENCE or time.monotonic() > self._ends:
                self.complete = False
                return

    def told(
        self, one: Candidate, why: Why, from_: list[str], measure: Measure, warned: dict[str, Any]
    ) -> ExceptionProposal:
        """As it is shown."""
        of, silences = measure.of[one.rule], measure.silenced[one.id]
        lost = warned.get(one.id, [])
        warning = ""
        if lost:
            warning = (
                f"it would have silenced evidence of {len(lost)} incident"
                f"{'s' if len(lost) > 1 else ''} that somebody took seriously"
            )
        return ExceptionProposal(
            id=one.id,
            rule=one.rule,
            rule_id=one.rule_id,
            source=one.source,
            judged_by="haechi" if one.here else "falco",
            why=why,
            incidents=from_,
            fields=[ExceptionValue(field=v.field, comp=v.comp, value=v.value) for v in one.values],
            silences=silences,
            of=of,
            share=round(silences / of, 4) if of else 0.0,
            silences_true=lost[:100],
            warning=warning,
            since=self._since,
            complete=self.complete,
            text=rule_file([one]),
        )


def event_of(evidence: Evidence) -> Event:
    """The detection behind a row of evidence, as far as it was kept."""
    return Event(
        id=evidence.event,
        ts_ns=int(evidence.at.timestamp()) * 10**9,
        source=evidence.source,
        type=_type(evidence),
        cluster=evidence.cluster,
        namespace=evidence.namespace,
        rule=evidence.rule,
        priority=evidence.priority,
        fields=evidence.fields,
    )


def _type(evidence: Evidence) -> str:
    told = evidence.fields.get("evt.type", evidence.fields.get("ka.verb"))
    return told if isinstance(told, str) else "alert"
