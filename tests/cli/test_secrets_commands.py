"""Secrets on the command line: baselines, parts of a history, options that scripts leave empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haechi.checks.secrets.forms import Forge
from tests.cli.command import Haechi, commit, git
from tests.trees import write

RULE = "secret-github-pat"
KEY = "k" * 40


def token(seed: str) -> str:
    return Forge(seed).make("ghp_<<base62 30>><<crc32>>")


def states(out: str) -> list[tuple[str, str, bool]]:
    """(state, path, in the tree) of the tokens."""
    found = json.loads(out)["findings"]
    assert all(finding["secret_id"] is None for finding in found)
    return sorted(
        (finding["state"], finding["location"]["path"], finding["evidence"]["in_tree"])
        for finding in found
        if finding["rule"] == RULE
    )


def against(haechi: Haechi, base: str, *more: str) -> tuple[int, list[tuple[str, str, bool]]]:
    done = haechi(
        "scan", "--only", "secrets", "--baseline", f"git:{base}", "--format", "json", *more
    )
    return done.code, states(done.out)


def test_a_known_credential_stays_known_where_its_line_goes(haechi: Haechi) -> None:
    write(haechi.where, {"a": f"t = {token('old')}\n"})
    base = commit(haechi.where)
    write(haechi.where, {"a": f"moved\n\nt = {token('old')}\n"})
    assert against(haechi, base) == (0, [("known", "a", True)])
    write(haechi.where, {"a": "gone\n"})
    commit(haechi.where)
    assert against(haechi, base) == (0, [("known", "a", False)])


@pytest.mark.parametrize("history", [True, False])
def test_a_value_in_the_place_of_a_known_one_is_not_known(haechi: Haechi, history: bool) -> None:
    write(haechi.where, {"a": f"t = {token('old')}\n"})
    base = commit(haechi.where)
    write(haechi.where, {"a": f"t = {token('new')}\n"})
    commit(haechi.where)
    code, found = against(haechi, base, *([] if history else ["--no-history"]))
    assert code == 1
    assert found == [("known", "a", False)] * history + [("open", "a", True)]


def test_a_second_value_of_the_same_name_is_told_whatever_the_order(haechi: Haechi) -> None:
    write(haechi.where, {"a": f"t = {token('old')}\n"})
    base = commit(haechi.where)
    for first, second in (("old", "new"), ("new", "old")):
        write(haechi.where, {"a": f"t = {token(first)}\nt = {token(second)}\n"})
        done = haechi("scan", "--baseline", f"git:{base}", "--format", "json")
        assert done.code == 1
        lines = {f["location"]["line"]: f["state"] for f in json.loads(done.out)["findings"]}
        assert lines == {1: "known" if first == "old" else "open",
                         2: "known" if second == "old" else "open"}  # fmt: skip


def test_a_report_is_a_baseline_of_credentials_under_one_key(
    haechi: Haechi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAECHI_PROJECT_KEY", KEY)
    write(haechi.where, {"a": f"t = {token('old')}\n"})
    assert haechi("scan", "--format", "json", "-o", "base.json").code == 1
    assert haechi("scan", "--baseline", "base.json").code == 0
    write(haechi.where, {"a": f"t = {token('new')}\n"})
    assert haechi("scan", "--baseline", "base.json").code == 1
    monkeypatch.delenv("HAECHI_PROJECT_KEY")
    assert haechi("scan", "--baseline", "base.json").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", ""],
        ["--since", " "],
        ["--since", "..HEAD"],
        ["--since", ".."],
        ["--branch", ""],
        ["--verify", ""],
    ],
    ids=" ".join,
)
def test_an_empty_value_is_a_fault(haechi: Haechi, arguments: list[str]) -> None:
    write(haechi.where, {"a": "x"})
    commit(haechi.where)
    done = haechi("scan", *arguments)
    assert done.code == 2
    assert arguments[0] in done.err


@pytest.mark.parametrize(
    "arguments", [["--staged"], ["--since", "HEAD~1.."], ["--branch", "main"], ["--verify", "aws"]]
)
def test_what_only_leaves_out_cannot_be_asked_for(haechi: Haechi, arguments: list[str]) -> None:
    done = haechi("scan", "--only", "iac", *arguments)
    assert done.code == 2
    assert arguments[0] in done.err


@pytest.mark.parametrize("name", ["--all", "-x", "HEAD --all", "^HEAD", "HEAD:a", "a\nb"])
@pytest.mark.parametrize("option", ["--since", "--branch"])
def test_names_that_look_like_options_are_names(haechi: Haechi, option: str, name: str) -> None:
    write(haechi.where, {"a": "x"})
    commit(haechi.where)
    done = haechi("scan", f"{option}={name}")
    assert done.code == 2
    assert "git knows no commit" in done.err


def test_a_hook_sees_what_the_commit_takes(haechi: Haechi, tmp_path: Path) -> None:
    write(haechi.where, {"a": "x\n", "b": "x\n"})
    commit(haechi.where)
    write(haechi.where, {"a": f"{token('hook')}\n", "b": "y\n"})
    git(haechi.where, "add", "b")
    assert haechi("scan", "--staged").code == 0
    git(haechi.where, "add", "a")
    done = haechi("scan", "--staged")
    assert done.code == 1
    assert "staged and not committed" in " ".join(done.out.split())
