"""OpenTelemetry logs: OTLP as JSON over HTTP (``/v1/logs``), without the SDK.

Each piece of news is a log record whose attributes keep their machine form. ``haechi.delivery``
tells a record that comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from haechi import __version__
from haechi.model.alert import Item, Message
from haechi.world.receivers.http import Http
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import Known, NotSent, Sent
from haechi.world.receivers.settings import ReceiverSettings

_SEVERITIES = {"info": 9, "low": 10, "medium": 13, "high": 17, "critical": 21}
"""Severity numbers of OpenTelemetry: INFO, INFO2, WARN, ERROR, FATAL."""


class Otlp:
    """See the module. ``url`` is the collector's (``http://127.0.0.1:4318``) or ends in
    ``/v1/logs``."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """One request. A collector that takes a part only (``partialSuccess``) refused the rest
        for good."""
        secret, url = secret_of(self._settings), url_of(self._settings)
        url = url if url.endswith("/v1/logs") else f"{url}/v1/logs"
        headers = {"Content-Type": "application/json"}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        http = Http(self._settings, secret)
        reply = http.take("POST", url, body=msgspec.json.encode(logs(message)), headers=headers)
        if reply.body.strip():
            part = reply.mapping().get("partialSuccess") or {}
            refused = part.get("rejectedLogRecords", 0) if isinstance(part, dict) else 0
            if str(refused) not in ("0", ""):
                words = str(part.get("errorMessage", ""))[:200]
                raise NotSent(f"{refused} records are refused: {words}", permanent=True)
        return Sent(status=str(reply.status))


def logs(message: Message) -> dict[str, Any]:
    """ExportLogsServiceRequest in JSON."""
    resource = {"service.name": "haechi", "service.version": __version__}
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": list(_attributes(resource))},
                "scopeLogs": [
                    {
                        "scope": {"name": "haechi.alerts", "version": __version__},
                        "logRecords": [_record(one, message) for one in message.items],
                    }
                ],
            }
        ]
    }


def _record(one: Item, message: Message) -> dict[str, Any]:
    news = one.news
    attributes = {
        "event.name": f"haechi.incident.{news.what}",
        "haechi.delivery": message.id,
        "haechi.topic": news.topic,
        "haechi.incident": news.incident,
        "haechi.what": news.what,
        "haechi.status": news.status.value,
        "haechi.state": news.state,
        "haechi.level": news.level,
        "haechi.score": news.score,
        "haechi.detections": news.detections,
        "haechi.rules": list(news.rules),
        "haechi.tactics": list(news.tactics),
        "haechi.techniques": list(news.techniques),
        "haechi.source_ips": list(news.source_ips),
        "haechi.evidence": list(one.evidence),
        "haechi.reasons": list(news.reasons),
        "haechi.resource": news.resource,
        "haechi.owner": news.owner,
        "haechi.link": one.link,
        "haechi.test": message.test,
        "k8s.cluster.name": news.cluster,
        "k8s.namespace.name": news.namespace,
        "k8s.node.name": news.node,
    }
    return {
        # 64-bit numbers are strings in OTLP's JSON.
        "timeUnixNano": str(max(0, news.at_ns)),
        "observedTimeUnixNano": str(max(0, message.at_ns)),
        "severityNumber": _SEVERITIES[news.level],
        "severityText": news.level.upper(),
        "body": {"stringValue": one.heading},
        "attributes": list(_attributes(attributes)),
    }


def _attributes(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in values.items():
        if value not in ("", [], None):
            yield {"key": name, "value": _value(value)}


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(one) for one in value]}}
        case _:
            return {"stringValue": str(value)}
