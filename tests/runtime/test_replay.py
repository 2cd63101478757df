"""Files of events, however they are written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import InputError
from haechi.model.event import Event
from haechi.runtime.replay import MAX_LINE, Unread, events_in

AUDIT: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Request",
    "auditID": "a1",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/pods/web/exec",
    "verb": "create",
    "user": {"username": "mallory", "groups": ["dev"]},
    "sourceIPs": ["10.0.0.9"],
    "objectRef": {"resource": "pods", "namespace": "shop", "name": "web", "subresource": "exec"},
    "requestReceivedTimestamp": "2026-11-22T05:00:00.000000Z",
    "stageTimestamp": "2026-11-22T05:00:00.100000Z",
    "responseStatus": {"code": 101},
}
LIST = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [AUDIT, AUDIT]}


def read(tmp_path: Path, data: str | bytes) -> list[Event | Unread]:
    path = tmp_path / "events"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(events_in(path))


def events(tmp_path: Path, data: str | bytes) -> list[Event]:
    found = read(tmp_path, data)
    assert not [one for one in found if isinstance(one, Unread)]
    return [one for one in found if isinstance(one, Event)]


def test_fields_as_falco_calls_them(tmp_path: Path) -> None:
    line = {"evt.type": "execve", "proc.name": "nc", "container.id": "abc", "evt.rawtime": 7}
    (event,) = events(tmp_path, json.dumps(line))
    assert (event.source, event.type, event.ts_ns) == ("sensor", "execve", 7)
    assert (event.fields["proc.name"], event.container_id) == ("nc", "abc")


@pytest.mark.parametrize(
    ("fields", "source", "type_"),
    [
        ({"ka.verb": "create", "ka.target.resource": "pods"}, "kubernetes-audit", "create"),
        ({"app.event": "login", "app.user": "kim"}, "application", "login"),
        ({"evt.type": "flow", "flow.verdict": "denied"}, "hubble", "flow"),
        ({"evt.type": "open", "evt.source": "syscall"}, "sensor", "open"),
    ],
)
def test_the_source_is_told_by_the_fields(
    tmp_path: Path, fields: dict[str, Any], source: str, type_: str
) -> None:
    (event,) = events(tmp_path, json.dumps(fields))
    assert (event.source, event.type) == (source, type_)


def test_our_own_events(tmp_path: Path) -> None:
    whole = Event(id="x", ts_ns=3, source="sensor", type="open", fields={"fd.name": "/a"})
    short = {"schema": "haechi.event/1", "type": "open", "fields": {"fd.name": "/b"}}
    lines = json.dumps(short) + "\n" + json.dumps({"id": "y", "type": "open"}) + "\n"
    import msgspec

    found = events(tmp_path, msgspec.json.encode(whole).decode() + "\n\n" + lines)
    assert found[0] == whole
    assert [event.id for event in found] == ["x", "line-3", "y"]
    assert found[1].source == "sensor"


@pytest.mark.parametrize(
    ("said", "source"),
    [("syscall", "sensor"), ("falco", "sensor"), ("k8s_audit", "kubernetes-audit"), ("envoy",) * 2],
)
def test_falcos_names_of_sources_are_understood(tmp_path: Path, said: str, source: str) -> None:
    (event,) = events(tmp_path, json.dumps({"type": "open", "source": said}))
    assert event.source == source


def test_alerts_of_falco_are_judged_again(tmp_path: Path) -> None:
    alert = {"rule": "r", "source": "syscall", "output_fields": {"evt.type": "execve"}}
    (event,) = events(tmp_path, json.dumps(alert))
    assert (event.source, event.rule) == ("sensor", "")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_audit_events(tmp_path: Path, indent: int | None) -> None:
    found = events(tmp_path, json.dumps(LIST, indent=indent))
    assert [event.fields["ka.user.name"] for event in found] == ["mallory", "mallory"]
    assert found[0].type == "create"


def test_audit_events_by_line_and_as_an_array(tmp_path: Path) -> None:
    line = json.dumps(AUDIT)
    assert len(events(tmp_path, f"{line}\n{line}\n")) == 2
    assert len(events(tmp_path, f"[{line},\n{line}]")) == 2


def test_what_cannot_be_read_has_its_line(tmp_path: Path) -> None:
    good = '{"evt.type": "open"}'
    lines = [good, "{oops", "", '"text"', "{}", '{"proc.name": "a"}', good, '{"a": "\xff"}']
    found = read(tmp_path, "\n".join(lines).encode("latin-1"))
    told = {one.line: one.message for one in found if isinstance(one, Unread)}
    assert len([one for one in found if isinstance(one, Event)]) == 2
    assert sorted(told) == [2, 4, 5, 6, 8]
    assert "evt.type" in told[6]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "open", "schema": "other/2"},
        {"type": 5},
        {"type": "open", "priority": "huge"},
        {"type": "open", "ts_ns": "now"},
        {"type": "open", "source": "haechi"},
        {"type": "open", "source": 5},
    ],
)
def test_a_wrong_event_of_ours_is_told(tmp_path: Path, event: dict[str, Any]) -> None:
    (one,) = read(tmp_path, json.dumps(event))
    assert isinstance(one, Unread)


def test_a_fault_in_a_list_names_the_item(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps({**LIST, "items": [AUDIT, 5, {"kind": "Event"}]}))
    assert [one.message[:6] for one in found if isinstance(one, Unread)] == ["item 1", "item 2"]


def test_a_line_without_end_is_passed_over(tmp_path: Path) -> None:
    long = b'{"evt.type": "' + b"x" * (2 * MAX_LINE) + b'"}\n{"evt.type": "open"}\n'
    found = read(tmp_path, b'{"evt.type": "open"}\n' + long)
    assert [type(one) for one in found] == [Event, Unread, Event]


def test_a_document_that_is_too_large_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.runtime.replay.MAX_LINE", 1 << 10)
    monkeypatch.setattr("haechi.runtime.replay.MAX_DOCUMENT", 1 << 20)
    text = "[\n" + '{"evt.type": "execve"},\n' * 60_000 + "{}]"
    assert read(tmp_path, text) == [
        Unread(line=1, message="a document of 1 MiB or more; write lines instead")
    ]


def test_deep_json_is_an_error_of_its_line(tmp_path: Path) -> None:
    found = read(tmp_path, '{"evt.type": "open"}\n' + "[" * 100_000 + "\n")
    assert [type(one) for one in found] == [Event, Unread]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        list(events_in(tmp_path / "nothing"))


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_to_the_end(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    assert all(isinstance(one, Event | Unread) for one in events_in(path))
