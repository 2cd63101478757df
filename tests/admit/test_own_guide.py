"""docs/guide/policy-packs.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haechi.admit import images, packs, pod_security
from haechi.admit.packs import all_packs
from haechi.checks.pod_security import CHECKS, NEWEST
from tests.admit.own_documents import documents

GUIDE = (Path(__file__).parents[2] / "docs/guide/policy-packs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def _rows(head: str) -> list[list[str]]:
    table = GUIDE.split(head, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]


def test_every_check_stands_there_with_its_versions() -> None:
    rows = _rows("\n| check | level |")
    assert [row[0] for row in rows] == [check.id for check in CHECKS]
    for row, check in zip(rows, CHECKS, strict=True):
        versions = ", ".join(f"v1.{since}" for since, _ in check.variants)
        assert row[1:] == [check.level.value, versions]
    assert f"mean v1.{NEWEST}" in GUIDE


def test_every_pack_stands_there() -> None:
    assert {row[0] for row in _rows("\n| pack | what")} == set(all_packs())


@pytest.mark.parametrize("number", range(3))
def test_every_document_is_in_force(number: int) -> None:
    resources = documents(BLOCKS[number])
    loaded = [family.load(resources) for family in (pod_security, packs, images)]
    assert sum(len(one.policies) for one in loaded) > 0
    assert [fault for one in loaded for fault in one.faults] == []
    assert len(BLOCKS) == 3
