"""docs/guide/policies.md says what the program does."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import click
import pytest

from haechi.admit.load import load_policies
from haechi.cli import policy
from haechi.gate.waivers import load_waivers
from haechi.model.coverage import Gap
from haechi.world.manifests import objects_of

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guide/policies.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = re.findall(r"^(?:.* \| )?haechi (policy .*?)(?:  +#.*)?$", GUIDE, re.MULTILINE)


def test_every_document_is_in_force() -> None:
    gaps: list[Gap] = []
    text = "---\n".join(BLOCKS[:2])
    found = load_policies(list(objects_of(text.encode(), "guide.yaml", gaps)))
    assert sorted(one.info.id for one in found.policies) == ["images/ours", "pod-security/baseline"]
    assert found.rollout is not None
    assert not found.faults and not gaps


def test_the_waiver_is_one() -> None:
    assert len(BLOCKS) == 3
    (waiver,) = load_waivers(BLOCKS[2], "haechi.waivers.yaml", dt.date(2026, 11, 22))
    assert waiver.rule == "policy:images/ours"


def test_every_command_stands_there() -> None:
    rows = re.findall(r"^\| `([a-z-]+) ", GUIDE, re.MULTILINE)
    assert sorted(rows) == sorted(policy.COMMANDS)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_as_they_are_written(line: str) -> None:
    _, name, *words = line.split()
    command = policy.command.get_command(click.Context(policy.command), name)
    assert command is not None
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    assert {word for word in words if word.startswith("-") and word != "-"} <= known
    assert len(COMMANDS) > 8


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([a-z-]+\.md)", GUIDE):
        assert (ROOT / "docs/guide" / target).is_file(), target
