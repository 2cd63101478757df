"""Responses broken off everywhere: kill -9, an API server that is gone or refuses, a full store.

Seeded: the same seed draws the same rounds. Every kind of action is taken; in each round it is
broken off at some boundary (often twice), the world is mended, time passes, and everything must
be as before: no step carried out twice, none left without its undo. A kill is a real one: the
engine runs in a process of its own, which SIGKILLs itself at the boundary.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.respond.breaking import Broken, Round, break_off, counted, drawn
from tests.respond.cluster import Clock
from tests.respond.crashing import Points, Still, still_world


def main(argv: list[str]) -> None:
    """Print the rounds and what came of them; 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="./dev bench chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--every", action="store_true", help="kill at every boundary of each kind")
    parser.add_argument(
        "--child", nargs=3, metavar=("FOLDER", "AT", "TIME"), help=argparse.SUPPRESS
    )
    asked = parser.parse_args(argv)
    logging.disable(logging.CRITICAL)
    if asked.child:
        _child(Path(asked.child[0]), int(asked.child[1]), float(asked.child[2]))
        return
    with tempfile.TemporaryDirectory() as folder, still_world(Path(folder)) as world:
        points = counted(world)
        print("boundaries: " + ", ".join(f"{kind} {n}" for kind, n in points.items()))
        rounds = _every(points) if asked.every else _drawn(asked.seed, asked.rounds, points)
        bad = _run(world, rounds, asked.seed)
    sys.exit(1 if bad else 0)


def _every(points: dict[str, int]) -> list[Round]:
    every = [(kind, where) for kind, most in points.items() for where in range(most)]
    return [
        Round(number=100 + n, kind=kind, way="kill", where=where)
        for n, (kind, where) in enumerate(every)
    ]


def _drawn(seed: int, rounds: int, points: dict[str, int]) -> list[Round]:
    return [drawn(seed, 100 + n, points) for n in range(rounds)]


def _run(world: Still, rounds: list[Round], seed: int) -> int:
    started, cpu, bad = time.monotonic(), time.process_time(), 0
    states: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    for one in rounds:
        broken = break_off(world, one, _killed)
        states[broken.state] += 1
        ways[one.way] += 1
        bad += bool(broken.wrong)
        print(_line(one, broken))
    print(f"seed {seed}: {len(rounds)} rounds, {bad} wrong; " + _words(ways))
    print(f"ended: {_words(states)}")
    print(f"{time.monotonic() - started:.0f} s, {time.process_time() - cpu:.0f} s of this CPU")
    return bad


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common())


def _line(one: Round, broken: Broken) -> str:
    where = f"{one.where}" + (f" and {one.then}" if one.then >= 0 else "")
    said = "; ".join(broken.wrong) if broken.wrong else "as before"
    return f"{one.number:>5} {one.kind:<9} {one.way:<13} at {where:<9} {broken.state:<12} {said}"


def _killed(world: Still, where: int) -> None:
    """The engine in a process that dies at the boundary, if it comes that far."""
    command = [sys.executable, "-m", "bench", "chaos", "--child", str(world.folder), str(where)]
    done = subprocess.run(
        [*command, str(world.clock().timestamp())], check=False, capture_output=True, timeout=120
    )
    if done.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(done.stderr.decode("utf-8", "replace")[-2_000:])


def _child(folder: Path, where: int, at: float) -> None:
    """A life of the engine over the store and the server that the parent has."""
    import datetime as dt

    from haechi.world.kube.client import KubernetesClient
    from haechi.world.kube.config import from_kubeconfig

    clock = Clock(at=dt.datetime.fromtimestamp(at, dt.UTC))
    points = Points(die_at=where, stop=lambda: os.kill(os.getpid(), signal.SIGKILL))
    with KubernetesClient(from_kubeconfig(folder / "kubeconfig")) as client:
        world = Still(server=None, client=client, folder=folder, clock=clock)  # type: ignore[arg-type]
        world.run(points)
