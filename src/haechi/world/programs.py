"""Find other people's programs (git, kubectl, helm) without running one of the scanned tree.

A PATH may hold "." or a folder of the project, as direnv and CI set-ups write it; a repository
that carries an executable called ``git`` would then run code wherever it is scanned. So only
absolute entries outside of the tree count. (``shutil.which`` takes relative ones, and on Windows
starting a bare name looks into the current folder first.)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

MEMORY_KIB = 4 * 1024 * 1024
"""What another program may take."""


def program(name: str, tree: Path) -> str | None:
    """The absolute path of a program, or None when it is only found in the tree or not at all."""
    for entry in search_path(tree).split(os.pathsep):
        found = shutil.which(name, path=entry) if entry else None
        # On Windows ``which`` looks into the current folder whatever the path says.
        if found and Path(found).parent == Path(entry) and not _within(Path(found), tree):
            return found
    return None


def search_path(tree: Path) -> str:
    """PATH for child processes: its absolute entries that do not lead into the tree."""
    entries = os.environ.get("PATH", "").split(os.pathsep)
    kept = [e for e in entries if Path(e).is_absolute() and not _within(Path(e), tree)]
    return os.pathsep.join(kept)


def limited(command: Sequence[str], *, output: int) -> list[str]:
    """The command behind a shell that limits memory and files written, then becomes it.

    One line of a hostile input can ask for gigabytes. ``preexec_fn`` is not safe where other
    threads run. ``output`` is in bytes.
    """
    shell = "/bin/sh"
    if os.name != "posix" or not Path(shell).exists():
        return list(command)
    script = f'ulimit -v {MEMORY_KIB}; ulimit -f {output // 512}; exec "$@"'
    return [shell, "-c", script, "sh", *command]


def _within(path: Path, tree: Path) -> bool:
    """True when the path or what it links to lies in the tree; one who scans the whole file
    system or his home trusts what he installed there."""
    try:
        real = tree.resolve()
        if real.parent == real or real == Path.home().resolve():
            return False
        return path.is_relative_to(real) or path.resolve().is_relative_to(real)
    except (OSError, RuntimeError, ValueError):
        return True
