"""``haechi rules``: list, show, docs, check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haechi.rules.catalogue import load_catalogue
from tests.cli.command import Haechi
from tests.trees import write

RULE = """\
rules:
- id: team-%s
  title: A rule of the team
  severity: high
  why: Because
  fix: Do
  applies_to: {kinds: [core/Pod]}
  judge: cel
  expression: "%s"
  bad: ["{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {hostIPC: true}}"]
  good: ["{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {}}"]
"""
GOOD = "!has(object.spec.hostIPC)"


def ids(out: str) -> list[str]:
    return [line.split()[1] for line in out.splitlines()]


def test_every_rule_is_listed(haechi: Haechi) -> None:
    done = haechi("rules", "list")
    every = [rule.id for rule in load_catalogue().rules]
    assert done.code == 0
    assert ids(done.out) == every
    assert done.err == f"{len(every):,} rules\n"


@pytest.mark.parametrize(
    ("arguments", "check"),
    [
        (("--severity", "critical"), lambda rule: rule.severity == "critical"),
        (("--tag", "dead-control"), lambda rule: "dead-control" in rule.tags),
        (("CKV_K8S_16",), lambda rule: "CKV_K8S_16" in rule.refs.get("ckv", [])),
        (("PRIVILEGED", "--severity", "high"), lambda rule: rule.severity.rank <= 1),
        (("nothing-like-it",), lambda rule: False),
    ],
)
def test_the_list_is_narrowed(haechi: Haechi, arguments: tuple[str, ...], check: object) -> None:
    done = haechi("rules", "list", *arguments)
    known = load_catalogue().by_id
    found = ids(done.out)
    assert done.code == 0
    assert all(check(known[name]) for name in found)  # type: ignore[operator]
    assert bool(found) is (arguments != ("nothing-like-it",))


def test_the_list_as_json(haechi: Haechi) -> None:
    rules = json.loads(haechi("rules", "list", "--format", "json", "k8s-privileged").out)
    refs = {rule["id"]: rule["refs"] for rule in rules}
    assert refs["k8s-privileged"]["ckv"]


@pytest.mark.parametrize("name", ["k8s-privileged", "CKV_K8S_16", "ckv_k8s_16"])
def test_a_rule_is_explained(haechi: Haechi, name: str) -> None:
    done = haechi("rules", "show", name)
    assert done.code == 0
    assert done.out.startswith("k8s-privileged  (critical)\n")
    for word in ("Why: ", "Fix: ", "Bad:", "Good:", "privileged: true", "CKV_K8S_16"):
        assert word in done.out


def test_a_rule_is_explained_in_korean(haechi: Haechi) -> None:
    rule = load_catalogue().by_id["k8s-privileged"]
    assert rule.ko is not None
    assert rule.ko.title in haechi("rules", "show", "k8s-privileged", "--lang", "ko").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "k8s-priviledged"), "did you mean k8s-privileged"),
        (("show", "x"), "haechi rules list shows them all"),
        (("list", "--severity", "bad"), "'critical', 'high'"),
        (("check", "gone"), "does not exist"),
        (("nonsense",), "No such command"),
    ],
)
def test_wrong_use_is_explained(haechi: Haechi, arguments: tuple[str, ...], said: str) -> None:
    done = haechi("rules", *arguments)
    assert done.code == 2
    assert said in done.err


def test_pages_hold_every_rule(haechi: Haechi, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "docs"
    assert haechi("rules", "docs", target).code == 0
    text = "".join(path.read_text() for path in target.glob("*.md"))
    for rule in load_catalogue().rules:
        assert f"## {rule.id}\n" in text
        assert f"#{rule.id})" in (target / "README.md").read_text()
    first = {path.name: path.read_text() for path in target.glob("*")}
    assert haechi("rules", "docs", target).code == 0
    assert {path.name: path.read_text() for path in target.glob("*")} == first


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"a.yaml": RULE % ("a", GOOD)}, 0, ""),
        ({"a.yaml": RULE % ("a", "true")}, 2, "team-a: bad example 1: nothing was found"),
        ({"a.yaml": RULE % ("a", "false")}, 2, "team-a: good example 1: a violation was found"),
        ({"a.yaml": RULE % ("a", "object.(")}, 2, "team-a: "),
        (
            {"a.yaml": (RULE % ("a", GOOD)).replace("core/Pod", "core/Node")},
            2,
            "does not apply to it",
        ),
        (
            {"a.yaml": (RULE % ("a", GOOD)).replace("kind: Pod", "kind: [")},
            2,
            "bad example 1: line 1",
        ),
        ({"a.yaml": "rules: [1]"}, 2, "a.yaml:1: rule number 1"),
        ({"a.yaml": RULE % ("a", GOOD), "b.yaml": "rules: [1]"}, 2, "b.yaml:1: "),
        ({}, 2, "no rules in *.yaml files here"),
    ],
)
def test_rules_of_the_team_are_checked_by_their_examples(
    haechi: Haechi, files: dict[str, str], code: int, said: str
) -> None:
    (haechi.where / "ci").mkdir()
    write(haechi.where, {f"ci/{name}": text for name, text in files.items()})
    done = haechi("rules", "check", "ci")
    assert done.code == code, done
    assert said in done.out
    assert bool(done.out) is (code == 2)


def test_id_of_a_vulnerability_is_told_for_what_it_is(haechi: Haechi) -> None:
    done = haechi("rules", "show", "CVE-2023-46136")
    assert done.code == 2
    assert "names a vulnerability" in done.err and "a waiver that names it" in done.err
