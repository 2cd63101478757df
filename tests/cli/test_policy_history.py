"""``haechi policy simulate --history`` against a real server that recorded requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haechi.cli.policy_simulate import command
from haechi.client.answers import ServerRefused
from haechi.errors import UsageError
from tests.server.serving import by_word, serving
from tests.server.test_admission import HOOK, told
from tests.server.work.test_auditing import CONSTRAINT, TEMPLATE, Folder, pod

STRICTER = CONSTRAINT.replace("label: owner}", "label: tier}")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    folder = tmp_path / "next"
    folder.mkdir()
    (folder / "all.yaml").write_text(TEMPLATE + STRICTER)
    return folder


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A server that follows a cluster, whose policies say nothing about pods."""
    made = Folder(tmp_path, TEMPLATE + CONSTRAINT.replace("kinds: [Pod]", "kinds: [Service]"))
    made.put(pod("a"))
    made.tick()
    world = made.rig.world
    world.audits["east"] = made.audit
    world.clusters.open(world)
    with serving(world, authenticate=by_word()) as running:
        monkeypatch.setenv("HAECHI_SERVER", running.url)
        monkeypatch.setenv("HAECHI_TOKEN", "operator")
        yield made
    world.clusters.close()
    made.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words), catch_exceptions=False)


def test_recorded_requests_are_asked_again(server: Folder, new: Path) -> None:
    server.rig.call("admission.send", told(), who=HOOK)
    result = run("--policies", str(new), "--history", "30d")
    assert result.exit_code == 1
    for words in (
        "cluster east",
        "let-in → refused  CREATE Pod shop/cart by ann",
        "has no tier",
        "one judged: refused 0 → 1",
        "newly refused 1: shop 1",
    ):
        assert words in result.stdout
    result = run("--policies", str(new), "--history", "12h", "--format", "json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["days"]) == (1, 1)
    assert found["clusters"]["east"]["counts"]["denied_after"] == 1


def test_policies_that_refuse_nothing_more(server: Folder, new: Path) -> None:
    server.rig.call("admission.send", told(), who=HOOK)
    (new / "all.yaml").write_text(TEMPLATE + STRICTER.replace("[Pod]", "[Namespace]"))
    result = run("--policies", str(new), "--history", "30d")
    assert "nothing more would be refused" in result.stdout
    assert result.exit_code == 3, "kinds that nobody looked at are told"
    assert "core/Namespace" in result.stdout


@pytest.mark.usefixtures("server")
def test_a_time_without_requests_is_no_answer(new: Path) -> None:
    result = run("--policies", str(new), "--history", "1d")
    assert result.exit_code == 3
    assert "no request of that time was recorded" in result.stdout


@pytest.mark.usefixtures("server")
def test_packs_alone_are_asked_and_unknown_ones_refused(new: Path) -> None:
    assert run("--pack", "pss-restricted", "--history", "1d").exit_code == 3
    with pytest.raises(ServerRefused, match="no-such-pack"):
        run("--pack", "no-such-pack", "--policies", str(new), "--history", "1d")


@pytest.mark.parametrize(
    ("span", "words"), [("soon", "no span"), ("0d", "no span"), ("400d", "90 days")]
)
def test_a_span_that_is_none_is_refused_before_anybody_is_asked(
    new: Path, span: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        run("--policies", str(new), "--history", span)
