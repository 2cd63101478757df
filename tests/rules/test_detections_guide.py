"""The guide of the detections: its rule works, its names exist."""

from __future__ import annotations

import re
from pathlib import Path

from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleText
from haechi.rules.catalogue import DATA
from haechi.rules.detection_examples import detection_faults
from haechi.rules.detections import base_text, falco_file
from haechi.rules.load import load_rules
from haechi.rules.schema import Falco

GUIDE = (Path(__file__).parents[2] / "docs/guide/detections.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def test_the_rule_of_the_guide_works() -> None:
    (rule,), faults = load_rules(BLOCKS[1].encode(), "guide.yaml")
    assert faults == []
    assert list(detection_faults(rule)) == []


def test_the_exception_of_the_guide_is_added_to_the_exported_rules() -> None:
    files = [RuleText(name="ours", text=falco_file()), RuleText(name="own", text=BLOCKS[0])]
    loaded = load(files)
    assert [str(problem) for problem in loaded.problems] == []
    (rule,) = [one for one in loaded.rules if one.name.startswith("Shell with a terminal")]
    assert rule.condition != rule.bare


def test_every_family_macro_and_key_is_told() -> None:
    families = {path.stem for path in (DATA / "detections").glob("*.yaml")} - {"base.falco"}
    rows = {line.split("|")[1].strip() for line in GUIDE.splitlines() if line.startswith("| ")}
    assert families <= rows
    assert {f"`{key}`" for key in Falco.__struct_fields__} <= rows
    macros = set(re.findall(r"macro: (user_known_\w+)", base_text().text))
    assert macros == set(re.findall(r"`(user_known_\w+)`", GUIDE))
