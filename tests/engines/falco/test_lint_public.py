"""Falco's own rule files: what is claimed of them, each claim read by hand, and nothing else.

They are not part of this repository; where they lie beside it (HAECHI_MIRRORS) they are read.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import Rule, RuleSet, RuleText
from haechi.engines.falco.satisfy import Fold, folds, named_types, satisfiable
from haechi.engines.falco.study import Study, study
from haechi.engines.falco.tree import holds
from haechi.engines.falco.write import whole
from haechi.rules.detections import falco_file
from tests.engines.falco.lint_events import event

MIRRORS = Path(os.environ.get("HAECHI_MIRRORS", "/work/.mirror"))
SYSCALL = ("falco_rules", "falco-incubating_rules", "falco-sandbox_rules")
CLAIMS = {
    # the macro allowed_containers is `container.id exists`, and the rule asks for its opposite
    ("never", "Launch Disallowed Container"),
    # the list namespace_scope_network_only_subnet is empty, for the reader to fill
    ("empty", "Network Connection outside Local Subnet"),
    # runc_writing_var_lib_docker tests evt.arg.filename, which open and its kin call name
    ("negation", "Container Drift Detected (open+create)"),
    # spawned_process and container and network_tool_procs, and one thing more
    ("shadowed", "Network Tool Executed During NPM Package Install"),
}


def text(repository: str, path: str) -> RuleText:
    git = MIRRORS / repository / "repo"
    if not git.is_dir():
        pytest.skip(f"{repository} is not at {MIRRORS}")
    shown = subprocess.run(
        ["git", "-C", str(git), "show", f"HEAD:{path}"],
        capture_output=True,
        check=True,
        text=True,
    )
    return RuleText(name=Path(path).name, text=shown.stdout)


@pytest.fixture(scope="module")
def public() -> Study:
    return study([text("falcosecurity+rules", f"rules/{name}.yaml") for name in SYSCALL])


def test_the_system_call_rules(public: Study) -> None:
    assert len(public.rules.rules) == 93
    assert {(f.code, f.rule) for f in public.faults if f.severity != "info"} == CLAIMS


def test_the_audit_rules() -> None:
    path = "plugins/k8saudit/rules/k8s_audit_rules.yaml"
    found = study([text("falcosecurity+plugins", path)])
    assert len(found.rules.rules) == 48
    assert [f for f in found.faults if f.severity != "info"] == []


@pytest.mark.parametrize("first", [True, False])
def test_our_exported_rules_and_falcos_do_not_change_each_other(first: bool) -> None:
    """Macros and lists of all files share their names: the last definition counts for all."""
    theirs = [text("falcosecurity+rules", f"rules/{name}.yaml") for name in SYSCALL]
    ours = RuleText(name="haechi", text=falco_file())
    alone = _conditions(load(theirs)) | _conditions(load([ours]))
    assert len(alone) > 93
    assert _conditions(load([ours, *theirs] if first else [*theirs, ours])) == alone


def _conditions(rules: RuleSet) -> dict[str, str]:
    return {rule.name: whole(rule.condition).replace('"', "") for rule in rules.rules}


def test_no_event_refutes_a_claim(public: Study) -> None:
    """Events with the values that a rule itself asks for: where none can, none does."""
    rng = random.Random(5)  # noqa: S311 - cases, not keys
    never = {f.rule for f in public.faults if f.code in ("never", "empty")}
    assert never
    for rule in public.rules.rules:
        for event_type in _types(rule):
            fold = Fold("syscall", event_type)
            dead = not satisfiable(rule.condition, fold)
            assert rule.name not in never or dead
            for number in range(8 if dead else 0):
                assert not holds(rule.condition, event(rng, event_type, rule.condition, number))


def _types(rule: Rule) -> list[str]:
    unbounded = any(fold.event_type == "" for fold in folds(rule.bare, "syscall"))
    others = ["close", "futex"] if unbounded else []
    return [*named_types(rule.condition)[:12], *others]
