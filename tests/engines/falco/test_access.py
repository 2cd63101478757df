"""Fields that are given, and fields that follow from others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.falco.access import DERIVED, SHAPED, read
from haechi.engines.falco.derive_audit import READERS
from haechi.engines.falco.fields import fields_of
from haechi.model.event import Event

TS = 1_700_000_000_123_456_789


def event(fields: dict[str, Any], type: str = "openat", source: str = "sensor") -> Event:
    return Event(id="1", ts_ns=TS, source=source, type=type, node="n1", namespace="shop",
                 container_id="0123456789abcdef0", fields=fields)  # fmt: skip


OPEN = {"fd.name": "/etc/ssh/key", "fd.typechar": "f", "evt.arg.flags": "O_RDWR|O_CREAT",
        "evt.arg.mode": "0755", "evt.rawres": 3, "evt.arg.name": "/etc/ssh/key"}  # fmt: skip
NET = {"fd.name": "10.0.0.1:55->8.8.8.8:443", "fd.typechar": "4", "evt.res": "EINPROGRESS"}
LINE = {"proc.name": "cat", "proc.pid": 9, "proc.args": ["-n", "a b"], "proc.exe": "/bin/cat",
        "proc.aname": ["cat", "bash", "sshd"], "proc.apid": [9, 8, 7], "proc.vpid": 9,
        "proc.sid": 9, "proc.env": {"HOME": "/root"}, "proc.pid.ts": TS - 5,
        "proc.aenv": [{"A": "0"}, {}, {"A": "2"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arg", "expected"),
    [
        ("evt.type", None, "openat"),
        ("evt.dir", None, "<"),
        ("evt.num", None, 1),
        ("evt.source", None, "syscall"),
        ("evt.rawtime", None, TS),
        ("evt.rawtime.s", None, 1_700_000_000),
        ("evt.rawtime.ns", None, 123_456_789),
        ("evt.time", None, "22:13:20.123456789"),
        ("evt.time.s", None, "22:13:20"),
        ("evt.datetime", None, "2023-11-14 22:13:20.123456789"),
        ("evt.datetime.s", None, "2023-11-14 22:13:20"),
        ("evt.time.iso8601", None, "2023-11-14T22:13:20.123456789+0000"),
        ("evt.hostname", None, "n1"),
        ("evt.res", None, "SUCCESS"),
        ("evt.failed", None, False),
        ("evt.is_open_read", None, True),
        ("evt.is_open_write", None, True),
        ("evt.is_open_exec", None, True),
        ("evt.is_open_create", None, False),
        ("evt.category", None, "file"),
        ("evt.args", None, "flags=O_RDWR|O_CREAT mode=0755 name=/etc/ssh/key"),
        ("evt.arg", "mode", "0755"),
        ("evt.arg.mode", None, "0755"),
        ("evt.rawarg.res", None, 3),
        ("fd.directory", None, "/etc/ssh"),
        ("fd.filename", None, "key"),
        ("fd.nameraw", None, "/etc/ssh/key"),
        ("fd.type", None, "file"),
        ("fd.l4proto", None, "<NA>"),
        ("fd.sip", None, None),
        ("fs.path.name", None, "/etc/ssh/key"),
        ("container.id", None, "0123456789ab"),
        ("k8s.ns.name", None, "shop"),
        ("proc.name", None, None),
    ],
)
def test_an_opened_file(name: str, arg: str | None, expected: Any) -> None:
    assert read(event(OPEN), name, arg) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fd.cip", "10.0.0.1"),
        ("fd.sip", "8.8.8.8"),
        ("fd.cport", 55),
        ("fd.sport", 443),
        ("fd.ip", ["10.0.0.1", "8.8.8.8"]),
        ("fd.net", ["10.0.0.1", "8.8.8.8"]),
        ("fd.port", [55, 443]),
        ("fd.snet", "8.8.8.8"),
        ("fd.lip", "10.0.0.1"),
        ("fd.rip", "8.8.8.8"),
        ("fd.rport", 443),
        ("fd.rproto", "443"),
        ("fd.is_server", False),
        ("fd.sockfamily", "ip"),
        ("fd.type", "ipv4"),
        ("fd.directory", None),
        ("fd.filename", None),
        ("fd.nameraw", None),
        ("evt.rawres", -115),
        ("evt.failed", True),
        ("evt.is_open_read", False),
        ("evt.category", "net"),
    ],
)
def test_a_connection(name: str, expected: Any) -> None:
    assert read(event(NET, "connect"), name, None) == expected


@pytest.mark.parametrize(
    ("name", "arg", "expected"),
    [
        ("proc.aname", "0", "cat"),
        ("proc.aname", "2", "sshd"),
        ("proc.aname", "3", None),
        ("proc.aname", None, ["bash", "sshd"]),
        ("proc.apid", None, [8, 7]),
        ("proc.pname", None, "bash"),
        ("proc.ppid", None, 8),
        ("proc.args", None, "-n a b"),
        ("proc.args", "1", "a b"),
        ("proc.args", "9", ""),
        ("proc.cmdline", None, "cat -n a b"),
        ("proc.exeline", None, "/bin/cat -n a b"),
        ("proc.cmdnargs", None, 2),
        ("proc.cmdlenargs", None, 5),
        ("proc.env", "HOME", "/root"),
        ("proc.env", "NONE", ""),
        ("proc.env", None, "HOME=/root"),
        ("proc.aenv", "A", "2"),
        ("proc.duration", None, 5),
        ("proc.is_sid_leader", None, True),
        ("proc.loginshellid", None, 8),
    ],
)
def test_a_process_and_its_line(name: str, arg: str | None, expected: Any) -> None:
    assert read(event(LINE, "execve"), name, arg) == expected


def test_what_is_given_wins() -> None:
    fields = {**LINE, "proc.aname[2]": "given", "proc.pname": "own", "fd.name": "/a/b",
              "fd.directory": "/given"}  # fmt: skip
    one = event(fields)
    assert read(one, "proc.aname", "2") == "given"
    assert read(one, "proc.pname", None) == "own"
    assert read(one, "fd.directory", None) == "/given"


@pytest.mark.parametrize(
    ("name", "char", "expected"),
    [
        ("/etc", "f", "/"),
        ("file", "f", "/"),
        ("/a/b/", "f", "/a/b/"),
        ("/a/b", "d", "/a/b"),
        ("/a/b", "u", None),
        ("/", "f", "/"),
    ],
)
def test_directories_are_cut_as_libs_cuts_them(name: str, char: str, expected: str | None) -> None:
    one = event({"fd.name": name, "fd.typechar": char}, "read")
    assert read(one, "fd.directory", None) == expected


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [
        ("nginx", "nginx", ""),
        ("nginx:1.2", "nginx", "1.2"),
        ("reg:5000/a/b", "reg:5000/a/b", ""),
        ("reg:5000/a/b:x@sha256:00", "reg:5000/a/b", "x"),
    ],
)
def test_images_are_taken_apart(image: str, repository: str, tag: str) -> None:
    one = event({"container.image": image})
    assert read(one, "container.image.repository", None) == repository
    assert read(one, "container.image.tag", None) == tag


def test_outside_of_containers_name_and_type_say_host() -> None:
    one = event({"container.id": "host"})
    assert read(one, "container.name", None) == read(one, "container.type", None) == "host"
    assert read(one, "container.image.repository", None) is None


def test_a_clock_that_jumped_does_not_stop_the_output() -> None:
    one = Event(id="1", ts_ns=10**30, source="sensor", type="x")
    assert read(one, "evt.datetime.s", None) == "1970-01-01 00:00:00"


AUDIT = {
    "auditID": "a1",
    "stage": "ResponseComplete",
    "verb": "create",
    "requestURI": "/api/v1/namespaces/shop/pods/p/exec?command=sh&command=-c&empty=",
    "user": {"username": "ann", "groups": ["dev", "system:authenticated"]},
    "sourceIPs": ["10.0.0.1"],
    "userAgent": "kubectl",
    "annotations": {"authorization.k8s.io/decision": "allow", "a/b~c": 1},
    "objectRef": {"resource": "pods", "namespace": "shop", "name": "p"},
    "responseStatus": {"code": 201},
    "responseObject": {"metadata": {"name": "p-1"}},
    "requestObject": {
        "spec": {
            "hostNetwork": True,
            "securityContext": {"runAsUser": 5, "supplementalGroups": [1, 2]},
            "containers": [
                {
                    "name": "a",
                    "image": "reg/a:1@sha256:0",
                    "command": ["sh", "-c"],
                    "ports": [{"hostPort": 80}, {"containerPort": 81}],
                    "securityContext": {
                        "privileged": True,
                        "runAsUser": 0,
                        "capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]},
                    },
                },
                {"name": "b", "image": "b"},
            ],
            "volumes": [
                {"name": "v", "hostPath": {"path": "/etc/x"}},
                {"name": "w", "emptyDir": {}},
            ],
        },
        "roleRef": {"name": "admin"},
        "subjects": [
            {"kind": "User", "name": "ann"},
            {"kind": "ServiceAccount", "name": "sa", "namespace": "ns"},
            {"kind": "Group", "name": "g"},
            {"kind": "User"},
        ],
        "rules": [{"verbs": ["get", "*"], "resources": ["pods"]}, {"verbs": ["list"]}],
        "data": {"k": "v"},
    },
}


@pytest.mark.parametrize(
    ("name", "arg", "expected"),
    [
        ("ka.auditid", None, "a1"),
        ("ka.verb", None, "create"),
        ("ka.user.name", None, "ann"),
        ("ka.user.groups", None, ["dev", "system:authenticated"]),
        ("ka.impuser.name", None, None),
        ("ka.uri.param", "command", "sh"),
        ("ka.uri.param", "empty", ""),
        ("ka.uri.param", "none", None),
        ("ka.auth.decision", None, "allow"),
        ("ka.target.resource", None, "pods"),
        ("ka.target.subresource", None, None),
        ("ka.target.pod.name", None, "p-1"),
        ("ka.response.code", None, "201"),
        ("ka.sourceips", None, ["10.0.0.1"]),
        ("ka.req.binding.role", None, "admin"),
        ("ka.req.binding.subjects.user_names", None, ["ann"]),
        ("ka.req.binding.subjects.serviceaccount_names", None, ["sa"]),
        ("ka.req.binding.subjects.serviceaccount_ns_names", None, ["ns:sa"]),
        ("ka.req.binding.subjects.group_names", None, ["g"]),
        ("ka.req.configmap.obj", None, '{"k":"v"}'),
        ("ka.req.container.image", None, "reg/a:1@sha256:0"),
        ("ka.req.container.image.repository", None, "reg/a"),
        ("ka.req.container.privileged", None, "true"),
        ("ka.req.pod.host_network", None, "true"),
        ("ka.req.pod.host_pid", None, None),
        ("ka.req.pod.run_as_user", None, "5"),
        ("ka.req.pod.supplemental_groups", None, ["1", "2"]),
        ("ka.req.pod.containers.name", None, ["a", "b"]),
        ("ka.req.pod.containers.image", "1", ["b"]),
        ("ka.req.pod.containers.image", "7", None),
        ("ka.req.pod.containers.image.repository", None, ["reg/a", "b"]),
        ("ka.req.pod.containers.command", None, ["sh -c"]),
        ("ka.req.pod.containers.args", None, None),
        ("ka.req.pod.containers.host_port", None, ["80", "81"]),
        ("ka.req.pod.containers.privileged", None, ["true"]),
        ("ka.req.pod.containers.eff_run_as_user", None, ["0", "5"]),
        ("ka.req.pod.containers.eff_run_as_group", None, ["0", "0"]),
        ("ka.req.pod.containers.add_capabilities", None, ["SYS_ADMIN", "NET_RAW"]),
        ("ka.req.pod.initContainers.privileged", None, None),
        ("ka.req.pod.volumes.hostpath", None, ["/etc/x"]),
        ("ka.req.pod.volumes.volume_type", None, ["hostPath", "emptyDir"]),
        ("ka.req.volume.hostpath", "/etc/*", "true"),
        ("ka.req.volume.hostpath", "/etc", "false"),
        ("ka.req.role.rules.verbs", None, ["get", "*", "list"]),
        ("ka.req.role.rules.verbs", "1", ["list"]),
        ("ka.req.role.rules.resources", None, ["pods"]),
        ("ka.req.role.rules.apiGroups", None, None),
        ("jevt.value", "/objectRef/name", "p"),
        ("jevt.value", "/user/groups/1", "system:authenticated"),
        ("jevt.value", "/responseStatus", '{"code":201}'),
        ("jevt.value", "/annotations/a~1b~0c", "1"),
        ("jevt.value", "/nothing/here", None),
        ("jevt.rawtime", None, str(TS)),
    ],
)
def test_audit_events_are_read_as_the_plugin_reads_them(
    name: str, arg: str | None, expected: Any
) -> None:
    assert read(event({"jevt.obj": AUDIT}, "create", "kubernetes-audit"), name, arg) == expected


def test_a_headline_that_is_given_needs_no_audit_object() -> None:
    assert read(event({"ka.verb": "get"}, "get", "kubernetes-audit"), "ka.verb", None) == "get"


def test_every_audit_field_of_the_plugin_is_read() -> None:
    known = {info.name for info in fields_of("k8s_audit") if info.name.startswith("ka.")}
    assert known <= set(READERS)
    assert len(known) >= 70


def test_what_is_derived_is_a_field() -> None:
    known = {info.name for source in ("syscall", "k8s_audit") for info in fields_of(source)}
    odd = {name for name in (*DERIVED, *SHAPED) if name not in known}
    # a way to ancestors' arguments, and one that libs does not list
    assert odd == {"proc.pargs", "thread.nametid"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    ["requestObject", "spec", "containers", "securityContext", "subjects", "rules", "volumes",
     "auditID", "requestURI", "objectRef", "ports", "command", "hostPath", "verbs", "name"]
)  # fmt: skip


@given(st.dictionaries(_KEYS, st.dictionaries(_KEYS, _JSON, max_size=3) | _JSON, max_size=5))
def test_no_audit_object_makes_a_reader_fail(audit: dict[str, Any]) -> None:
    one = event({"jevt.obj": {**audit, "auditID": "x"}}, "create", "kubernetes-audit")
    for name in READERS:
        for arg in (None, "0", "x"):
            read(one, name, arg)


_NAMES = [info.name for info in fields_of("syscall")]


@given(
    st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=12), st.sampled_from(["", "1", "a"])
)
def test_no_event_makes_a_reader_fail(fields: dict[str, Any], arg: str) -> None:
    one = event(fields, "connect")
    for name in (*DERIVED, *SHAPED, *fields):
        read(one, name, arg or None)
