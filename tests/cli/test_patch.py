"""``haechi patch``: a branch with the fixes of what is committed, and the text for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haechi.cli.patch import command
from haechi.errors import InputError, UsageError
from tests.cli.fixable import advisory, answering, committed, git, project

DOCKER = "FROM debian:13@sha256:" + "a" * 64 + "\nRUN apt-get update && apt-get install -y curl\n"
FILES = {
    "app/requirements.txt": "requests==2.30.0\nother==1.0\n",
    "Dockerfile": DOCKER,
    "go/go.mod": "module m\n\ngo 1.16\n\nrequire example.org/x v1.0.0\n",
}
ADVISORIES = (
    advisory("CVE-2023-1", "PyPI", "requests", "2.31.0"),
    advisory("CVE-2023-2", "Go", "example.org/x", "1.0.1"),
    advisory("CVE-2023-3", "PyPI", "other"),
)


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words), catch_exceptions=True)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = project(tmp_path / "shop", FILES, *ADVISORIES)
    committed(root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1782864000")
    return root


BRANCH = "haechi/fix-20260701"


def test_makes_a_branch_and_leaves_everything_else(shop: Path) -> None:
    (shop / "app/requirements.txt").write_text("requests==2.29.0\n")
    (shop / "new.txt").write_text("new")
    git(shop, "add", "new.txt")
    before = (git(shop, "status", "--porcelain"), git(shop, "rev-parse", "HEAD"))
    result = run()
    assert result.exit_code == 0, result.output
    assert (git(shop, "status", "--porcelain"), git(shop, "rev-parse", "HEAD")) == before
    assert git(shop, "branch", "--show-current") == "main"
    assert (shop / "app/requirements.txt").read_text() == "requests==2.29.0\n"
    assert git(shop, "show", f"{BRANCH}:app/requirements.txt") == "requests==2.31.0\nother==1.0"
    assert "v1.0.1" in git(shop, "show", f"{BRANCH}:go/go.mod")
    assert "rm -rf" in git(shop, "show", f"{BRANCH}:Dockerfile")
    assert git(shop, "diff", "--name-only", "main", BRANCH).split() == [
        "Dockerfile",
        "app/requirements.txt",
        "go/go.mod",
    ]
    assert git(shop, "log", "--format=%an", "-1", BRANCH) == "Ada"
    git(shop, "fsck", "--strict")


def test_one_commit_for_each_part(shop: Path) -> None:
    run()
    subjects = git(shop, "log", "--format=%s", f"main..{BRANCH}").splitlines()
    assert subjects == [
        "Raise example.org/x to v1.0.1 in go",
        "Raise requests to 2.31.0 in app",
        "Correct 1 finding in configuration",
    ]


def test_the_text_says_what_why_and_what_is_left(shop: Path, tmp_path: Path) -> None:
    result = run("--body", str(tmp_path / "pr.md"))
    assert result.stdout == "Raise 2 vulnerable packages and correct 1 configuration file\n"
    text = (tmp_path / "pr.md").read_text()
    assert "| `requests` | `2.30.0` | `2.31.0` | `app/requirements.txt` |" in text
    assert "https://nvd.nist.gov/vuln/detail/CVE-2023-1" in text
    assert "gone when scanned again" in text
    assert "`other 1.0`: CVE-2023-3: no fixed version is known" in text
    assert "scanned again" in text


def test_names_of_packages_cannot_write_markdown(tmp_path: Path) -> None:
    from haechi.cli.patch_words import _code, _linked, _plain

    assert _code("a`b|c\nd") == "a\\`b\\|c d"
    assert _plain("@team <img> [x](http://e) #1") == (
        "\\@\u200bteam \\<img\\> \\[x\\]\\(http://e\\) \\#1"
    )
    assert _linked("CVE-1", "javascript:alert(1)", "") == "CVE-1"
    assert _linked("CVE-1", "https://e.org/a)(b", "") == "CVE-1"


def test_a_second_branch_gets_a_number(shop: Path) -> None:
    run()
    run()
    assert f"{BRANCH}-2" in git(shop, "branch", "--format=%(refname:short)").splitlines()


def test_the_branch_can_be_named_and_one_kind_asked_for(shop: Path) -> None:
    run("--branch", "security/now", "--only", "deps")
    assert git(shop, "diff", "--name-only", "main", "security/now").split() == [
        "app/requirements.txt",
        "go/go.mod",
    ]


def test_a_part_of_the_repository(shop: Path) -> None:
    run("app", "--branch", "part")
    assert git(shop, "diff", "--name-only", "main", "part").split() == ["app/requirements.txt"]


def test_hooks_and_filters_of_the_repository_do_not_run(shop: Path) -> None:
    ran = shop.parent / "ran"
    for name in ("reference-transaction", "pre-commit", "commit-msg", "post-commit"):
        hook = shop / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    git(shop, "config", "filter.x.clean", f"touch {ran}; cat")
    git(shop, "config", "filter.x.smudge", f"touch {ran}; cat")
    (shop / ".git/info").mkdir(exist_ok=True)
    (shop / ".git/info/attributes").write_text("* filter=x\n")
    assert run().exit_code == 0
    assert not ran.exists()


@pytest.mark.parametrize("name", ["--force", "a..b", "a b", "x.lock"])
def test_what_is_no_name_of_a_branch_is_refused(shop: Path, name: str) -> None:
    assert isinstance(run(f"--branch={name}").exception, UsageError)
    assert git(shop, "branch", "--format=%(refname:short)") == "main"


def test_nothing_to_fix_makes_no_branch(shop: Path) -> None:
    result = run("advisories")
    assert result.exit_code == 0, result.output
    assert "nothing that can be fixed" in result.stderr
    assert git(shop, "branch", "--format=%(refname:short)") == "main"


def test_outside_of_a_repository_it_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path / "bare", FILES)
    monkeypatch.chdir(root)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert isinstance(run().exception, UsageError)


def test_executable_files_stay_so(shop: Path) -> None:
    path = shop / "app/requirements.txt"
    path.chmod(0o755)
    git(shop, "commit", "-qam", "x")
    run("--branch", "exe")
    assert git(shop, "ls-tree", "exe", "app/requirements.txt").startswith("100755")


def test_a_server_says_what_to_fix(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(shop, "remote", "add", "origin", "git@git.example.org:acme/shop.git")
    monkeypatch.setenv("HAECHI_TOKEN", "x" * 40)
    asked: list[str] = []
    items = [_proposal("go/go.mod", "example.org/x", "CVE-2023-2"), _proposal("x", "y", "CVE-0-1")]
    with answering({"items": items, "total": 2}, asked) as address:
        result = run("--from-server", address, "--branch", "proposed")
    assert result.exit_code == 0, result.output
    assert git(shop, "diff", "--name-only", "main", "proposed").split() == ["go/go.mod"]
    assert asked[0].startswith("/api/v1/proposals?")
    assert "acme%2Fshop" in asked[0]
    assert "proposes y 1.0.1 in x, of which this scan knows nothing" in result.stderr


@pytest.mark.parametrize("answer", [{}, {"items": [{"path": 1}]}, []], ids=["none", "odd", "list"])
def test_an_answer_that_is_none_makes_no_branch(
    shop: Path, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "x" * 40)
    with answering(answer, []) as address:
        result = run("--from-server", address)
    assert isinstance(result.exception, InputError)
    assert git(shop, "branch", "--format=%(refname:short)") == "main"


def _proposal(path: str, package: str, id_: str) -> dict[str, object]:
    fixes = [{"id": id_, "aliases": []}]
    return {
        "path": path,
        "package": package,
        "target": "1.0.1",
        "severity": "critical",
        "state": "open",
        "fixes": fixes,
    }
