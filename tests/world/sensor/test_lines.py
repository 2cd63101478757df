"""Lines say what the events say, of every kind of call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.model.event import Event
from haechi.world.sensor.layout import ARGS
from haechi.world.sensor.lines import Lines
from tests.world.sensor.fake import record
from tests.world.sensor.test_build import CASES, Made

Case = tuple[str, int, dict[str, Any]]
BARE: list[Case] = [(kind, ret, {}) for kind in ARGS for ret in (0, -1)]
ALL: list[Case] = [(kind, ret, args) for kind, ret, args, _ in CASES] + BARE


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def _both(made: Made, lines: Lines, kind: str, ret: int, args: dict[str, Any]) -> list[Event]:
    one = record(kind, ret=ret, args=args, ppid=50)
    process = made.table.of(one)
    read = msgspec.json.Decoder(Event).decode
    told = read(lines.line(one, process))
    event = read(msgspec.json.encode(made.builder.event(one, process)))
    assert told.id != event.id
    return [msgspec.structs.replace(each, id="") for each in (told, event)]


@pytest.mark.parametrize(
    ("kind", "ret", "args"), ALL, ids=[f"{n}-{case[0]}" for n, case in enumerate(ALL)]
)
def test_a_line_is_the_event(made: Made, kind: str, ret: int, args: dict[str, Any]) -> None:
    told, event = _both(made, Lines(made.builder), kind, ret, args)
    assert told == event
    assert len(event.fields) > 20


def test_a_process_that_changes_is_told_as_it_is_now(made: Made) -> None:
    lines = Lines(made.builder)
    told, event = _both(made, lines, "openat", 3, {"name": "/a", "flags": 0})
    assert told == event
    _both(made, lines, "chdir", 0, {"path": "/srv"})
    told, event = _both(made, lines, "openat", 3, {"name": "b", "flags": 0})
    assert told == event
    assert told.fields["proc.cwd"] == "/srv"
    assert told.fields["fd.name"] == "/srv/b"
