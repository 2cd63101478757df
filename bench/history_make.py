"""A synthetic history for ``secrets``: a repository of a million objects, made by fast-import.

Each commit changes a few files of a tree of folders, so there are blobs, trees and commits in the
proportions of a real project; ``python -m bench history_make FOLDER [OBJECTS]`` makes one to look
at. Contents come from a seed, and hold nothing that a detector knows.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OBJECTS = 1_000_000
_WORDS = [
    "alpha", "batch", "cache", "delta", "entry", "field", "graph", "index", "join", "label",
    "merge", "node", "order", "page", "query", "route", "state", "table", "unit", "value",
]  # fmt: skip
_FOLDERS = 40
_FILES = 50
_CHANGED = 4
_START = 1_500_000_000


def make(folder: Path, *, objects: int = OBJECTS, seed: int = 3) -> None:
    """A bare repository with about so many objects. Nothing happens when it is already there."""
    if (folder / "HEAD").exists():
        return
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    command = ["git", "-C", str(folder), "fast-import", "--quiet", "--depth=10"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for text in _commands(objects, random.Random(seed)):  # noqa: S311 - not for secrets
            process.stdin.write(text)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _commands(objects: int, chance: random.Random) -> Iterator[bytes]:
    """A commit makes itself, its root, and for each changed file a blob and (mostly) a tree."""
    versions: dict[tuple[int, int], list[bytes]] = {}
    for number in range(objects // (2 + 2 * _CHANGED)):
        message = f"change {number}".encode()
        yield (
            b"commit refs/heads/main\n"
            + f"committer bench <bench@example.invalid> {_START + number * 60} +0000\n".encode()
            + b"data %d\n%s\n" % (len(message), message)
        )
        for folder in chance.sample(range(_FOLDERS), _CHANGED):
            file = chance.randrange(_FILES)
            lines = versions.setdefault((folder, file), [])
            lines.append(_line(chance, number))
            if len(lines) > 30:
                del lines[chance.randrange(30)]
            data = b"".join(lines)
            path = f"part{folder:02}/file{file:02}.py"
            yield f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def _line(chance: random.Random, number: int) -> bytes:
    words = chance.sample(_WORDS, 3)
    return f"{words[0]}_{number} = {words[1]}({words[2]!r}, {chance.randrange(1000)})\n".encode()


def main(argv: list[str]) -> None:
    """Make one in a folder."""
    if not argv:
        sys.exit("usage: history_make FOLDER [OBJECTS]")
    make(Path(argv[0]), objects=int(argv[1]) if len(argv) > 1 else OBJECTS)


if __name__ == "__main__":
    main(sys.argv[1:])
