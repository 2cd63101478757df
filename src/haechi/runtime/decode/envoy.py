"""Envoy's access log: Istio's in JSON or text, and Envoy's own default text.

JSON is to be preferred: text formats do not escape what a client sends, so a request can be
written that adds fields to its line. A line whose number of fields is not exactly that of the
format is refused for that reason, and so seen. Queries of paths are left out, as they carry
tokens.
"""

from __future__ import annotations

import re
from typing import Any

from haechi.model.event import Event
from haechi.runtime.decode.building import Context, Draft, build, content_id, context
from haechi.runtime.decode.connections import connection, split_end
from haechi.runtime.decode.documents import Record, each, lines
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.decode.values import known, text, whole

SOURCE = "envoy"
_MOST_LINE = 65_536
_TOKEN = re.compile(r'"([^"]*)"|\[([^\]]*)\]|(\S+)')
_TEXT_LINE = re.compile(rb"\[\d{4}-\d\d-\d\dT")
_ENVOY = (
    "start_time", "request", "response_code", "response_flags", "bytes_received", "bytes_sent",
    "duration", "upstream_service_time", "x_forwarded_for", "user_agent", "request_id",
    "authority", "upstream_host",
)  # fmt: skip
_ISTIO = (
    "start_time", "request", "response_code", "response_flags", "response_code_details",
    "connection_termination_details", "upstream_transport_failure_reason", "bytes_received",
    "bytes_sent", "duration", "upstream_service_time", "x_forwarded_for", "user_agent",
    "request_id", "authority", "upstream_host", "upstream_cluster", "upstream_local_address",
    "downstream_local_address", "downstream_remote_address", "requested_server_name",
    "route_name",
)  # fmt: skip
_FORMATS = {len(_ENVOY): _ENVOY, len(_ISTIO): _ISTIO}
_ALSO = {
    ":authority": "authority", "user-agent": "user_agent", "x-forwarded-for": "x_forwarded_for",
    "x-request-id": "request_id", "x-envoy-origin-path": "path", "status": "response_code",
    "response_code_detail": "response_code_details",
}  # fmt: skip
"""Other names of the same in formats that people write."""
_FAILED = frozenset(("UF", "UH", "UO", "NR", "UC", "URX", "UT", "LH", "UMSDR", "NC", "OM", "UPE"))
_REFUSED_BY = ("rbac_access_denied", "ext_authz_denied", "jwt_authn_access_denied")


def read(record: Record, *, cluster: str, node: str = "", now_ns: int | None = None) -> Decoded:
    """The events of one entry, an array of entries, or one entry a line (JSON or text)."""
    found = Decoded()
    about = context(cluster, node, now_ns)
    entries = _texts(record, found) if _is_text(record) else each(record, found)
    for entry in entries:
        entry = _named(entry)
        if why := _fault(entry):
            found.refuse(why, record if isinstance(record, dict) else entry)
        else:
            found.events.append(_event(entry, about))
    return found


def _is_text(record: Record) -> bool:
    if isinstance(record, dict):
        return False
    first = lines(bytes(record[:4096]).lstrip())[:1]
    return bool(first and _TEXT_LINE.match(first[0]))


def _texts(record: Record, found: Decoded) -> list[dict[str, Any]]:
    if isinstance(record, dict):
        return []
    entries = []
    for line in lines(bytes(record)):
        entry = _of_text(line)
        if entry is None:
            found.refuse("no access log line: not the number of fields of a known format", line)
        else:
            entries.append(entry)
    return entries


def _of_text(line: bytes) -> dict[str, Any] | None:
    if len(line) > _MOST_LINE:
        return None
    tokens = [a or b or c for a, b, c in _TOKEN.findall(line.decode("utf-8", "replace"))]
    names = _FORMATS.get(len(tokens))
    if names is None or not _TEXT_LINE.match(line):
        return None
    entry: dict[str, Any] = dict(zip(names, tokens, strict=True))
    parts = entry.pop("request").split(" ")
    if len(parts) != 3:
        return None
    entry["method"], entry["path"], entry["protocol"] = parts
    return entry


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry by Istio's names, without what Envoy writes for nothing."""
    found = {name: value for name, value in entry.items() if value is not None and value != "-"}
    for other, name in _ALSO.items():
        if other in found:
            found.setdefault(name, found[other])
    return found


def _fault(entry: dict[str, Any]) -> str:
    if "start_time" not in entry and "response_code" not in entry:
        return "no access log entry: neither `start_time` nor `response_code`"
    if not any(
        text(entry.get(name))
        for name in ("method", "upstream_cluster", "downstream_remote_address", "upstream_host")
    ):
        return "no access log entry: neither a method nor any end of the connection"
    return ""


