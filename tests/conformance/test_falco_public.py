"""Falco's public rule files load as Falco loads them.

They are read from the folder that HAECHI_FALCO_RULES names, else from clones of
falcosecurity/rules and falcosecurity/plugins beside the checkout; without either the tests are
skipped.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from haechi.engines.falco.fields import field
from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleSet, RuleText
from haechi.engines.falco.syntax import And, Check, ListName, Macro, Node, Not, Or

_MIRROR = Path("/work/.mirror")
_FILES = {
    "falco_rules.yaml": ("falcosecurity+rules", "rules/falco_rules.yaml"),
    "falco-incubating_rules.yaml": ("falcosecurity+rules", "rules/falco-incubating_rules.yaml"),
    "falco-sandbox_rules.yaml": ("falcosecurity+rules", "rules/falco-sandbox_rules.yaml"),
    "k8s_audit_rules.yaml": (
        "falcosecurity+plugins",
        "plugins/k8saudit/rules/k8s_audit_rules.yaml",
    ),
}
_SYSCALL = tuple(_FILES)[:3]
_COUNTS = {
    "falco_rules.yaml": (25, 87, 49, 0),
    "falco-incubating_rules.yaml": (31, 82, 54, 0),
    "falco-sandbox_rules.yaml": (37, 183, 60, 12),
    "k8s_audit_rules.yaml": (48, 45, 18, 0),
}


@cache
def _text(name: str) -> RuleText:
    folder = os.environ.get("HAECHI_FALCO_RULES")
    if folder:
        path = Path(folder) / name
        if not path.is_file():
            pytest.skip(f"{path} is not there (HAECHI_FALCO_RULES)")
        return RuleText(name=name, text=path.read_text())
    project, path_in = _FILES[name]
    clone = _MIRROR / project / "repo"
    if not clone.is_dir():
        pytest.skip(f"no clone of {project.replace('+', '/')}; set HAECHI_FALCO_RULES to a folder")
    shown = subprocess.run(
        ["git", "-C", str(clone), "show", f"HEAD:{path_in}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return RuleText(name=name, text=shown.stdout)


@cache
def _loaded(*names: str) -> RuleSet:
    return load([_text(name) for name in names])


def _checks(node: Node) -> list[Check]:
    match node:
        case Check():
            return [node]
        case Not():
            return _checks(node.part)
        case And() | Or():
            return [check for part in node.parts for check in _checks(part)]
        case Macro():
            raise AssertionError(f"macro {node.name} was not resolved")


@pytest.mark.parametrize("name", _COUNTS)
def test_counts_are_those_of_falco(name: str) -> None:
    found = _loaded(name)
    disabled = sum(not rule.enabled for rule in found.rules)
    counts = (len(found.rules), len(found.macros), len(found.lists), disabled)
    assert counts == _COUNTS[name]


@pytest.mark.parametrize("name", _COUNTS)
def test_no_file_has_a_fault(name: str) -> None:
    found = _loaded(name)
    assert [str(problem) for problem in found.problems] == []
    assert found.skipped == ()


def test_all_syscall_files_load_together() -> None:
    found = _loaded(*_SYSCALL)
    assert [str(problem) for problem in found.problems if problem.error] == []
    assert len(found.rules) == 93
    assert found.engine_version == "0.57.0"


def test_every_syscall_rule_is_bound_to_event_types() -> None:
    types = {rule.name: rule.event_types for rule in _loaded(*_SYSCALL).rules}
    assert {name for name, found in types.items() if not found} == set()
    assert max(len(found or ()) for found in types.values()) < 20


def test_nothing_is_left_to_resolve() -> None:
    leaves = [_checks(rule.condition) for rule in _loaded(*_SYSCALL).rules]
    assert not any(isinstance(check.right, ListName) for checks in leaves for check in checks)
    counts = sorted(map(len, leaves))
    assert (sum(counts), counts[0], counts[len(counts) // 2], counts[-1]) == (1449, 2, 9, 248)


def test_every_audit_rule_reads_audit_fields_only() -> None:
    found = _loaded("k8s_audit_rules.yaml")
    assert {rule.source for rule in found.rules} == {"k8s_audit"}
    names = {check.left.name for rule in found.rules for check in _checks(rule.condition)}
    assert len(names) > 20
    assert all(name.startswith(("ka.", "jevt.")) for name in names)
    assert all(field(name, "k8s_audit") for name in names)
