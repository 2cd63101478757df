"""``--baseline``: what was there before is known and passes, what is new blocks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from haechi.errors import UsageError
from haechi.world.git import extract
from tests.cli.command import Haechi, commit, git
from tests.trees import POD, write

OTHER = POD.replace("name: ok", "name: other")


def states(out: str) -> dict[str, set[str]]:
    """State → files with a privileged container."""
    found: dict[str, set[str]] = {}
    for finding in json.loads(out)["findings"]:
        if finding["rule"] == "k8s-privileged":
            found.setdefault(finding["state"], set()).add(finding["location"]["path"])
    return found


def test_a_report_is_a_baseline(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD})
    assert haechi("scan", "--format", "json", "-o", "base.json").code == 1
    assert haechi("scan", "--baseline", "base.json").code == 0
    write(haechi.where, {"a.yaml": "# moved\n\n" + POD, "b.yaml": OTHER})
    done = haechi("scan", "--baseline", "base.json", "--format", "json")
    assert done.code == 1
    assert states(done.out) == {"known": {"a.yaml"}, "open": {"b.yaml"}}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "other/2", "findings": []}', "\x00"])
def test_what_is_no_report_is_no_baseline(haechi: Haechi, text: str) -> None:
    write(haechi.where, {"base.json": text})
    done = haechi("scan", "--baseline", "base.json")
    assert done.code == 2
    assert done.err.startswith("haechi: base.json: ")


def test_a_commit_is_a_baseline(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD, "sub/c.yaml": OTHER})
    first = commit(haechi.where)
    write(haechi.where, {"a.yaml": "# moved\n" + POD, "b.yaml": OTHER})
    done = haechi("scan", "--baseline", f"git:{first}", "--format", "json")
    assert done.code == 1
    assert states(done.out) == {"known": {"a.yaml", "sub/c.yaml"}, "open": {"b.yaml"}}
    commit(haechi.where)
    assert haechi("scan", "--baseline", "git:HEAD").code == 0
    assert haechi("scan", "sub", "--baseline", "git:HEAD~1").code == 0
    assert haechi("scan", "b.yaml", "--baseline", "git:HEAD~1").code == 1
    assert git(haechi.where, "status", "--porcelain") == ""


def test_the_project_may_be_a_folder_of_the_repository(haechi: Haechi, tmp_path: Path) -> None:
    inner = haechi.where / "inner"
    write(inner, {"a.yaml": POD})
    (haechi.where / "haechi.yaml").unlink()
    commit(haechi.where)
    write(inner, {"b.yaml": OTHER})
    done = haechi("scan", "inner", "--baseline", "git:HEAD", "--format", "json")
    assert states(done.out) == {"known": {"a.yaml"}, "open": {"b.yaml"}}


def test_a_folder_that_was_not_there_has_nothing_known(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD})
    commit(haechi.where)
    write(haechi.where, {"new/a.yaml": POD})
    done = haechi("scan", "new", "--baseline", "git:HEAD", "--format", "json")
    assert states(done.out) == {"open": {"new/a.yaml"}}


def test_what_was_waived_then_is_not_known_now(haechi: Haechi) -> None:
    import datetime as dt

    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    waiver = f"{{rule: k8s-privileged, path: a.yaml, reason: r, owner: o, expires: {until}}}"
    write(haechi.where, {"a.yaml": POD, "haechi.waivers.yaml": f"waivers: [{waiver}]"})
    commit(haechi.where)
    assert haechi("scan", "--baseline", "git:HEAD").code == 0
    (haechi.where / "haechi.waivers.yaml").unlink()
    done = haechi("scan", "--baseline", "git:HEAD", "--format", "json")
    assert done.code == 1
    assert states(done.out) == {"open": {"a.yaml"}}


@pytest.mark.parametrize("ref", ["nowhere", "", "--help", "HEAD:a.yaml", "HEAD~9"])
def test_a_ref_that_git_does_not_know(haechi: Haechi, ref: str) -> None:
    write(haechi.where, {"a.yaml": POD})
    commit(haechi.where)
    done = haechi("scan", "--baseline", f"git:{ref}")
    assert done.code == 2
    assert "git knows no commit" in done.err


def test_an_invalid_waiver_of_that_commit_is_told_with_the_commit(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD, "haechi.waivers.yaml": "waivers: 1"})
    commit(haechi.where)
    (haechi.where / "haechi.waivers.yaml").unlink()
    done = haechi("scan", "--baseline", "git:HEAD")
    assert done.code == 2
    assert "HEAD:haechi.waivers.yaml" in done.err


def test_a_hook_that_runs_haechi_does_not_point_it_elsewhere(
    haechi: Haechi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(haechi.where, {"a.yaml": POD})
    commit(haechi.where)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert haechi("scan", "--baseline", "git:HEAD").code == 0


def test_extracting_runs_nothing_and_stays_inside(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    target.mkdir()
    filtered = "*.yaml filter=evil\nhidden.yaml export-ignore\n"
    write(
        root, {"a.yaml": POD, "hidden.yaml": POD, "é b/c.yaml": OTHER, ".gitattributes": filtered}
    )
    (root / "link").symlink_to("/etc/passwd")
    write(root, {"node_modules/x.yaml": POD})
    commit(root)
    git(root, "config", "filter.evil.smudge", f"touch {tmp_path}/pwned; cat")
    git(root, "config", "core.fsmonitor", f"touch {tmp_path}/pwned")
    extract(root, "HEAD", target)
    assert not (tmp_path / "pwned").exists()
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert files == {"a.yaml", "hidden.yaml", "é b/c.yaml", ".gitattributes", "haechi.yaml"}
    assert (target / "a.yaml").read_text() == POD
    assert not (target / "link").is_symlink()


def test_names_that_lead_out_are_left_out(tmp_path: Path) -> None:
    root, target = write(tmp_path / "root", {"a.yaml": POD}), tmp_path / "target"
    target.mkdir()
    commit(root)
    blob = git(root, "rev-parse", "HEAD:a.yaml")
    entry = f"100644 blob {blob}\tevil.yaml\n"
    inner = subprocess.run(
        ["git", "-C", str(root), "mktree"], input=entry.encode(), capture_output=True, check=True
    ).stdout.decode().strip()  # fmt: skip
    raw = b"40000 ..\0" + bytes.fromhex(inner)
    outer = subprocess.run(
        ["git", "-C", str(root), "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        input=raw, capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    made = git(root, "commit-tree", outer, "-m", "evil")
    extract(root, made, target)
    assert list(target.rglob("*")) == []
    assert not (tmp_path / "evil.yaml").exists()


def test_a_blob_that_is_not_here_is_told(tmp_path: Path) -> None:
    root, target = write(tmp_path / "root", {"a.yaml": POD}), tmp_path / "target"
    target.mkdir()
    commit(root)
    blob = git(root, "rev-parse", "HEAD:a.yaml")
    path = root / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.unlink()
    with pytest.raises(UsageError, match="lacks the content of a"):
        extract(root, "HEAD", target)