def _event(entry: dict[str, Any], about: Context) -> Event:
    method = text(entry.get("method"))[:32]
    cluster = _Cluster(text(entry.get("upstream_cluster")))
    code = whole(entry.get("response_code"))
    fields = _ends(entry, cluster, method) | {
        "flow.verdict": _verdict(entry, code, method),
        "flow.direction": cluster.direction,
        "flow.source.workload": text(entry.get("source_workload")),
        "flow.source.namespace": text(entry.get("source_workload_namespace"))
        or text(entry.get("source_namespace")),
        "flow.destination.workload": text(entry.get("destination_workload")) or cluster.service,
        "flow.destination.namespace": text(entry.get("destination_workload_namespace"))
        or text(entry.get("destination_namespace"))
        or cluster.namespace,
        "envoy.response_flags": text(entry.get("response_flags"))[:64],
        "envoy.details": text(entry.get("response_code_details"))
        or text(entry.get("connection_termination_details")),
        "envoy.failure": text(entry.get("upstream_transport_failure_reason")),
        "envoy.upstream_cluster": text(entry.get("upstream_cluster")),
        "envoy.route": text(entry.get("route_name")),
        "envoy.server_name": text(entry.get("requested_server_name")),
        "envoy.request_id": text(entry.get("request_id")),
        "envoy.bytes_received": whole(entry.get("bytes_received")),
        "envoy.bytes_sent": whole(entry.get("bytes_sent")),
        "envoy.duration_ms": whole(entry.get("duration")),
    }
    if method:
        fields |= {
            "http.method": method,
            "http.path": text(entry.get("path")).partition("?")[0].partition("#")[0],
            "http.status": code,
            "http.host": text(entry.get("authority")).rpartition("@")[2],
            "http.user_agent": text(entry.get("user_agent")),
            "http.forwarded_for": text(entry.get("x_forwarded_for")),
            "http.protocol": text(entry.get("protocol"))[:16],
        }
    fields = known(fields)
    return build(
        Draft(
            id=content_id(entry),
            source=SOURCE,
            type="http" if method else "flow",
            at=entry.get("start_time"),
            fields=fields,
            namespace=text(entry.get("pod_namespace")) or text(fields.get(_own(cluster))),
            pod=text(entry.get("pod_name")),
            message=_message(fields),
        ),
        about,
    )


class _Cluster:
    """What Istio's name of an upstream tells: ``outbound|80|subset|service.namespace.svc…``."""

    def __init__(self, name: str) -> None:
        parts = name[:512].split("|")
        istio = len(parts) == 4 and parts[0] in ("inbound", "outbound")
        self.direction = {"inbound": "ingress", "outbound": "egress"}[parts[0]] if istio else ""
        host = parts[3].split(".") if istio and ".svc" in parts[3] else []
        self.service = host[0] if len(host) > 1 else ""
        self.namespace = host[1] if len(host) > 1 else ""


def _own(cluster: _Cluster) -> str:
    """Where the proxy that wrote the line stands."""
    end = "source" if cluster.direction == "egress" else "destination"
    return f"flow.{end}.namespace"


def _ends(entry: dict[str, Any], cluster: _Cluster, method: str) -> dict[str, Any]:
    """The server of an inbound request is the address it came to: the upstream of a sidecar is
    the loopback beside it. The client of an outbound one is who sent it to the proxy."""
    client = split_end(text(entry.get("downstream_remote_address")))
    upstream = split_end(text(entry.get("upstream_host")))
    local = split_end(text(entry.get("downstream_local_address")))
    server = local if cluster.direction == "ingress" and local[0] else upstream
    if not server[0]:
        server = local
    return connection(client[0], client[1], server[0], server[1], "tcp")


def _verdict(entry: dict[str, Any], code: int | None, method: str) -> str:
    details = " ".join(
        text(entry.get(name))[:200]
        for name in ("response_code_details", "connection_termination_details")
    )
    flags = frozenset(text(entry.get("response_flags"))[:64].split(","))
    if any(word in details for word in _REFUSED_BY) or "UAEX" in flags:
        return "denied"
    if flags & _FAILED or (method and code is not None and (code >= 500 or code == 0)):
        return "error"
    return "forwarded"


def _message(fields: dict[str, Any]) -> str:
    ends = f"{fields.get('fd.cip') or '?'} → {fields.get('http.host') or fields.get('fd.sip')}"
    request = f"{fields.get('http.method') or 'TCP'} {fields.get('http.path') or ''}".strip()
    return f"{fields['flow.verdict']} {request} {ends} ({fields.get('http.status') or '-'})"
