"""Secrets of tree and history together, by the main job: parts of history, baselines, verify."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from haechi.checks.secrets.forms import Forge
from haechi.cli.pipeline import Options, Outcome, run
from haechi.errors import UsageError
from haechi.model.finding import Finding, FindingState
from haechi.model.severity import Severity
from haechi.rules.catalogue import load_catalogue
from haechi.scan.secrets.ask import verified
from haechi.scan.secrets.findings import Leaks
from haechi.scan.secrets.look import detector_of
from haechi.world.verify.providers import chosen_providers
from haechi.world.verify.request import Answer, Request
from haechi.world.verify.verifier import Verifier
from tests.trees import gaps, write

RULE = "secret-github-pat"


def token(seed: str) -> str:
    return Forge(seed).make("ghp_<<base62 30>><<crc32>>")


def git(root: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    done = subprocess.run(
        ["git", "-C", str(root), *settings, *arguments],
        check=True,
        capture_output=True,
        env=environment,
    )
    return done.stdout.decode().strip()


def commit(root: Path, files: Mapping[str, str | None], message: str = "x") -> str:
    """Write (or remove) files and commit; the commit's id."""
    for name, text in files.items():
        if text is None:
            (root / name).unlink()
        else:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    write(root, {"README": "x"})
    git(root, "init", "-q", "-b", "main", ".")
    commit(root, {})
    return root


def look(root: Path, **options: object) -> Outcome:
    return run(Options(**{"path": root, "only": ("secrets",), **options}))  # type: ignore[arg-type]


def found(outcome: Outcome) -> list[Finding]:
    return [f for f in outcome.material.scan.findings if f.rule == RULE]


def test_what_was_removed_is_found_where_it_came_in(repository: Path) -> None:
    first = commit(repository, {"a.env": f"A=1\nTOKEN={token('a')}\n"})
    commit(repository, {"a.env": None})
    (finding,) = found(look(repository))
    assert (finding.commit, finding.location.line) == (first, 2)
    assert found(look(repository, history=False)) == []


def test_history_may_be_turned_off_for_good_and_asked_for_in_part(repository: Path) -> None:
    base = commit(repository, {"haechi.yaml": "secrets: {history: false}\n"})
    commit(repository, {"a.env": token("a")})
    commit(repository, {"a.env": None})
    assert found(look(repository)) == []
    assert len(found(look(repository, since=f"{base}..HEAD"))) == 1


def test_a_range_holds_what_its_commits_brought_in(repository: Path) -> None:
    commit(repository, {"old.env": token("old")})
    base = commit(repository, {"old.env": None})
    commit(repository, {"new.env": token("new")})
    commit(repository, {"new.env": None})
    outcome = look(repository, since=f"{base}..HEAD")
    assert [f.location.path for f in found(outcome)] == ["new.env"]
    assert gaps(outcome) == []


def test_a_branch_holds_what_its_commits_brought_in(repository: Path) -> None:
    git(repository, "checkout", "-qb", "side")
    commit(repository, {"side.env": token("side")})
    git(repository, "checkout", "-q", "main")
    commit(repository, {"main.env": token("main")})
    commit(repository, {"main.env": None})
    assert [f.location.path for f in found(look(repository, branch="side"))] == ["side.env"]
    assert [f.location.path for f in found(look(repository, branch="main"))] == ["main.env"]
    assert len(found(look(repository))) == 2


def test_staged_is_what_is_about_to_be_committed_and_nothing_else(repository: Path) -> None:
    commit(repository, {"old.env": token("old")})
    write(repository, {"new.env": token("new"), "later.env": token("later")})
    git(repository, "add", "new.env")
    outcome = run(Options(path=repository, staged=True))
    assert [f.location.path for f in found(outcome)] == ["new.env"]
    assert outcome.material.scan.only == ("secrets",)
    assert outcome.material.decision.exit_code == 1


def test_a_folder_means_what_ever_lived_in_it(repository: Path) -> None:
    commit(repository, {"a/x.env": token("a"), "b/x.env": token("b"), "a/keep": "x"})
    commit(repository, {"a/x.env": None, "b/x.env": None})
    assert [f.location.path for f in found(look(repository / "a"))] == ["a/x.env"]


