"""Whatever the fields of a detection hold, it is read: bounded, and without credentials."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.model.event import Event
from haechi.runtime.incidents.reading import Detection, read, settled, with_evidence
from haechi.runtime.incidents.supervisors import MOST
from haechi.store.state.incidents_rows import evidence_of
from tests.runtime.incidents.made import ASSESS, detection, on_host

HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["\x1b[2J", "a\x00b", "x" * 5_000, "../" * 500, "<NA>", "‮evil"]),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
NAMES = (
    *("proc.pid", "proc.ppid", "proc.apid", "proc.aname", "proc.aexepath", "proc.acmdline"),
    *("proc.name", "proc.exepath", "proc.cmdline", "proc.pname", "fd.name", "fd.sip", "fd.cip"),
    *("fd.sport", "ka.user.name", "ka.sourceips", "app.ip", "haechi.tags", "falco.tags"),
    *("haechi.source", "haechi.behaviour", "haechi.behaviour.why", "proc.aname[2]", "user.name"),
)


def _read(event: Event) -> Detection:
    return with_evidence(read(event, ASSESS(event)))


@settings(max_examples=300, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=10), HOSTILE, max_size=12))
def test_hostile_fields_are_read(fields: dict[str, Any]) -> None:
    found = _read(msgspec.structs.replace(detection(1), fields=fields))
    assert len(found.evidence) < 120_000
    assert len(found.line) <= MOST
    assert all(0 < pid <= 1 << 22 for pid, _ in found.line)
    told = evidence_of(found.evidence)
    assert "\x00" not in found.evidence
    assert told.namespace == "shop"
    assert len(found.signature) == len(found.place) == 20
    assert msgspec.json.decode(msgspec.json.encode(found), type=Detection) == found


def test_a_process_that_supervises_ends_the_tree() -> None:
    names = ("cat", "bash", "containerd-shim-runc-v2", "systemd")
    assert [pid for pid, _ in _read(detection(1, pids=(9, 8, 7, 1), names=names)).line] == [9, 8]


def test_falco_alerts_tell_ancestors_one_by_one() -> None:
    fields = {"proc.pid": 9, "proc.ppid": 8, "proc.aname[2]": "bash", "proc.pname": "sh"}
    event = msgspec.structs.replace(detection(1), source="falco", fields=fields)
    assert _read(event).line == ((9, ""), (8, "sh"))


def test_pids_of_another_process_are_not_believed() -> None:
    event = detection(1, fields={"proc.pid": 5, "proc.apid": [9, 8], "proc.ppid": 4})
    assert [pid for pid, _ in _read(event).line] == [5, 4]


def test_credentials_are_masked() -> None:
    event = detection(
        1,
        pids=(9, 8),
        message="curl -H 'Authorization: Bearer abcdefgh12345678'",
        fields={
            "proc.cmdline": "mysql --password=hunter22 -u root",
            "proc.acmdline": ["mysql --password=hunter22", "env TOKEN=hunter22 sh"],
            "app.password": "hunter22",
        },
    )
    found = _read(event)
    assert "hunter22" not in found.evidence
    assert "abcdefgh12345678" not in found.message
    assert "***" in found.evidence


PLACES = {
    "a workload": (detection(1), "k8s:prod/apps/Deployment/shop/web"),
    "an unknown container": (detection(1, resource=""), "container:prod/c1"),
    "a node": (on_host(1), "host:prod/node-1"),
    "no node": (on_host(1, node=""), "host:prod/-"),
    "somebody at the API server": (
        detection(1, fields={"ka.user.name": "eve", "haechi.source": "kubernetes-audit"}),
        "user:prod/eve",
    ),
    "somebody at the API server, by Falco": (
        detection(1, source="falco", fields={"ka.user.name": "eve", "falco.source": "k8s_audit"}),
        "user:prod/eve",
    ),
    "a sensor that says that it is an audit record": (
        detection(1, fields={"ka.user.name": "eve"}),
        "k8s:prod/apps/Deployment/shop/web",
    ),
}


@pytest.mark.parametrize(("event", "resource"), PLACES.values(), ids=list(PLACES))
def test_where_it_happens(event: Event, resource: str) -> None:
    assert _read(event).resource == resource


ADDRESSES = {
    "outward": ("connect", {"fd.cip": "10.0.0.9", "fd.sip": "203.0.113.7"}, ("203.0.113.7",)),
    "inward": ("accept", {"fd.cip": "198.51.100.3", "fd.sip": "10.0.0.9"}, ("198.51.100.3",)),
    "loopback": ("connect", {"fd.sip": "127.0.0.1"}, ()),
    "audit": ("create", {"ka.sourceips": ["203.0.113.1", "::1", "x"]}, ("203.0.113.1",)),
    "not an address": ("connect", {"fd.sip": "203.0.113.7; rm -rf"}, ()),
}


@pytest.mark.parametrize(("kind", "fields", "found"), ADDRESSES.values(), ids=list(ADDRESSES))
def test_who_is_on_the_other_side(kind: str, fields: dict[str, Any], found: tuple[str]) -> None:
    assert _read(detection(1, type=kind, fields=fields)).addresses == found


SETTLED = {
    "/tmp/pip-3f2a9c11/x": "/tmp/pip-*/x",
    "/tmp/tmpk3j2l9/x": "/tmp/*/x",
    "/proc/123/environ": "/proc/*/environ",
    "/usr/bin/python3.11": "/usr/bin/python3.11",
    "/etc/shadow": "/etc/shadow",
    "10.0.0.1:443": "10.0.0.1:443",
    "/opt/facade": "/opt/facade",
}


@pytest.mark.parametrize(("name", "found"), SETTLED.items(), ids=list(SETTLED))
def test_what_varies_is_left_out_of_names(name: str, found: str) -> None:
    assert settled(name) == found
