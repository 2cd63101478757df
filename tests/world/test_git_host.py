"""Asking a git host: real repositories over HTTP on this machine, and what is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import InputError, UsageError
from haechi.world.git_host import GitHost
from tests.githost import git, serving, tool_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp("host")
    return root, tool_repository(root)


@pytest.fixture
def server(repository: tuple[Path, dict[str, str]]) -> Iterator[tuple[str, list[str]]]:
    with serving(repository[0]) as served:
        yield served


@pytest.mark.parametrize(
    ("ref", "commit", "tag"),
    [
        ("v1", "first", True),
        ("refs/tags/v1", "first", True),
        ("light", "first", True),
        ("main", "second", False),
    ],
)
def test_a_ref_leads_to_its_commit(
    server: tuple[str, list[str]],
    repository: tuple[Path, dict[str, str]],
    tmp_path: Path,
    ref: str,
    commit: str,
    tag: bool,
) -> None:
    found = GitHost(server[0], tmp_path).commit_of("acme/tool", ref)
    assert (found.id, found.tag) == (repository[1][commit], tag)


@pytest.mark.parametrize(
    ("name", "ref", "reason"),
    [
        ("acme/tool", "v9", "neither a tag nor a branch"),
        ("acme/tool", "both", "both a tag and a branch"),
        ("acme/none", "v1", "says nothing about acme/none"),
        ("acme/private", "v1", "says nothing about acme/private"),
    ],
)
def test_what_a_host_does_not_say_is_not_guessed(
    server: tuple[str, list[str]], tmp_path: Path, name: str, ref: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        GitHost(server[0], tmp_path).commit_of(name, ref)


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("acme/tool", "--upload-pack=touch pwned"),
        ("acme/tool", "-v"),
        ("acme/tool", "v*"),
        ("acme/tool", "v1\nrefs/heads/main"),
        ("acme/tool", "../v1"),
        ("--upload-pack=x/tool", "v1"),
        ("acme/../../etc", "v1"),
        ("acme/tool?service=x", "v1"),
        ("acme/tool/more", "v1"),
        ("acme/..", "v1"),
    ],
)
def test_odd_names_are_never_asked_for(
    server: tuple[str, list[str]], tmp_path: Path, name: str, ref: str
) -> None:
    with pytest.raises(InputError, match="odd name"):
        GitHost(server[0], tmp_path).commit_of(name, ref)
    assert server[1] == []


def test_a_repository_is_asked_once_for_a_ref(
    server: tuple[str, list[str]], tmp_path: Path
) -> None:
    host = GitHost(server[0], tmp_path)
    first = host.commit_of("acme/tool", "v1")
    before = len(server[1])
    assert before
    assert host.commit_of("Acme/Tool", "v1") == first
    assert len(server[1]) == before


def test_no_setting_of_the_user_or_the_folder_has_a_say(
    server: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A helper, a rewriting of addresses or a proxy would run code or lead elsewhere."""
    pwned = tmp_path / "pwned"
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[credential]\n\thelper = "!touch {pwned}; false"\n'
        f'[url "http://127.0.0.1:9/"]\n\tinsteadOf = {server[0]}/\n'
    )
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    with (folder / ".git" / "config").open("a") as stream:
        stream.write(config.read_text())
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_ASKPASS", f"touch {pwned}")
    monkeypatch.setenv("GIT_DIR", str(folder / ".git"))
    host = GitHost(server[0], folder)
    assert host.commit_of("acme/tool", "v1").tag
    with pytest.raises(InputError):
        host.commit_of("acme/private", "v1")
    assert not pwned.exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://git.example",
        "ssh://git@git.example",
        "ext::sh -c id",
        "file:///tmp",
        "/tmp/x",
        "https://user:word@git.example",
        "https://",
        "https://git.example/ --upload-pack=x",
        "",
    ],
)
def test_other_addresses_are_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git host"):
        GitHost(address, tmp_path)


def test_time_in_all_is_bounded(tmp_path: Path) -> None:
    host = GitHost("https://git.example", tmp_path, seconds=0)
    with pytest.raises(InputError, match="took too long"):
        host.commit_of("acme/tool", "v1")
