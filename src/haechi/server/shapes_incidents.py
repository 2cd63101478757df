"""What goes over the wire about incidents, beside the store's records of them."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from haechi.model.threat import Reason
from haechi.server.shapes import RuleText
from haechi.store.records import Bucket, Record
from haechi.store.state.incidents_records import (
    Evidence,
    IncidentStep,
    ProcessNode,
    StoredIncident,
)


class IncidentDetail(Record, frozen=True, kw_only=True):
    """One incident. ``reasons`` is what led to its level; ``history`` its steps, oldest first;
    ``timeline`` the first of its evidence, oldest first (``next`` goes on at
    ``incidents.timeline``, ``evidence`` counts all); ``tree`` the processes, parents before their
    children; ``followed_by`` are incidents of the same cause after it was closed."""

    incident: StoredIncident
    reasons: list[Reason]
    history: list[IncidentStep]
    timeline: list[Evidence]
    next: str | None
    evidence: int
    tree: list[ProcessNode]
    followed_by: list[str]


class IncidentCounts(Record, frozen=True, kw_only=True):
    """How many match, and by state, level, cluster, namespace and owner; each facet ignores its
    own part of the filter."""

    total: int
    facets: dict[str, list[Bucket]]


class IncidentPatch(Record, frozen=True, kw_only=True):
    """What to change; all may be left out. ``state`` contained and not_contained are set by the
    response alone. ``was``: change the state only from this one. ``owner`` null or "" takes the
    owner away. ``note`` alone is added to the history."""

    state: Literal["open", "acknowledged", "resolved", "false_positive"] | None = None
    was: str = ""
    owner: str | msgspec.UnsetType | None = msgspec.UNSET
    note: str = ""


class ExceptionValue(Record, frozen=True, kw_only=True):
    """One field of a proposed exception: ``comp`` is ``=`` or ``startswith``."""

    field: str
    comp: str
    value: str


class ExceptionProposal(Record, frozen=True, kw_only=True):
    """An exception that would silence a rule for what is known to be harmless, and its measured
    effect. ``judged_by`` says whose rule it is: only those of haechi can be saved here, the others
    belong into Falco's own files. ``why``: false_positive (``incidents`` were marked so) or noisy.
    Of the rule's detections since ``since`` it would silence ``silences`` of ``of``;
    ``silences_true`` are ids of incidents that somebody took seriously (acknowledged, contained,
    resolved) and that would have lost evidence to it: then ``warning`` says so. ``complete`` is
    false where not all detections could be looked at. ``text`` is the rule file that makes it."""

    id: str
    rule: str
    rule_id: str
    source: str
    judged_by: Literal["haechi", "falco"]
    why: Literal["false_positive", "noisy"]
    incidents: list[str]
    fields: list[ExceptionValue]
    silences: int
    of: int
    share: float
    silences_true: list[str]
    warning: str
    since: dt.datetime
    complete: bool
    text: str


class ExceptionProposals(Record, frozen=True, kw_only=True):
    """Proposals, those that silence most first. ``silences`` of ``of`` detections of all rules are
    silenced by all of those without a warning together. ``file`` holds those of rules that judge
    here (or the ones that were asked for by ``id``) as one rule file, for PUT
    /runtime/files/{name}; ``falco`` those of rules of Falco, to be loaded after its own."""

    proposals: list[ExceptionProposal]
    silences: int
    of: int
    since: dt.datetime
    complete: bool
    file: RuleText
    falco: str
