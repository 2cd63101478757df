"""Which files rules need to see read: beginnings of names, or the rule's name."""

from __future__ import annotations

import pytest

from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import Rule, RuleText
from haechi.engines.falco.watch import LONGEST, MOST, watch
from haechi.world.sensor.ebpf import MAX_PREFIXES
from haechi.world.sensor.programs.frame import KEY_TEXT

READ = "evt.type in (open, openat, openat2) and evt.is_open_read=true"


def _rules(condition: str) -> tuple[Rule, ...]:
    text = f"""
- rule: one
  desc: one
  condition: {condition}
  output: x
  priority: notice
"""
    loaded = load([RuleText(name="r", text=text)])
    assert [str(p) for p in loaded.problems if p.error] == []
    return loaded.rules


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"{READ} and fd.name=/etc/shadow", ["/etc/shadow"]),
        (f"{READ} and fd.name in (/b, /a/x)", ["/a/x", "/b"]),
        (f"{READ} and fd.name startswith /etc/", ["/etc/"]),
        (f"{READ} and fd.directory in (/etc, /root/.ssh)", ["/etc/", "/root/.ssh/"]),
        (f"{READ} and fd.name pmatch (/home/*/.ssh, /opt)", ["/home/", "/opt"]),
        (f"{READ} and fd.name glob /var/lib/*/keys", ["/var/lib/"]),
        (f"{READ} and (fd.name=/a1 or fd.name startswith /b1)", ["/a1", "/b1"]),
        (f"{READ} and fd.name startswith /etc and fd.name in (/etc/a, /etc/b)", ["/etc"]),
        (f"{READ} and (fd.name=/a1 or proc.name=x)", None),
        (f"{READ} and fd.name endswith .pem", None),
        (f"{READ} and not fd.name startswith /proc", None),
        (f"{READ} and fd.name startswith /", None),
        (f"{READ} and fd.name startswith / and fd.name in (/a1, /b1)", ["/a1", "/b1"]),
        (f"{READ} and evt.arg.name=passwd", None),
        (f"{READ} and fd.name in (/a1, passwd)", None),
        (f"{READ} and fd.name startswith /{'é' * 200}", [f"/{'é' * 125}"]),
        (f"{READ} and proc.name=cat", None),
        ("evt.type=openat and evt.is_open_write=true and fd.name endswith .so", []),
        ("evt.type=openat and not evt.is_open_read=true", []),
        ("evt.type=openat and evt.arg.flags contains O_CREAT", []),
        ("evt.type=openat and evt.arg.flags contains O_CLOEXEC", None),
        ("evt.type=execve and proc.name=nc", []),
        (
            "evt.type in (execve, openat) and ((evt.type=execve and proc.name=x)"
            " or (evt.type=openat and fd.name=/a1))",
            ["/a1"],
        ),
    ],
)
def test_beginnings_of_names(condition: str, expected: list[str] | None) -> None:
    found = watch(_rules(condition))
    if expected is None:
        assert found.open_ended == ("one",)
    else:
        assert (found.open_ended, list(found.prefixes)) == ((), expected)


def test_places_within_others_are_left_out() -> None:
    rules = _rules(f"{READ} and fd.name in (/etc/shadow, /etcetera)")
    assert watch(rules, ["/etc/"]).prefixes == ("/etc/", "/etcetera")


def test_rules_that_do_not_count_are_left_out() -> None:
    (rule,) = _rules(f"{READ} and proc.name=cat")
    import msgspec

    off = msgspec.structs.replace(rule, enabled=False)
    foreign = msgspec.structs.replace(rule, source="k8s_audit")
    assert watch([off, foreign]).open_ended == ()


def test_beginnings_fit_the_kernels_table() -> None:
    assert LONGEST <= KEY_TEXT
    assert MOST <= MAX_PREFIXES


def test_rules_come_before_wishes_and_what_has_no_room_is_named() -> None:
    wishes = [f"/home/user{number:05}/.ssh/" for number in range(MOST + 10)]
    found = watch(_rules(f"{READ} and fd.name startswith /var/secrets/"), wishes)
    assert len(found.prefixes) == MOST
    assert "/var/secrets/" in found.prefixes
    assert found.left_out == tuple(wishes[MOST - 1 :])


def test_a_rule_with_more_names_than_fit_is_named() -> None:
    names = ", ".join(f"/data/{number}x" for number in range(MOST + 1))
    found = watch(_rules(f"{READ} and fd.name in ({names})"), ["/etc/"])
    assert found.open_ended == ("one",)
    assert found.prefixes == ("/etc/",)


def test_a_wish_that_the_table_cannot_hold_is_left_out() -> None:
    long = f"/home/{'u' * 300}/.ssh/"
    found = watch((), ["relative", "/", "/home/\udcff/.ssh/", long])
    assert found.prefixes == (long[:LONGEST],)
    assert found.left_out == ("relative", "/", "/home/\udcff/.ssh/")
