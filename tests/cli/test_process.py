"""What needs a process of its own: closed pipes, Ctrl-C, what is imported, faults of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from haechi import __version__
from haechi.cli.main import COMMANDS
from tests.cli.command import ROOT, Haechi, command, environment
from tests.trees import POD, write


def test_help_names_every_command_and_the_exit_codes(haechi: Haechi) -> None:
    done = haechi("--help")
    assert done.code == 0
    for name in (*COMMANDS, "Exit codes", "haechi scan", "fail-on"):
        assert name in done.out
    for name in COMMANDS:
        assert haechi(name, "--help").code == 0
    assert haechi("-V").out == f"haechi {__version__}\n"


@pytest.mark.parametrize(
    ("word", "hint"), [("scna", ""), ("deploy/", "haechi scan deploy/"), ("a.yaml", "haechi scan")]
)
def test_an_unknown_command_is_wrong_use(haechi: Haechi, word: str, hint: str) -> None:
    done = haechi(word)
    assert done.code == 2
    assert f"No such command '{word}'" in done.err
    assert hint in done.err


def modules(*arguments: str) -> set[str]:
    """Modules that a run of Python imports besides those of Python's own start."""
    lines = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stderr.splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def test_help_imports_little() -> None:
    """A count, not a time: what is imported is what a start costs."""
    more = modules("-m", "haechi", "--help") - modules("-c", "pass")
    assert "haechi.cli.main" in more
    assert len(more) < 150, sorted(more)
    assert not {"yaml", "msgspec", "cel_expr_python", "asyncio"} & more
    assert not [name for name in more if name.startswith("haechi.rules")]


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    """Standard output is closed before anything is written, as by ``haechi … | true``."""
    write(tmp_path, {"a.yaml": POD})
    for arguments in (("scan", "--format", "json"), ("rules", "list"), ()):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writer)
        assert done.returncode == 141, arguments
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr


STOPPED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
from haechi.cli import main, pipeline
real = pipeline.open_project
def interrupted(path):
    os.kill(os.getpid(), signal.SIGINT)
    return real(path)
pipeline.open_project = interrupted
sys.argv = ["haechi", *sys.argv[1:]]
main.main()
"""


@pytest.mark.parametrize("arguments", [(), ("scan",)])
def test_control_c_stops_without_a_traceback(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The process sends itself the signal in the midst of its work."""
    write(tmp_path, {"a.yaml": POD})
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "haechi: stopped"
    assert done.stdout == ""


def test_a_fault_of_our_own_does_not_look_like_a_blocked_gate(
    haechi: Haechi, monkeypatch: pytest.MonkeyPatch
) -> None:
    from haechi.cli import pipeline

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline, "open_project", broken)
    done = haechi("scan")
    assert done.code == 2
    assert "ZeroDivisionError" in done.err
    assert "fault of haechi itself" in done.err


def test_the_module_and_the_script_are_one(tmp_path: Path) -> None:
    done = subprocess.run(
        command("--version"), env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"haechi {__version__}\n"
    assert 'haechi = "haechi.cli.main:main"' in (ROOT / "pyproject.toml").read_text()
