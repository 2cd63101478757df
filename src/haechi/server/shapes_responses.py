"""Responses over the wire: actions with their plans, checks, steps and clocks; switches; policy."""

from __future__ import annotations

import datetime as dt
from typing import Any

from haechi.model.response import ActionKind, ActionState, Check, Flow, Stage, StepState
from haechi.store.records import Record
from haechi.store.state.action_records import Halt


class ResponseRow(Record, frozen=True, kw_only=True):
    """An action in a list. ``says`` is its plan in a line, ``why`` the reason of its state,
    ``because`` the policy's entry that decided or who asked. ``outcome``: contained,
    not_contained, done, or empty. ``bars`` are the names of checks that stand in the way; those
    of ``acceptable`` a person may accept. ``expires`` is when it is undone by itself."""

    id: str
    cluster: str
    namespace: str
    resource: str
    incident: str
    kind: ActionKind
    stage: Stage
    state: ActionState
    says: str
    outcome: str
    why: str
    because: str
    actor: str
    approver: str
    automatic: bool
    level: str
    ttl_s: int
    bars: list[str]
    acceptable: list[str]
    created: dt.datetime
    changed: dt.datetime
    approved: dt.datetime | None
    applied: dt.datetime | None
    verified: dt.datetime | None
    expires: dt.datetime | None
    ended: dt.datetime | None


class DiffLine(Record, frozen=True, kw_only=True):
    """A line of what a step changes. ``sign``: ``+``, ``-`` or a space."""

    sign: str
    text: str


class ResponseStep(Record, frozen=True, kw_only=True):
    """A step. ``inverse`` is what undoes it, saved before it is applied (absent before that
    where the world has to be asked first); ``error`` says what went wrong, or what was left
    alone since somebody else has changed it."""

    id: str
    place: int
    kind: str
    target: str
    says: str
    state: StepState
    reversible: bool
    attempts: int
    changed: dt.datetime | None
    error: str
    diff: list[DiffLine]
    body: Any
    inverse: Any


class PlannedResponse(Record, frozen=True, kw_only=True):
    """A plan with what the checks say. ``contained``: no new connection passes after it by the
    model; ``residual`` is what still does. ``touches`` are keys of all that is changed or hit.
    ``stage`` is how far the policy would go by itself, and ``because`` which entry says so."""

    kind: ActionKind
    cluster: str
    namespace: str
    resource: str
    says: str
    stage: Stage
    because: str
    ttl_s: int
    contained: bool | None
    residual: list[Flow]
    warnings: list[str]
    touches: list[str]
    checks: list[Check]
    steps: list[ResponseStep]


class ResponseDetail(Record, frozen=True, kw_only=True):
    """An action with all of its plan. ``may``: approve, dismiss, undo, extend: what its state
    allows now to who asks. ``left_s`` is the undo clock: seconds until it is undone by itself."""

    action: ResponseRow
    plan: PlannedResponse
    may: list[str]
    left_s: float | None


class ResponseAsk(Record, frozen=True, kw_only=True):
    """What is to be planned: all that the policy says for an ``incident``, or one ``kind`` of
    action on ``resource`` (a key: ``k8s:prod/apps/Deployment/shop/web``, a Pod, a Node,
    ``host:prod/node-1``). ``pods`` are names of some of its pods; ``address`` is an IP address to
    block or limit; ``receiver`` names where a webhook goes."""

    incident: str = ""
    kind: ActionKind | None = None
    resource: str = ""
    pods: list[str] = []
    address: str = ""
    receiver: str = ""


class ResponseRequest(ResponseAsk, frozen=True, kw_only=True):
    """An action by hand. ``approve``: apply it, too (whoever asks has to be an approver there).
    ``accept`` are names of checks that the asker takes upon themselves; ``ttl_s`` 0 is the
    policy's."""

    approve: bool = False
    accept: list[str] = []
    ttl_s: int = 0
    note: str = ""


class ResponseApproval(Record, frozen=True, kw_only=True):
    """``accept`` are names of checks that the approver takes upon themselves; ``ttl_s`` 0 leaves
    the time as planned. ``seen`` is ``changed`` of the action as the approver was shown it: when
    somebody has had it planned anew since, it is not approved."""

    accept: list[str] = []
    ttl_s: int = 0
    note: str = ""
    seen: dt.datetime | None = None


class ResponseDecision(Record, frozen=True, kw_only=True):
    """Why it is dismissed or undone."""

    note: str = ""


class ResponseExtension(Record, frozen=True, kw_only=True):
    """So many seconds from now until it is undone by itself."""

    seconds: int
    note: str = ""


class HaltRequest(Record, frozen=True, kw_only=True):
    """Stop automation (``stopped`` false: let it go again) in a cluster, or ``*``."""

    stopped: bool
    cluster: str = "*"
    why: str = ""


class HaltStatus(Record, frozen=True, kw_only=True):
    """Where automation stands still. ``file``: the file HALT lies in the store's folder, which
    stops everything; ``words`` are the switches as they were set last."""

    file: bool
    words: list[Halt]


class PolicyEntry(Record, frozen=True, kw_only=True):
    """What the policy says for one kind of action, and the entries that decided."""

    kind: ActionKind
    stage: Stage
    ttl_s: int
    because: str
    receiver: str = ""


class PolicyAnswer(Record, frozen=True, kw_only=True):
    """The policy in force as YAML, and where it is from. ``entries`` answer what was asked; ``why``
    says in words what led there, ``most`` is how far the server's settings let it go."""

    origin: str
    text: str
    most: Stage
    entries: list[PolicyEntry]
    why: list[str]
