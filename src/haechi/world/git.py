"""What haechi asks of git besides the ignored files: the tree of another commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from haechi.errors import UsageError
from haechi.world.files import git

MAX_ARCHIVE = 2 * 1024 * 1024 * 1024


def extract(root: Path, ref: str, target: Path) -> str:
    """Write the tree of ``ref`` into ``target`` and return its commit id.

    Nothing is checked out and no filter or hook runs. Raises UsageError when the ref does not
    name a commit here.
    """
    commit = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if not commit:
        raise UsageError(
            f"git knows no commit {ref!r} in {root}",
            why="a shallow clone in CI often lacks the base branch",
            do="fetch it first, e.g. git fetch origin main",
        )
    identity = commit.decode().strip()
    archive = target / ".haechi-archive.tar"
    if git(root, "archive", "--format=tar", "-o", str(archive), identity, timeout=600) is None:
        raise UsageError(f"git cannot archive {ref!r}")
    if archive.stat().st_size > MAX_ARCHIVE:
        raise UsageError(f"the tree of {ref!r} is larger than {MAX_ARCHIVE:,} bytes")
    import tarfile

    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    archive.unlink()
    return identity


def top_level(root: Path) -> Path | None:
    """The top of the git work tree that holds ``root``, or None."""
    try:
        shown = git(root, "rev-parse", "--show-toplevel", timeout=10)
    except subprocess.SubprocessError:
        return None
    return Path(shown.decode().rstrip("\n")) if shown else None
