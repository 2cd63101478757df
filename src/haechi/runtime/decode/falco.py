"""Falco's alerts: ``http_output``, ``file_output`` and ``stdout`` in JSON, and Falcosidekick's.

Falco has judged already, so rule and priority are taken over and ``output_fields`` stay as they
came. The id is a hash of the alert: Falco numbers nothing, and an alert that is sent again must
count once. Falcosidekick adds a random ``uuid``, which is left out of it, so an alert that comes
both ways is one, too, unless Falcosidekick adds fields of its own.
"""

from __future__ import annotations

from typing import Any

from haechi.model.event import PRIORITIES, Event
from haechi.runtime.decode.building import Context, Draft, build, content_id, context
from haechi.runtime.decode.documents import Record, each
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.decode.times import parse
from haechi.runtime.decode.values import array, mapping, text

SOURCE = "falco"
_PRIORITY = {name: name for name in PRIORITIES} | {"info": "informational", "warn": "warning"}
_MISSING = "<NA>"
_INTERNAL = "internal"


def read(record: Record, *, cluster: str, node: str = "", now_ns: int | None = None) -> Decoded:
    """The events of one alert, an array of alerts, or one alert a line."""
    found = Decoded()
    about = context(cluster, node, now_ns)
    for alert in each(record, found):
        why = _fault(alert)
        if why:
            found.refuse(why, alert)
        else:
            found.events.append(_event(alert, about))
    return found


def _fault(alert: dict[str, Any]) -> str:
    if not text(alert.get("rule")):
        return "no Falco alert: `rule` is missing (is json_output true?)"
    if not text(alert.get("priority")):
        return "no Falco alert: `priority` is missing"
    if not isinstance(alert.get("output_fields") or {}, dict):
        return "no Falco alert: `output_fields` is no object"
    return ""


def _event(alert: dict[str, Any], about: Context) -> Event:
    given = mapping(alert.get("output_fields"))
    fields = {
        name: value for name, value in given.items() if value is not None and value != _MISSING
    }
    origin = text(alert.get("source"))
    if origin:
        fields["falco.source"] = origin
    if tags := array(alert.get("tags")):
        fields["falco.tags"] = tags
    target = origin == "k8s_audit"
    container = text(given.get("container.id"))
    return build(
        Draft(
            id=content_id({name: value for name, value in alert.items() if name != "uuid"}),
            source=SOURCE,
            type=_type(given, origin),
            at=_time(alert, given),
            fields=fields,
            node=about.node or text(alert.get("hostname")),
            container_id=container,
            namespace=text(given.get("k8s.ns.name"))
            or (text(given.get("ka.target.namespace")) if target else ""),
            pod=text(given.get("k8s.pod.name")),
            rule=text(alert.get("rule")),
            priority=_PRIORITY.get(text(alert.get("priority"))[:20].lower(), ""),
            message=text(alert.get("output")) or text(alert.get("rule")),
        ),
        about,
    )


def _type(fields: dict[str, Any], origin: str) -> str:
    """The event's type as far as the alert's output names it."""
    for name in ("evt.type", "ka.verb", "ct.name"):
        if found := text(fields.get(name)):
            return found
    return _INTERNAL if origin == _INTERNAL else "alert"


def _time(alert: dict[str, Any], fields: dict[str, Any]) -> Any:
    """``time`` has nanoseconds; alerts whose ``time`` cannot be read still carry ``evt.time``."""
    if parse(alert.get("time")) is None:
        for name in ("evt.time", "evt.rawtime", "evt.time.iso8601"):
            if parse(fields.get(name)) is not None:
                return fields[name]
    return alert.get("time")
