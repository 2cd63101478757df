"""The generated pages and the guide of users' rules say what the catalogue and schema say."""

from __future__ import annotations

import re
from pathlib import Path

from haechi.rules.catalogue import load_catalogue
from haechi.rules.load import load_rules
from haechi.rules.pages import pages
from haechi.rules.schema import Pattern, Rule
from haechi.scan.examples import example_faults

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guide/own-rules.md").read_text(encoding="utf-8")


def test_generated_pages_are_current() -> None:
    written = {p.name: p.read_text(encoding="utf-8") for p in (DOCS / "rules").glob("*.md")}
    assert written == dict(pages(load_catalogue())), "run: ./dev haechi rules docs docs/rules"


def test_the_guide_names_every_key_of_the_schema() -> None:
    rows = [line for line in GUIDE.splitlines() if line.startswith("| `")]
    named = {word for row in rows for word in re.findall(r"`(\w+)[`.]", row.split("|")[1])}
    ours_alone = {"function", "fixer", "audits", "results", "falco"}
    keys = set(Rule.__struct_fields__) | set(Pattern.__struct_fields__)
    assert named == keys - ours_alone


def test_the_rule_of_the_guide_works() -> None:
    block = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[1]
    (rule,), faults = load_rules(block.encode(), "guide.yaml")
    assert faults == []
    assert list(example_faults(rule)) == []
