"""Rules that cannot do what they seem to, as they are told."""

from __future__ import annotations

import pytest

from haechi.engines.falco.lint import Fault
from haechi.engines.falco.lint_fault import CODES
from haechi.engines.falco.ruleset import RuleText
from haechi.engines.falco.study import Study, study

GUIDE = """\
- rule: Unexpected file access in container
  desc: Detect unexpected file access in containers
  condition: >
    (spawned_process and container and
    ((proc.name in (cat, less) and
    fd.name contains "/etc/shadow") or
    (proc.name in (cat, less) and
    fd.name contains "/etc/passwd")))
  output: Sensitive file access (user=%user.name file=%fd.name)
  priority: WARNING
- rule: Suspicious network activity
  desc: Detect suspicious outbound network connections
  condition: >
    (spawned_process and container and
    proc.name in (wget, curl, nc) and
    not fd.ip in (known_good_ips))
  output: Suspicious network activity (command=%proc.cmdline)
  priority: WARNING
- rule: Container escape attempt
  desc: Detect potential container escape attempts
  condition: >
    (spawned_process and container and
    (proc.name in (docker, kubectl, crictl) or
    proc.cmdline contains "nsenter" or
    proc.cmdline contains "chroot /host"))
  output: Potential container escape attempt (command=%proc.cmdline)
  priority: CRITICAL
"""
"""Three rules of a guide for people who begin: one dead, one that excludes nothing, one that is
fine and easily evaded."""


def rule(condition: str, name: str = "A rule", more: str = "") -> str:
    return (
        f"- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n"
        f"  priority: WARNING\n{more}"
    )


def studied(*texts: str) -> Study:
    return study([RuleText(name=f"{i}.yaml", text=text) for i, text in enumerate(texts)])


def faults(*texts: str, info: bool = False) -> list[Fault]:
    found = studied(*texts)
    return [f for f in found.faults if info or f.severity != "info"]


def codes(*texts: str) -> list[tuple[str, str]]:
    return [(fault.code, fault.rule) for fault in faults(*texts)]


def one(*texts: str) -> Fault:
    (fault,) = faults(*texts)
    return fault


def test_the_three_rules_of_the_guide() -> None:
    found = studied(GUIDE)
    weighty = [(f.code, f.rule) for f in found.faults if f.severity != "info"]
    assert weighty == [
        ("never", "Unexpected file access in container"),
        ("negation", "Suspicious network activity"),
        ("undefined", "Suspicious network activity"),
    ]
    never, negation, undefined = (f for f in found.faults if f.severity != "info")
    assert "fd.name" in never.why
    assert "execve has no file descriptor" in never.why
    assert (never.at.line, never.at.column) == (6, 5)
    assert "not fd.ip in (known_good_ips)" in negation.message
    assert "always true" in negation.why
    assert "known_good_ips" in undefined.message
    assert undefined.at.line == 16
    around = [f for f in found.faults if f.code == "evasion" and f.rule.startswith("Container")]
    assert {f.key for f in around} == {"name", "cmdline"}
    assert found.broken
    assert [p.item for p in found.problems if p.error] == ["rule Suspicious network activity"]


def test_well_known_names_are_told_as_taken() -> None:
    given = [f for f in studied(GUIDE).faults if f.code == "given"]
    assert [f.message.partition(":")[0] for f in given] == ["spawned_process, container"]


@pytest.mark.parametrize(
    ("condition", "code", "says"),
    [
        ("evt.type=execve and fd.name=/etc/shadow", "never", "execve has no file descriptor"),
        ("evt.type=openat and fd.sip=10.0.0.1", "never", "never a socket"),
        ("evt.type=execve and proc.name=a and proc.name=b", "never", "cannot both be"),
        ("evt.type=open and evt.type=openat", "never", "cannot both be"),
        ("evt.type=open and evt.dir=>", "never", "evt.dir is '<'"),
        ("evt.type=connect and evt.is_open_write=true", "never", "'false'"),
        ("evt.type=unlink and evt.arg.flags contains X", "never", "no argument 'flags'"),
        ("evt.type=execve and proc.name in ()", "empty", "a list that is empty"),
        ("evt.type=execve and not fd.name=a", "always", "every event of execve"),
        ("evt.type=execve and proc.name=a and not fd.name=b", "negation", "excludes nothing"),
        (
            "evt.type=execve and proc.name in (good_programs)",
            "undefined",
            "no list is called 'good_programs'",
        ),
        ("proc.name=a", "unbounded", "every event"),
    ],
)
def test_a_fault_is_told_with_its_reason(condition: str, code: str, says: str) -> None:
    found = {fault.code: fault for fault in faults(rule(condition))}
    assert code in found
    assert says in f"{found[code].message} {found[code].why}"
    assert found[code].do
    assert set(found) <= set(CODES)


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type in (execve, execveat) and proc.name=bash and container.id != host",
        "evt.type=openat and fd.name startswith /etc and not fd.name startswith /etc/ssl",
        "evt.type in (open, execve) and fd.name=a",
        "evt.type in (open, execve) and not fd.name=a and proc.name=b",
        "evt.type=connect and not fd.ip in (10.0.0.1) and not fd.net in (10.0.0.0/8)",
        "(evt.type=execve and proc.name=a) or (evt.type=openat and not fd.name=b)",
        "evt.type=execve and not proc.name in ()",
        "evt.type=execve and evt.num=0",
        "evt.type=init_module",
        "evt.type=execve and proc.name in (systemd_tmpfiles, some_program)",
        'evt.type=execve and proc.name in ("known_good_binaries")',
        "evt.type=execve and not (evt.type=open and fd.name=a) and proc.name=b",
        "evt.type=chmod and evt.arg.mode contains S_ISUID",
    ],
)
def test_a_sound_rule_is_not_accused(condition: str) -> None:
    assert codes(rule(condition)) == []


