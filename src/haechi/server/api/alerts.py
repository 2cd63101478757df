"""Alerts: who would be told, who was, what could not be told, and a test of each receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import NotFound, UsageError
from haechi.model.access import Reach, Role, covered
from haechi.model.alert import News
from haechi.server.endpoint import Call, Operation
from haechi.server.shapes_alerts import (
    AlertDeliveryDetail,
    AlertPreview,
    AlertReceiver,
    AlertRetried,
    AlertRoute,
    AlertSetup,
    AlertStep,
    AlertTested,
    Level,
)
from haechi.store.records import AuditEntry, Page
from haechi.store.state.alert_rows import AlertDelivery, AlertTicket, Tally
from haechi.store.state.alerts import STATES, AlertFilter

if TYPE_CHECKING:
    from haechi.respond.alerts.settings import Route
    from haechi.server.work.alerting import ReceiverState
    from haechi.world.receivers.settings import ReceiverSettings

_PART, _MOST = 500, 1_000
_LONGEST, _SEVERAL = 400, 50


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; lists are any of."""

    state: list[str] = []
    receiver: list[str] = []
    incident: str = ""
    cluster: list[str] = []
    namespace: list[str] = []
    limit: int = 100
    cursor: str | None = None


class TicketQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Of which incident; empty: all."""

    incident: str = ""
    limit: int = 100


class RetryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Of which receiver; empty: all."""

    receiver: str = ""


class PreviewQuery(msgspec.Struct, frozen=True, kw_only=True):
    """An incident by its id, or what one would be."""

    incident: str = ""
    level: Level = "high"
    cluster: str = "-"
    namespace: str = "-"
    owner: str = ""
    rule: list[str] = []
    tag: list[str] = []
    event: str = "opened"


def setup(call: Call) -> AlertSetup:
    """Receivers and routes as configured. No secret is in it."""
    settings, alerting = call.world.settings.alerts, call.world.alerting
    tallies = call.world.store.state.alerts.tallies()
    why = ""
    if not settings.receivers:
        why = "no receiver is configured (alerts.receivers)"
    elif not settings.routes:
        why = "no route is configured (alerts.routes)"
    return AlertSetup(
        language=settings.language,
        silent=bool(why),
        why=why,
        receivers=[
            _receiver(one, alerting.state(one.name), tallies.get(one.name, Tally()))
            for one in settings.receivers
        ],
        routes=[_route(one) for one in settings.routes],
        unrouted=alerting.unrouted,
        public_url=call.world.settings.listen.public_url,
    )


def _receiver(one: ReceiverSettings, state: ReceiverState, tally: Tally) -> AlertReceiver:
    from haechi.world.receivers.secret import standing

    return AlertReceiver(
        name=one.name,
        kind=one.kind,
        address=one.address,
        target=one.repository or one.project or ", ".join(one.to),
        secret=standing(one),
        tickets=one.tickets,
        rate=one.rate,
        state=state.state,
        error=state.error,
        waiting=tally.waiting,
        dead=tally.dead,
        sent=tally.sent,
        last_sent=tally.last_sent,
    )


def _route(one: Route) -> AlertRoute:
    match = one.match
    return AlertRoute(
        name=one.name,
        receivers=list(one.receivers),
        level=match.level,
        clusters=list(match.clusters),
        namespaces=list(match.namespaces),
        owners=list(match.owners),
        rules=list(match.rules),
        tags=list(match.tags),
        events=[str(event) for event in match.events],
        goes_on=one.continue_,
        group_by=[str(name) for name in one.group_by],
        group_wait=one.group_wait,
        group_interval=one.group_interval,
        repeat_interval=one.repeat_interval,
    )


def list_(call: Call) -> Page[AlertDelivery]:
    """Newest first."""
    query: DeliveryQuery = call.query
    return call.world.store.state.alerts.page(
        _filter(query), within=call.within, limit=query.limit, cursor=query.cursor
    )


def rows(call: Call) -> Iterator[AlertDelivery]:
    """All of them."""
    query: DeliveryQuery = call.query
    cursor: str | None = None
    while True:
        page = call.world.store.state.alerts.page(
            _filter(query), within=call.within, limit=_PART, cursor=cursor
        )
        yield from page.items
        if (cursor := page.next) is None:
            return


def _filter(query: DeliveryQuery) -> AlertFilter:
    for state in query.state:
        if state not in STATES:
            raise UsageError(
                f"{state[:40]!r} is no state",
                where="query.state",
                do=f"one of: {', '.join(STATES)}",
            )
    for name in ("receiver", "cluster", "namespace"):
        values: list[str] = getattr(query, name)
        if len(values) > _SEVERAL:
            raise UsageError(f"at most {_SEVERAL} values", where=f"query.{name}")
    return AlertFilter(
        state=query.state,
        receiver=query.receiver,
        incident=query.incident,
        cluster=query.cluster,
        namespace=query.namespace,
    )


def show(call: Call) -> AlertDeliveryDetail:
    """One delivery as it was, or will be, told."""
    from haechi.respond.alerts.compose import plain_text

    alerts = call.world.store.state.alerts
    delivery, news = alerts.show(call.params["id"], within=call.within)
    made = call.world.alerting.manager(call.world).words(news, delivery.id, delivery.created)
    return AlertDeliveryDetail(
        delivery=delivery,
        news=news,
        subject=made.subject,
        text=plain_text(made),
        ticket=alerts.ticket(delivery.receiver, delivery.topic),
    )


