"""Responses as the store gives them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from haechi.model.response import (
    ActionKind,
    ActionState,
    Check,
    Plan,
    Stage,
    StepState,
    Want,
)
from haechi.store.records import Record

LIVE = (ActionState.APPLYING, ActionState.APPLIED, ActionState.UNDOING, ActionState.STUCK)
"""What of an action may be in the world."""


class StoredStep(Record, frozen=True, kw_only=True):
    """A step and how far it is. ``inverse`` was saved before it was applied; ``error`` says what
    went wrong, or what was left alone since somebody else has changed it."""

    id: str
    place: int
    kind: str
    target: str
    body: Any
    inverse: Any
    state: StepState
    attempts: int
    changed: dt.datetime
    error: str = ""


class StoredAction(Record, frozen=True, kw_only=True):
    """An action. ``because`` is the policy's entry that decided, or who asked by hand;
    ``approver`` let it be applied (``automatic``: the policy did, nobody else). ``outcome`` is
    ``contained``, ``not_contained``, ``done`` or empty. ``due`` is when it is looked at next."""

    id: str
    cluster: str
    namespace: str
    resource: str
    incident: str
    kind: ActionKind
    stage: Stage
    state: ActionState
    plan: Plan
    checks: list[Check]
    want: Want
    outcome: str
    why: str
    because: str
    actor: str
    approver: str
    automatic: bool
    level: int
    ttl_s: int
    created: dt.datetime
    changed: dt.datetime
    approved: dt.datetime | None
    applied: dt.datetime | None
    verified: dt.datetime | None
    expires: dt.datetime | None
    ended: dt.datetime | None
    due: dt.datetime | None
    failures: int
    steps: list[StoredStep]


class NewAction(Record, frozen=True, kw_only=True):
    """An action to be kept. ``state`` is OBSERVED, RECOMMENDED, WAITING, APPROVED or REFUSED."""

    id: str
    key: str
    want: Want
    stage: Stage
    state: ActionState
    plan: Plan
    checks: tuple[Check, ...]
    because: str
    by: str
    approver: str = ""
    automatic: bool = False
    level: int = 0
    ttl_s: int = 0
    why: str = ""


class ActionFilter(Record, frozen=True, kw_only=True):
    """Lists are "any of"; empty means all."""

    state: tuple[ActionState, ...] = ()
    kind: tuple[ActionKind, ...] = ()
    cluster: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    incident: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()


class Brief(Record, frozen=True, kw_only=True):
    """What budgets are counted by."""

    id: str
    cluster: str
    namespace: str
    resource: str
    incident: str
    kind: ActionKind
    state: ActionState
    automatic: bool
    level: int
    pods: tuple[str, ...]
    changed: dt.datetime
    applied: dt.datetime | None
    ended: dt.datetime | None
    address: str = ""

    @property
    def stands(self) -> bool:
        """True while something of it is in the world, or may be."""
        return self.state in LIVE and self.ended is None


class Halt(Record, frozen=True, kw_only=True):
    """A word about automation: ``scope`` is a cluster or ``*``. ``stopped`` false: it was let go
    again, then."""

    scope: str
    stopped: bool
    at: dt.datetime
    by: str
    why: str
