"""Which fields can be there: facts of libs' event table."""

from __future__ import annotations

import pytest

from haechi.engines.falco.event_table import event_kinds
from haechi.engines.falco.presence import absent, constant


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("fd.name", "execve"),
        ("fd.num", "execveat"),
        ("fd.typechar", "unlink"),
        ("fd.name", "renameat2"),
        ("fd.name", "clone"),
        ("fd.name", "faccessat"),
        ("fd.sip", "openat"),
        ("fd.net", "creat"),
        ("fs.path.name", "execve"),
        ("fs.path.source", "unlink"),
        ("fs.path.name", "rename"),
        ("evt.arg.flags", "unlink"),
        ("evt.rawarg.mode", "connect"),
    ],
)
def test_a_field_that_is_never_there(name: str, event_type: str) -> None:
    assert absent(name, None, event_type)


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("fd.name", "open"),
        ("fd.name", "unlinkat"),
        ("fd.sip", "connect"),
        ("fd.sip", "sendto"),
        ("fd.sip", "dup2"),
        ("fd.l4proto", "read"),
        ("proc.name", "execve"),
        ("container.id", "execve"),
        ("evt.arg.flags", "execve"),
        ("evt.arg.FLAGS", "openat"),
        ("evt.arg.filename", "chmod"),
        ("evt.arg", "execve"),
        ("fs.path.name", "openat"),
        ("fs.path.target", "renameat"),
        ("fd.name", "a_plugins_own"),
        ("fd.name", "asyncevent"),
    ],
)
def test_a_field_that_may_be_there(name: str, event_type: str) -> None:
    assert absent(name, None, event_type) == ""


def test_arguments_by_number_are_not_judged() -> None:
    assert absent("evt.arg", "1", "execve") == ""
    assert absent("evt.arg", "nothing", "execve")


@pytest.mark.parametrize(
    ("name", "event_type", "value"),
    [
        ("evt.dir", "open", "<"),
        ("evt.dir", "procexit", None),
        ("evt.is_open_read", "execve", "false"),
        ("evt.is_open_read", "openat2", None),
        ("evt.is_open_exec", "creat", None),
        ("evt.is_open_write", "creat", "false"),
        ("proc.name", "execve", None),
    ],
)
def test_fields_that_never_change(name: str, event_type: str, value: str | None) -> None:
    assert constant(name, event_type) == value


def test_the_table_is_whole() -> None:
    kinds = event_kinds()
    assert len(kinds) > 450
    assert "pidns_init_start_ts" in kinds["clone"].params
    assert {"faccessat2", "io_uring_setup"} <= set(kinds)
    assert "opennat" not in kinds
