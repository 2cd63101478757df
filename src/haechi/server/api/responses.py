"""Responses: what was done or would be, by whose word; approving, undoing, stopping."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.errors import Forbidden, UsageError
from haechi.model.access import ANY, NONE, Reach, Role, covered
from haechi.model.response import ActionKind, ActionState
from haechi.model.threat import ThreatLevel
from haechi.respond.policy import Case
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.shapes_responses import (
    HaltRequest,
    HaltStatus,
    PlannedResponse,
    PolicyAnswer,
    PolicyEntry,
    ResponseApproval,
    ResponseAsk,
    ResponseDecision,
    ResponseDetail,
    ResponseExtension,
    ResponseRequest,
    ResponseRow,
)
from haechi.server.work.response_rows import detail, planned, row, wanted
from haechi.store.records import Page, Record
from haechi.store.state.action_records import ActionFilter, StoredAction

_DECIDES = Role.APPROVER


class ResponsesAsk(Record, frozen=True, kw_only=True):
    """Actions, newest first. Lists are "any of"; empty means all."""

    state: list[ActionState] = []
    kind: list[ActionKind] = []
    cluster: list[str] = []
    namespace: list[str] = []
    incident: list[str] = []
    resource: list[str] = []
    limit: int = 100
    cursor: str | None = None


class PolicyAsk(Record, frozen=True, kw_only=True):
    """What would be done for such a case; without ``level`` only the policy is shown. ``label``
    as ``app=web``."""

    level: str = ""
    cluster: str = NONE
    namespace: str = NONE
    rule: list[str] = []
    tag: list[str] = []
    label: list[str] = []


def listed(call: Call) -> Page[ResponseRow]:
    """One page."""
    ask: ResponsesAsk = call.query
    page = _page(call, ask.limit, ask.cursor)
    return Page(items=[row(one) for one in page.items], next=page.next, total=page.total)


def rows(call: Call) -> Iterator[ResponseRow]:
    """All rows, for the twins."""
    cursor: str | None = None
    while True:
        page = _page(call, 200, cursor)
        yield from map(row, page.items)
        cursor = page.next
        if cursor is None:
            return


def _page(call: Call, limit: int, cursor: str | None) -> Page[StoredAction]:
    ask: ResponsesAsk = call.query
    filter_ = ActionFilter(
        **{name: tuple(getattr(ask, name)) for name in ActionFilter.__struct_fields__}
    )
    actions = call.world.store.state.actions
    return actions.page(filter_, within=call.within, limit=limit, cursor=cursor)


def shown(call: Call) -> ResponseDetail:
    """One action."""
    action = call.world.store.state.actions.get(call.params["id"], within=call.within)
    return detail(action, call.principal, call.now)


def previewed(call: Call) -> list[PlannedResponse]:
    """Plans and what the checks say; nothing is kept, nothing is changed."""
    engine = call.world.respond.engine(call.world)
    wants, case = wanted(call, call.body)
    return [planned(one) for one in engine.previews(wants, case)]


def created(call: Call) -> Answer:
    """An action by hand."""
    body: ResponseRequest = call.body
    if body.kind is None:
        raise UsageError("`kind` is missing", where="body.kind", do="for example isolate_workload")
    engine = call.world.respond.engine(call.world)
    (want,), _ = wanted(call, body)
    if body.approve and not call.principal.reaches(_DECIDES, want.cluster, want.namespace):
        raise Forbidden(
            f"{call.principal.id} may not approve in {want.cluster}/{want.namespace}",
            why="applying an action needs the role approver there",
            do="leave `approve` away: an approver can approve it",
        )
    made = engine.by_hand(
        want,
        by=call.principal.id,
        approve=body.approve,
        accept=tuple(body.accept),
        ttl_s=body.ttl_s,
        note=body.note,
    )
    return Answer(value=detail(made, call.principal, call.now), status=201)


def approved(call: Call) -> ResponseDetail:
    """Let an action be applied."""
    body: ResponseApproval = call.body
    made = _engine_for(call).approve(
        call.params["id"],
        call.principal.id,
        accept=tuple(body.accept),
        ttl_s=body.ttl_s,
        note=body.note,
        seen=body.seen,
    )
    return detail(made, call.principal, call.now)


def dismissed(call: Call) -> ResponseDetail:
    """Say no to an action."""
    made = _engine_for(call).dismiss(call.params["id"], call.principal.id, note=call.body.note)
    return detail(made, call.principal, call.now)


def undone(call: Call) -> ResponseDetail:
    """Undo what was applied, now."""
    made = _engine_for(call).undo(call.params["id"], call.principal.id, note=call.body.note)
    return detail(made, call.principal, call.now)


def extended(call: Call) -> ResponseDetail:
    """Set the undo clock anew."""
    body: ResponseExtension = call.body
    made = _engine_for(call).extend(
        call.params["id"], call.principal.id, seconds=body.seconds, note=body.note
    )
    return detail(made, call.principal, call.now)


def _engine_for(call: Call):  # type: ignore[no-untyped-def]
    """The engine, once it is sure that the action is within reach."""
    call.world.store.state.actions.get(call.params["id"], within=call.within)
    return call.world.respond.engine(call.world)


def halts(call: Call) -> HaltStatus:
    """Where automation stands still."""
    return _halts(call)


def _halts(call: Call) -> HaltStatus:
    clusters = {one.cluster for one in call.within}
    words = call.world.store.state.actions.halts()
    return HaltStatus(
        file=call.world.respond.halt_file(call.world).exists(),
        words=[one for one in words if ANY in clusters or one.scope in (ANY, *clusters)],
    )


def halted(call: Call) -> HaltStatus:
    """Stop automation, or let it go again."""
    body: HaltRequest = call.body
    scope = Reach(cluster=body.cluster)
    if not any(one.covers(scope.cluster, scope.namespace) for one in call.within):
        raise Forbidden(
            f"{call.principal.id} may not switch automation in {body.cluster}",
            why="it needs its role for the whole cluster (`*`: for all clusters)",
            do="name your cluster, or ask an administrator",
        )
    if not body.stopped and not covered(call.principal.within(_DECIDES), body.cluster, ANY):
        raise Forbidden(
            f"{call.principal.id} may not let automation go again",
            why="everybody who operates may stop it; to let it go needs the role approver",
            do="ask an approver",
        )
    call.world.respond.switch(call.world, body, by=call.principal.id)
    return _halts(call)


def policy(call: Call) -> PolicyAnswer:
    """The policy in force, and what it says for a case."""
    ask: PolicyAsk = call.query
    engine = call.world.respond.engine(call.world)
    entries: list[PolicyEntry] = []
    why: list[str] = []
    if ask.level:
        case = Case(
            level=_level(ask.level),
            cluster=ask.cluster,
            namespace=ask.namespace,
            rules=tuple(ask.rule),
            tags=tuple(ask.tag),
            labels=dict(_label(one) for one in ask.label),
            at=call.now,
        )
        decided = engine.policy.decide(case, most=engine.most)
        why = list(decided.why)
        entries = [
            PolicyEntry(
                kind=one.kind,
                stage=one.stage,
                ttl_s=one.ttl_s,
                because=one.because,
                receiver=one.receiver,
            )
            for one in decided.responses
        ]
    return PolicyAnswer(
        origin=engine.policy.origin,
        text=engine.policy.text,
        most=engine.most,
        entries=entries,
        why=why,
    )


def _level(word: str) -> ThreatLevel:
    try:
        return ThreatLevel[word.upper()]
    except KeyError:
        words = ", ".join(one.word for one in ThreatLevel)
        raise UsageError(f"{word[:40]!r} is no level", do=words, where="query.level") from None


def _label(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise UsageError(f"{text[:80]!r} is no label", do="app=web", where="query.label")
    return name, value


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="responses.list",
        method="GET",
        path="/responses",
        role=Role.VIEWER,
        summary="List actions, newest first: recommended, standing, undone",
        handler=listed,
        query=ResponsesAsk,
        answer=Page[ResponseRow],
        rows=rows,
    ),
    Operation(
        id="responses.create",
        method="POST",
        path="/responses",
        role=Role.OPERATOR,
        summary="Plan an action by hand, and apply it where `approve` is set",
        handler=created,
        body=ResponseRequest,
        answer=ResponseDetail,
        status=201,
    ),
    Operation(
        id="responses.plan",
        method="POST",
        path="/responses/plan",
        role=Role.OPERATOR,
        summary="What would be done, with its diff and what the checks say; nothing is kept",
        handler=previewed,
        body=ResponseAsk,
        answer=list[PlannedResponse],
    ),
    Operation(
        id="responses.halts",
        method="GET",
        path="/responses/halt",
        role=Role.VIEWER,
        summary="Where automation stands still",
        handler=halts,
        answer=HaltStatus,
    ),
    Operation(
        id="responses.halt",
        method="POST",
        path="/responses/halt",
        role=Role.OPERATOR,
        summary="Stop all automation at once, or let it go again (approvers)",
        handler=halted,
        body=HaltRequest,
        answer=HaltStatus,
    ),
    Operation(
        id="responses.policy",
        method="GET",
        path="/responses/policy",
        role=Role.VIEWER,
        summary="The policy in force, and what it says for a case, with the entries that decide",
        handler=policy,
        query=PolicyAsk,
        answer=PolicyAnswer,
    ),
    Operation(
        id="responses.show",
        method="GET",
        path="/responses/{id}",
        role=Role.VIEWER,
        summary="One action: plan with its diff, residual traffic, checks, steps, undo clock",
        handler=shown,
        answer=ResponseDetail,
    ),
    Operation(
        id="responses.approve",
        method="POST",
        path="/responses/{id}/approve",
        role=_DECIDES,
        summary="Let an action be applied; every check is made again before that",
        handler=approved,
        body=ResponseApproval,
        answer=ResponseDetail,
    ),
    Operation(
        id="responses.dismiss",
        method="POST",
        path="/responses/{id}/dismiss",
        role=Role.OPERATOR,
        summary="Say no to an action",
        handler=dismissed,
        body=ResponseDecision,
        answer=ResponseDetail,
    ),
    Operation(
        id="responses.undo",
        method="POST",
        path="/responses/{id}/undo",
        role=_DECIDES,
        summary="Undo what was applied, now",
        handler=undone,
        body=ResponseDecision,
        answer=ResponseDetail,
    ),
    Operation(
        id="responses.extend",
        method="POST",
        path="/responses/{id}/extend",
        role=_DECIDES,
        summary="Set the undo clock anew",
        handler=extended,
        body=ResponseExtension,
        answer=ResponseDetail,
    ),
)
"""``halt``, ``plan`` and ``policy`` come before ``{id}``: the first path that fits is taken."""
