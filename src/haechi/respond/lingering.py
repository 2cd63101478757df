"""Connections that were opened before an isolation and may still be open.

Network policies are obeyed when a connection is made; what many plug-ins do with one that is open
already is let it live. A reverse shell is just that. So an isolation of a pod that was seen to
open or take connections shortly before is not called contained: they are named, and ending the
pod ends them. Nobody tells of a connection's end here, which is why time alone proves nothing.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from typing import Any

from haechi.model.access import EVERYWHERE
from haechi.model.event import Event
from haechi.model.response import Flow
from haechi.respond.ground import Ground
from haechi.store.events.shapes import EventFilter
from haechi.store.records import StoredEvent
from haechi.store.state.action_records import StoredAction

LOOKED_BACK = dt.timedelta(hours=1)
"""How long before the isolation a connection counts that was opened."""
MOST = 20
_MOST_EVENTS = 5_000
_OPENED = ("connect",)
_TAKEN = ("accept", "accept4")
_MADE = (None, "SUCCESS", "EINPROGRESS")


def lingering(action: StoredAction, ground: Ground) -> tuple[Flow, ...]:
    """What may still be open between the isolated pods and others, each peer once."""
    if ground.events is None:
        return ()
    until = action.applied or ground.clock()
    ask = EventFilter(
        type=[*_OPENED, *_TAKEN],
        cluster=[action.cluster],
        resource=[action.want.resource],
        since=until - LOOKED_BACK,
        until=until,
    )
    found: dict[tuple[str, str, str], Flow] = {}
    for one in ground.events.search(ask, within=(EVERYWHERE,), limit=_MOST_EVENTS):
        if isinstance(one, StoredEvent) and _is_meant(one.event, action):
            for flow in _flow(one.event):
                found.setdefault((flow.direction, flow.peer, flow.ports), flow)
        if len(found) >= MOST:
            break
    return tuple(found.values())


def _is_meant(event: Event, action: StoredAction) -> bool:
    """True when it happened in what is isolated: in one of the pods, or in the container."""
    want = action.want
    if not want.pods:
        return True
    pod = event.fields.get("k8s.pod.name")
    container = want.container_id[:12]
    inside = bool(container) and event.container_id.startswith(container)
    return pod in want.pods or inside


def _flow(event: Event) -> Iterator[Flow]:
    fields = event.fields
    if fields.get("evt.res") not in _MADE:
        return
    inward = event.type in _TAKEN
    peer = _outside(fields.get("fd.cip" if inward else "fd.sip"))
    if not peer:
        return
    port, protocol = fields.get("fd.sport"), fields.get("fd.l4proto")
    at = dt.datetime.fromtimestamp(event.ts_ns // 10**9, dt.UTC)
    who = _text(fields.get("proc.name"))
    opened = f"opened at {at:%H:%M:%S} UTC{f' by {who}' if who else ''}"
    yield Flow(
        direction="ingress" if inward else "egress",
        peer=peer,
        ports=f"{_text(protocol) or 'tcp'}/{port}" if isinstance(port, int) else "any",
        because=(f"{opened}, before the isolation: it may still be open until the pod ends",),
    )


def _outside(value: Any) -> str:
    """An address other than the pod's own loopback; empty for what is none."""
    try:
        address = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    if address is None or address.is_loopback or address.is_unspecified:
        return ""
    return str(address)


def _text(value: Any) -> str:
    return value[:64] if isinstance(value, str) else ""
