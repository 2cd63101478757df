"""Records become events in Falco's words: arguments, flags, files, connections, ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.model.event import Event
from haechi.world.sensor import flags
from haechi.world.sensor.build import Builder
from haechi.world.sensor.containers import Container
from haechi.world.sensor.layout import ARGS
from haechi.world.sensor.portrait import Portraits
from haechi.world.sensor.processes import Processes
from haechi.world.sensor.sensor import _SENSELESS
from haechi.world.sensor.users import Users
from tests.world.sensor.fake import ID, NOW, Tree, record


class Made:
    """A builder over a fake machine."""

    def __init__(self, folder: Path, wanted: frozenset[str] = frozenset()) -> None:
        self.tree = Tree(folder)
        self.tree.process(1, "init", ppid=0, mount_ns=1)
        self.tree.process(50, "sshd", ppid=1)
        self.tree.process(100, "sh", "-c", "id", ppid=50, cwd="/home/ann", exe="/no/sh")
        (folder / "etc").mkdir()
        (folder / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/no\n")
        users = Users(folder / "etc")
        self.table: Processes = self.tree.processes()
        self.builder = Builder(
            self.table,
            Portraits(self.tree.proc, users, wanted),
            users,
            prefix="boot-start",
            cluster="prod",
            node="n1",
        )

    def __call__(self, type: str, **more: Any) -> Event:
        one = record(type, **{"ppid": 50, **more})
        return self.builder.event(one, self.table.of(one))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


CONNECTED = {
    "fd": 5, "family": "AF_INET", "proto": "tcp", "sip": "5.6.7.8", "sport": 80,
    "cip": "1.2.3.4", "cport": 55,
}  # fmt: skip
CASES: list[tuple[str, int, dict[str, Any], dict[str, Any]]] = [
    (
        "openat", 3,
        {"name": "notes", "dirfd": -100, "flags": 0o2000000, "mode": 0o644, "ino": 7, "dev": 1},
        {"fd.name": "/home/ann/notes", "fd.nameraw": "notes", "fd.num": 3, "fd.typechar": "f",
         "fd.type": "file", "evt.arg.flags": "O_RDONLY|O_CLOEXEC", "evt.res": "SUCCESS",
         "evt.rawres": 3, "fd.ino": 7},
    ),
    (
        "openat", -2,
        {"name": "/etc/x", "dirfd": -100, "flags": 0o101, "mode": 0o600},
        {"fd.name": "/etc/x", "evt.res": "ENOENT", "evt.rawres": -2, "fd.num": -1,
         "fd.typechar": "f", "fd.type": None,
         "evt.arg.flags": "O_CREAT|O_WRONLY", "evt.arg.mode": "0600"},
    ),
    (
        "openat", 4, {"name": "x", "path": "/real/x", "flags": 0o301, "created": True, "mode": 0},
        {"fd.name": "/real/x", "evt.arg.flags": "O_EXCL|O_CREAT|O_WRONLY|O_F_CREATED"},
    ),
    ("openat", 4, {"name": "y", "base": "/srv", "dirfd": 9, "flags": 0}, {"fd.name": "/srv/y"}),
    ("creat", 4, {"name": "/a", "mode": 0o755}, {"fd.name": "/a", "evt.arg.mode": "0755",
                                                 "evt.arg.flags": None}),
    ("connect", 0, CONNECTED,
     {"fd.name": "1.2.3.4:55->5.6.7.8:80", "fd.sip": "5.6.7.8", "fd.sport": 80, "fd.num": 5,
      "fd.l4proto": "tcp", "fd.type": "ipv4", "fd.typechar": "4", "fd.is_server": False,
      "fd.connected": True}),
    ("connect", -115, CONNECTED,
     {"evt.res": "EINPROGRESS", "fd.connected": False, "fd.name_changed": True}),
    ("connect", -111, CONNECTED, {"fd.connected": False, "fd.name_changed": False}),
    ("sendto", 1, {**CONNECTED, "proto": "udp", "size": 1},
     {"fd.connected": False, "fd.name_changed": True, "fd.l4proto": "udp", "evt.arg.size": 1}),
    ("connect", 0, {"fd": 5, "family": "AF_UNIX", "path": "/run/docker.sock"},
     {"fd.name": "/run/docker.sock", "fd.type": "unix", "fd.typechar": "u"}),
    ("accept4", 9, {**CONNECTED, "family": "AF_INET6"},
     {"fd.num": 9, "fd.type": "ipv6", "fd.is_server": True}),
    ("listen", 0, {"fd": 3, "family": "AF_INET", "sip": "10.0.0.1", "sport": 80, "backlog": 5},
     {"fd.name": "10.0.0.1:80", "evt.arg.backlog": 5}),
    ("dup2", 0, {"oldfd": 5, "newfd": 0, **CONNECTED},
     {"fd.num": 0, "evt.arg.oldfd": 5, "fd.type": "ipv4"}),
    ("unlink", 0, {"path": "x"}, {"evt.arg.path": "/home/ann/x"}),
    ("unlinkat", 0, {"path": "x", "dirfd": -100, "flags": 0x200},
     {"evt.arg.name": "/home/ann/x", "evt.arg.dirfd": "AT_FDCWD", "evt.arg.flags": "AT_REMOVEDIR"}),
    ("renameat2", 0, {"oldpath": "a", "olddirfd": -100, "newpath": "/b", "newdirfd": -100,
                      "flags": 1},
     {"evt.arg.oldpath": "/home/ann/a", "evt.arg.newpath": "/b",
      "evt.arg.flags": "RENAME_NOREPLACE"}),
    ("linkat", 0, {"oldpath": "/a", "olddirfd": 4, "newpath": "b", "newbase": "/n", "flags": 0},
     {"evt.arg.olddir": 4, "evt.arg.oldpath": "/a", "evt.arg.newpath": "/n/b"}),
    ("symlinkat", 0, {"target": "../x", "linkpath": "l", "linkdirfd": -100},
     {"evt.arg.target": "../x", "evt.arg.linkpath": "/home/ann/l"}),
    ("chmod", 0, {"path": "/x", "mode": 0o4755},
     {"evt.arg.filename": "/x",
      "evt.arg.mode": "S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID"}),
    ("fchmod", 0, {"fd": 3, "mode": 0o100, "path": "/x"},
     {"fd.name": "/x", "evt.arg.mode": "S_IXUSR"}),
    ("mkdirat", 0, {"path": "d", "dirfd": -100, "mode": 0o700},
     {"evt.arg.path": "/home/ann/d", "evt.arg.mode": "0700"}),
    ("ptrace", 0, {"request": 16, "pid": 9},
     {"evt.arg.request": "PTRACE_ATTACH", "evt.arg.pid": 9}),
    ("ptrace", 0, {"request": 999, "pid": 9}, {"evt.arg.request": "PTRACE_UNKNOWN"}),
    ("setns", 0, {"fd": 4, "nstype": 0x20000}, {"evt.arg.nstype": "CLONE_NEWNS"}),
    ("unshare", 0, {"flags": 0x10020000}, {"evt.arg.flags": "CLONE_NEWNS|CLONE_NEWUSER"}),
    ("setuid", 0, {"uid": 33}, {"evt.arg.uid": "www-data"}),
    ("setuid", 0, {"uid": 4711}, {"evt.arg.uid": 4711}),
    ("finit_module", 0, {"fd": 3, "params": "a=1", "flags": 2, "path": "/x.ko"},
     {"fd.name": "/x.ko", "evt.arg.uargs": "a=1",
      "evt.arg.flags": "MODULE_INIT_IGNORE_VERMAGIC"}),
    ("bpf", 3, {"cmd": 5}, {"evt.arg.cmd": "BPF_PROG_LOAD"}),
    ("memfd_create", 3, {"name": "x", "flags": 1},
     {"fd.name": "memfd:x", "fd.type": "memfd", "evt.arg.flags": "MFD_CLOEXEC"}),
    ("mount", 0, {"source": "none", "target": "/m", "fstype": "tmpfs", "flags": 0x1001},
     {"evt.arg.dir": "/m", "evt.arg.type": "tmpfs", "evt.arg.flags": "RDONLY|BIND"}),
    ("umount2", 0, {"target": "/m", "flags": 2},
     {"evt.arg.name": "/m", "evt.arg.flags": "DETACH"}),
    ("socket", 4, {"domain": 38, "type": 0o2000005, "proto": 0},
     {"evt.arg.domain": "AF_ALG", "evt.arg.type": 5}),
    ("socket", 4, {"domain": 1, "type": 1, "proto": 0}, {"evt.arg.domain": "AF_LOCAL|AF_UNIX"}),
    ("kill", 0, {"pid": 9, "signal": 9}, {"evt.arg.pid": 9, "evt.arg.sig": "SIGKILL"}),
    ("procexit", 0, {"status": 0x100}, {"evt.arg.ret": 1, "evt.arg.status": 0x100}),
    ("procexit", 0, {"status": 9}, {"evt.arg.sig": "SIGKILL"}),
    ("userfaultfd", 4, {"flags": 0o2000000}, {"evt.arg.flags": "O_CLOEXEC"}),
    ("chroot", 0, {"path": "/jail"}, {"evt.arg.path": "/jail"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type", "ret", "args", "expected"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_a_call_in_falcos_words(
    made: Made, type: str, ret: int, args: dict[str, Any], expected: dict[str, Any]
) -> None:
    fields = made(type, ret=ret, args=args).fields
    assert {key: fields.get(key) for key in expected} == expected


def test_an_exec_carries_who_and_by_whom(made: Made) -> None:
    args: dict[str, Any] = {"filename": "nc", "path": "/usr/bin/nc", "argv": ["nc", "-l", "9"]}
    args |= {"upper_layer": True, "lower_layer": False}
    event = made("execve", comm="nc", args=args)
    expected = {
        "proc.name": "nc",
        "proc.cmdline": "nc -l 9",
        "proc.args": ["-l", "9"],
        "proc.exepath": "/usr/bin/nc",
        "proc.pname": "sshd",
        "proc.aname": ["nc", "sshd", "init"],
        "proc.apid": [100, 50, 1],
        "proc.is_exe_upper_layer": True,
        "proc.is_exe_lower_layer": False,
        "proc.is_exe_from_memfd": False,
        "proc.tty": 34816,
        "user.name": "root",
        "user.loginuid": -1,
        "container.id": "host",
        "evt.arg.args": "-l 9",
        "evt.arg.flags": "EXE_UPPER_LAYER",
        "evt.arg.filename": "/home/ann/nc",
    }
    assert {key: event.fields.get(key) for key in expected} == expected
    assert (event.source, event.type, event.ts_ns, event.node) == ("sensor", "execve", NOW, "n1")
    assert (event.cluster, event.container_id, event.namespace) == ("prod", "", "-")


def test_a_name_that_a_process_gives_itself_hides_nothing(made: Made) -> None:
    event = made("openat", ret=3, comm="sshd", tid=101, args={"name": "/etc/shadow", "flags": 0})
    assert (event.fields["proc.name"], event.message) == ("sh", "sh: openat /etc/shadow")


def test_a_failed_exec_names_what_was_asked_for_and_the_old_program(made: Made) -> None:
    fields = made("execve", ret=-2, args={"filename": "/no"}).fields
    assert (fields["evt.arg.filename"], fields["evt.res"]) == ("/no", "ENOENT")
    assert fields["proc.cmdline"] == "sh -c id"


def test_a_pods_process_is_placed(made: Made) -> None:
    one = made.table.known(100)
    assert one is not None
    fields = {"container.id": ID[:12], "k8s.ns.name": "shop"}
    one.container = Container(id=ID[:12], full_id=ID, namespace="shop", pod="web-1", fields=fields)
    event = made("unlink", args={"path": "/x"}, uid=33, gid=33)
    assert event.resource == "k8s:prod/core/Pod/shop/web-1"
    assert (event.namespace, event.container_id) == ("shop", ID[:12])
    assert "user.name" not in event.fields  # 33 of a container is nobody this machine knows


def test_ids_are_unique_and_absent_values_are_absent(made: Made) -> None:
    events = [made("unlink", args={"path": "/x"}) for _ in range(100)]
    assert len({event.id for event in events}) == 100
    assert None not in events[0].fields.values()


def test_the_next_id_cannot_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = Made(tmp_path / "a").builder, Made(tmp_path / "b").builder
    ids = [one.next_id() for _ in range(3_000)]
    assert len(set(ids)) == 3_000
    assert not {other.next_id() for _ in range(3_000)} & set(ids)  # of the same prefix
    ends = {id.rpartition("-")[2] for id in ids}
    assert len(ends) == 3_000 and {len(end) for end in ends} == {12}


CUT = "…/usr/bin" + 30 * "/d"


@pytest.mark.parametrize(
    ("type", "args", "field", "expected"),
    [
        ("openat", {"path": CUT, "name": "x", "flags": 0}, "fd.name", CUT),
        ("openat", {"base": CUT, "name": "../x", "flags": 0}, "fd.name", CUT[:-2] + "/x"),
        ("unlink", {"base": CUT, "path": "x"}, "evt.arg.path", CUT + "/x"),
        ("mkdir", {"base": "…/usr", "path": "../../../bin/x"}, "evt.arg.path", "…/bin/x"),
        ("fchmod", {"fd": 3, "path": CUT, "mode": 0o4755}, "fd.name", CUT),
    ],
)
def test_a_cut_path_never_looks_absolute(
    made: Made, type: str, args: dict[str, Any], field: str, expected: str
) -> None:
    event = made(type, ret=0, args=args | {"path_cut": True})
    assert event.fields[field] == expected
    assert field in event.fields["haechi.cut"]


def test_nothing_is_called_cut_that_is_not(made: Made) -> None:
    event = made("unlink", ret=0, args={"path": "…/usr/bin/x"})
    assert event.fields["evt.arg.path"] == "/home/ann/…/usr/bin/x"
    assert "haechi.cut" not in event.fields


def test_events_do_not_share_their_fields(made: Made) -> None:
    first = made("unlink", args={"path": "/x"})
    second = made("unlink", args={"path": "/y"})
    assert first.fields["evt.arg.path"] == "/x"
    assert second.fields["evt.arg.path"] == "/y"


def test_capabilities_are_told_only_when_a_rule_asks(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = Made(tmp_path / "a")("unlink", args={"path": "/x"})
    asked = Made(tmp_path / "b", frozenset({"thread.cap_effective"}))("unlink", args={"path": "/x"})
    assert "thread.cap_effective" not in plain.fields
    assert asked.fields["thread.cap_effective"] == "CAP_CHOWN CAP_DAC_OVERRIDE"


def test_a_session_is_named_by_its_leader(made: Made) -> None:
    for pid in (50, 100):
        one = made.table.known(pid)
        assert one is not None
        one.sid, one.fields = 50, None
    assert made("unlink", args={"path": "/x"}).fields["proc.sname"] == "sshd"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "O_RDONLY"),
        (0o2, "O_RDWR"),
        (0o200000, "O_DIRECTORY|O_RDONLY"),
        (0o20200002, "O_DIRECTORY|O_RDWR|O_TMPFILE"),
        (0o4010001, "O_SYNC|O_WRONLY"),
        (0o3102, "O_TRUNC|O_APPEND|O_CREAT|O_RDWR"),
    ],
)
@pytest.mark.skipif(flags._ARM, reason="some of these bits are others on ARM")
def test_open_flags_in_falcos_order(value: int, expected: str) -> None:
    assert flags.open_flags(value) == expected


_VALUES = st.one_of(st.integers(-(2**63), 2**64 - 1), st.text(max_size=40), st.none())


@given(
    type=st.sampled_from(sorted(ARGS)),
    ret=st.integers(-4096, 2**31),
    values=st.lists(_VALUES, min_size=12, max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_whatever_a_record_holds_becomes_an_event_or_a_plain_refusal(
    tmp_path_factory: pytest.TempPathFactory, type: str, ret: int, values: list[Any]
) -> None:
    made = _shared(tmp_path_factory)
    args = {k: v for k, v in zip(ARGS[type], values, strict=False) if v is not None}
    try:
        event = made(type, ret=ret, args=args)
    except _SENSELESS:
        return  # the sensor counts these
    assert None not in event.fields.values()
    assert len(event.message) <= 200


_made: list[Made] = []


def _shared(factory: pytest.TempPathFactory) -> Made:
    if not _made:
        _made.append(Made(factory.mktemp("machine")))
    return _made[0]
