"""The command as a pipeline calls it: in this process where a process is not the point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from haechi.cli.main import main

ROOT = Path(__file__).parents[2]
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True)
class Done:
    """How a run ended and what it said."""

    code: int
    out: str
    err: str


@contextmanager
def _inside(where: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(where)
    try:
        yield
    finally:
        os.chdir(before)


class Haechi:
    """``haechi(*arguments)`` in a folder, with everything that it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], where: Path) -> None:
        self._capsys = capsys
        self.where = where

    def __call__(self, *arguments: object) -> Done:
        before = sys.argv
        sys.argv = ["haechi", *map(str, arguments)]
        try:
            with _inside(self.where), pytest.raises(SystemExit) as end:
                main()
        finally:
            sys.argv = before
        out, err = self._capsys.readouterr()
        code = end.value.code
        return Done(code=code if isinstance(code, int) else -1, out=out, err=err)


def environment(**more: str) -> dict[str, str]:
    """The environment for a process of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), **more}


def command(*arguments: object) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "haechi", *map(str, arguments)]


def git(where: Path, *arguments: str) -> str:
    """Output of git with nobody's configuration."""
    named = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", "-C", str(where), *named, *arguments],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("GIT_")}, **GIT},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(where: Path, message: str = "more") -> str:
    """Commit all files; the id of the commit."""
    if not (where / ".git").exists():
        git(where, "init", "-q")
    git(where, "add", "-A")
    git(where, "commit", "-q", "--no-gpg-sign", "-m", message)
    return git(where, "rev-parse", "HEAD")