def test_an_exception_that_leaves_nothing() -> None:
    more = "  exceptions:\n  - {name: all, fields: proc.name, comps: in, values: [a, b, c]}\n"
    fault = one(rule("evt.type=execve and proc.name in (a, b)", more=more))
    assert fault.code == "shadowed"
    assert "(all)" in fault.why


def test_an_exception_that_leaves_something() -> None:
    more = "  exceptions:\n  - {name: some, fields: proc.name, comps: in, values: [a]}\n"
    assert codes(rule("evt.type=execve and proc.name in (a, b)", more=more)) == []


def test_an_earlier_rule_that_takes_everything() -> None:
    wide = rule("evt.type=execve and proc.name=nc", "Wide")
    narrow = rule("evt.type=execve and proc.name=nc and container.id != host", "Narrow")
    assert codes(wide + narrow) == [("shadowed", "Narrow")]
    assert codes(narrow + wide) == []
    assert codes(wide + rule("evt.type=execve and proc.name=nc", "Same")) == [("shadowed", "Same")]
    off = rule("evt.type=execve and proc.name=nc", "Wide", "  enabled: false\n")
    assert codes(off + narrow) == []


def test_a_rule_that_its_namesake_replaces() -> None:
    first = rule("evt.type=execve and proc.name=a", "Twice")
    second = rule("evt.type=execve and proc.name=b", "Twice")
    fault = one(f"# two\n{first}{second}")
    assert (fault.code, fault.severity, fault.at.line) == ("shadowed", "medium", 2)
    assert "line 7" in fault.message
    assert codes(first, second) == []
    change = "- rule: Twice\n  condition: and proc.pname=c\n  override: {condition: append}\n"
    assert codes(first + change) == []
    assert codes(first + "- rule: Twice\n  enabled: false\n") == []


def test_a_rule_may_say_that_it_is_meant_for_every_event() -> None:
    assert codes(rule("proc.name=a", more="  warn_evttypes: false\n")) == []


def test_files_are_read_together() -> None:
    lists = "- list: good_programs\n  items: [a, b]\n"
    text = rule("evt.type=execve and not proc.name in (good_programs)")
    assert codes(lists, text) == []
    assert codes(text) == [("undefined", "A rule")]


def test_a_slip_in_a_lists_name_is_corrected() -> None:
    lists = "- list: good_programs\n  items: [a, b]\n"
    fault = one(lists + rule("evt.type=execve and proc.name in (good_progams)"))
    assert fault.code == "undefined"
    assert "good_programs" in fault.do


def test_what_nobody_uses_is_named() -> None:
    text = "- macro: lonely\n  condition: evt.type=execve\n- list: idle\n  items: [a]\n"
    found = faults(text + rule("evt.type=execve and proc.name=a"), info=True)
    assert {f.code: f.key for f in found if f.code.startswith("unused")} == {
        "unused-macro": "lonely",
        "unused-list": "idle",
    }


@pytest.mark.parametrize(
    ("condition", "key", "says"),
    [
        ("evt.type=execve and proc.name=kubectl", "name", "copy or link"),
        ("evt.type=execve and proc.cmdline contains nsenter", "cmdline", "other spacing"),
        ("evt.type=openat and fd.name=shadow", "relative", "absolute paths"),
        ("evt.type in (open, openat) and fd.name=/a", "siblings", "openat2"),
        ("evt.type in (open, openat, openat2) and fd.name=/a", "io_uring", "kernel's ring"),
        ("evt.type=openat and evt.is_open_write=true", "creat", "empties or makes a file"),
    ],
)
def test_ways_around_are_named(condition: str, key: str, says: str) -> None:
    found = {f.key: f for f in faults(rule(condition), info=True) if f.code == "evasion"}
    assert key in found
    assert says in f"{found[key].message} {found[key].why}"
    assert found[key].severity == "info"


def test_what_is_excluded_is_no_way_around() -> None:
    text = rule("evt.type=execve and container.id != host and not proc.name in (a, b)")
    assert not [f for f in faults(text, info=True) if f.key == "name"]


def test_places_point_at_the_word() -> None:
    text = rule(">\n    evt.type=execve and\n    fd.name=a")
    fault = next(f for f in faults("# first line\n" + text) if f.code == "never")
    assert fault.at.file == "0.yaml"
    assert (fault.at.line, fault.at.column) == (6, 5)


@pytest.mark.parametrize(
    "text",
    ["", "\x00", "- rule: [", "- rule: x\n  condition: ((((", "{a: b}", "- 1\n- [", "- list: {}\n"],
)
def test_broken_files_end_in_problems(text: str) -> None:
    found = studied(text)
    assert found.faults == () or all(fault.severity for fault in found.faults)
