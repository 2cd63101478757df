"""The examples of detections: one event each, as short as it can be told.

An example of the sources syscall, flow and application is a mapping of Falco's fields, with
``evt.type``; one of k8s_audit is an audit event of Kubernetes. What it leaves out is filled in as
on a quiet machine: a call that succeeded, a program of /usr/bin started by bash, root, no
terminal, no container. ``null`` takes such a field away. That way a near miss says only what
makes it one.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from haechi.engines.documents import Document, parse_documents
from haechi.errors import InputError
from haechi.model.event import Event
from haechi.rules.detections import resolve
from haechi.rules.schema import Falco
from haechi.rules.schema import Rule as Entry

if TYPE_CHECKING:
    from haechi.engines.falco.engine import Engine

ORIGINS = {
    "syscall": "sensor",
    "k8s_audit": "kubernetes-audit",
    "flow": "hubble",
    "application": "application",
}
"""Falco's source → ``Event.source`` of an example."""
_TS = 1_772_000_000_000_000_000
_OPENS = frozenset({"open", "openat", "openat2", "creat"})
_NETWORK = frozenset({"connect", "accept", "accept4", "sendto", "sendmsg", "listen", "flow"})


def example_event(falco: Falco, text: str) -> Event:
    """The event that an example of a rule tells. Raises InputError."""
    given = _mapping(text)
    if falco.source == "k8s_audit":
        fields = _audit(given)
        kind = str(fields["ka.verb"])
    else:
        kind = str(given.pop("evt.type", ""))
        if not kind:
            raise InputError("an example needs `evt.type`")
        fields = _syscall(kind, given) if falco.source == "syscall" else _flow(kind, given)
    fields = {key: value for key, value in fields.items() if value is not None}
    return Event(
        id="example",
        ts_ns=_TS,
        source=ORIGINS[falco.source],
        type=kind,
        container_id=str(fields.get("container.id", "")),
        fields=fields,
    )


def detection_faults(rule: Entry) -> Iterator[str]:
    """A sentence for each example of a detection that does not hold, judged by the rule alone."""
    from haechi.engines.falco.engine import Engine

    if rule.falco is None:
        return
    engine = Engine(resolve([(rule, rule.falco)]).rules)
    for kind, examples in (("bad", rule.bad), ("good", rule.good)):
        for number, text in enumerate(examples, 1):
            fault = _fault(engine, rule.falco, kind, text)
            if fault:
                yield f"{rule.id}: {kind} example {number}: {fault}"


def _fault(engine: Engine, falco: Falco, kind: str, text: str) -> str:
    try:
        found = engine.judge(example_event(falco, text))
    except InputError as error:
        return error.what
    if kind == "bad" and not found:
        return "nothing was found"
    return "a detection was raised" if kind == "good" and found else ""


def _mapping(text: str) -> dict[str, Any]:
    for document in parse_documents(text.encode()):
        if isinstance(document, Document) and isinstance(document.data, dict):
            return dict(document.data)
    raise InputError("an example is one mapping: Falco's fields, or an audit event")


def _syscall(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    name = str(given.get("proc.name", "bash"))
    command = str(given.get("proc.cmdline", name))
    parent = str(given.get("proc.pname", "bash"))
    outcome = str(given.get("evt.res", "SUCCESS"))
    inside = given.get("container.id", "host") != "host"
    fields: dict[str, Any] = {
        "evt.res": outcome,
        "evt.rawres": 0 if outcome == "SUCCESS" else -getattr(errno, outcome, errno.EPERM),
        "user.name": "root",
        "user.uid": 0,
        "user.loginuid": -1,
        "proc.name": name,
        "proc.exe": name,
        "proc.exepath": f"/usr/bin/{name}",
        "proc.cmdline": command,
        "proc.args": command.partition(" ")[2],
        "proc.pname": parent,
        "proc.pcmdline": parent,
        "proc.aname": [name, parent, "systemd"],
        "proc.pid": 4242,
        "proc.vpid": 42 if inside else 4242,
        "proc.tty": 0,
        "proc.is_exe_upper_layer": False,
        "proc.is_exe_from_memfd": False,
        "container.id": "host",
    }
    if inside:
        fields |= {
            "container.name": "api",
            "container.image.repository": "registry.example/shop/api",
            "container.privileged": False,
            "k8s.ns.name": "shop",
            "k8s.pod.name": "api-7d9f",
        }
    if kind in _OPENS:
        opened = outcome == "SUCCESS"
        fields |= {"evt.rawres": 3, "fd.num": 3} if opened else {"fd.num": -1}
        fields |= {"fd.type": "file", "fd.typechar": "f", "evt.arg.name": given.get("fd.name")}
    return _connection(kind, fields, given) | given


def _flow(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    return _connection(kind, {}, given) | given


def _connection(kind: str, fields: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The other end that the example names, and this one."""
    server = given.get("fd.sip")
    if kind not in _NETWORK or server is None:
        return fields
    six = ":" in str(server)
    port = given.get("fd.sport", 0)
    client = "fd12::5" if six else "10.1.0.5"
    return fields | {
        "fd.type": "ipv6" if six else "ipv4",
        "fd.typechar": "6" if six else "4",
        "fd.l4proto": "tcp",
        "fd.num": 3,
        "fd.sip": server,
        "fd.sport": port,
        "fd.cip": client,
        "fd.cport": 40000,
        "fd.name": f"{server}:{port}" if kind == "listen" else f"{client}:40000->{server}:{port}",
    }


def _audit(given: dict[str, Any]) -> dict[str, Any]:
    """An audit event as the API server writes it, and the fields that decoding makes of it."""
    target = given.get("objectRef") or {}
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "11111111-2222-4333-8444-555555555555",
        "stage": "ResponseComplete",
        "requestURI": _uri(target),
        "verb": "get",
        "user": {"username": "kim", "groups": ["system:authenticated"]},
        "sourceIPs": ["10.1.0.9"],
        "userAgent": "kubectl/v1.30.0 (linux/amd64) kubernetes/0000000",
        "responseStatus": {"code": 200},
        "annotations": {"authorization.k8s.io/decision": "allow"},
    } | {key: value for key, value in given.items() if value is not None}
    fields: dict[str, Any] = {
        "jevt.obj": event,
        "ka.verb": event["verb"],
        "ka.uri": event["requestURI"],
        "ka.user.name": event["user"].get("username"),
        "ka.useragent": event["userAgent"],
        "ka.sourceips": event["sourceIPs"],
        "ka.response.code": str(event["responseStatus"]["code"]),
    }
    for key in ("resource", "subresource", "name", "namespace"):
        fields[f"ka.target.{key}"] = target.get(key)
    return fields


def _uri(target: dict[str, Any]) -> str:
    group = target.get("apiGroup")
    parts = ["/apis", group, "v1"] if group else ["/api", "v1"]
    if target.get("namespace") and target.get("resource") != "namespaces":
        parts += ["namespaces", target["namespace"]]
    parts += [target.get(key) for key in ("resource", "name", "subresource")]
    return "/".join(str(part) for part in parts if part)
