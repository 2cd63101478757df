"""The kernel's audit: messages put together, rules as bytes, and a real run that leaves nothing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import SensorError
from haechi.world.sensor import audit_parse, audit_rules
from haechi.world.sensor.audit import _ADD, _GET, _LIST, Audit, status_of
from haechi.world.sensor.audit_parse import Assembly, address, arguments, pairs, unquoted
from haechi.world.sensor.audit_rules import KEY, is_ours, rules, watchable
from haechi.world.sensor.netlink import AUDIT, DUMP, REQUEST, Netlink
from haechi.world.sensor.record import Record

CALLS = {number: name for name, number in audit_rules._X86.items()}
HEAD = "audit(1763790145.123:77): "
WHO = (
    "ppid=9 pid=10 auid=4294967295 uid=1000 gid=1000 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0"
    ' tty=(none) ses=1 comm="cat" exe="/usr/bin/cat" key="haechi-sensor"'
)


def _call(number: int, a: str = "", ret: int = 0) -> tuple[int, str]:
    success = "yes" if ret >= 0 else "no"
    return 1300, (f"arch=c000003e syscall={number} success={success} exit={ret} {a} items=1 {WHO}")


def _taken(*messages: tuple[int, str]) -> Record | None:
    assembly = Assembly(CALLS)
    found = None
    for kind, text in (*messages, (1320, "")):
        found = assembly.take(kind, (HEAD + text + "\0").encode()) or found
    return found


CWD = (1307, 'cwd="/home/ann"')


def _path(name: str, kind: str = "NORMAL", item: int = 0) -> tuple[int, str]:
    return 1302, f"item={item} name={name} inode=7 dev=08:01 mode=0100644 nametype={kind}"


CASES: list[tuple[str, list[tuple[int, str]], str, dict[str, Any]]] = [
    (
        "exec",
        [_call(59), (1309, 'argc=3 a0="cat" a1="-n" a2=2F6120622F'), CWD, _path('"/bin/cat"')],
        "execve",
        {"filename": "/bin/cat", "argv": ["cat", "-n", "/a b/"], "path": "/usr/bin/cat",
         "memfd": False},
    ),
    (
        "exec-in-pieces",
        [_call(59), (1309, "argc=2 a0=63 a1_len=6 a1[0]=6162"), (1309, "a1[1]=6364 a1[2]=65")],
        "execve",
        {"filename": "", "argv": ["c", "abcde"], "path": "/usr/bin/cat", "memfd": False},
    ),
    (
        "exec-failed",
        [_call(59, ret=-2), CWD, _path('"./no"', "UNKNOWN")],
        "execve",
        {"filename": "/home/ann/./no"},
    ),
    (
        "openat",
        [_call(257, "a0=ffffff9c a1=7ffe a2=80000 a3=0", 3), CWD, _path('"notes"')],
        "openat",
        {"name": "/home/ann/notes", "flags": 0o2000000, "mode": 0, "dirfd": -100, "ino": 7},
    ),
    (
        "openat2",
        [_call(437, "a0=4", 3), (1337, "oflag=0101 mode=0600 resolve=0x0"), _path('"x"')],
        "openat2",
        {"name": "x", "flags": 0o101, "mode": 0o600, "dirfd": 4, "ino": 7},
    ),
    (
        "connect",
        [_call(42, "a0=5", -115), (1306, "saddr=02000050050607080000000000000000")],
        "connect",
        {"fd": 5, "family": "AF_INET", "sip": "5.6.7.8", "sport": 80},
    ),
    (
        "rename",
        [_call(82), CWD, _path('"/"', "PARENT"), _path('"a"', "DELETE"), _path('"/b"', "CREATE")],
        "rename",
        {"oldpath": "/home/ann/a", "newpath": "/b"},
    ),
    (
        "unlinkat",
        [_call(263, "a0=ffffff9c a2=200"), CWD, _path('"d"', "PARENT"), _path('"d/x"', "DELETE")],
        "unlinkat",
        {"path": "/home/ann/d/x", "dirfd": -100, "flags": 0x200},
    ),
    (
        "symlink",
        [_call(88), _path('"/etc/passwd"', "UNKNOWN"), _path('"/tmp/l"', "CREATE")],
        "symlink",
        {"target": "/etc/passwd", "linkpath": "/tmp/l"},
    ),
    ("ptrace", [_call(101, "a0=10 a1=2a")], "ptrace", {"request": 16, "pid": 42}),
    ("chmod", [_call(90, "a1=1ed"), _path('"/x"')], "chmod", {"path": "/x", "mode": 0o755}),
    (
        "hexadecimal-name",
        [_call(87), _path("2F612062", "DELETE")],
        "unlink",
        {"path": "/a b"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("messages", "type", "args"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_messages_make_a_record(
    messages: list[tuple[int, str]], type: str, args: dict[str, Any]
) -> None:
    found = _taken(*messages)
    assert found is not None
    assert (found.type, found.args) == (type, args)
    assert (found.pid, found.ppid, found.uid, found.loginuid) == (10, 9, 0, -1)
    assert (found.comm, found.ts_ns) == ("cat", 1_763_790_145_123_000_000)


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("0100" + b"/run/x\0".hex(), {"family": "AF_UNIX", "path": "/run/x"}),
        ("0100" + b"\0abstract".hex(), {"family": "AF_UNIX", "path": "@abstract"}),
        ("0A000050" + "00000000" + "0" * 31 + "1" + "00000000",
         {"family": "AF_INET6", "ip": "::1", "port": 80}),
        ("0200", {}),
        ("", {}),
        ("zz", {}),
        ("FFFF0000", {}),
    ],
    ids=["unix", "abstract", "ipv6", "cut", "empty", "no-digits", "unknown"],
)  # fmt: skip
def test_addresses(digits: str, expected: dict[str, Any]) -> None:
    assert address(digits) == expected


def test_calls_that_nobody_asked_for_and_loose_parts_make_nothing() -> None:
    assert _taken(_call(9999)) is None
    assert _taken(_path('"/x"')) is None
    assert Assembly(CALLS).take(1320, HEAD.encode()) is None
    assert Assembly(CALLS).take(1300, b"no head") is None


def test_calls_that_never_end_are_given_up_and_counted() -> None:
    assembly = Assembly(CALLS)
    for serial in range(audit_parse._MOST_WAITING + 10):
        kind, text = _call(59)
        assembly.take(kind, f"audit(1.000:{serial}): {text}".encode())
    assert assembly.cut == 10


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"a b"', "a b"), ("(null)", ""), ("(none)", ""), ("6162", "ab"), ("abc", "abc"), ("", "")],
)
def test_values(value: str, expected: str) -> None:
    assert unquoted(value) == expected


@given(st.lists(st.tuples(st.sampled_from([1300, 1302, 1306, 1307, 1309, 1320, 1337]),
                          st.binary(max_size=200)), max_size=20))  # fmt: skip
def test_any_bytes_are_taken_without_a_fault(messages: list[tuple[int, bytes]]) -> None:
    assembly = Assembly(CALLS)
    for kind, body in messages:
        assembly.take(kind, HEAD.encode() + body)
        assembly.take(kind, body)


_WORDS = st.sampled_from(
    ["syscall=59", "syscall=257", "exit=x", "a0=", "a0=zz", "a1[0]=61", "a1[99999]=6", "name=41",
     "name=(null)", "saddr=02", "nametype=CREATE", "pid=99999999999999999999999", 'cwd="']
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from([1300, 1302, 1306, 1307, 1309, 1337]),
                          st.lists(_WORDS, max_size=8)), max_size=6))  # fmt: skip
def test_any_words_are_taken_without_a_fault(messages: list[tuple[int, list[str]]]) -> None:
    _taken(*((kind, " ".join(words)) for kind, words in messages))


def test_arguments_have_a_bound() -> None:
    many = {f"a{i}": '"x"' for i in range(5000)}
    assert len(arguments([many])) == 1024
    assert pairs("a=1 a=2") == {"a": "1"}


def test_rules_carry_our_key_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    watch = [str(tmp_path), str(tmp_path / "f"), str(tmp_path / "none")]
    made = list(rules(0xC000003E, audit_rules._X86, watch, itself=4242))
    assert len(made) == 6  # calls, open, openat, creat and openat2, a folder, a file
    assert all(is_ours(rule) for rule in made)
    foreign = made[0].replace(KEY.encode(), b"someone-else!")
    assert not is_ours(foreign)
    assert not is_ours(b"")
    assert not is_ours(made[0][:-5])


def test_watched_paths_beyond_the_most_rules_are_told(tmp_path: Path) -> None:
    class Kernel:
        rules = 0

        def ask(self, *_: object) -> list[object]:
            self.rules += 1
            return []

    paths = [tmp_path / f"p{number}" for number in range(300)]
    for path in paths:
        path.touch()
    opened = object.__new__(Audit)
    opened._arch, opened._calls = 0xC000003E, {"execve": 59, "openat": 257}
    opened._wanted, opened._rules, opened.guest = frozenset(), [], False
    kernel = Kernel()
    opened._control = kernel  # type: ignore[assignment]
    opened._add([str(path) for path in paths])
    assert kernel.rules == len(opened._rules) == 256
    assert opened.blind[-1] == "reads of 47 watched paths: more rules than are added"


@pytest.mark.parametrize("path", ["/", "", "/nowhere/at/all"])
def test_what_is_not_there_cannot_be_watched(path: str) -> None:
    assert watchable(path) is None


def _state() -> tuple[Any, int]:
    netlink = Netlink(AUDIT)
    try:
        status = status_of(netlink.ask(_GET, b"", REQUEST)[0][1])
        return (status.enabled, status.pid, status.backlog_limit, status.wait), len(
            netlink.ask(_LIST, b"", REQUEST | DUMP)
        )
    finally:
        netlink.close()


def _opened(watch: Path) -> tuple[Audit, tuple[Any, int]]:
    if os.geteuid() != 0:
        pytest.skip("the kernel's audit needs root")
    try:
        before = _state()
        if before[0][1]:
            pytest.skip("another audit daemon runs")
        return Audit(watch=[str(watch)]), before
    except (SensorError, OSError, IndexError) as error:
        pytest.skip(f"no audit here: {error}")


def test_a_real_exec_and_a_real_read_are_seen_and_nothing_is_left_behind(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    audit, before = _opened(tmp_path)
    try:
        child = subprocess.Popen(["/bin/cat", str(secret)], stdout=subprocess.DEVNULL)
        seen: dict[str, dict[str, Any]] = {}
        ends = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < ends:
            for one in audit.poll(0.2):
                if one.pid != child.pid:
                    continue
                if one.type == "execve" and one.ret == 0:
                    seen["exec"] = one.args
                elif one.args.get("name") == str(secret):
                    seen["read"] = one.args
        child.wait()
    finally:
        audit.close()
    assert seen["exec"]["argv"] == ["/bin/cat", str(secret)]
    assert seen["read"]["flags"] & 3 == 0
    assert _state() == before


def test_rules_of_a_sensor_that_was_killed_are_removed(tmp_path: Path) -> None:
    audit, before = _opened(tmp_path)
    left = audit._rules[0]
    audit.close()
    netlink = Netlink(AUDIT)
    try:
        netlink.ask(_ADD, left)
    finally:
        netlink.close()
    assert _state()[1] == before[1] + 1
    again, _ = _opened(tmp_path)
    again.close()
    assert _state() == before
