"""Tetragon's events: its export file, or ``tetra getevents -o json``.

Processes, ancestors and containers are translated to Falco's names in ``tetragon_process``, what
policies saw in ``tetragon_calls``; the policy's name, message and action stay beside. Events of
kinds that say nothing about a process (throttling, tests) are skipped and counted, and what
Tetragon says it had to drop counts as lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haechi.model.event import Event
from haechi.runtime.decode.building import Context, Draft, build, content_id, context
from haechi.runtime.decode.connections import connection, listening
from haechi.runtime.decode.documents import Record, each
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.decode.tetragon_calls import Arguments, call
from haechi.runtime.decode.tetragon_process import process_fields
from haechi.runtime.decode.values import array, dig, known, text, whole

SOURCE = "tetragon"
_SKIPPED = ("process_throttle", "test")
_SYSCALL_EVENTS = ("sys_enter_", "sys_exit_")


def read(record: Record, *, cluster: str, node: str = "", now_ns: int | None = None) -> Decoded:
    """The events of one Tetragon event, an array, or one event a line."""
    found = Decoded()
    about = context(cluster, node, now_ns)
    for document in each(record, found):
        _one(document, about, found)
    return found


def _one(document: dict[str, Any], about: Context, found: Decoded) -> None:
    if "rate_limit_info" in document:
        dropped = whole(dig(document, "rate_limit_info", "number_of_dropped_process_events"))
        found.lost += max(0, dropped or 0)
        return
    if any(kind in document for kind in _SKIPPED):
        found.skipped += 1
        return
    for kind, fields_of in _KINDS.items():
        body = document.get(kind)
        if isinstance(body, dict):
            if not isinstance(body.get("process"), dict):
                found.refuse(f"a {kind} of Tetragon without a process", document)
            else:
                found.events.append(_event(document, body, fields_of, about))
            return
    found.refuse("no event of Tetragon: none of the kinds that it knows", document)


def _event(
    document: dict[str, Any],
    body: dict[str, Any],
    fields_of: Callable[[dict[str, Any]], tuple[str, dict[str, Any]]],
    about: Context,
) -> Event:
    type, of_kind = fields_of(body)
    fields = process_fields(body) | of_kind | _policy(body)
    return build(
        Draft(
            id=content_id(document),
            source=SOURCE,
            type=type,
            at=document.get("time") or body.get("time"),
            fields=fields,
            node=about.node or text(document.get("node_name")),
            container_id=text(fields.get("container.id")),
            namespace=text(fields.get("k8s.ns.name")),
            pod=text(fields.get("k8s.pod.name")),
            message=_message(type, fields),
        ),
        about,
    )


def _policy(body: dict[str, Any]) -> dict[str, Any]:
    action = text(body.get("action")).removeprefix("KPROBE_ACTION_").lower()
    return known(
        {
            "tetragon.function": text(body.get("function_name")),
            "tetragon.policy": text(body.get("policy_name")),
            "tetragon.message": text(body.get("message")),
            "tetragon.action": action,
            "tetragon.tags": [tag for tag in array(body.get("tags")) if text(tag)],
        }
    )


def _message(type: str, fields: dict[str, Any]) -> str:
    line = text(fields.get("proc.cmdline")) or "a process"
    where = "/".join(text(fields.get(f"k8s.{part}.name")) for part in ("ns", "pod"))
    file = text(fields.get("fd.name"))
    parts = [type, file, "by" if file else "", line, f"in {where}" if where != "/" else ""]
    return " ".join(part for part in parts if part)


def _exec(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "execve", {"evt.rawres": 0, "evt.res": "SUCCESS"}


def _exit(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "procexit", known(
        {"evt.arg.status": whole(body.get("status")) or 0, "evt.arg.sig": text(body.get("signal"))}
    )


def _kprobe(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    function = text(body.get("function_name"))[:128] or "unknown"
    cwd = text(dig(body, "process", "cwd"))
    return call(function, body.get("args"), body.get("return"), cwd)


def _lsm(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    type, fields = _kprobe(body)
    return type.replace("kprobe:", "lsm:", 1), fields


def _tracepoint(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    group, name = text(body.get("subsys"))[:64], text(body.get("event"))[:128]
    if group == "syscalls":
        for prefix in _SYSCALL_EVENTS:
            if name.startswith(prefix):
                cwd = text(dig(body, "process", "cwd"))
                return call("sys_" + name[len(prefix) :], body.get("args"), None, cwd)
    shown = Arguments(body.get("args"), "").shown()
    return f"tracepoint:{group}/{name}", known({"tracepoint.args": shown})


def _uprobe(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    symbol = text(body.get("symbol")) or text(body.get("name"))
    shown = Arguments(body.get("args"), "").shown()
    library = text(body.get("path"))
    return f"uprobe:{symbol[:128]}", known({"uprobe.args": shown, "uprobe.path": library})


def _loader(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    path = text(body.get("path"))
    return "loader", known({"fd.name": path, "fd.type": "file" if path else None})


def _connection(type: str) -> Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]:
    """Events of connections as Tetragon's enterprise edition writes them."""

    def fields_of(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        protocol = text(body.get("protocol")).lower()[:16]
        near = (body.get("source_ip"), body.get("source_port"))
        far = (body.get("destination_ip"), body.get("destination_port"))
        client, server = (far, near) if type == "accept" else (near, far)
        fields = connection(*client, *server, protocol)
        if type == "connect" and fields:
            fields |= {"evt.rawres": 0, "evt.res": "SUCCESS"}
        return type, fields

    return fields_of


def _listen(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    protocol = text(body.get("protocol")).lower()[:16]
    return "listen", listening(body.get("ip"), body.get("port"), protocol)


_KINDS: dict[str, Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "process_exec": _exec,
    "process_exit": _exit,
    "process_kprobe": _kprobe,
    "process_lsm": _lsm,
    "process_tracepoint": _tracepoint,
    "process_uprobe": _uprobe,
    "process_usdt": _uprobe,
    "process_loader": _loader,
    "process_connect": _connection("connect"),
    "process_accept": _connection("accept"),
    "process_close": _connection("close"),
    "process_listen": _listen,
}
