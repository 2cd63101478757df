"""docs/guide/admission-policies.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from haechi.admit.vap import loading, program
from haechi.engines.cel.data import DEPTH_LIMIT
from haechi.engines.cel.libraries import overloads
from haechi.engines.cel.variables import LIMIT

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guide/admission-policies.md").read_text(encoding="utf-8")


def test_names_every_kind_of_fault() -> None:
    told = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", GUIDE.partition("## Functions")[0]))
    source = "".join(
        Path(str(module.__file__)).read_text(encoding="utf-8") for module in (loading, program)
    )
    kinds = set(re.findall(r'_fault\(\w+(?:\.\w+)*, "([a-z-]+)"', source))
    kinds |= set(re.findall(r'kind="([a-z-]+)"', source))
    assert kinds - {"duplicate"} <= told
    assert len(kinds) >= 9


def test_names_the_functions_and_limits() -> None:
    functions = GUIDE.partition("## Functions")[2].partition("## Where")[0]
    for name in overloads():
        first = name.partition(".")[0]
        if first in ("find", "findAll", "url", "ip", "cidr", "format", "semver", "sum", "includes"):
            assert f"`{first}" in functions, name
    assert f"more than {LIMIT} variables" in GUIDE
    assert DEPTH_LIMIT > 32
