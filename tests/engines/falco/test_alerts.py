"""Alerts in Falco's shape."""

from __future__ import annotations

import json

from haechi.engines.falco.alerts import alert
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.ruleset import At, Rule
from haechi.model.event import Event

NODE = parse_condition("evt.num >= 0")
RULE = Rule(
    name="Shell", condition=NODE, bare=NODE, text="", priority="informational",
    output="Shell (user=%user.name pid=%proc.pid types=%fd.types up=%toupper(proc.name) "
    "at=%evt.time parent=%proc.pname)",
    at=At(file="t"), tags=("shell", "mitre_execution", "shell"),
)  # fmt: skip
EVENT = Event(
    id="1", ts_ns=1_700_000_000_000_000_001, source="sensor", type="execve", node="node-1",
    fields={"user.name": "r\x1boot", "proc.pid": 7, "fd.types": ["file"], "proc.name": "sh"},
)  # fmt: skip


def test_an_alert_is_what_falco_sends() -> None:
    assert alert(RULE, EVENT) == {
        "hostname": "node-1",
        "output": "22:13:20.000000001: Informational Shell (user=r\\u001boot pid=7 types=(file) "
        "up=SH at=22:13:20.000000001 parent=<NA>)",
        "output_fields": {
            "evt.time": 1_700_000_000_000_000_001,
            "user.name": "r\x1boot",
            "proc.pid": 7,
            "fd.types": ["file"],
            "proc.pname": None,
        },
        "priority": "Informational",
        "rule": "Shell",
        "source": "syscall",
        "tags": ["mitre_execution", "shell"],
        "time": "2023-11-14T22:13:20.000000001Z",
    }


def test_an_alert_is_json_whatever_the_event_holds() -> None:
    hostile = Event(id="1", ts_ns=0, source="sensor", type="x",
                    fields={"user.name": "\udc80", "proc.pid": {"a": 1}})  # fmt: skip
    found = json.dumps(alert(RULE, hostile, hostname="other"), ensure_ascii=False).encode()
    assert json.loads(found)["output_fields"]["user.name"] == "\ufffd"
    assert json.loads(found)["hostname"] == "other"
