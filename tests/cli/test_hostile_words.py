"""What a repository writes reaches the log of a pipeline as text, in every format."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from haechi.report import FORMATS
from tests.cli.command import Haechi, git

COMMAND = "::set-output name=x::y ##[set-output name=x]y ##vso[task.x]y"
OBEYED = re.compile(r"^\s*::\w|##(?:vso)?\[", re.MULTILINE)
POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
    f'spec: {{containers: [{{name: "{COMMAND}", image: "https://u:HIDDEN@r/a:latest", '
    "securityContext: {privileged: true}}]}\n"
)


@pytest.fixture
def haechi(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Haechi:
    (tmp_path / f"{COMMAND}.yaml").write_text(POD)
    return Haechi(capsys, tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_no_report_on_standard_output_commands_a_ci_server(haechi: Haechi, name: str) -> None:
    done = haechi("scan", "--format", name, "-v")
    assert "set-output name" in done.out
    assert not OBEYED.search(done.out)
    assert "HIDDEN" not in done.out


def test_errors_neither(haechi: Haechi) -> None:
    (haechi.where / "haechi.yaml").write_text(f'"\\n{COMMAND}\\e[31m": 1\n')
    done = haechi("scan")
    assert (done.code, "set-output" in done.err) == (2, True)
    assert not OBEYED.search(done.err)
    assert "\x1b" not in done.err


@pytest.mark.parametrize("name", ["CODEOWNERS", "haechi.waivers.yaml", "haechi.lock"])
def test_own_files_are_not_read_through_links_out_of_the_project(haechi: Haechi, name: str) -> None:
    outside = haechi.where.parent / "outside.txt"
    outside.write_text("* @private-line\n")
    (haechi.where / "haechi.yaml").write_text("")
    (haechi.where / name).symlink_to(outside)
    done = haechi("scan", "--format", "json")
    assert done.code == 2
    assert "a link that leads out of the scanned folder" in done.err
    assert "private-line" not in done.out + done.err


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs chown")
def test_what_a_stranger_wrote_above_marks_no_project(haechi: Haechi) -> None:
    inner = haechi.where / "mine"
    inner.mkdir()
    (inner / "pod.yaml").write_text(POD)
    planted = haechi.where / "haechi.yaml"
    planted.write_text('exclude: ["**"]\n')
    assert haechi("scan", "mine").code == 0
    os.chown(planted, 4321, 4321)
    assert haechi("scan", "mine").code == 1


def test_another_work_tree_in_gits_configuration_is_said(haechi: Haechi) -> None:
    git(haechi.where, "init", "-q")
    git(haechi.where, "config", "core.worktree", "/usr")
    (haechi.where / ".gitignore").write_text("")
    done = haechi("scan", "--baseline", "git:HEAD")
    assert (done.code, "core.worktree in .git/config" in done.err) == (2, True)
