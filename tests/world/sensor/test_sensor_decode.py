"""Records from bytes as the programs lay them out, whole and damaged."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.world.sensor.decode import Decoder, Kind, address, device, mark_cut
from haechi.world.sensor.programs import calls, files, processes, sockets, suite
from haechi.world.sensor.programs.calls import Layout
from haechi.world.sensor.programs.frame import CUT_PATH, HEAD
from haechi.world.sensor.record import Record
from tests.world.sensor.made_up_kernel import MadeUpKernel

KINDS: dict[str, Kind] = {
    each.name: each.kind
    for each in suite.programs(MadeUpKernel("x86_64"), frozenset({"PATH", "LD_PRELOAD"}))
}


def _head(kind: int = 0, *, flags: int = 0, ret: int = 0, comm: bytes = b"bash") -> bytes:
    return HEAD.pack(
        1_000,
        kind,
        flags,
        77 << 32 | 78,
        1000,
        100,
        ret,
        44,
        1,
        4026531832,
        7,
        0xFFFFFFFF - 2**32,
        comm,
    )


def _record(layout: Layout, numbers: tuple[int, ...], *texts: bytes, **head: Any) -> bytes:
    fixed = layout.pattern().pack(*numbers, *map(len, texts))
    return _head(**head) + fixed + b"".join(texts)


def _decode(name: str, raw: bytes) -> Record:
    decoder = Decoder({0: KINDS[name]})
    decoder.offset_ns = 500
    decoder.decode(raw)
    (record,) = decoder.records
    return record


def test_the_head() -> None:
    layout = calls.layout(next(c for c in calls.CALLS if c.name == "setuid"))
    record = _decode("setuid", _record(layout, (-1,), ret=-1))
    assert (record.type, record.ts_ns, record.pid, record.tid) == ("setuid", 1500, 77, 78)
    assert (record.ppid, record.uid, record.gid, record.comm) == (1, 1000, 100, "bash")
    assert (record.ret, record.cgroup, record.mount_ns) == (-1, 44, 4026531832)
    assert (record.vpid, record.loginuid, record.args) == (7, -1, {"uid": -1})


def test_an_open() -> None:
    numbers = (0o1101, 0o644, -100, 12, 254 << 20 | 3, 0x100000)
    raw = _record(files.LAYOUT, numbers, b"/etc/x", b"x\0", b"", ret=3)
    assert _decode("openat", raw).args == {
        "flags": 0o1101,
        "mode": 0o644,
        "dirfd": -100,
        "ino": 12,
        "dev": device(254 << 20 | 3),
        "created": True,
        "path": "/etc/x",
        "name": "x",
    }


def test_a_failed_open_has_its_directory_and_no_file() -> None:
    raw = _record(files.LAYOUT, (1, 0, 5, 0, 0, 0), b"", b"x\0", b"/home", ret=-13)
    args = _decode("openat", raw).args
    assert args == {"flags": 1, "mode": 0, "dirfd": 5, "name": "x", "base": "/home"}
    assert "dirfd" not in _decode("open", raw).args
    assert "flags" not in _decode("creat", raw).args


def test_a_cut_path_is_marked() -> None:
    raw = _record(files.LAYOUT, (0,) * 6, b"b/c", b"c\0", b"", flags=CUT_PATH)
    assert _decode("openat", raw).args["path_cut"] is True


DEEP = "/usr/bin" + 38 * "/d"


@pytest.mark.parametrize(
    ("type", "args", "expected"),
    [
        ("openat", {"path": DEEP, "name": "/x/y"}, {"path": "…" + DEEP, "name": "/x/y"}),
        ("openat", {"path": "/", "name": "x"}, {"path": "…/"}),
        ("unlink", {"path": "/etc/shadow", "base": ""}, {"path": "/etc/shadow", "base": ""}),
        ("unlink", {"path": "x", "base": DEEP}, {"path": "x", "base": "…" + DEEP}),
        ("execve", {"path": "/bin/nc", "cwd": DEEP}, {"path": "/bin/nc", "cwd": "…" + DEEP}),
        ("execve", {"path": "/bin/nc", "cwd": "/a"}, {"path": "…/bin/nc", "cwd": "…/a"}),
        ("execve", {"path": "memfd:a", "cwd": DEEP}, {"path": "memfd:a", "cwd": "…" + DEEP}),
        (
            "renameat",
            {"oldpath": "/etc/a", "newpath": "b", "newbase": DEEP},
            {"oldpath": "/etc/a", "newbase": "…" + DEEP},
        ),
    ],
)
def test_a_path_without_its_front_does_not_look_whole(
    type: str, args: dict[str, Any], expected: dict[str, Any]
) -> None:
    told = dict(args)
    mark_cut(type, told)
    assert told == args | expected


def test_names_and_their_directories() -> None:
    layout = calls.layout(next(c for c in calls.CALLS if c.name == "renameat2"))
    raw = _record(layout, (-100, 4, 1), b"a\0", b"/tmp", b"/b\0", b"")
    assert _decode("renameat2", raw).args == {
        "olddirfd": -100,
        "newdirfd": 4,
        "flags": 1,
        "oldpath": "a",
        "oldbase": "/tmp",
        "newpath": "/b",
    }


def _executed(argv: bytes, env: bytes = b"", path: bytes = b"/bin/x", **change: int) -> bytes:
    numbers = (
        {name: 0 for name, _ in processes.EXECUTED.numbers}
        | {"argv_size": len(argv), "env_size": len(env)}
        | change
    )
    texts = (b"/bin/x\0", path, b"/root", argv, env)
    return _record(processes.EXECUTED, tuple(numbers.values()), *texts)


def test_an_exec() -> None:
    args = _decode("exec", _executed(b"x\0-a\0\0", b"A=1\0PATH=/bin=\0", cap_effective=3)).args
    assert args["argv"] == ["x", "-a", ""]
    assert args["argv_cut"] is False
    assert args["env"] == {"PATH": "/bin="}
    assert args["env_cut"] is False
    assert (args["filename"], args["path"], args["cwd"]) == ("/bin/x", "/bin/x", "/root")
    assert (args["upper_layer"], args["memfd"], args["cap_effective"]) == (False, False, 3)
    assert args["lower_layer"] is False


@pytest.mark.parametrize(
    ("upper", "expected"), [(0, (False, True)), (9, (True, False))], ids=["image", "changed"]
)
def test_the_layer_of_a_containers_program(upper: int, expected: tuple[bool, bool]) -> None:
    args = _decode("exec", _executed(b"x\0", magic=processes.OVERLAY_MAGIC, upper=upper)).args
    assert (args["upper_layer"], args["lower_layer"]) == expected


@pytest.mark.parametrize(
    ("path", "magic", "expected"),
    [(b"memfd:x", 0x01021994, True), (b"memfd:x", 1, False), (b"/memfd:x", 0x01021994, False)],
    ids=["memfd", "other-file-system", "a-file-of-that-name"],
)
def test_memory_files_are_told(path: bytes, magic: int, expected: bool) -> None:
    assert _decode("exec", _executed(b"", path=path, magic=magic)).args["memfd"] is expected


def test_arguments_that_did_not_fit_are_marked() -> None:
    assert _decode("exec", _executed(b"x\0" * 10, argv_size=21)).args["argv_cut"] is True
    args = _decode("exec", _executed(b"x\0" * 2000)).args
    assert len(args["argv"]) == 1024
    assert args["argv_cut"] is True


def test_arguments_that_could_not_be_read_are_left_out() -> None:
    assert "argv" not in _decode("exec", _executed(b"", argv_size=30)).args
    assert _decode("exec", _executed(b"")).args["argv"] == []


def _sock(family: int, local: tuple[str, int], remote: tuple[str, int]) -> bytes:
    raw = bytearray(88)
    struct.pack_into("=H", raw, 16, family)
    struct.pack_into("=H", raw, 14, local[1])
    struct.pack_into(">H", raw, 12, remote[1])
    if family == socket.AF_INET:
        raw[4:8], raw[0:4] = socket.inet_aton(local[0]), socket.inet_aton(remote[0])
    elif family == socket.AF_INET6:
        raw[72:88] = socket.inet_pton(family, local[0])
        raw[56:72] = socket.inet_pton(family, remote[0])
    return bytes(raw)


def _given(address: str, port: int) -> bytes:
    return struct.pack("=H", 2) + struct.pack(">H", port) + socket.inet_aton(address) + bytes(8)


def _connection(name: str, sock: bytes, given: bytes = b"", proto: int = 6, type: int = 1) -> Any:
    call = next(c for c in sockets.SOCKET_CALLS if c.name == name)
    layout = sockets.layout(call)
    numbers = (9,) * len(call.numbers) + (proto, type)
    args = _decode(name, _record(layout, numbers, sock, given)).args
    return {key: value for key, value in args.items() if key not in {n.name for n in call.numbers}}


V4 = _sock(2, ("10.0.0.1", 40000), ("10.0.0.2", 443))
CONNECTIONS = [
    ("connect", "connect", V4, b"", ("10.0.0.2", 443, "10.0.0.1", 40000)),
    ("given-wins", "connect", V4, _given("8.8.8.8", 53), ("8.8.8.8", 53, "10.0.0.1", 40000)),
    ("accept", "accept4", V4, b"", ("10.0.0.1", 40000, "10.0.0.2", 443)),
    ("dup-of-client", "dup2", V4, b"", ("10.0.0.2", 443, "10.0.0.1", 40000)),
    (
        "dup-of-server",
        "dup2",
        _sock(2, ("10.0.0.1", 80), ("10.0.0.2", 50000)),
        b"",
        ("10.0.0.1", 80, "10.0.0.2", 50000),
    ),
    (
        "ipv6",
        "connect",
        _sock(10, ("fd00::1", 1), ("fd00::2", 2)),
        b"",
        ("fd00::2", 2, "fd00::1", 1),
    ),
    (
        "mapped",
        "connect",
        _sock(10, ("::ffff:10.0.0.1", 1), ("::ffff:10.0.0.2", 2)),
        b"",
        ("10.0.0.2", 2, "10.0.0.1", 1),
    ),
]


@pytest.mark.parametrize(
    ("name", "sock", "given", "ends"),
    [each[1:] for each in CONNECTIONS],
    ids=[each[0] for each in CONNECTIONS],
)
def test_both_ends(name: str, sock: bytes, given: bytes, ends: tuple[str, int, str, int]) -> None:
    args = _connection(name, sock, given)
    assert (args["sip"], args["sport"], args["cip"], args["cport"]) == ends
    assert args["proto"] == "tcp"
    assert args["family"] == ("AF_INET6" if ":" in ends[0] else "AF_INET")


def test_bind_takes_the_port_that_the_kernel_chose() -> None:
    sock = _sock(2, ("0.0.0.0", 5555), ("0.0.0.0", 0))  # noqa: S104
    assert _connection("bind", sock, _given("127.0.0.1", 0))["sport"] == 5555
    assert _connection("bind", sock, _given("127.0.0.1", 80))["sport"] == 80
    assert _connection("listen", sock) == {
        "family": "AF_INET",
        "proto": "tcp",
        "sip": "0.0.0.0",  # noqa: S104
        "sport": 5555,
    }


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (b"\1\0/run/x.sock\0junk", "/run/x.sock"),
        (b"\1\0\0hidden", "@hidden"),
        (b"\1\0", None),
    ],
    ids=["path", "abstract", "unnamed"],
)
def test_unix_sockets_have_names(given: bytes, path: str | None) -> None:
    args = _connection("connect", _sock(1, ("", 0), ("", 0)), given, 0)
    assert args.get("path") == path
    assert (args["family"], args["proto"]) == ("AF_UNIX", "")


@pytest.mark.parametrize(
    ("proto", "type", "expected"),
    [(17, 2, "udp"), (1, 2, "icmp"), (58, 2, "icmp"), (255, 3, "raw"), (132, 1, "")],
)
def test_protocols(proto: int, type: int, expected: str) -> None:
    assert _connection("connect", V4, b"", proto, type)["proto"] == expected


def test_addresses_too_short_or_of_other_families_are_none() -> None:
    assert address(b"") is None
    assert address(_given("1.2.3.4", 5)[:7]) is None
    assert address(b"\x0a\0" + bytes(10)) is None
    assert address(b"\x01\0" + bytes(30)) is None


def test_bytes_that_are_no_record_are_counted() -> None:
    decoder = Decoder({0: KINDS["openat"]})
    for raw in (b"", bytes(79), _head(1), _head(0) + bytes(20)):
        decoder.decode(raw)
    assert decoder.records == []
    assert decoder.refused == 4


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=600), st.binary(max_size=16))
def test_any_bytes_behind_a_head_become_a_record_that_can_be_stored(
    name: str, raw: bytes, comm: bytes
) -> None:
    decoder = Decoder({0: KINDS[name]})
    decoder.decode(_head(comm=comm) + raw)
    assert len(decoder.records) + decoder.refused == 1
    for record in decoder.records:
        json.dumps(record.args).encode("utf-8")
        record.comm.encode("utf-8")
