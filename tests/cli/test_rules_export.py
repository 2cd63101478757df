"""``haechi rules export --falco``: the detections as Falco's own loader wants them."""

from __future__ import annotations

from pathlib import Path

from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleText
from haechi.runtime.pack import builtin
from tests.cli.command import Haechi


def test_export_writes_a_file_that_loads(haechi: Haechi, tmp_path: Path) -> None:
    target = tmp_path / "rules.d/haechi.yaml"
    done = haechi("rules", "export", "--falco", "-o", str(target))
    assert (done.code, done.out) == (0, "")
    loaded = load([RuleText(name="haechi.yaml", text=target.read_text(encoding="utf-8"))])
    assert loaded.problems == ()
    ours = {rule.name for rule in builtin().rules if rule.source in ("syscall", "k8s_audit")}
    assert {rule.name for rule in loaded.rules} == ours
    told = haechi("rules", "export", "--falco")
    assert told.out == target.read_text(encoding="utf-8")


def test_export_asks_for_a_format(haechi: Haechi) -> None:
    done = haechi("rules", "export")
    assert done.code == 2
    assert "--falco" in done.err
