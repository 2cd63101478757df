"""How one value compares: every operator by every type, after libs' filter_compare.cpp."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.falco.engine import Engine
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.ruleset import At, Rule
from haechi.engines.falco.tree import holds
from haechi.errors import ConditionError
from haechi.model.event import Event

TEXT = {"proc.name": "Bash", "fd.name": "/etc/ssh/sshd_config", "proc.cmdline": "bash -c id"}
NUMBERS = {"fd.num": 3, "evt.rawres": -2, "fd.sport": 443, "proc.duration": 5_000_000_000,
           "user.uid": 0, "fd.dev": 2**40, "evt.cpu": "7"}  # fmt: skip
SOCKET = {"fd.cip": "10.0.0.5", "fd.sip": "8.8.8.8", "fd.cport": 40000, "fd.sport": 53}
SIX = {"fd.cip": "::1", "fd.sip": "2001:4860:4860::8888", "fd.cport": 1, "fd.sport": 2}


def event(fields: dict[str, Any], type: str = "openat") -> Event:
    return Event(id="1", ts_ns=1, source="sensor", type=type, fields=fields)


def rule(condition: str, source: str = "syscall") -> Rule:
    node = parse_condition(condition)
    return Rule(name=condition, condition=node, bare=node, text=condition, output="x",
                priority="debug", at=At(file="t"), source=source)  # fmt: skip


def both(condition: str, one: Event) -> bool:
    """What the tree walker and the generated code both say."""
    walked = holds(parse_condition(condition), one)
    engine = Engine([rule(condition)])
    assert bool(engine.judge(one)) is walked
    assert not engine.faults
    return walked


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("proc.name = Bash", True),
        ("proc.name = bash", False),
        ("proc.name == Bash", True),
        ("proc.name != bash", True),
        ("proc.name != Bash", False),
        ("proc.name in (sh, Bash)", True),
        ("proc.name in (sh, bash)", False),
        ("proc.name in ()", False),
        ("proc.name intersects (Bash)", True),
        ("proc.name contains as", True),
        ("proc.name contains AS", False),
        ("proc.name icontains AS", True),
        ("proc.name startswith Ba", True),
        ("proc.name startswith ba", False),
        ('proc.name startswith ""', True),
        ("proc.name endswith sh", True),
        ("proc.name endswith bash", False),
        ("proc.name glob Ba*", True),
        ("proc.name glob ba*", False),
        ("proc.name glob Ba?", False),
        ("proc.name iglob bA*", True),
        ("proc.name regex Ba.*", True),
        ("proc.name regex a", False),  # the whole text must match
        ("proc.name regex .*as.*", True),
        ("proc.name regex [[:alpha:]]+", True),
        ("fd.name pmatch (/etc)", True),
        ("fd.name pmatch (/etc/ss)", False),
        ("fd.name pmatch (/etc/s?h, /x)", True),
        ("fd.name pmatch ()", False),
        ("proc.name exists", True),
        ("proc.name = val(proc.name)", True),
        ("proc.name = val(fd.name)", False),
        ("proc.cmdline startswith val(proc.name)", False),
        ("tolower(proc.cmdline) contains tolower(proc.name)", True),
    ],
)
def test_texts(condition: str, expected: bool) -> None:
    assert both(condition, event(TEXT)) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("fd.num = 3", True),
        ("fd.num != 3", False),
        ("fd.num >= 3", True),
        ("fd.num > 3", False),
        ("fd.num < 4", True),
        ("fd.num <= 2", False),
        ("fd.num > -65535", True),
        ("fd.num in (1, 2, 3)", True),
        ("fd.num in (1, 2)", False),
        ("fd.num > 0x2", True),
        ("fd.num >= 2.5", True),
        ("evt.rawres < 0", True),
        ("evt.rawres = -2", True),
        ("evt.rawarg.res = ENOENT", True),
        ("evt.rawres > 4294967295", False),
        ("fd.dev > 4294967295", True),
        ("fd.sport = https", True),
        ("fd.sport in (http, 443)", True),
        ("fd.sport < 1024", True),
        ("proc.duration <= 5000000000", True),
        ("proc.duration < 5000000000", False),
        ("proc.duration = 5s", True),
        ("proc.duration in (5000ms)", True),
        ("user.uid = 0", True),
        ("evt.cpu = 7", True),
        ("fd.num = val(fd.num)", True),
    ],
)
def test_numbers(condition: str, expected: bool) -> None:
    assert both(condition, event(NUMBERS)) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("evt.failed = true", True),
        ("evt.failed = false", False),
        ("evt.failed != false", True),
        ("evt.failed in (true)", True),
        ("evt.failed exists", True),
        ("container.privileged = true", False),
        ("container.privileged = false", True),
    ],
)
def test_truth_values(condition: str, expected: bool) -> None:
    assert both(condition, event({"evt.rawres": -1, "container.privileged": 0})) is expected


@pytest.mark.parametrize(
    ("condition", "fields", "expected"),
    [
        ("fd.sip = 8.8.8.8", SOCKET, True),
        ("fd.sip != 8.8.8.8", SOCKET, False),
        ("fd.sip != 0:0:0:0:0:0:0:1", SOCKET, True),
        ("fd.sip = ::1", SOCKET, False),
        ("fd.sip in (1.1.1.1, 8.8.8.8)", SOCKET, True),
        ("fd.sip = ::ffff:8.8.8.8", SOCKET, True),
        ("fd.ip = 10.0.0.5", SOCKET, True),
        ("fd.ip = 8.8.8.8", SOCKET, True),
        ("fd.ip != 8.8.8.8", SOCKET, False),
        ("fd.ip != 9.9.9.9", SOCKET, True),
        ("fd.ip in (9.9.9.9, 10.0.0.5)", SOCKET, True),
        ("fd.net = 10.0.0.0/8", SOCKET, True),
        ("fd.net = 8.0.0.0/4", SOCKET, True),
        ("fd.net = 172.16.0.0/12", SOCKET, False),
        ("fd.net != 10.0.0.0/8", SOCKET, False),
        ("fd.net != 172.16.0.0/12", SOCKET, True),
        ("fd.net != 2001:db8::/32", SOCKET, True),
        ("fd.net in (172.16.0.0/12, 10.0.0.0/8)", SOCKET, True),
        ("fd.snet = 10.0.0.0/8", SOCKET, False),
        ("fd.snet in (172.16.0.0/12, 8.8.0.0/16)", SOCKET, True),
        ("fd.cnet = 10.1.2.3/8", SOCKET, True),
        ("fd.net = 2001::/16", SIX, True),
        ("fd.net = 10.0.0.0/8", SIX, False),
        ("fd.snet != 10.0.0.0/8", SIX, True),
        ("fd.cip = 0:0:0:0:0:0:0:1", SIX, True),
        ("fd.port = 53", SOCKET, True),
        ("fd.port != 53", SOCKET, False),
        ("fd.port != 54", SOCKET, True),
        ("fd.port > 30000", SOCKET, True),
        ("fd.port in (1, 40000)", SOCKET, True),
        ("fd.proto = domain", SOCKET, True),
        ("fd.net exists", SOCKET, True),
        ("fd.net exists", {}, False),
        ("fd.net = 10.0.0.0/8", {"fd.sip": "no address"}, False),
        ("fd.snet != 10.0.0.0/8", {"fd.sip": "no address"}, False),
    ],
)
def test_addresses_and_networks(condition: str, fields: dict[str, Any], expected: bool) -> None:
    assert both(condition, event(fields, "connect")) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("evt.buffer = hello", True),
        ("evt.buffer contains ell", True),
        ("evt.buffer startswith he", True),
        ("evt.buffer endswith lo", True),
        ("evt.buffer bcontains 656c6C", True),
        ("evt.buffer bcontains 656c6cAA", False),
        ("evt.buffer bstartswith 68", True),
        ("evt.buffer bstartswith 65", False),
        ("evt.buffer in (hello)", True),
        ("evt.buffer != hello", False),
        ("len(evt.buffer) = 5", True),
    ],
)
def test_bytes(condition: str, expected: bool) -> None:
    assert both(condition, event({"evt.buffer": "hello"}, "read")) is expected


@pytest.mark.parametrize("op", ["=", "!=", "<", "contains", "startswith", "glob", "regex"])
@pytest.mark.parametrize("name", ["proc.name", "evt.arg.flags", "proc.aname[3]"])
def test_a_missing_value_makes_every_check_false_and_its_negation_true(name: str, op: str) -> None:
    value = "5" if op == "<" else "a"
    check = f"{name} {op} {value}"
    assert both(check, event({})) is False
    assert both(f"not {check}", event({})) is True
    assert both(f"{name} in (a)", event({})) is False
    assert both(f"not {name} exists", event({})) is True


def test_a_missing_right_side_makes_the_check_false() -> None:
    assert both("proc.name != val(proc.pname)", event({"proc.name": "a"})) is False


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("proc.name = oneof (Bash, sh)", True),
        ("proc.name = oneof (Bash, Bash)", False),
        ("proc.name = anyof (Bash, Bash)", True),
        ("proc.name = anyof (sh, csh)", False),
        ("proc.name = allof (Bash, Bash)", True),
        ("proc.name = allof (Bash, sh)", False),
        ("proc.name != oneof (Bash, sh)", True),
        ("proc.name != oneof (sh, csh)", False),
        ("proc.name != anyof (Bash, sh)", True),
        ("proc.name != allof (sh, csh)", True),
        ("proc.name != allof (sh, Bash)", False),
        ("proc.name contains oneof (as, x)", True),
        ("proc.name contains oneof (as, sh)", False),
        ("proc.name contains allof (as, sh)", True),
        ("proc.name icontains anyof (AS, x)", True),
        ("proc.name startswith allof (B, Ba)", True),
        ("proc.name endswith anyof (x, h)", True),
        ("proc.name glob anyof (x*, B*)", True),
        ("proc.name iglob allof (b*, *H)", True),
        ("proc.name regex oneof (B.*, .*h)", False),
        ("proc.name regex anyof (x, .*h)", True),
        ("proc.pname = anyof (a)", False),
    ],
)
def test_modifiers_compose_over_the_list(condition: str, expected: bool) -> None:
    assert both(condition, event(TEXT)) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("proc.aname = sshd", True),
        ("proc.aname in (x, systemd)", True),
        ("proc.aname = cat", False),  # the process is not its own ancestor
        ("proc.aname != sshd", True),  # another ancestor differs
        ("not proc.aname in (sshd)", False),
        ("proc.aname startswith ss", True),
        ("proc.aname[2] = sshd", True),
        ("proc.aname[0] = cat", True),
        ("proc.aname[9] exists", False),
        ("proc.apid = 1", True),
        ("proc.apid in (77)", False),
        ("proc.apid[1] = 77", False),
        ("proc.aname exists", True),
    ],
)
def test_a_line_of_ancestors_is_asked_one_by_one(condition: str, expected: bool) -> None:
    fields = {"proc.aname": ["cat", "bash", "sshd", "systemd"], "proc.apid": [77, 5, 4, 1]}
    assert both(condition, event(fields)) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("fd.types in (file, pipe, ipv4)", True),
        ("fd.types in (file)", False),
        ("fd.types intersects (file, x)", True),
        ("fd.types intersects (x)", False),
        ("fd.types exists", True),
        ("len(fd.types) = 2", True),
    ],
)
def test_lists(condition: str, expected: bool) -> None:
    assert both(condition, event({"fd.types": ["file", "pipe"]})) is expected


def test_an_empty_list_is_a_missing_value() -> None:
    assert both("fd.types in (file)", event({"fd.types": []})) is False
    assert both("fd.types exists", event({"fd.types": []})) is False


@pytest.mark.parametrize(
    "condition",
    [
        "fd.num contains 3",
        "evt.failed < 1",
        "fd.net startswith 1",
        "fd.types = file",
        "proc.name bcontains 61",
        "fd.num = three",
        "evt.failed = yes",
        "fd.sip = 1.2.3",
        "fd.net = 10.0.0.0",
        "fd.net = 10.0.0.0/33",
        "fd.sport = nosuchport",
        'proc.name regex "("',
        r'proc.name regex "\\d+"',
        "evt.buffer bcontains 2g",
        "proc.nothing = 1",
        "proc.name = val(fd.num)",
        "proc.name pmatch val(fd.name)",
        "fd.net = val(fd.net)",
        "proc.name[1] = a",
        "container.mount.dest = a",
        "len(fd.num) = 1",
        "tolower(fd.ip) = 1",
    ],
)
def test_what_makes_no_sense_is_refused_when_the_engine_is_made(condition: str) -> None:
    with pytest.raises(ConditionError) as raised:
        Engine([rule(condition)])
    assert condition in raised.value.what  # the rule is named
    with pytest.raises(ConditionError):
        holds(parse_condition(condition), event(TEXT))


@pytest.mark.parametrize(
    "value", [None, [], {}, [None], {"a": 1}, 2**70, -1, 1.5, True, "", "\udc80", "x" * 10_000]
)
def test_values_of_the_wrong_type_never_make_a_rule_fail(value: Any) -> None:
    names = ("proc.name", "fd.num", "evt.failed", "fd.sip", "fd.snet", "fd.types", "proc.aname")
    one = event(dict.fromkeys(names, value), "connect")
    for condition in (
        "proc.name startswith a or proc.name regex a.* or proc.name in (a, b)",
        "fd.num > 1 or fd.num in (1, 2)",
        "evt.failed = true",
        "fd.sip = 1.1.1.1 or fd.snet = 10.0.0.0/8 or fd.net in (10.0.0.0/8)",
        "fd.types intersects (a) or proc.aname in (a, b) or proc.aname[1] = a",
    ):
        both(condition, one)
