"""What a rule says: fields, lists, missing values, what a terminal must not see."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.falco.output import LONGEST, render, tokens, used_fields
from haechi.model.event import Event

FIELDS: dict[str, Any] = {
    "proc.name": "bash",
    "proc.pid": 12,
    "proc.aname": ["bash", "sshd", "systemd"],
    "proc.apid": [12, 2, 1],
    "proc.args": ["-c", "id"],
    "evt.failed": True,
    "fd.types": ["file", "pipe"],
    "fd.cip": "10.0.0.1",
    "proc.cmdline": "a\nb\x1b[2J\u202e%x",
}


def event(fields: dict[str, Any] | None = None, source: str = "sensor") -> Event:
    return Event(id="1", ts_ns=1_700_000_000_000_000_001, source=source, type="execve",
                 fields=FIELDS if fields is None else fields)  # fmt: skip


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("plain", "plain"),
        ("*%proc.name", "bash"),
        ("name=%proc.name.", "name=bash."),
        ("(%proc.name|%proc.pid)", "(bash|12)"),
        ("%proc.name%proc.pid", "bash12"),
        ("%proc.aname[2] %proc.aname", "systemd sshd systemd"),
        ("%proc.aname[9]", "<NA>"),
        ("%proc.apid", "12"),
        ("%proc.args", "-c id"),
        ("%proc.cwd", "<NA>"),
        ("%fd.types", "(file,pipe)"),
        ("%evt.failed", "true"),
        ("%fd.ip", "10.0.0.1"),
        ("%evt.type %evt.time.s", "execve 22:13:20"),
        ("%toupper(proc.name)", "BASH"),
        ('%join("-", (proc.name, proc.pid))', "bash-12"),
        ("%len(fd.types)", "2"),
        ("%toupper(proc.pname) %tolower(proc.cwd)", "SSHD <NA>"),
        ("%7proc.name|%2proc.name|", "bash   |ba|"),
        ("100% sure", "100% sure"),
        ("%%proc.name", "%bash"),
        ("%", "%"),
        ("%proc.cmdline", "a\\nb\\u001b[2J\\u202e%x"),
        ("a\tb", "a\\tb"),
    ],
)
def test_outputs(output: str, expected: str) -> None:
    assert render(output, event()) == expected


def test_audit_outputs_reach_into_the_object() -> None:
    audit = {"auditID": "a", "requestURI": "/x?command=sh", "objectRef": {"name": "p"},
             "user": {"groups": ["a", "b"]}}  # fmt: skip
    one = event({"jevt.obj": audit}, "kubernetes-audit")
    output = "%ka.uri.param[command] %jevt.value[/objectRef/name] %ka.user.groups"
    assert render(output, one) == "sh p (a,b)"


@pytest.mark.parametrize("value", [{"a": 1}, [], None, [None, {}]])
def test_what_is_no_value_is_missing(value: Any) -> None:
    assert render("%proc.name", event({"proc.name": value})) in ("<NA>", "")


def test_a_huge_value_is_cut() -> None:
    assert len(render("%proc.name", event({"proc.name": "x" * 100_000}))) == LONGEST


def test_the_fields_of_an_output_are_named_once() -> None:
    output = '*%proc.name %proc.aname[2] %toupper(fd.name) %join(",", (fd.num, proc.name)) %x'
    assert used_fields(output) == ("proc.name", "proc.aname[2]", "fd.name", "fd.num")


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_output_raises_and_none_holds_a_control_character(output: str, value: str) -> None:
    tokens(output)
    said = render(f"{output}%proc.name", event({"proc.name": value}))
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in said)
