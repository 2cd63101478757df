"""What fields there are and what is known of them."""

from __future__ import annotations

import pytest

from haechi.engines.falco.fields import (
    SOURCES,
    FieldInfo,
    argument_kinds,
    event_types,
    field,
    fields_of,
)

_FACTS: list[tuple[str, str, str, bool, str]] = [
    ("proc.name", "syscall", "string", False, "none"),
    ("proc.aname", "syscall", "string", False, "optional"),
    ("proc.pid", "syscall", "number", False, "none"),
    ("proc.env", "syscall", "string", False, "optional"),
    ("proc.duration", "syscall", "duration", False, "none"),
    ("proc.is_exe_from_memfd", "syscall", "bool", False, "none"),
    ("evt.arg", "syscall", "string", False, "required"),
    ("evt.arg.flags", "syscall", "string", False, "none"),
    ("evt.rawarg.flags", "syscall", "number", False, "none"),
    ("evt.rawarg.name", "syscall", "path", False, "none"),
    ("evt.rawres", "syscall", "number", False, "none"),
    ("evt.buffer", "syscall", "bytes", False, "none"),
    ("fd.sip", "syscall", "address", False, "none"),
    ("fd.net", "syscall", "net", False, "none"),
    ("fd.sport", "syscall", "port", False, "none"),
    ("fd.types", "syscall", "string", True, "optional"),
    ("thread.cgroup.cpuset", "syscall", "string", False, "none"),
    ("container.mount.dest", "syscall", "string", False, "required"),
    ("container.privileged", "syscall", "bool", False, "none"),
    ("k8s.pod.label", "syscall", "string", False, "required"),
    ("k8smeta.svc.name", "syscall", "string", True, "none"),
    ("ka.verb", "k8s_audit", "string", False, "none"),
    ("ka.user.groups", "k8s_audit", "string", True, "none"),
    ("ka.uri.param", "k8s_audit", "string", False, "required"),
    ("ka.req.pod.initContainers.privileged", "k8s_audit", "string", True, "optional"),
    ("jevt.value", "k8s_audit", "string", False, "required"),
    ("flow.verdict", "flow", "string", False, "none"),
    ("fd.cnet", "flow", "net", False, "none"),
    ("http.status", "flow", "number", False, "none"),
    ("app.user", "application", "string", False, "none"),
    ("app.ip", "application", "address", False, "none"),
    ("app.order_total", "application", "any", False, "none"),
]


@pytest.mark.parametrize(
    ("name", "source", "type", "many", "argument"), _FACTS, ids=[fact[0] for fact in _FACTS]
)
def test_a_field_has_its_type_and_argument(
    name: str, source: str, type: str, many: bool, argument: str
) -> None:
    info = field(name, source)
    assert info is not None
    assert (info.name, info.type, info.many, info.argument) == (name, type, many, argument)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("proc.nam", "syscall"),
        ("proc", "syscall"),
        ("evt.arg.nonesuch", "syscall"),
        ("evt.rawarg.nonesuch", "syscall"),
        ("thread.cgroup.", "syscall"),
        ("ka.verb", "syscall"),
        ("proc.name", "k8s_audit"),
        ("proc.name", "flow"),
        ("app.user", "flow"),
        ("flow.verdict", "application"),
        ("proc.name", "no such source"),
    ],
)
def test_a_field_exists_in_its_own_source_only(name: str, source: str) -> None:
    assert field(name, source) is None


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_the_generic_fields_and_a_type(source: str) -> None:
    named = {info.name: info for info in fields_of(source)}
    assert {"evt.num", "evt.rawtime", "evt.type"} <= set(named)
    assert all(field(name, source) == info for name, info in named.items())


@pytest.mark.parametrize(
    ("source", "least"), [("syscall", 300), ("k8s_audit", 95), ("flow", 50), ("application", 20)]
)
def test_no_source_lost_its_fields(source: str, least: int) -> None:
    assert len(fields_of(source)) >= least


def test_what_libs_hides_is_known_and_not_listed() -> None:
    assert field("thread.nametid", "syscall") is not None
    assert "thread.nametid" not in {info.name for info in fields_of("syscall")}


def test_marks_tell_what_a_field_cannot_do() -> None:
    def marks(name: str) -> tuple[bool, bool, bool]:
        info = field(name, "syscall")
        assert isinstance(info, FieldInfo)
        return info.compared, info.transformed, info.deprecated

    assert marks("proc.name") == (True, True, False)
    assert marks("proc.aname") == (False, False, False)
    assert marks("fd.types") == (False, True, False)
    assert marks("evt.dir") == (True, True, True)


def test_arguments_say_whether_they_are_keys_or_indices() -> None:
    by_name = {info.name: info for info in fields_of("syscall")}
    assert (by_name["proc.aname"].index, by_name["proc.aname"].key) == (True, False)
    assert (by_name["proc.env"].index, by_name["proc.env"].key) == (True, True)
    assert (by_name["k8s.pod.label"].index, by_name["k8s.pod.label"].key) == (False, True)


def test_event_types_are_those_of_the_table_and_of_system_calls() -> None:
    assert {"open", "openat2", "execve", "container", "pluginevent", "getrandom"} <= event_types()
    assert "opne" not in event_types()
    assert len(event_types()) > 450


def test_arguments_of_events_have_types() -> None:
    kinds = argument_kinds()
    assert (kinds["flags"], kinds["name"], kinds["res"]) == ("flags32", "fspath", "errno")
    assert len(kinds) > 200
