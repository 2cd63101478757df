"""A repository has one name however it was cloned, and no credential leaves with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.access import repository_name
from haechi.world.origin import address, origin_of


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/acme/shop.git", "https://github.com/acme/shop"),
        ("https://user:word@GitHub.com/acme/shop", "https://github.com/acme/shop"),
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop"),
        ("ssh://git@git.example.org:2222/acme/shop.git", "https://git.example.org/acme/shop"),
        ("https://git.example.org:8443/a/b/c/", "https://git.example.org:8443/a/b/c"),
        ("../elsewhere", None),
        ("/srv/git/shop.git", None),
        ("C:\\work\\shop", None),
        ("ext::sh -c x", None),
        ("https://[broken", None),
        ("", None),
    ],
)
def test_an_address_is_written_one_way(url: str, name: str | None) -> None:
    assert address(url) == name


@given(st.text(max_size=80), st.text(alphabet="abcXYZ019", min_size=6, max_size=12))
def test_a_password_in_an_address_never_stays(path: str, word: str) -> None:
    found = address(f"https://user:{word}@example.org/{path}")
    if word not in path:
        assert found is None or word not in found


def _git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def test_a_clone_is_named_by_its_remote_and_branch(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    _git(root, "init", "-q", "-b", "main")
    _git(root, "commit", "-q", "--allow-empty", "-m", "one")
    alone = origin_of(root, {})
    assert (alone.repository, alone.ref, alone.default) == ("dir:shop", "main", True)
    assert len(alone.commit) == 40
    _git(root, "remote", "add", "origin", "git@git.example.org:acme/shop.git")
    assert origin_of(root, {}).repository == "https://git.example.org/acme/shop"
    _git(root, "checkout", "-q", "-b", "topic")
    assert not origin_of(root, {}).default


def test_a_project_inside_a_repository_has_a_name_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "mono"
    (root / "pay/deploy").mkdir(parents=True)
    _git(root, "init", "-q", "-b", "main")
    assert origin_of(root / "pay/deploy", {}).repository == "dir:mono//pay/deploy"
    _git(root, "remote", "add", "origin", "https://git.example.org/acme/mono.git")
    named = origin_of(root / "pay/deploy", {}).repository
    assert named == "https://git.example.org/acme/mono//pay/deploy"
    # Whoever may push for the repository may push for its parts.
    assert repository_name(named) == "https://git.example.org/acme/mono"


def test_a_pull_request_does_not_count_as_the_default_branch(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"default_branch": "develop"}}), encoding="utf-8")
    env = {
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REF_NAME": "develop",
        "GITHUB_SHA": "0" * 40,
        "GITHUB_RUN_ID": "7",
        "GITHUB_EVENT_PATH": str(event),
    }
    pushed = origin_of(tmp_path, env)
    assert pushed.default
    assert pushed.pipeline == "https://github.com/acme/shop/actions/runs/7"
    request = origin_of(tmp_path, env | {"GITHUB_HEAD_REF": "topic", "GITHUB_REF_NAME": "7/merge"})
    assert (request.ref, request.default) == ("topic", False)


def test_gitlab_names_the_default_branch_itself(tmp_path: Path) -> None:
    env = {
        "CI_PROJECT_DIR": str(tmp_path),
        "CI_PROJECT_URL": "https://gitlab.example.org/acme/shop",
        "CI_COMMIT_REF_NAME": "stable",
        "CI_DEFAULT_BRANCH": "stable",
    }
    assert origin_of(tmp_path, env).default
    assert not origin_of(tmp_path, env | {"CI_MERGE_REQUEST_IID": "3"}).default


def test_the_words_of_ci_do_not_count_for_another_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    env = {"CI_PROJECT_DIR": str(tmp_path / "a"), "CI_PROJECT_URL": "https://example.org/a"}
    assert origin_of(tmp_path / "b", env).repository == "dir:b"
