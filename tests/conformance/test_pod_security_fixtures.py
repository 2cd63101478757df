"""Upstream's own pods, when they are at hand: every one is judged as its folder says.

``test/testdata/<level>/<version>/{pass,fail}/<check><n>.yaml`` of k8s.io/pod-security-admission.
A failing pod fails by the check that its name says, or by the one that replaces it.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from haechi.checks.pod_security import CHECKS, evaluate

ROOT = Path(os.environ.get("HAECHI_POD_SECURITY", "/tmp/pub/pod-security-admission"))
DATA = ROOT / "test/testdata"
_REPLACED = {check.replaces.lower(): check.id.lower() for check in CHECKS if check.replaces}

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"upstream's pod-security-admission is not in {ROOT}"
)


def _read(path: Path) -> dict[str, Any]:
    body = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_judges_every_fixture_as_upstream_does(level: str) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for path in sorted((DATA / level).glob("*/*/*.yaml")):
        version, outcome = path.parts[-3:-1]
        body = _read(path)
        results = evaluate(level, version, body["metadata"], body["spec"])
        forbidden = {result.check.lower() for result in results if not result.allowed}
        check = path.stem.rstrip("0123456789")
        meant = {check, _REPLACED.get(check, check)}
        right = not forbidden if outcome == "pass" else bool(forbidden & meant)
        counts[outcome] += 1
        if not right:
            wrong.append(f"{path.relative_to(DATA)}: {sorted(forbidden)}")
    print(f"{level}: {counts.total() - len(wrong)} of {counts.total()} pods")
    assert not wrong
    assert counts["pass"] > 300 and counts["fail"] > 900
