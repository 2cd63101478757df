"""What the guide's names ask for, as what the engine works with: a key becomes a want, a single
event an incident that is never kept, an address the workload that it was seen at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from haechi.errors import UsageError
from haechi.model.access import EVERYWHERE
from haechi.model.event import tags_of
from haechi.model.incident import Incident
from haechi.model.keys import object_name
from haechi.model.response import ActionKind, Want

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.model.threat import ThreatLevel
    from haechi.respond.ground import Ground


def want_of(kind: ActionKind, resource: str, *, address: str = "", **more: Any) -> Want:
    """What is wanted of a thing by its key. UsageError."""
    parts = resource.split("/")
    if (named := object_name(resource)) is not None:
        cluster, namespace = named.cluster, named.namespace
    elif resource.startswith("host:") and len(parts) == 2 and parts[1]:
        cluster, namespace = unquote(parts[0][5:]), "-"
    else:
        raise UsageError(
            f"{resource[:120]!r} is no key of a workload or host",
            do="for example k8s:prod/apps/Deployment/shop/web or host:prod/node-1",
            where="body.resource",
        )
    return Want(
        kind=kind,
        cluster=cluster or "-",
        namespace=namespace or "-",
        resource=resource,
        address=address,
        **more,
    )


def cause_of(event: Event) -> str:
    """What an event is one of: a rule that fires a thousand times on a thing within a window asks
    for one action, as an incident would."""
    return f"event:{event.cluster}/{event.source}/{event.rule or event.type}"


def as_incident(event: Event, level: ThreatLevel, source_ip: str) -> Incident:
    """An event as an incident of its own, that is never kept."""
    address = source_ip or str(event.fields.get("fd.cip") or "")
    return Incident(
        id=event.id,
        cluster=event.cluster,
        namespace=event.namespace,
        resource=event.resource or f"host:{event.cluster}/{event.node}",
        node=event.node,
        container_id="" if event.container_id == "host" else event.container_id,
        title=event.message,
        level=level,
        score=0.0,
        opened_ns=event.ts_ns,
        first_ns=event.ts_ns,
        last_ns=event.ts_ns,
        rules={event.rule: 1} if event.rule else {},
        tactics=tags_of(event.fields),
        source_ips=(address,) if address else (),
    )


def workload_of(address: str, ground: Ground) -> str:
    """The workload of the worst open incident in which an address was seen. UsageError: none."""
    from haechi.store.state.incidents_records import IncidentFilter

    asked = IncidentFilter(text=address)
    for one in ground.state.incidents.each(asked, within=(EVERYWHERE,)):
        if address in one.source_ips and one.resource.startswith("k8s:"):
            return one.resource
    raise UsageError(
        f"no open incident of a workload knows the address {address[:60]!r}",
        do="name the workload: workload_id='k8s:prod/apps/Deployment/shop/web'",
    )
