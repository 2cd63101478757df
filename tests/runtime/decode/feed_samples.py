"""One good record of each kind that a feed sends, and what makes an event of any decoder valid."""

from __future__ import annotations

import copy
import json
from typing import Any

from haechi.model.event import Event
from haechi.runtime.decode.application import Application, Mapping
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.sources import decoder
from haechi.store.events.encoding import encode_events
from haechi.store.events.shapes import Limits

NOW = 1_795_000_000 * 10**9
CONTAINER = "3f1c0de5" * 8

FALCO: dict[str, Any] = {
    "hostname": "node-1",
    "output": "18:00:00.123456789: Notice Somebody opened a shell (user=root)",
    "priority": "Notice",
    "rule": "Shell in a container",
    "source": "syscall",
    "tags": ["T1059", "container"],
    "time": "2026-11-01T18:00:00.123456789Z",
    "output_fields": {
        "container.id": CONTAINER[:12],
        "evt.time": 1793556000123456789,
        "evt.type": "execve",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-1",
        "proc.aname[2]": "containerd-shim",
        "proc.cmdline": "bash -i",
        "user.name": None,
        "user.uid": 0,
    },
}

AUDIT: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "RequestResponse",
    "auditID": "5d3f2a10-0000-4000-8000-000000000001",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/pods/web-1/exec?command=id&container=web&stdin=true",
    "verb": "create",
    "user": {"username": "eve", "groups": ["dev", "system:authenticated"]},
    "sourceIPs": ["203.0.113.9"],
    "userAgent": "kubectl/v1.34",
    "objectRef": {
        "resource": "pods",
        "namespace": "shop",
        "name": "web-1",
        "apiVersion": "v1",
        "subresource": "exec",
    },
    "responseStatus": {"metadata": {}, "code": 101},
    "requestReceivedTimestamp": "2026-11-01T18:00:00.100001Z",
    "stageTimestamp": "2026-11-01T18:00:00.200002Z",
    "annotations": {"authorization.k8s.io/decision": "allow"},
}

_PROCESS: dict[str, Any] = {
    "exec_id": "bm9kZS0xOjE6MTAw",
    "pid": 100,
    "uid": 0,
    "cwd": "/srv",
    "binary": "/usr/bin/bash",
    "arguments": '-c "cat /etc/shadow"',
    "flags": "execve clone",
    "auid": 4294967295,
    "pod": {
        "namespace": "shop",
        "name": "web-1",
        "workload": "web",
        "workload_kind": "Deployment",
        "pod_labels": {"app": "web"},
        "container": {
            "id": f"containerd://{CONTAINER}",
            "name": "web",
            "image": {
                "id": "reg.example/web@sha256:" + "ab" * 32,
                "name": "reg.example:5000/web:1.2",
            },
            "pid": 7,
            "security_context": {"privileged": True},
        },
    },
    "cap": {"effective": ["CAP_CHOWN", "DAC_OVERRIDE"], "permitted": ["CAP_CHOWN"]},
    "environment_variables": [
        {"Key": "HOME", "Value": "/root"},
        {"Key": "DB_PASSWORD", "Value": "hunter2hunter2"},
    ],
}
_PARENT = {"pid": 50, "binary": "/usr/bin/python3.11", "arguments": "app.py"}
_GRANDPARENT = {"pid": 40, "binary": "/usr/bin/containerd-shim-runc-v2"}


def tetragon(kind: str, **more: Any) -> dict[str, Any]:
    """An event of Tetragon of a kind."""
    body = {
        "process": copy.deepcopy(_PROCESS),
        "parent": dict(_PARENT),
        "ancestors": [dict(_GRANDPARENT)],
        **more,
    }
    return {kind: body, "node_name": "node-1", "time": "2026-11-01T18:00:00.123456789Z"}


KPROBE = tetragon(
    "process_kprobe",
    function_name="security_file_permission",
    args=[{"file_arg": {"path": "/etc/shadow", "permission": "-rw-r-----"}}, {"int_arg": 4}],
    action="KPROBE_ACTION_POST",
    policy_name="files",
)

