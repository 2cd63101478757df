"""``haechi fix`` from the outside: what it shows, asks, writes and answers."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haechi.cli import fix as fix_module
from haechi.cli.fix import command
from haechi.errors import ConfigError, HaechiError, InputError, UsageError
from tests.githost import serving, tool_repository

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: cart
  namespace: shop
spec:
  automountServiceAccountToken: false
  containers:
    - name: app  # the program
      image: shop/cart:1.4.2
      securityContext:
        privileged: true  # debugging
        runAsNonRoot: true
    - name: side
      image: shop/side:1.0.0
"""
DOCKER = "FROM debian:13\n# tools\nRUN apt-get update && apt-get install -y curl\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "haechi.yaml").write_text("{}\n")
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "Dockerfile").write_text(DOCKER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words), catch_exceptions=True)


def test_shows_the_safe_fixes_and_writes_nothing(shop: Path) -> None:
    result = run()
    assert result.exit_code == 1
    assert "+      securityContext:" in result.stdout
    assert "rm -rf /var/lib/apt/lists" in result.stdout
    assert "privileged: false" not in result.stdout
    assert "k8s-privileged (1)" in result.stderr
    assert (shop / "pod.yaml").read_text() == POD
    assert (shop / "Dockerfile").read_text() == DOCKER


def test_the_diff_is_one_that_git_applies(shop: Path) -> None:
    diff = run().stdout
    subprocess.run(["git", "apply", "-"], input=diff.encode(), check=True, cwd=shop)
    assert run().stdout == ""


def test_writes_on_consent_and_then_has_nothing_to_do(shop: Path) -> None:
    result = run("--yes")
    assert result.exit_code == 0, result.output
    assert "scanned again" in result.stderr
    text = (shop / "pod.yaml").read_text()
    assert "# the program" in text
    assert "allowPrivilegeEscalation: false" in text
    again = run("--yes")
    assert again.exit_code == 0
    assert again.stdout == ""


def test_a_named_rule_may_change_behaviour(shop: Path) -> None:
    result = run("k8s-privileged", "--yes", "pod.yaml")
    assert result.exit_code == 0, result.output
    assert "changes behaviour" in result.stderr
    assert "uncovers" in result.stderr
    expected = POD.replace("privileged: true  #", "privileged: false  #")
    assert (shop / "pod.yaml").read_text() == expected


def test_waived_findings_are_left_alone(shop: Path) -> None:
    (shop / "pod.yaml").unlink()
    (shop / "Dockerfile").write_text(
        DOCKER.replace("# tools", "# haechi:allow docker-apt-lists-left rebuilt daily")
    )
    result = run()
    assert result.stdout == "", result.output


def test_says_when_there_is_nothing(shop: Path) -> None:
    (shop / "pod.yaml").unlink()
    (shop / "Dockerfile").unlink()
    result = run()
    assert result.exit_code == 0
    assert "nothing to fix" in result.stderr


def test_puts_the_files_back_when_the_scan_became_worse(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tallies = [Counter({("r", "p"): 1}), Counter[tuple[str, str]]()]
    monkeypatch.setattr(fix_module, "_tally", lambda _: tallies.pop())
    result = run("--yes")
    assert isinstance(result.exception, HaechiError)
    assert "which was not there before" in result.exception.what
    assert (shop / "pod.yaml").read_text() == POD
    assert (shop / "Dockerfile").read_text() == DOCKER


def test_changes_no_file_when_one_cannot_be_written(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from haechi.scan.fix import write

    real = write.replace_file

    def refuse(root: Path, path: str, before: bytes, after: bytes) -> None:
        if path == "pod.yaml":
            raise InputError("the file was changed meanwhile", where=path)
        real(root, path, before, after)

    monkeypatch.setattr(write, "replace_file", refuse)
    result = run("--yes")
    assert isinstance(result.exception, InputError)
    assert "no file was changed" in result.exception.what
    assert (shop / "Dockerfile").read_text() == DOCKER


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["k8s-privilegd"], "k8s-privileged"),
        (["k8s-no-such-thing-at-all", "."], "neither a rule nor a path"),
        (["a.yaml", "b.yaml"], "one path"),
        (["k8s-memory-limit"], "no mechanical fix"),
        (["nowhere.yaml"], "there is no"),
    ],
)
def test_wrong_words_are_explained(shop: Path, words: list[str], fault: str) -> None:
    result = run(*words)
    assert isinstance(result.exception, UsageError)
    assert fault in result.exception.explain()


WORKFLOW = """\
on: push
permissions: {}
jobs:
  test:
    runs-on: ubuntu-24.04
    steps:
      - uses: acme/tool@v1
      - uses: acme/tool@main
"""


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / ".github" / "workflows").mkdir(parents=True)
    (folder / "haechi.yaml").write_text("{}\n")
    (folder / ".github" / "workflows" / "ci.yml").write_text(WORKFLOW)
    monkeypatch.chdir(folder)
    return folder


def test_actions_are_pinned_from_a_git_host(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = tool_repository(tmp_path / "host")
    with serving(tmp_path / "host") as (address, _):
        monkeypatch.setenv("GITHUB_SERVER_URL", address)
        assert run("--online", "--yes").exit_code == 0
        text = (pipeline / ".github" / "workflows" / "ci.yml").read_text()
        assert text == WORKFLOW.replace("@v1", f"@{commits['first']} # v1")
        assert run("--online", "--yes", "workflow-action-on-branch").exit_code == 0
    text = (pipeline / ".github" / "workflows" / "ci.yml").read_text()
    assert f"acme/tool@{commits['second']} # main" in text


def test_without_the_word_nobody_is_asked_and_the_way_is_told(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool_repository(tmp_path / "host")
    with serving(tmp_path / "host") as (address, asked):
        monkeypatch.setenv("GITHUB_SERVER_URL", address)
        result = run()
    assert asked == []
    assert result.stdout == ""
    assert "haechi fix --online" in result.stderr


def test_actions_are_pinned_from_the_projects_table(pipeline: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    (pipeline / "haechi.actions.yaml").write_text(f"acme/tool@v1: {commit}\n")
    assert f"+      - uses: acme/tool@{commit} # v1" in run().stdout


def test_a_wrong_table_stops_the_command(pipeline: Path) -> None:
    (pipeline / "haechi.actions.yaml").write_text("acme/tool@v1: v1.2.3\n")
    assert isinstance(run().exception, ConfigError)