def test_what_the_project_excludes_is_left_out_of_history_too(repository: Path) -> None:
    commit(repository, {"haechi.yaml": "exclude: [testdata]\n", "testdata/x": token("t")})
    commit(repository, {"testdata/x": None})
    assert found(look(repository)) == []
    commit(repository, {"other/y": token("t")})
    commit(repository, {"other/y": None})
    assert [f.location.path for f in found(look(repository))] == ["other/y"]


def test_a_shallow_clone_is_never_clean_but_a_range_within_it_is(
    repository: Path, tmp_path: Path
) -> None:
    commit(repository, {"a.env": token("a")})
    base = commit(repository, {"a.env": None})
    commit(repository, {"b": "x"})
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{repository}", str(clone))
    outcome = look(clone)
    assert [gap.kind for gap in gaps(outcome)] == ["shallow-history"]
    assert outcome.material.decision.exit_code == 3
    inside = look(clone, since=f"{base}..HEAD")
    assert gaps(inside) == []
    assert inside.material.decision.exit_code == 0


def test_a_baseline_commit_knows_the_history_up_to_it(repository: Path) -> None:
    commit(repository, {"old.env": f"\nA={token('old')}", "gone.env": token("gone")})
    base = commit(repository, {"gone.env": None})
    commit(repository, {"old.env": f"\n\n\nA={token('old')}", "new.env": token("new")})
    commit(repository, {"new.env": None})
    states = {f.location.path: f.state for f in found(look(repository, baseline=f"git:{base}"))}
    assert states == {
        "old.env": FindingState.KNOWN,
        "gone.env": FindingState.KNOWN,
        "new.env": FindingState.OPEN,
    }


def test_deleting_a_known_secret_from_the_files_brings_no_new_finding(repository: Path) -> None:
    base = commit(repository, {"a.env": f"TOKEN={token('a')}"})
    commit(repository, {"a.env": None})
    (finding,) = found(look(repository, baseline=f"git:{base}"))
    assert finding.state is FindingState.KNOWN
    assert finding.commit == base


@pytest.mark.parametrize("options", [{"since": "nothing..HEAD"}, {"branch": "nothing"}])
def test_a_part_that_git_does_not_know_is_wrong_use(
    repository: Path, options: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        look(repository, **options)


class Says:
    """A transport that answers as told and keeps what it was asked."""

    def __init__(self, status: int, body: bytes = b"{}") -> None:
        self.status = status
        self.body = body
        self.asked: list[Request] = []

    def send(self, request: Request) -> Answer:
        self.asked.append(request)
        return Answer(status=self.status, body=self.body)


@pytest.mark.parametrize(
    ("status", "severity", "said"),
    [
        (200, Severity.CRITICAL, "it still works"),
        (401, Severity.LOW, "it no longer works"),
        (500, Severity.CRITICAL, ""),
    ],
)
def test_what_the_provider_says_goes_into_the_finding(
    status: int, severity: Severity, said: str
) -> None:
    detector, _ = detector_of(load_catalogue().rules)
    text = f"A={token('v')}"
    leaks = Leaks({}, None).of([("a", one) for one in detector.find(text.encode())], [])
    table = chosen_providers("github")
    transport = Says(status)
    (leak,) = verified(leaks, Verifier(transport, table), frozenset(table))
    assert len(transport.asked) == 1
    assert leak.finding.severity is severity
    assert said in leak.finding.message
    assert token("v") not in leak.finding.message
    assert leak.finding.evidence["verified"] in ("live", "dead", "unknown")


def test_nobody_else_is_asked() -> None:
    detector, _ = detector_of(load_catalogue().rules)
    found_ = detector.find(f"A={token('v')}".encode())
    leaks = Leaks({}, None).of([("a", one) for one in found_], [])
    transport = Says(200)
    table = chosen_providers("aws")
    assert verified(leaks, Verifier(transport, table), frozenset(table)) == leaks
    assert transport.asked == []
