"""``haechi rules check`` over files of Falco rules."""

from __future__ import annotations

import json

import pytest

from tests.cli.command import Haechi
from tests.engines.falco.test_lint import GUIDE, rule
from tests.trees import write

FINE = rule("evt.type in (execve, execveat) and container.id != host and proc.tty != 0")


def test_a_fine_file_passes(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": FINE})
    done = haechi("rules", "check", "a.yaml")
    assert (done.code, done.out) == (0, "")
    assert done.err == "1 rule loaded, 0 errors and 0 warnings as of Falco, 0 faults\n"


def test_a_dead_rule_fails_the_check(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": rule("evt.type=execve and fd.name=/etc/shadow")})
    done = haechi("rules", "check", "a.yaml")
    assert done.code == 1
    assert "a.yaml:3:34: high never: rule 'A rule': the rule can never fire" in done.out
    assert "why: it needs fd.name" in done.out
    assert "do:  watch the open instead" in done.out


def test_what_falco_refuses_is_an_error(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": rule("evt.type=execve and no_such_macro")})
    done = haechi("rules", "check", "a.yaml")
    assert done.code == 2
    assert done.out.startswith("a.yaml:3:34: error LOAD_ERR_VALIDATE: rule A rule: ")
    assert "no_such_macro" in done.out


def test_the_guide_as_json(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": GUIDE})
    done = haechi("rules", "check", "a.yaml", "--format", "json")
    told = json.loads(done.out)
    assert done.code == 2
    assert set(told) == {"rules", "problems", "faults"}
    assert {(f["code"], f["severity"]) for f in told["faults"]} == {
        ("never", "high"),
        ("negation", "high"),
        ("undefined", "high"),
        ("given", "info"),
        ("evasion", "info"),
    }
    assert all(f["line"] >= 1 and f["column"] >= 1 for f in told["faults"])
    assert [p["item"] for p in told["problems"] if p["error"]] == [
        "rule Suspicious network activity"
    ]


def test_information_can_be_left_out(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": rule("evt.type=execve and proc.name=nc")})
    assert "evasion" in haechi("rules", "check", "a.yaml").out
    assert haechi("rules", "check", "a.yaml", "--severity", "low").out == ""


def test_a_folder_of_rules_is_read_in_order(haechi: Haechi) -> None:
    write(
        haechi.where,
        {
            "falco/b.yaml": rule("evt.type=execve and not proc.name in (good_programs)"),
            "falco/a.yml": "- list: good_programs\n  items: [a]\n",
            "falco/readme.md": "no rules",
        },
    )
    assert haechi("rules", "check", "falco").code == 0


def test_files_together_know_each_other(haechi: Haechi) -> None:
    write(
        haechi.where,
        {
            "a.yaml": "- macro: ours\n  condition: evt.type=execve and proc.tty != 0\n",
            "b.yaml": rule("ours and container.id != host"),
        },
    )
    assert haechi("rules", "check", "a.yaml", "b.yaml").code == 0
    assert haechi("rules", "check", "b.yaml").code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing.yaml",), "does not exist"),
        (("policy", "policy"), "one at a time"),
        (("policy", "--format", "json"), "for files of Falco rules"),
        ((), "Missing argument"),
    ],
    ids=["missing", "two-directories", "json-of-a-directory", "nothing"],
)
def test_wrong_use_is_told(haechi: Haechi, arguments: tuple[str, ...], says: str) -> None:
    write(haechi.where, {"policy/a.yaml": "rules: []\n"})
    done = haechi("rules", "check", *arguments)
    assert done.code == 2
    assert says in done.err
