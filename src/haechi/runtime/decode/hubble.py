"""Flows of Cilium: Hubble's export file, or ``hubble observe -o json``.

A flow is ``{"flow": {…}, "node_name": …, "time": …}``; older versions write the flow itself. The
client is whoever opened the connection, so for replies source and destination change places.
``lost_events`` count as lost; what tells about the agent and not about traffic is skipped.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from haechi.model.event import Event
from haechi.runtime.decode.building import Context, Draft, build, content_id, context
from haechi.runtime.decode.connections import connection
from haechi.runtime.decode.documents import Record, each
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.decode.values import array, dig, known, mapping, text, whole

SOURCE = "hubble"
_SKIPPED = ("node_status", "agent_event", "debug_event")
_VERDICTS = {"DROPPED": "dropped", "VERDICT_UNKNOWN": "unknown"}
_DENIED = frozenset(("POLICY_DENIED", "POLICY_DENY", "AUTH_REQUIRED"))
_L4 = ("TCP", "UDP", "SCTP", "ICMPv4", "ICMPv6")
_CORRELATED = (
    "egress_denied_by",
    "ingress_denied_by",
    "egress_allowed_by",
    "ingress_allowed_by",
)
_MOST = 32


def read(record: Record, *, cluster: str, node: str = "", now_ns: int | None = None) -> Decoded:
    """The events of one flow, an array of flows, or one flow a line."""
    found = Decoded()
    about = context(cluster, node, now_ns)
    for document in each(record, found):
        _one(document, about, found)
    return found


def _one(document: dict[str, Any], about: Context, found: Decoded) -> None:
    lost = document.get("lost_events")
    if isinstance(lost, dict):
        found.lost += max(1, whole(lost.get("num_events_lost")) or 0)
        return
    if any(kind in document for kind in _SKIPPED):
        found.skipped += 1
        return
    flow = document.get("flow", document)
    if not isinstance(flow, dict) or not text(flow.get("verdict")):
        found.refuse("no flow of Hubble: `flow.verdict` is missing", document)
        return
    if not any(isinstance(flow.get(part), dict) for part in ("IP", "source", "destination", "l7")):
        found.refuse("no flow of Hubble: it has neither addresses nor ends", document)
        return
    found.events.append(_event(document, flow, about))


def _event(document: dict[str, Any], flow: dict[str, Any], about: Context) -> Event:
    source, destination = mapping(flow.get("source")), mapping(flow.get("destination"))
    type, of_layer7 = _layer7(flow)
    fields = _ends(flow) | _flow(flow, source, destination) | of_layer7
    own = destination if text(flow.get("traffic_direction")) == "INGRESS" else source
    if not text(own.get("pod_name")):
        own = source if own is destination else destination
    return build(
        Draft(
            id=content_id(flow),
            source=SOURCE,
            type=type,
            at=flow.get("time") or document.get("time"),
            fields=known(fields),
            node=about.node or text(flow.get("node_name")) or text(document.get("node_name")),
            namespace=text(own.get("namespace")),
            pod=text(own.get("pod_name")),
            message=_message(flow, fields, type),
        ),
        about,
    )


def _ends(flow: dict[str, Any]) -> dict[str, Any]:
    addresses, layer4 = mapping(flow.get("IP")), mapping(flow.get("l4"))
    protocol = next((name for name in _L4 if isinstance(layer4.get(name), dict)), "")
    ports = mapping(layer4.get(protocol))
    source = (addresses.get("source"), ports.get("source_port"))
    destination = (addresses.get("destination"), ports.get("destination_port"))
    client, server = (destination, source) if _is_reply(flow) else (source, destination)
    shown = "icmp" if protocol.startswith("ICMP") else protocol.lower()
    return connection(*client, *server, shown)


def _flow(
    flow: dict[str, Any], source: dict[str, Any], destination: dict[str, Any]
) -> dict[str, Any]:
    if _is_reply(flow):
        source, destination = destination, source
    direction = text(flow.get("traffic_direction"))
    fields: dict[str, Any] = {
        "flow.verdict": _verdict(flow),
        "flow.direction": direction.lower() if direction in ("INGRESS", "EGRESS") else None,
        "flow.reply": _is_reply(flow) or None,
        "flow.drop_reason": text(flow.get("drop_reason_desc")),
        "flow.policies": _policies(flow),
        "flow.tcp.flags": _tcp_flags(flow),
    }
    for name, end, names in (
        ("source", source, "source_names"),
        ("destination", destination, "destination_names"),
    ):
        if _is_reply(flow):
            names = "destination_names" if name == "source" else "source_names"
        workload = mapping(next(iter(array(end.get("workloads"))), None))
        fields |= {
            f"flow.{name}.namespace": text(end.get("namespace")),
            f"flow.{name}.pod": text(end.get("pod_name")),
            f"flow.{name}.workload": text(workload.get("name")) or text(end.get("pod_name")),
            f"flow.{name}.kind": text(workload.get("kind")),
            f"flow.{name}.labels": _texts(end.get("labels")),
            f"flow.{name}.names": _texts(flow.get(names)),
        }
    return fields


def _layer7(flow: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    layer7 = mapping(flow.get("l7"))
    if isinstance(dns := layer7.get("dns"), dict):
        return "dns", {
            "flow.dns.query": text(dns.get("query")).rstrip("."),
            "flow.dns.types": _texts(dns.get("qtypes")),
            "flow.dns.rcode": whole(dns.get("rcode")),
            "flow.dns.ips": _texts(dns.get("ips")),
        }
    if isinstance(http := layer7.get("http"), dict):
        return "http", _http(http)
    if isinstance(kafka := layer7.get("kafka"), dict):
        return "flow", {
            "kafka.topic": text(kafka.get("topic")),
            "kafka.operation": text(kafka.get("api_key")),
            "kafka.error": whole(kafka.get("error_code")),
        }
    return "flow", {}


def _http(http: dict[str, Any]) -> dict[str, Any]:
    """Without the query and without any header that could carry a credential."""
    headers = {}
    for pair in array(http.get("headers"))[:64]:
        headers[text(dig(pair, "key")).lower()] = text(dig(pair, "value"))
    host, path = split_url(text(http.get("url")))
    return {
        "http.method": text(http.get("method"))[:32],
        "http.path": path,
        "http.host": host or headers.get("host") or headers.get(":authority"),
        "http.status": whole(http.get("code")) or None,
        "http.user_agent": headers.get("user-agent"),
        "http.protocol": text(http.get("protocol"))[:16],
    }


def split_url(url: str) -> tuple[str, str]:
    """Host and path of a URL; what may hold a credential (a login, the query) is left out."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host and parts.port:
            host = f"{host}:{parts.port}"
    except ValueError:
        return "", url.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return host, parts.path


