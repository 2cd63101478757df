"""The guides name what the program can say."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SAID = re.compile(
    r"(?:\bGap\(\s*kind=|[._]gap\(\s*|\bFault\(\s*kind=|_unread\(\s*)\"([a-z-]+)\""
    r"|\bkind = \"([a-z-]+)\" if [^\n]* else \"([a-z-]+)\""
)


@cache
def kinds_in_the_program() -> set[str]:
    """Every kind of gap that a line of source can make."""
    found: set[str] = set()
    for path in (ROOT / "src/haechi").rglob("*.py"):
        for said in _SAID.findall(path.read_text(encoding="utf-8")):
            found.update(filter(None, said))
    return found


def test_every_kind_of_gap_is_documented() -> None:
    rows = (ROOT / "docs/guide/coverage.md").read_text(encoding="utf-8").splitlines()
    documented = {row.split("`")[1] for row in rows if row.startswith("| `")}
    missing = kinds_in_the_program() - documented
    assert missing == set()
    assert {"helm-chart", "kustomize", "syntax", "not-evaluated"} <= kinds_in_the_program()
