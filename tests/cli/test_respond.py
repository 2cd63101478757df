"""``haechi respond`` against a real server: plans, decisions, switch, policy, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haechi.cli.respond import KINDS, command
from haechi.errors import ConfigError, HaechiError, UsageError
from haechi.model.response import ActionKind
from tests.server.serving import Running, by_word, real_world, serving

WEB = "k8s:prod/apps/Deployment/shop/web"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with (
        real_world(tmp_path / "store") as world,
        serving(world, authenticate=by_word()) as running,
    ):
        monkeypatch.setenv("HAECHI_SERVER", running.url)
        monkeypatch.setenv("HAECHI_TOKEN", "admin")
        yield running


def run(*words: str) -> Result:
    """A failure of ours comes out as it is."""
    done = CliRunner().invoke(command, words)
    if isinstance(done.exception, HaechiError):
        raise done.exception
    return done


def test_every_kind_has_a_word() -> None:
    assert set(KINDS.values()) == {one.value for one in ActionKind}


def test_planned_applied_shown_undone(server: Running) -> None:
    planned = run("plan", "monitor", WEB)
    assert planned.exit_code == 0 and "every program started" in planned.output
    assert "+ - rule:" in planned.output and "yes      protected" in planned.output
    applied = run("apply", "monitor", WEB, "--yes", "--ttl", "2h", "--note", "drill")
    assert applied.exit_code == 0 and "is approved" in applied.output
    server.world.respond.turn(server.world)
    listed = run("list", "--state", "applied", "--kind", "monitor", "--format", "json")
    (one,) = json.loads(listed.stdout)["items"]
    assert (one["ttl_s"], one["resource"]) == (7200, WEB)
    shown = run("show", one["id"])
    assert "undone by itself in" in shown.output and "[applied]" in shown.output
    assert run("extend", one["id"], "3h").exit_code == 0
    assert "undoing" in run("undo", one["id"]).output
    server.world.respond.turn(server.world)
    assert "undone" in run("list").output


def test_checks_that_bar_are_exit_code_1(server: Running) -> None:
    done = run("plan", "isolate", WEB)
    assert done.exit_code == 1 and "the cluster prod is not known here" in done.output
    done = run("apply", "isolate", WEB, "--yes")
    assert done.exit_code == 1 and "not applied: plan" in done.output


def test_a_question_that_nobody_answers_is_no_yes(server: Running) -> None:
    with pytest.raises(UsageError, match="nobody is there"):
        run("apply", "verbose", WEB)
    assert run("list").output.startswith("0 of 0")


def test_recommended_approved_dismissed(server: Running) -> None:
    body = {"kind": "verbose_logging", "resource": WEB}
    with server.client() as client:
        first = client.post("/api/v1/responses", json=body).json()["action"]["id"]
        second = client.post("/api/v1/responses", json=body).json()["action"]["id"]
    assert "approved" in run("approve", first, "--yes").output
    assert "dismissed" in run("dismiss", second, "--note", "twice").output
    with pytest.raises(HaechiError, match="dismissed"):
        run("approve", second, "--yes")


def test_stop_and_go(server: Running) -> None:
    assert "*: stopped, by token:admin drill" in run("stop", "--why", "drill").output
    assert "*: goes" in run("go").output


def test_the_policy_is_printed_explained_and_checked(server: Running, tmp_path: Path) -> None:
    assert run("policy").output.startswith("# built-in\n")
    said = run("policy", "--level", "critical", "--namespace", "shop").output
    assert "isolate_workload" in said and "because levels.critical" in said
    file = tmp_path / "p.yaml"
    file.write_text(run("policy", "--builtin").output)
    assert "good; stage recommend" in run("policy", "check", str(file)).output
    file.write_text("stag: enforce\n")
    with pytest.raises(ConfigError, match="stag"):
        run("policy", "check", str(file))


@pytest.mark.parametrize(
    "words", [("plan", "isolat", WEB), ("plan", "isolate"), ("apply", "monitor", WEB, "--ttl", "x")]
)
def test_wrong_use_is_told(server: Running, words: tuple[str, ...]) -> None:
    with pytest.raises(HaechiError):
        run(*words, *(["--yes"] if words[0] == "apply" else []))
