"""Actions as the API shows them: rows, plans with their diffs, what may be done to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import Forbidden, UsageError
from haechi.model.access import Principal, Role, covered
from haechi.model.response import ActionState, Plan, StepState, Want
from haechi.model.threat import ThreatLevel
from haechi.respond.by_name import want_of
from haechi.respond.engine import DECIDABLE, UNDOABLE
from haechi.respond.policy import Case
from haechi.respond.proposals import Proposal
from haechi.respond.wishes import case_of, wants_of
from haechi.server.shapes_responses import (
    DiffLine,
    PlannedResponse,
    ResponseAsk,
    ResponseDetail,
    ResponseRow,
    ResponseStep,
)
from haechi.store.state.action_records import StoredAction, StoredStep

if TYPE_CHECKING:
    from haechi.server.endpoint import Call

MOST_LINES = 400
A = ActionState


def row(action: StoredAction) -> ResponseRow:
    """An action in a list."""
    standing = [one for one in action.checks if one.bars]
    same = (
        "id", "cluster", "namespace", "resource", "incident", "kind", "stage", "state", "outcome",
        "why", "because", "actor", "approver", "automatic", "ttl_s", "created", "changed",
        "approved", "applied", "verified", "expires", "ended",
    )  # fmt: skip
    return ResponseRow(
        **{name: getattr(action, name) for name in same},
        says=action.plan.says,
        level=ThreatLevel(action.level).word,
        bars=[one.name for one in standing],
        acceptable=[one.name for one in standing if one.acceptable],
    )


def detail(action: StoredAction, who: Principal, now: dt.datetime) -> ResponseDetail:
    """An action with all of its plan."""
    plan = action.plan
    steps = [
        _step(one, plan.steps[one.place].says, plan.steps[one.place].reversible)
        for one in action.steps
    ]
    shown = PlannedResponse(
        kind=action.kind,
        cluster=action.cluster,
        namespace=action.namespace,
        resource=action.resource,
        stage=action.stage,
        because=action.because,
        ttl_s=action.ttl_s,
        checks=action.checks,
        steps=steps,
        **_of_plan(plan),
    )
    left = max(0.0, (action.expires - now).total_seconds()) if action.expires else None
    running = action.state in (A.APPLYING, A.APPLIED)
    return ResponseDetail(
        action=row(action),
        plan=shown,
        may=list(_may(action, who)),
        left_s=left if running else None,
    )


def planned(one: Proposal) -> PlannedResponse:
    """A plan that is not kept."""
    steps = [
        ResponseStep(
            id=f"{one.id}-{place}",
            place=place,
            kind=step.kind,
            target=step.target,
            says=step.says,
            state=StepState.PLANNED,
            reversible=step.reversible,
            attempts=0,
            changed=None,
            error="",
            diff=list(diff(step.kind, step.body)),
            body=step.body,
            inverse=step.inverse,
        )
        for place, step in enumerate(one.plan.steps)
    ]
    return PlannedResponse(
        kind=one.want.kind,
        cluster=one.want.cluster,
        namespace=one.want.namespace,
        resource=one.want.resource,
        stage=one.stage,
        because=one.because,
        ttl_s=one.ttl_s,
        checks=list(one.checks),
        steps=steps,
        **_of_plan(one.plan),
    )


def _of_plan(plan: Plan) -> dict[str, Any]:
    return {
        "says": plan.says,
        "contained": plan.contained,
        "residual": list(plan.residual),
        "warnings": list(plan.warnings),
        "touches": list(plan.touches),
    }


def _step(step: StoredStep, says: str, reversible: bool) -> ResponseStep:
    return ResponseStep(
        id=step.id,
        place=step.place,
        kind=step.kind,
        target=step.target,
        says=says,
        state=step.state,
        reversible=reversible,
        attempts=step.attempts,
        changed=step.changed,
        error=step.error,
        diff=list(diff(step.kind, step.body)),
        body=step.body,
        inverse=step.inverse,
    )


def _may(action: StoredAction, who: Principal) -> Iterator[str]:
    decides = who.reaches(Role.APPROVER, action.cluster, action.namespace)
    operates = who.reaches(Role.OPERATOR, action.cluster, action.namespace)
    if action.state in DECIDABLE and decides:
        yield "approve"
    if action.state in (*DECIDABLE, A.APPROVED) and operates:
        yield "dismiss"
    if action.state in UNDOABLE and action.ended is None and decides:
        yield "undo"
    if action.state is A.APPLIED and action.expires is not None and decides:
        yield "extend"


def diff(kind: str, body: Any) -> Iterator[DiffLine]:
    """What a step changes, line by line."""
    lines = _patched(body) if kind == "kube.patch" else _whole(kind, body)
    for number, line in enumerate(lines):
        if number >= MOST_LINES:
            yield DiffLine(sign=" ", text="…")
            return
        yield line


def _patched(body: Any) -> Iterator[DiffLine]:
    known: dict[str, Any] = {}
    for one in body if isinstance(body, list) else ():
        path, value = str(one.get("path")), one.get("value")
        match one.get("op"):
            case "test":
                known[path] = value
            case "remove":
                yield _line("-", path, known.get(path))
            case "replace" | "add":
                if path in known:
                    yield _line("-", path, known[path])
                yield _line("+", path, value)


def _line(sign: str, path: str, value: Any) -> DiffLine:
    said = f": {_short(value)}" if value is not None else ""
    return DiffLine(sign=sign, text=f"{path}{said}")


def _short(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _whole(kind: str, body: Any) -> Iterator[DiffLine]:
    match kind:
        case "rules":
            text = str(body.get("text", "")) if isinstance(body, dict) else ""
        case "kube.apply" | "kube.scale" | "nft" | "http":
            text = msgspec.yaml.encode(body).decode()
        case _:
            return
    for line in text.splitlines():
        yield DiffLine(sign="+", text=line)


def wanted(call: Call, ask: ResponseAsk) -> tuple[list[Want], Case | None]:
    """What is asked for: all that the policy says of an incident, or one thing. NotFound and
    Forbidden keep it within the caller's reach."""
    world = call.world
    engine = world.respond.engine(world)
    if ask.incident and ask.kind is None:
        incident = world.store.state.incidents.get(ask.incident, within=call.within)
        site = engine.ground.sites(incident.cluster)
        case = case_of(incident, site, call.now)
        decided = engine.policy.decide(case, most=engine.most)
        wants = [want for one in decided.responses for want in wants_of(incident, one, site)]
        return wants, case
    if ask.kind is None or not ask.resource:
        raise UsageError(
            "say what is to be planned",
            do='{"incident": "…"}, or {"kind": "isolate_workload", "resource": "k8s:…"}',
            where="body",
        )
    if ask.incident:
        world.store.state.incidents.get(ask.incident, within=call.within)
    want = want_of(
        ask.kind,
        ask.resource,
        address=ask.address,
        pods=tuple(ask.pods),
        receiver=ask.receiver,
        incident=ask.incident,
    )
    if not covered(call.within, want.cluster, want.namespace):
        raise Forbidden(
            f"{call.principal.id} may not respond in {want.cluster}/{want.namespace}",
            do="ask somebody who operates there",
        )
    return [want], None