FLOW: dict[str, Any] = {
    "flow": {
        "time": "2026-11-01T18:00:00.123456789Z",
        "uuid": "2d1f2a10-0000-4000-8000-000000000001",
        "verdict": "DROPPED",
        "drop_reason_desc": "POLICY_DENIED",
        "IP": {"source": "10.0.1.5", "destination": "10.0.2.6", "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 40000, "destination_port": 8080, "flags": {"SYN": True}}},
        "source": {
            "namespace": "shop",
            "pod_name": "web-1",
            "labels": ["k8s:app=web"],
            "workloads": [{"name": "web", "kind": "Deployment"}],
        },
        "destination": {"namespace": "pay", "pod_name": "api-0"},
        "Type": "L3_L4",
        "node_name": "node-1",
        "is_reply": False,
        "traffic_direction": "EGRESS",
        "egress_denied_by": [{"name": "no-pay", "namespace": "shop"}],
        "Summary": "TCP Flags: SYN",
    },
    "node_name": "node-1",
    "time": "2026-11-01T18:00:00.123456789Z",
}


def flow(**more: Any) -> dict[str, Any]:
    """A flow with other values."""
    return {"flow": {**FLOW["flow"], **more}, "node_name": "node-1"}


ACCESS: dict[str, Any] = {
    "start_time": "2026-11-01T18:00:00.123Z",
    "method": "GET",
    "path": "/orders?token=abcdefgh",
    "protocol": "HTTP/1.1",
    "response_code": 200,
    "response_flags": "-",
    "response_code_details": "via_upstream",
    "connection_termination_details": None,
    "bytes_received": 0,
    "bytes_sent": 48,
    "duration": 3,
    "x_forwarded_for": "198.51.100.7",
    "user_agent": "curl/8",
    "request_id": "b56200f2-0000-9396-a168-000000000001",
    "authority": "orders.shop:8080",
    "upstream_host": "10.0.2.6:8080",
    "upstream_cluster": "outbound|8080||orders.shop.svc.cluster.local",
    "upstream_local_address": "10.0.1.5:40000",
    "downstream_local_address": "10.96.0.1:8080",
    "downstream_remote_address": "10.0.1.5:39999",
    "requested_server_name": None,
    "route_name": "default",
}

NATIVE: dict[str, Any] = {
    "schema": "haechi.event/1",
    "id": "sensor-1",
    "ts_ns": 1793556000123456789,
    "source": "sensor",
    "type": "execve",
    "cluster": "prod",
    "namespace": "shop",
    "fields": {"proc.name": "bash", "proc.aname": ["bash", "sh"]},
}

MAPPING = Mapping(
    format="json",
    time="@timestamp",
    type="event.action",
    types={"login_failed": "authentication-failed"},
    fields={
        "app.user": "user.name",
        "app.ip": "client.ip",
        "app.message": "message",
        "app.extra": "extra",
    },
    constants={"app.service": "login"},
    drop={"level": ["debug"]},
)
LOGIN: dict[str, Any] = {
    "@timestamp": "2026-11-01T18:00:00.123456Z",
    "level": "warn",
    "event": {"action": "login_failed"},
    "user": {"name": "alice", "password": "hunter2hunter2"},
    "client.ip": "198.51.100.7",
    "message": "login failed, password=hunter2hunter2",
    "extra": {"attempt": 3, "session_token": "hunter2hunter2"},
}

GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "falco": ("falco", FALCO),
    "audit": ("kubernetes-audit", AUDIT),
    "audit-list": ("kubernetes-audit", {"kind": "EventList", "items": [AUDIT, AUDIT]}),
    "tetragon-exec": ("tetragon", tetragon("process_exec")),
    "tetragon-exit": ("tetragon", tetragon("process_exit", signal="SIGKILL", status=9)),
    "tetragon-kprobe": ("tetragon", KPROBE),
    "hubble": ("hubble", FLOW),
    "hubble-dns": (
        "hubble",
        flow(l7={"type": "REQUEST", "dns": {"query": "evil.example.", "qtypes": ["A"]}}),
    ),
    "envoy": ("envoy", ACCESS),
    "native": ("native", NATIVE),
    "application": ("application", LOGIN),
}


def decoded(kind: str, record: bytes | dict[str, Any], now_ns: int = NOW) -> Decoded:
    """What a feed makes of a record."""
    if kind == "application":
        return Application(MAPPING).read(record, cluster="prod", now_ns=now_ns)
    return decoder(kind)(record, cluster="prod", now_ns=now_ns)


def one(kind: str, record: bytes | dict[str, Any]) -> Event:
    """The only event of a record."""
    found = decoded(kind, record)
    assert not found.refusals, found.refusals
    (event,) = found.events
    return event


def refused_by_store(events: list[Event], now_ns: int = NOW) -> list[str]:
    """Why the store would refuse events; nothing is what is wanted."""
    return [refusal.why for refusal in encode_events(events, Limits(), now_ns=now_ns).refused]


def as_bytes(record: dict[str, Any]) -> bytes:
    """The record as it comes over the wire."""
    return json.dumps(record).encode()
