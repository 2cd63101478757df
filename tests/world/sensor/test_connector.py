"""The process connector: its messages, and the kernel's own where it lets us listen."""

from __future__ import annotations

import os
import struct
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import SensorError
from haechi.world.sensor import connector
from haechi.world.sensor.connector import Connector
from haechi.world.sensor.netlink import HEADER, split
from haechi.world.sensor.proc_fs import ProcFs


def _bare() -> Connector:
    """A connector that listens to nobody."""
    one = Connector.__new__(Connector)
    one._proc = ProcFs("/nowhere")
    one._execs, one._offset, one._next, one._missed = True, 1000, {}, 0
    return one


def _message(what: int, data: bytes, number: int = 0, cpu: int = 0, index: int = 1) -> bytes:
    event = struct.pack("=IIQ", what, cpu, 5) + data
    return struct.pack("=IIIIHH", index, 1, number, 0, len(event), 0) + event


def _four(*numbers: int) -> bytes:
    return struct.pack("=iiii", *numbers)


@pytest.mark.parametrize(
    ("what", "data", "expected"),
    [
        (connector.FORK, _four(10, 10, 20, 20), ("clone", 10, {"child_pid": 20})),
        (connector.FORK, _four(10, 10, 21, 20), None),
        (connector.EXIT, _four(20, 20, 256, 17), ("procexit", 20, {"status": 256})),
        (connector.EXIT, _four(21, 20, 0, 17), None),
        (connector.EXEC, struct.pack("=ii", 20, 20), ("execve", 20, {})),
        (connector.EXEC, b"", None),
        (connector.FORK, b"1234", None),
        (0x4, _four(1, 1, 0, 0), None),
        (0, _four(0, 0, 0, 0), None),
    ],
    ids=["fork", "thread", "exit", "thread-exit", "exec", "cut", "short", "uid", "greeting"],
)
def test_messages(what: int, data: bytes, expected: object) -> None:
    found = _bare()._record(_message(what, data))
    told = None if found is None else (found.type, found.pid, found.args)
    assert told == expected
    assert found is None or found.ts_ns == 1005


def test_a_gap_in_a_processors_numbers_is_lost_events() -> None:
    one = _bare()
    for number, cpu in ((5, 0), (6, 0), (9, 0), (100, 1), (101, 1)):
        one._record(_message(connector.EXIT, _four(2, 2, 0, 0), number=number, cpu=cpu))
    assert one.lost == 2


def test_a_foreign_message_is_none() -> None:
    assert _bare()._record(_message(connector.EXIT, _four(2, 2, 0, 0), index=7)) is None
    assert _bare()._record(b"") is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", 0),
        (b"\0" * 15, 0),
        (HEADER.pack(20, 3, 0, 1, 0) + b"abcd", 1),
        ((HEADER.pack(17, 3, 0, 1, 0) + b"a\0\0\0") * 3, 3),
        (HEADER.pack(0, 3, 0, 1, 0) * 4, 1),
        (HEADER.pack(4_000_000_000, 3, 0, 1, 0) + b"x", 1),
    ],
    ids=["empty", "cut", "one", "padded", "no-length", "lying-length"],
)
def test_datagrams_are_taken_apart(raw: bytes, expected: int) -> None:
    assert len(list(split(raw))) == expected


@given(st.binary(max_size=120))
def test_any_bytes_are_taken_without_a_fault(raw: bytes) -> None:
    one = _bare()
    for _, _, body in split(raw):
        one._record(body)
    one._record(_message(connector.FORK, raw))
    one._record(raw)


@pytest.fixture
def live() -> connector.Connector:
    if os.geteuid() != 0:
        pytest.skip("the process connector needs root")
    try:
        return Connector(ProcFs())
    except (SensorError, OSError) as error:
        pytest.skip(f"no process connector here: {error}")


def test_the_kernel_tells_of_a_program_from_fork_to_exit(live: Connector) -> None:
    try:
        child = subprocess.Popen(["/bin/true"])
        seen: set[str] = set()
        ends = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < ends:
            seen |= {one.type for one in live.poll(0.2) if one.pid == child.pid}
            child.poll()
    finally:
        live.close()
        child.wait()
    assert seen == {"execve", "procexit"}