def _verdict(flow: dict[str, Any]) -> str:
    """Dropped by a policy is denied; at layer 7 nothing else drops."""
    verdict = text(flow.get("verdict"))
    if verdict == "DROPPED":
        reason = text(flow.get("drop_reason_desc"))
        if reason in _DENIED or isinstance(flow.get("l7"), dict):
            return "denied"
    return _VERDICTS.get(verdict, verdict.lower()[:32])


def _policies(flow: dict[str, Any]) -> list[str]:
    """``namespace/name`` of the policies that decided."""
    found = []
    for name in _CORRELATED:
        for policy in array(flow.get(name))[:_MOST]:
            parts = (text(dig(policy, "namespace")), text(dig(policy, "name")))
            if parts[1]:
                found.append("/".join(part for part in parts if part))
    return found[:_MOST]


def _tcp_flags(flow: dict[str, Any]) -> str:
    flags = mapping(dig(flow, "l4", "TCP", "flags"))
    return ",".join(name for name, value in list(flags.items())[:10] if value is True)


def _is_reply(flow: dict[str, Any]) -> bool:
    return flow.get("is_reply") is True


def _texts(value: object) -> list[str]:
    return [found for found in array(value)[:_MOST] if text(found)]


def _message(flow: dict[str, Any], fields: dict[str, Any], type: str) -> str:
    ends = []
    for end, ip in (("source", "fd.cip"), ("destination", "fd.sip")):
        parts = (fields.get(f"flow.{end}.namespace"), fields.get(f"flow.{end}.pod"))
        named = "/".join(part for part in parts if part)
        ends.append(named or text(fields.get(ip)) or "?")
    what = text(flow.get("Summary")) or text(fields.get("flow.dns.query"))
    port = fields.get("fd.sport")
    to = f"{ends[1]}:{port}" if port else ends[1]
    if type == "http":
        what = f"{fields.get('http.method') or ''} {fields.get('http.path') or ''}".strip()
    said = [text(fields.get("flow.verdict")), type, f"{ends[0]} → {to}", what]
    return " ".join(part for part in said if part)
