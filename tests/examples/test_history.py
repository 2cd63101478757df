"""The shop's history is the same on every machine, and holds what the table says it holds."""

from __future__ import annotations

import os
import re
import subprocess
import zlib
from pathlib import Path

import pytest
from examples.history import HistoryError, final_tree, materialise, stream
from examples.leaks import aws_key_pair, github_token

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def git(where: Path, *arguments: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(where), *arguments],
        env=clean | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
    )
    return done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("history") / "shop"
    materialise(target)
    return target


def test_two_runs_give_equal_commit_ids(shop: Path, tmp_path: Path) -> None:
    materialise(tmp_path)
    show = ("for-each-ref", "--format=%(refname) %(objectname)")
    assert git(tmp_path, *show) == git(shop, *show)
    assert git(shop, *show).count("\n") == 4


def test_head_holds_exactly_the_files_of_the_example(shop: Path) -> None:
    listed = git(shop, "ls-tree", "-r", "-z", "--name-only", "HEAD").rstrip("\0").split("\0")
    assert listed == sorted(final_tree())
    assert {path: (shop / path).read_bytes() for path in listed} == final_tree()
    assert git(shop, "status", "--porcelain") == ""


def test_the_shape_of_the_history(shop: Path) -> None:
    assert int(git(shop, "rev-list", "--count", "--all")) >= 12
    assert git(shop, "rev-list", "--merges", "--count", "main").strip() == "1"
    unmerged = git(shop, "branch", "--no-merged", "main", "--format=%(refname:short)").split()
    assert unmerged == ["spike/loyalty"]
    assert git(shop, "cat-file", "-t", "v1.4.0").strip() == "tag"
    git(shop, "fsck", "--strict")


def test_every_commit_differs_from_its_first_parent(shop: Path) -> None:
    for commit in git(shop, "rev-list", "--all").split():
        shown = git(shop, "show", "--first-parent", "--name-only", "--format=", commit)
        assert shown.strip(), git(shop, "log", "-1", "--format=%s", commit)


def test_leaked_key_is_in_the_history_but_not_in_the_tree(shop: Path) -> None:
    key_id, secret = aws_key_pair("shop/backup")
    touched = git(shop, "log", "--format=%s", f"-S{key_id}", "main").splitlines()
    assert touched == ["Remove the backup key", "Back the carts up every night"]
    assert secret in git(shop, "show", ":/^Back the carts")
    assert not any(secret.encode() in content for content in final_tree().values())


def test_token_is_on_the_unmerged_branch_only(shop: Path) -> None:
    token = github_token("shop/loyalty")
    assert token in git(shop, "show", "spike/loyalty:services/loyalty/sync.py")
    assert git(shop, "log", "--format=%s", f"-S{token}", "main") == ""


def test_search_was_safe_before_it_was_simpler(shop: Path) -> None:
    old = git(shop, "show", "simpler-search~1:services/cart/app.py")
    assert '(f"%{text}%",)' in old
    compile(old, "app.py", "exec")


@pytest.mark.parametrize("seed", ["shop/backup", "a", ""])
def test_credentials_have_the_issuers_shape(seed: str) -> None:
    key_id, secret = aws_key_pair(seed)
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key_id)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", secret)
    token = github_token(seed)
    assert re.fullmatch(r"ghp_[0-9A-Za-z]{36}", token)
    check = 0
    for digit in token[-6:]:
        check = check * 62 + BASE62.index(digit)
    assert check == zlib.crc32(token[4:-6].encode())
    assert github_token(seed) == token


def test_no_credential_is_written_in_this_repository() -> None:
    key_id, secret = aws_key_pair("shop/backup")
    made = [text.encode() for text in (key_id, secret, github_token("shop/loyalty"))]
    examples = Path(__file__).parents[2] / "examples"
    files = [path for path in examples.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(files) > 30
    assert not [path for path in files if any(text in path.read_bytes() for text in made)]


def test_current_target_is_left_alone(tmp_path: Path) -> None:
    materialise(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    materialise(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_stale_target_is_made_again(tmp_path: Path) -> None:
    materialise(tmp_path)
    (tmp_path / ".git" / "shop.stamp").write_text("older")
    (tmp_path / "notes.txt").write_text("mine")
    materialise(tmp_path)
    assert not (tmp_path / "notes.txt").exists()


def test_foreign_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(HistoryError, match="was not made by this script"):
        materialise(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_plan_that_no_longer_fits_the_files_is_an_error() -> None:
    changed = final_tree() | {"services/cart/Dockerfile": b"FROM scratch\n"}
    with pytest.raises(HistoryError, match="services/cart/Dockerfile should hold once"):
        stream(changed)


def test_users_git_configuration_changes_nothing(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[core]\n\tautocrlf = true\n[init]\n\tdefaultBranch = trunk\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    materialise(tmp_path / "shop")
    assert git(tmp_path / "shop", "rev-parse", "main") == git(shop, "rev-parse", "main")
    assert b"\r" not in (tmp_path / "shop" / "README.md").read_bytes()