def retry(call: Call) -> AlertDelivery:
    """A dead letter is sent again."""
    return call.world.store.state.alerts.retry(
        call.params["id"], within=call.within, by=call.principal.id
    )


def retry_all(call: Call) -> AlertRetried:
    """All dead letters within reach are sent again."""
    query: RetryQuery = call.query
    number = call.world.store.state.alerts.retry_all(
        query.receiver, within=call.within, by=call.principal.id
    )
    return AlertRetried(retried=number)


def tickets(call: Call) -> list[AlertTicket]:
    """What stands elsewhere, newest first."""
    query: TicketQuery = call.query
    return call.world.store.state.alerts.tickets(
        within=call.within, incident=query.incident, limit=max(1, min(query.limit, _MOST))
    )


def preview(call: Call) -> AlertPreview:
    """Where news would go, and why not elsewhere."""
    from haechi.respond.alerts.routing import lacks

    query: PreviewQuery = call.query
    manager = call.world.alerting.manager(call.world)
    news = _news(call, query)
    free = any(one == Reach() for one in call.within)
    told: list[str] = []
    steps: list[AlertStep] = []
    for step, group in manager.explain(news):
        if step.takes:
            told += [name for name in step.route.receivers if name not in told]
        elif not free:
            continue
        steps.append(
            AlertStep(
                route=step.route.name,
                takes=step.takes,
                reached=step.reached,
                because=step.because or lacks(news, step.route),
                receivers=list(step.route.receivers),
                group=group.replace("\x1f", " "),
            )
        )
    says = f"told to {', '.join(told)}" if told else "no route takes it: nobody is told"
    return AlertPreview(receivers=told, steps=steps, says=says)


def _news(call: Call, query: PreviewQuery) -> News:
    if query.incident:
        alerts = call.world.store.state.alerts
        found = alerts.current(query.incident[:_LONGEST], what=query.event[:40])
        if found is None or not covered(call.within, found.cluster, found.namespace):
            raise NotFound("there is no such incident", do="GET /incidents")
        return found
    if not covered(call.within, query.cluster, query.namespace):
        raise NotFound("it is out of your reach", do="name a cluster and namespace of yours")
    for name in ("cluster", "namespace", "owner"):
        if len(getattr(query, name)) > _LONGEST:
            raise UsageError(f"longer than {_LONGEST} characters", where=f"query.{name}")
    if len(query.rule) > _SEVERAL or len(query.tag) > _SEVERAL:
        raise UsageError(f"at most {_SEVERAL} values", where="query.rule")
    return News(
        topic="incident:preview",
        what=query.event[:40],
        level=query.level,
        at_ns=0,
        cluster=query.cluster,
        namespace=query.namespace,
        owner=query.owner,
        rules=tuple(one[:_LONGEST] for one in query.rule),
        techniques=tuple(one[:_LONGEST] for one in query.tag),
    )


def test(call: Call) -> AlertTested:
    """Send a marked message and tell the receiver's own answer."""
    name = call.params["name"]
    world = call.world
    tried = world.alerting.manager(world).test(name, call.now, call.principal.id)
    entry = AuditEntry(
        at=call.now,
        actor=call.principal.id,
        action="alert.test",
        object=name,
        detail={"ok": tried.ok, "status": tried.status},
    )
    world.store.state.write(lambda transaction: transaction.audit(entry))
    return AlertTested(ok=tried.ok, status=tried.status, detail=tried.detail, seconds=tried.seconds)


def _operations() -> Iterator[Operation]:
    def one(name: str, method: str, path: str, role: Role, summary: str, **more: Any) -> Operation:
        return Operation(
            id=f"alerts.{name}",
            method=method,
            path=f"/alerts/{path}",
            role=role,
            summary=summary,
            **more,
        )

    yield one(
        "setup", "GET", "setup", Role.VIEWER,
        "Receivers and routes as configured, without secrets, and how they do",
        handler=setup, answer=AlertSetup, everywhere=True,
    )  # fmt: skip
    yield one(
        "list", "GET", "deliveries", Role.VIEWER,
        "What was told, waits, or could not be told, newest first",
        handler=list_, query=DeliveryQuery, answer=Page[AlertDelivery], rows=rows,
    )  # fmt: skip
    yield one(
        "show", "GET", "deliveries/{id}", Role.VIEWER, "One delivery, and how it reads",
        handler=show, answer=AlertDeliveryDetail,
    )  # fmt: skip
    yield one(
        "retry", "POST", "deliveries/{id}/retry", Role.OPERATOR, "Send a dead letter again",
        handler=retry, answer=AlertDelivery,
    )  # fmt: skip
    yield one(
        "retry_all", "POST", "retry", Role.OPERATOR,
        "Send all dead letters again that are within reach",
        handler=retry_all, query=RetryQuery, answer=AlertRetried,
    )  # fmt: skip
    yield one(
        "tickets", "GET", "tickets", Role.VIEWER, "Tickets elsewhere, newest first",
        handler=tickets, query=TicketQuery, answer=list[AlertTicket],
    )  # fmt: skip
    yield one(
        "preview", "GET", "preview", Role.VIEWER,
        "Where news of an incident would go, and why not elsewhere",
        handler=preview, query=PreviewQuery, answer=AlertPreview,
    )  # fmt: skip
    yield one(
        "test", "POST", "receivers/{name}/test", Role.ADMIN,
        "Send a marked message to a receiver and tell its answer",
        handler=test, answer=AlertTested, everywhere=True,
    )  # fmt: skip


OPERATIONS: tuple[Operation, ...] = tuple(_operations())
