"""Broken off at boundaries between steps: nothing twice, nothing without its undo, the world as
before. All boundaries of all kinds, with real kills, are ``./dev bench chaos --every``."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.respond.steps.kube_patch import KubePatch
from tests.respond.breaking import FAULTS, Round, break_off, counted, drawn
from tests.respond.crashing import Still, still_world

SEED = 7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Still]:
    with still_world(tmp_path_factory.mktemp("still")) as made:
        yield made


@pytest.fixture(scope="module")
def points(world: Still) -> dict[str, int]:
    """Boundaries of the undisturbed life of each kind of action."""
    return counted(world)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_there_are_boundaries_to_die_at(points: dict[str, int]) -> None:
    assert points["isolate"] > 20 and min(points.values()) >= 8


def test_an_isolation_that_dies_at_a_boundary_is_taken_up(
    world: Still, points: dict[str, int]
) -> None:
    for where in range(1, points["isolate"], 3):  # a third of them; the bench takes all
        one = Round(number=200 + where, kind="isolate", way="kill", where=where)
        assert break_off(world, one).wrong == (), where


@pytest.mark.parametrize("way", [*FAULTS, "gone", "full"])
def test_no_fault_of_the_server_or_the_store_leaves_half_of_it(
    world: Still, points: dict[str, int], way: str
) -> None:
    """At the first write that touches the world: a review, two dry runs and evidence go before."""
    where = 6 if way in FAULTS else points["isolate"] // 2
    one = Round(number=300, kind="isolate", way=way, where=where)
    assert break_off(world, one).wrong == ()


@pytest.mark.parametrize("number", range(2))
def test_drawn_rounds(world: Still, points: dict[str, int], number: int) -> None:
    one = drawn(SEED, 400 + number, points)
    assert break_off(world, one).wrong == (), one


def test_a_real_kill_is_survived(world: Still) -> None:
    """SIGKILL, by a process of its own, after the world was touched and before that was kept."""

    def die(still: Still, where: int) -> None:
        command = [sys.executable, "-m", "bench", "chaos", "--child", str(still.folder)]
        done = subprocess.run(
            [*command, str(where), str(still.clock().timestamp())],
            check=False,
            capture_output=True,
            timeout=120,
            cwd=Path(__file__).parents[2],
            env=dict(os.environ),
        )
        assert done.returncode == -9, done.stderr.decode()[-1_000:]

    one = Round(number=500, kind="isolate", way="kill", where=8)
    assert break_off(world, one, die).wrong == ()


def test_the_harness_sees_what_is_left_behind(
    world: Still, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above are worth nothing if a lost undo went unseen."""
    one = Round(number=600, kind="cordon", way="kill", where=8)
    with monkeypatch.context() as patched:
        patched.setattr(KubePatch, "undo", lambda self, step: "")
        wrong = break_off(world, one).wrong
    assert wrong == ("nodes//node-1 is not as before",)
