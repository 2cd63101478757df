"""Tetragon's events in Falco's terms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.decode.feed_samples import CONTAINER, KPROBE, decoded, one, tetragon


def test_a_process_its_container_and_its_ancestors() -> None:
    event = one("tetragon", tetragon("process_exec"))
    assert (event.type, event.namespace, event.node) == ("execve", "shop", "node-1")
    assert event.container_id == CONTAINER[:12]
    assert event.resource == "k8s:prod/core/Pod/shop/web-1"
    expected = {
        "proc.name": "bash",
        "proc.exepath": "/usr/bin/bash",
        "proc.args": "-c cat /etc/shadow",
        "proc.cmdline": "bash -c cat /etc/shadow",
        "proc.pid": 100,
        "proc.vpid": 7,
        "proc.pname": "python3.11",
        "proc.pcmdline": "python3.11 app.py",
        "proc.aname": ["bash", "python3.11", "containerd-shim"],
        "proc.apid": [100, 50, 40],
        "proc.env": {"HOME": "/root", "DB_PASSWORD": "***"},
        "user.loginuid": -1,
        "thread.cap_effective": "CAP_CHOWN CAP_DAC_OVERRIDE",
        "container.id": CONTAINER[:12],
        "container.full_id": CONTAINER,
        "container.image.repository": "reg.example:5000/web",
        "container.image.tag": "1.2",
        "container.image.digest": "sha256:" + "ab" * 32,
        "container.privileged": True,
        "k8s.deployment.name": "web",
        "k8s.pod.label": {"app": "web"},
        "evt.res": "SUCCESS",
        "evt.rawres": 0,
    }
    assert {name: event.fields.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("uid", "user", "name"),
    [(0, None, "root"), (33, None, None), (None, None, None), (0, {"name": "toor"}, "toor")],
    ids=["root", "a number", "unknown", "named"],
)
def test_users_that_have_no_name(uid: int | None, user: object, name: str | None) -> None:
    record = tetragon("process_exec")
    record["process_exec"]["process"] |= {"uid": uid, "user": user}
    assert one("tetragon", record).fields.get("user.name") == name


def test_a_process_outside_of_containers_is_the_hosts() -> None:
    record = tetragon("process_exec")
    del record["process_exec"]["process"]["pod"]
    event = one("tetragon", record)
    assert (event.container_id, event.namespace, event.resource) == ("", "-", "")
    assert event.fields["container.id"] == "host"


_SOCK = {
    "sock_arg": {
        "family": "AF_INET",
        "protocol": "IPPROTO_TCP",
        "saddr": "10.0.1.5",
        "daddr": "203.0.113.9",
        "sport": 40000,
        "dport": 443,
    }
}
_FILE = {"file_arg": {"path": "/etc/passwd"}}


@pytest.mark.parametrize(
    ("function", "args", "type", "fields"),
    [
        (
            "security_file_permission",
            [_FILE, {"int_arg": 4}],
            "openat",
            {"fd.name": "/etc/passwd", "evt.is_open_read": True, "evt.is_open_write": False,
             "fd.typechar": "f", "fd.num": 0, "tetragon.fd_assumed": True},
        ),
        (
            "security_file_permission",
            [_FILE, {"int_arg": 2}],
            "openat",
            {"evt.is_open_read": False, "evt.is_open_write": True},
        ),
        ("fd_install", [{"int_arg": 5}, _FILE], "openat", {"fd.num": 5, "fd.name": "/etc/passwd"}),
        ("security_path_truncate", [_FILE], "openat", {"evt.is_open_write": True}),
        (
            "tcp_connect",
            [_SOCK],
            "connect",
            {"fd.name": "10.0.1.5:40000->203.0.113.9:443", "fd.sip": "203.0.113.9",
             "fd.l4proto": "tcp", "evt.res": "EINPROGRESS", "evt.rawres": -115},
        ),
        (
            "inet_csk_accept",
            [_SOCK],
            "accept",
            {"fd.sip": "10.0.1.5", "fd.cip": "203.0.113.9"},
        ),
        (
            "security_socket_connect",
            [{"sockaddr_arg": {"family": "AF_INET6", "addr": "2001:db8::1", "port": 53}}],
            "connect",
            {"fd.name": "->[2001:db8::1]:53", "fd.typechar": "6"},
        ),
        ("inet_csk_listen_start", [_SOCK], "listen", {"fd.name": "10.0.1.5:40000"}),
        (
            "__x64_sys_openat",
            [{"int_arg": -100}, {"string_arg": "x/../y"}, {"int_arg": 577}],
            "openat",
            {"fd.name": "/srv/y", "evt.arg.flags": "O_WRONLY|O_CREAT|O_TRUNC",
             "evt.is_open_write": True, "evt.arg.name": "x/../y"},
        ),
        (
            "__arm64_sys_symlinkat",
            [{"string_arg": "/etc"}, {"string_arg": "/tmp/l"}],
            "symlinkat",
            {"evt.arg.target": "/etc", "evt.arg.linkpath": "/tmp/l"},
        ),
        (
            "sys_ptrace",
            [{"int_arg": 16}, {"int_arg": 77}],
            "ptrace",
            {"evt.arg.request": "PTRACE_ATTACH", "evt.arg.pid": 77},
        ),
        ("sys_setuid", [{"int_arg": 0}], "setuid", {"evt.arg.uid": 0}),
        ("sys_write", [{"file_arg": {"path": "etc/passwd"}}], "write", {"fd.name": "/etc/passwd"}),
        ("do_init_module", [{"module_arg": {"name": "r"}}], "init_module", {"evt.arg.name": "r"}),
        (
            "commit_creds",
            [{"int_arg": 3}, {"sock_arg": {"saddr": "::1"}}],
            "kprobe:commit_creds",
            {"kprobe.args": ["3", "sock(saddr=::1)"]},
        ),
    ],
    ids=[
        "read", "write", "installed", "truncate", "connect", "accept", "sockaddr", "listen", "open",
        "symlink", "ptrace", "setuid", "old-path", "module", "unknown",
    ],
)  # fmt: skip
def test_functions_of_the_kernel_become_falcos_events(
    function: str, args: list[Any], type: str, fields: dict[str, Any]
) -> None:
    event = one("tetragon", tetragon("process_kprobe", function_name=function, args=args))
    assert event.type == type
    assert {name: event.fields.get(name) for name in fields} == fields
    assert event.fields["tetragon.function"] == function


def test_a_result_that_is_told_wins() -> None:
    record = tetragon(
        "process_kprobe",
        function_name="security_file_permission",
        args=[_FILE, {"int_arg": 4}],
        **{"return": {"int_arg": -13}},
    )
    fields = one("tetragon", record).fields
    assert (fields["evt.rawres"], fields["evt.res"]) == (-13, "EACCES")
    assert fields["fd.num"] == -1
    assert "tetragon.fd_assumed" not in fields


@pytest.mark.parametrize(
    ("record", "type"),
    [
        (tetragon("process_exit", signal="SIGKILL", status=9), "procexit"),
        (
            tetragon("process_tracepoint", subsys="syscalls", event="sys_enter_unlinkat"),
            "unlinkat",
        ),
        (tetragon("process_tracepoint", subsys="raw_syscalls", event="sys_enter"),
         "tracepoint:raw_syscalls/sys_enter"),
        (tetragon("process_loader", path="/usr/lib/libc.so"), "loader"),
        (tetragon("process_uprobe", path="/bin/bash", symbol="readline"), "uprobe:readline"),
        (tetragon("process_lsm", function_name="file_open", args=[_FILE]), "openat"),
        (tetragon("process_lsm", function_name="task_kill"), "lsm:task_kill"),
        (tetragon("process_connect", source_ip="10.0.0.1", destination_ip="10.0.0.2"), "connect"),
    ],
    ids=["exit", "syscall", "tracepoint", "loader", "uprobe", "lsm", "lsm-other", "connect"],
)  # fmt: skip
def test_every_kind_of_event_has_its_type(record: dict[str, Any], type: str) -> None:
    assert one("tetragon", record).type == type


def test_what_a_policy_says_stays_beside() -> None:
    fields = one("tetragon", KPROBE).fields
    assert (fields["tetragon.policy"], fields["tetragon.action"]) == ("files", "post")


def test_drops_are_lost_and_throttling_is_skipped() -> None:
    found = decoded("tetragon", {"rate_limit_info": {"number_of_dropped_process_events": "12"}})
    assert (found.lost, found.events, found.refusals) == (12, [], [])
    assert decoded("tetragon", {"process_throttle": {"type": "THROTTLE_START"}}).skipped == 1


@pytest.mark.parametrize(
    "record", [{"process_exec": {}}, {"process_new_kind": {}}], ids=["no-process", "unknown"]
)
def test_what_is_no_event_is_refused(record: dict[str, Any]) -> None:
    assert len(decoded("tetragon", record).refusals) == 1
