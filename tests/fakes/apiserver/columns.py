"""The columns `kubectl get` shows, for the kinds people look at; others show name and age."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.clock import seconds
from tests.fakes.apiserver.world import ready

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cell: Callable[[Json], Any]
    type: str = "string"
    priority: int = 0

    def head(self) -> Json:
        form = "name" if self.name == "Name" else ""
        return {
            "name": self.name,
            "type": self.type,
            "format": form,
            "description": "",
            "priority": self.priority,
        }


def at(path: str, default: Any = "<none>") -> Callable[[Json], Any]:
    def cell(body: Json) -> Any:
        here: Any = body
        for part in path.split("."):
            here = here.get(part) if isinstance(here, dict) else None
        return default if here in (None, "") else here

    return cell


def age(body: Json) -> str:
    made = body["metadata"].get("creationTimestamp")
    return duration(time.time() - seconds(made)) if made else "<unknown>"


def duration(span: float) -> str:
    left = max(int(span), 0)
    for size, word in ((86400, "d"), (3600, "h"), (60, "m")):
        if left >= 2 * size or (word != "m" and left >= size):
            return f"{left // size}{word}"
    return f"{left}s"


def _ready_count(body: Json) -> str:
    states = (body.get("status") or {}).get("containerStatuses") or ()
    total = len((body.get("spec") or {}).get("containers") or ())
    return f"{sum(bool(each.get('ready')) for each in states)}/{total}"


def _phase(body: Json) -> str:
    if body["metadata"].get("deletionTimestamp"):
        return "Terminating"
    found = body.get("status") or {}
    return str(found.get("reason") or found.get("phase") or "Unknown")


def _restarts(body: Json) -> str:
    states = (body.get("status") or {}).get("containerStatuses") or ()
    return str(sum(int(each.get("restartCount", 0)) for each in states))


def _replicas(body: Json) -> str:
    done = (body.get("status") or {}).get("readyReplicas", 0)
    return f"{done}/{(body.get('spec') or {}).get('replicas', 0)}"


def _ports(body: Json) -> str:
    ports = (body.get("spec") or {}).get("ports") or ()
    return ",".join(f"{p.get('port')}/{p.get('protocol')}" for p in ports) or "<none>"


def _node_status(body: Json) -> str:
    word = "Ready" if ready(body) else "NotReady"
    cordoned = (body.get("spec") or {}).get("unschedulable")
    return f"{word},SchedulingDisabled" if cordoned else word


def _selector(path: str) -> Callable[[Json], str]:
    def cell(body: Json) -> str:
        found = at(path, {})(body)
        labels = found.get("matchLabels", found) if isinstance(found, dict) else {}
        pairs = (f"{k}={v}" for k, v in sorted(labels.items()) if isinstance(v, str))
        return ",".join(pairs) or "<none>"

    return cell


NAME, AGE = Column("Name", at("metadata.name")), Column("Age", age)


def _number(name: str, path: str) -> Column:
    return Column(name, at(path, 0), "integer")


_COLUMNS: dict[str, list[Column]] = {
    "pods": [
        Column("Ready", _ready_count),
        Column("Status", _phase),
        Column("Restarts", _restarts),
        AGE,
        Column("IP", at("status.podIP"), priority=1),
        Column("Node", at("spec.nodeName"), priority=1),
    ],
    "nodes": [
        Column("Status", _node_status),
        Column("Roles", lambda body: "<none>"),
        AGE,
        Column("Version", at("status.nodeInfo.kubeletVersion", "")),
    ],
    "namespaces": [Column("Status", at("status.phase", "")), AGE],
    "services": [
        Column("Type", at("spec.type")),
        Column("Cluster-IP", at("spec.clusterIP")),
        Column("External-IP", lambda body: "<none>"),
        Column("Port(s)", _ports),
        AGE,
        Column("Selector", _selector("spec.selector"), priority=1),
    ],
    "deployments": [
        Column("Ready", _replicas),
        _number("Up-to-date", "status.updatedReplicas"),
        _number("Available", "status.availableReplicas"),
        AGE,
    ],
    "replicasets": [
        _number("Desired", "spec.replicas"),
        _number("Current", "status.replicas"),
        _number("Ready", "status.readyReplicas"),
        AGE,
    ],
    "statefulsets": [Column("Ready", _replicas), AGE],
    "daemonsets": [
        _number("Desired", "status.desiredNumberScheduled"),
        _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"),
        AGE,
    ],
    "networkpolicies": [Column("Pod-Selector", _selector("spec.podSelector")), AGE],
    "secrets": [
        Column("Type", at("type")),
        Column("Data", lambda body: len(body.get("data") or {}), "integer"),
        AGE,
    ],
    "configmaps": [
        Column("Data", lambda body: len(body.get("data") or {}), "integer"),
        AGE,
    ],
    "poddisruptionbudgets": [
        Column("Min Available", at("spec.minAvailable", "N/A")),
        Column("Max Unavailable", at("spec.maxUnavailable", "N/A")),
        _number("Allowed Disruptions", "status.disruptionsAllowed"),
        AGE,
    ],
    "events": [
        Column("Last Seen", lambda body: _since(body.get("lastTimestamp"))),
        Column("Type", at("type", "")),
        Column("Reason", at("reason", "")),
        Column(
            "Object",
            lambda body: (
                f"{str(at('involvedObject.kind', '')(body)).lower()}"
                f"/{at('involvedObject.name', '')(body)}"
            ),
        ),
        Column("Message", at("message", "")),
    ],
}


def _since(stamp: str | None) -> str:
    return duration(time.time() - seconds(stamp)) if stamp else "<unknown>"


def _printed(column: Json) -> Column:
    """A CRD's additional printer column (simple JSON paths)."""
    path = re.sub(r"^\.", "", column.get("jsonPath", ""))
    kind = column.get("type", "string")
    if kind == "date":
        return Column(column["name"], lambda body: _since(at(path, None)(body)), "date")
    return Column(column["name"], at(path, None), kind, column.get("priority", 0))


def columns_of(served: Served) -> list[Column]:
    if served.custom:
        extra = [_printed(column) for column in served.columns]
        return [NAME, *extra, *([] if extra else [AGE])]
    own = _COLUMNS.get(served.plural, [AGE])
    return own if served.plural == "events" else [NAME, *own]
