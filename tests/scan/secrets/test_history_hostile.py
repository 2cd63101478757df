"""Repositories that lack something, are damaged or mean harm: bounded, told, nothing is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from haechi.model.coverage import Gap
from haechi.scan.secrets.history import open_history
from haechi.world.objects import attribution, command, walk
from haechi.world.objects.command import Git
from haechi.world.objects.listing import list_all
from haechi.world.objects.reader import ObjectReader
from haechi.world.objects.repository import Repository, open_repository
from tests.scan.secrets.test_history import opened, scan, words
from tests.world.objects.repositories import Repo, WordDetector, git


def kinds(gaps: list[Gap]) -> list[str]:
    return sorted(gap.kind for gap in gaps)


def repository(folder: Path) -> Repository:
    found = open_repository(folder)
    assert isinstance(found, Repository)
    return found


class NothingKnown:
    clean: frozenset[bytes] = frozenset()
    hits: frozenset[bytes] = frozenset()


def clone(source: Path, target: Path, *options: str) -> Path:
    git(source, "config", "uploadpack.allowFilter", "true")
    git(source, "clone", "-q", "--no-local", *options, f"file://{source}", str(target))
    return target


def test_a_shallow_clone_is_not_a_clean_one(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    for number in range(4):
        repo.commit({"a": b"leak=v%d" % number})
    shallow = clone(repo.folder, tmp_path / "s", "--depth=2")
    hits, gaps = scan(shallow)
    assert words(hits) == ["v2", "v3"]
    assert kinds(gaps) == ["shallow-history"]
    assert kinds(scan(shallow)[1]) == ["shallow-history"]
    assert kinds(scan(shallow, branch="main")[1]) == ["shallow-history"]
    hits, gaps = scan(shallow, since="HEAD~1..HEAD")
    assert words(hits) == ["v3"]
    assert gaps == []


@pytest.mark.parametrize("what", ["blob:none", "tree:0"])
def test_a_partial_clone_tells_what_it_left_behind(tmp_path: Path, what: str) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"d/a": b"leak=old"})
    repo.commit({"d/a": b"leak=new"})
    partial = clone(repo.folder, tmp_path / "p", f"--filter={what}")
    marker = tmp_path / "ran"
    for key, value in (
        ("remote.origin.url", f"ext::touch {marker}"),
        ("remote.origin.uploadpack", f"touch {marker};"),
        ("core.sshCommand", f"touch {marker};"),
        ("protocol.ext.allow", "always"),
    ):
        git(partial, "config", key, value)
    for options in ({}, {"branch": "main"}, {"since": "HEAD~1.."}, {"within": "d"}):
        hits, gaps = scan(partial, **options)  # type: ignore[arg-type]
        assert words(hits) == ["new"]
        # What the range brought in is here, whatever else is not.
        expected = [] if "since" in options else ["missing-objects"]
        assert [k for k in kinds(gaps) if k != "corrupt-objects"] == expected, options
    old = git(repo.folder, "rev-parse", "HEAD~1:d/a")
    git(partial, "update-index", "--add", "--cacheinfo", f"100644,{old},d/x")
    assert kinds(scan(partial, staged=True)[1]) == ["missing-objects"]
    assert not marker.exists()
    subprocess.run(["git", "-C", str(partial), "cat-file", "-p", old], check=False)
    assert marker.exists()  # git left to itself


def test_a_missing_blob_is_counted(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"leak=gone", "b": b"leak=there"})
    repo.commit({"a": b"second"})
    gone = git(repo.folder, "rev-parse", "HEAD~1:a")
    repo.loose(gone).unlink()
    for _ in range(2):
        hits, gaps = scan(repo.folder)
        assert words(hits) == ["there"]
        assert kinds(gaps) == ["missing-objects"]
        assert gone[:12] in gaps[0].reason


def test_a_missing_commit_is_told_and_findings_stay(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"leak=one"})
    lost = repo.commit({"b": b"leak=two"})
    last = repo.commit({"c": b"leak=three"})
    repo.loose(lost).unlink()
    hits, gaps = scan(repo.folder)
    assert words(hits) == ["one", "three", "two"]
    assert "missing-objects" in kinds(gaps)
    assert {h.path for h in hits if h.at_head} == {"a", "b", "c"}
    assert last  # its parent is what is gone


def test_a_missing_tree_is_told_and_findings_stay(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"d/a": b"leak=one"})
    repo.commit({"d/a": b"leak=two"})
    repo.commit({"d/a": b"three"})
    repo.loose(git(repo.folder, "rev-parse", "HEAD~1:d")).unlink()
    hits, gaps = scan(repo.folder)
    assert words(hits) == ["one", "two"]
    assert "missing-objects" in kinds(gaps)


def test_what_only_unreachable_objects_lack_is_no_gap(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"fine"})
    repo.commit({"b": b"leak=dangling", "c": b"pruned"}, branch="gone")
    pruned = git(repo.folder, "rev-parse", "gone:c")
    git(repo.folder, "update-ref", "-d", "refs/heads/gone")
    git(repo.folder, "reflog", "expire", "--expire=now", "--all")
    repo.loose(pruned).unlink()
    hits, gaps = scan(repo.folder)
    assert words(hits) == ["dangling"]
    assert gaps == []


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "wrong-size"])
def test_a_corrupt_loose_object_does_not_hide_the_others(tmp_path: Path, damage: str) -> None:
    repo = Repo(tmp_path / "r")
    content: dict[str | bytes, bytes] = {
        f"f{n}": b"leak=w%d " % n + os.urandom(6000).hex().encode() for n in range(8)
    }
    repo.commit(content)
    bad = git(repo.folder, "rev-parse", "HEAD:f3")
    path = repo.loose(bad)
    data = path.read_bytes()
    changed = {
        "cut": data[: len(data) // 2],
        "garbage": b"garbage",
        "empty": b"",
        "wrong-size": zlib.compress(b"blob 99999999\0short"),
    }
    path.write_bytes(changed[damage])
    hits, gaps = scan(repo.folder)
    assert words(hits) == [f"w{n}" for n in range(8) if n != 3]
    assert "corrupt-objects" in kinds(gaps)
    assert any(bad[:12] in gap.reason for gap in gaps)
    assert "corrupt-objects" in kinds(scan(repo.folder)[1])


def test_a_truncated_pack(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    for number in range(20):
        repo.commit({f"f{number}": b"leak=w%d " % number + os.urandom(3000).hex().encode()})
    git(repo.folder, "repack", "-a", "-d", "-q")
    (pack,) = (repo.folder / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])
    _, gaps = scan(repo.folder)
    assert gaps


def test_restarts_are_bounded(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({f"f{n}": b"w%d " % n + os.urandom(900).hex().encode() for n in range(12)})
    for number in range(9):
        path = repo.loose(git(repo.folder, "rev-parse", f"HEAD:f{number}"))
        path.write_bytes(path.read_bytes()[:500])
    opened_ = repository(repo.folder)
    listing = list_all(opened_, NothingKnown())
    reader = ObjectReader(opened_.git, listing.todo, max_restarts=4)
    read = [part.id for part in reader.parts()]
    assert reader.corrupt.count == 5
    assert reader.corrupt.count + reader.unread + len(read) == 12
    listing.close()


def test_contents_over_the_limit_are_told_not_read(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({f"f{n}": b"%d" % n * 5000 for n in range(3)})
    repo.commit({"small": b"leak=small"})
    opened_ = repository(repo.folder)
    listing = list_all(opened_, NothingKnown())
    reader = ObjectReader(opened_.git, listing.todo, largest=1000)
    assert [part.data for part in reader.parts()] == [b"leak=small"]
    assert reader.too_large.count == 3
    reader.close()
    listing.close()


def test_a_git_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"leak=one"})
    history = opened(repo.folder)
    history.repository.git.silence = 0.05
    real = Git.command

    def slow(self: Git, *arguments: str) -> list[str]:
        if arguments[:2] == ("cat-file", "--batch"):
            return ["sleep", "60"]
        return real(self, *arguments)

    monkeypatch.setattr(command.Git, "command", slow)
    assert list(history.scan(WordDetector())) == []
    assert "git" in kinds(history.gaps)


MALICE = (
    ("core.fsmonitor", "{run}"),
    ("core.hooksPath", "{hooks}"),
    ("core.pager", "{run}"),
    ("core.editor", "{run}"),
    ("core.sshCommand", "{run}"),
    ("core.gitProxy", "{run}"),
    ("core.askPass", "{run}"),
    ("core.alternateRefsCommand", "{run}"),
    ("core.attributesFile", "{attributes}"),
    ("pager.rev-list", "{run}"),
    ("pager.cat-file", "{run}"),
    ("gpg.program", "{run}"),
    ("log.showSignature", "true"),
    ("diff.external", "{run}"),
    ("diff.evil.textconv", "{run}"),
    ("diff.evil.command", "{run}"),
    ("filter.evil.clean", "{run}"),
    ("filter.evil.smudge", "{run}"),
    ("filter.evil.process", "{run}"),
    ("merge.evil.driver", "{run}"),
    ("credential.helper", "!{run}"),
    ("alias.rev-list", "!{run}"),
    ("alias.cat-file", "!{run}"),
    ("uploadpack.packObjectsHook", "{run}"),
    ("include.path", "{include}"),
    ("interactive.diffFilter", "{run}"),
    ("trailer.x.command", "{run}"),
)


def test_no_setting_of_a_repository_runs_anything(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({".gitattributes": b"* diff=evil filter=evil merge=evil\n", "a": b"leak=one"})
    git(repo.folder, "reset", "-q", "--hard")
    (repo.folder / "b").write_bytes(b"leak=staged")
    git(repo.folder, "add", "b")
    marker = tmp_path / "ran"
    run = tmp_path / "run.sh"
    run.write_text(f"#!/bin/sh\ntouch {marker}\n")
    run.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-index-change", "reference-transaction", "post-checkout"):
        shutil.copy(run, hooks / name)
        shutil.copy(run, repo.folder / ".git/hooks" / name)
    attributes = tmp_path / "attributes"
    attributes.write_text("* diff=evil filter=evil\n")
    include = tmp_path / "include"
    include.write_text(f"[core]\n\tfsmonitor = {run}\n\tpager = {run}\n")
    places = {"run": run, "hooks": hooks, "attributes": attributes, "include": include}
    with (repo.folder / ".git/config").open("a") as config:
        for key, value in MALICE:
            section, _, rest = key.partition(".")
            sub, _, name = rest.rpartition(".")
            head = f'[{section} "{sub}"]' if sub else f"[{section}]"
            config.write(f"{head}\n\t{name} = {value.format(**places)}\n")
    os.utime(repo.folder / "a", (1, 1))
    assert words(scan(repo.folder)[0]) == ["one", "staged"]
    assert words(scan(repo.folder, staged=True)[0]) == ["staged"]
    assert words(scan(repo.folder, branch="main")[0]) == ["one"]
    assert words(scan(repo.folder, within="a")[0]) == ["one"]
    assert not marker.exists()
    subprocess.run(["git", "-C", str(repo.folder), "diff"], stdout=subprocess.DEVNULL, check=False)
    assert marker.exists()  # git left to itself


def test_replace_refs_and_grafts_hide_nothing(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    first = repo.commit({"a": b"clean"})
    bad = repo.commit({"a": b"leak=hidden"})
    last = repo.commit({"a": b"clean again"})
    blob = git(repo.folder, "rev-parse", f"{bad}:a")
    git(repo.folder, "replace", blob, git(repo.folder, "rev-parse", f"{first}:a"))
    git(repo.folder, "replace", bad, first)
    (repo.folder / ".git/info").mkdir(exist_ok=True)
    (repo.folder / ".git/info/grafts").write_text(f"{last} {first}\n")
    hits, _ = scan(repo.folder)
    assert [(h.path, h.commit) for h in hits] == [("a", bad)]
    assert words(scan(repo.folder, since=f"{first}..{last}")[0]) == ["hidden"]


def test_a_commit_graph_that_lies_hides_nothing(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    first = repo.commit({"a": b"clean"})
    repo.commit({"a": b"leak=hidden"})
    git(repo.folder, "commit-graph", "write", "--reachable")
    graph = repo.folder / ".git/objects/info/commit-graph"
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:-40] + b"\0" * 40)
    assert words(scan(repo.folder, since=f"{first}..")[0]) == ["hidden"]


def test_borrowed_objects_are_read_where_refs_lead_to_them(tmp_path: Path) -> None:
    other = Repo(tmp_path / "other")
    other.commit({"a": b"leak=shared"})
    shared = tmp_path / "shared"
    git(tmp_path, "clone", "-q", "--shared", str(other.folder), str(shared))
    other.commit({"private": b"leak=private"}, branch="unrelated", parents=[])
    hits, gaps = scan(shared)
    assert words(hits) == ["shared"]
    assert kinds(gaps) == ["alternates"]


def test_a_broken_repository_is_a_gap_not_an_absence(tmp_path: Path) -> None:
    (tmp_path / "r/.git").mkdir(parents=True)
    found = open_history(tmp_path / "r")
    assert isinstance(found, Gap)
    assert found.kind == "git"
    pointing = tmp_path / "p"
    pointing.mkdir()
    (pointing / ".git").write_text("gitdir: ../nowhere\n")
    assert isinstance(open_history(pointing), Gap)


def test_without_git_the_history_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path / "r")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    found = open_history(repo.folder)
    assert isinstance(found, Gap)
    assert "not installed" in found.reason
    assert open_history(tmp_path) is None


def test_a_repository_of_somebody_else_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo(tmp_path / "r")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    found = open_history(repo.folder)
    assert isinstance(found, Gap)
    assert "safe.directory" in found.do


def test_many_refs(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    id_ = repo.commit({"a": b"leak=one"})
    lines = "".join(f"{id_} refs/tags/t{n}\n" for n in range(30_000))
    (repo.folder / ".git/packed-refs").write_text(
        f"# pack-refs with: peeled fully-peeled \n{lines}"
    )
    hits, gaps = scan(repo.folder)
    assert [(h.path, h.commit) for h in hits] == [("a", id_)]
    assert gaps == []


def test_dates_that_are_none(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    tree = git(repo.folder, "mktree", stdin=b"100644 blob %s\ta\n" % repo.blob(b"leak=x").encode())
    for author in (
        b"author t <t> 99999999999999999999 +0000",
        b"author t <t> -5 +0000",
        b"author t",
        b"author t <t> 1700000000 +9999",
        b"author t <t> 99999999999 -9959",
    ):
        text = b"tree %s\n%s\ncommitter t <t> 1 +0000\n\nm\n" % (tree.encode(), author)
        id_ = git(repo.folder, "hash-object", "-t", "commit", "-w", "--stdin", "--literally",
                  stdin=text)  # fmt: skip
        (repo.folder / ".git/refs/heads/main").write_text(id_ + "\n")
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        hits, _ = scan(repo.folder)
        assert words(hits) == ["x"]


def test_a_very_long_name_is_cut_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_LONGEST_NAME", 3000)
    monkeypatch.setattr(walk, "_CHUNK", 1024)
    monkeypatch.setattr(attribution, "MAX_PATH", 2000)
    repo = Repo(tmp_path / "r")
    repo.commit({"n" * 20_000: b"leak=long", "short": b"leak=short"})
    hits, _ = scan(repo.folder)
    assert words(hits) == ["long", "short"]
    assert {h.path for h in hits} == {"n" * 2000, "short"}


def test_an_unreadable_commit_does_not_end_attribution(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    ids = [repo.commit({f"d{n}/a": b"leak=w%d" % n}) for n in range(5)]
    tree = git(repo.folder, "rev-parse", f"{ids[2]}:d2")
    repo.loose(tree).unlink()
    hits, gaps = scan(repo.folder)
    assert words(hits) == [f"w{n}" for n in range(5)]
    assert {h.path for h in hits} >= {"d0/a", "d1/a"}
    assert "missing-objects" in kinds(gaps)
