"""What ``./dev run`` does: make the sample shop as a repository, and ``haechi up`` on it, with the
recording of an attack (``examples/attack.py``, recorded by the own sensor) replayed into it.

The shop has planted faults, so the gate is expected to block. With ``--once`` the program ends
when the page is filled, and succeeds when the job ran, whatever the gate said; without it the
server stays until Ctrl-C.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.history import HistoryError, materialise

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
STORE = ROOT / ".haechi"
ATTACK = "examples/attack.events.jsonl"
DOOR = "examples/door.reviews.jsonl"
SETTINGS = "examples/run.server.yaml"
"""Below ROOT, where the server is started."""
_VERDICTS = {
    0: "the gate passes",
    1: "the gate blocks, as it should: the shop's faults were planted",
    3: "nothing blocks, but part of the shop was not evaluated",
}
"""Exit codes of a job that ran; 2 is wrong use."""


def main(words: Sequence[str]) -> int:
    """Exit code 0 when the job ran, 2 when it could not."""
    shop = BUILD / "shop"
    try:
        materialise(shop)
    except HistoryError as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    command, environment = up(shop, words)
    print("$ haechi " + " ".join(command[3:]), flush=True)
    if "--once" not in words:
        # In this process's place: signals reach the server itself.
        os.chdir(ROOT)
        os.execve(command[0], command, environment)  # noqa: S606 -- no shell is what is wanted
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    # An interpreter that dies of an exception ends with 1, too; only a store proves a run.
    if code not in _VERDICTS or not (STORE / "state.db").is_file():
        print(f"run: haechi failed with exit code {code}", file=sys.stderr)
        return 2
    print(f"haechi's exit code is {code}: {_VERDICTS[code]}.")
    return 0


def up(shop: Path, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """``haechi up`` on the shop: its words and its environment."""
    folder = str(shop.relative_to(ROOT))
    store = str(STORE.relative_to(ROOT))
    command = [sys.executable, "-m", "haechi", "up", folder, "--store", store]
    command += ["--config", SETTINGS, "--replay", ATTACK, "--replay", DOOR, *words]
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    return command, os.environ | {"PYTHONPATH": path}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
