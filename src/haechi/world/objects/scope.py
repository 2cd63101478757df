"""What of a history is asked for: everything, a range, a branch, or what is staged."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from haechi.errors import UsageError
from haechi.world.objects.repository import Repository


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """At most one of them, as the command line gives it; none means all of the history.

    ``since`` is ``A..B`` (``A..`` and ``A`` mean up to HEAD), ``branch`` any name of a commit.
    """

    since: str = ""
    branch: str = ""
    staged: bool = False


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """A selection that git has checked: ``revisions`` are ids and options of ours.

    ``whole``: everything that is stored, reachable or not. ``within`` is a folder or file below
    the top of the repository.
    """

    revisions: tuple[str, ...]
    whole: bool = False
    staged: bool = False
    within: str = ""


def resolve(repository: Repository, selection: Selection, within: str = "") -> Scope:
    """The scope of a selection; ``within`` is relative to the scanned root.

    Raises UsageError when it asks for two things or git knows no such commit.
    """
    if sum((bool(selection.since), bool(selection.branch), selection.staged)) > 1:
        raise UsageError("only one of --since, --branch and --staged can be asked for")
    below = (repository.prefix + within).strip("/")
    if selection.staged:
        return Scope(revisions=(), staged=True, within=below)
    if selection.branch:
        return Scope(revisions=(commit_id(repository, selection.branch),), within=below)
    if selection.since:
        start, end = _ends(selection.since)
        known = commit_id(repository, start)
        return Scope(revisions=(f"^{known}", commit_id(repository, end)), within=below)
    return Scope(revisions=("--all", "--reflog"), whole=True, within=below)


def _ends(text: str) -> tuple[str, str]:
    """``A...B`` asks for what B brought in since they parted, which is what A..B gives."""
    start, _, end = text.partition("..")
    if not start.strip():
        # To git it means HEAD, and the range nothing; here a variable of a script was not set.
        raise UsageError(f"--since {text!r} names no start", do="write --since A..B")
    return start.strip(), end.removeprefix(".").strip() or "HEAD"


def commit_id(repository: Repository, name: str) -> str:
    """The id of the commit that a name means. Raises UsageError when git knows none."""
    found = repository.git.run(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
    )
    text = found.text
    if found.code != 0 or len(text) != repository.width:
        raise UsageError(
            f"git knows no commit {name!r} in {repository.root}",
            why="a shallow clone in CI often lacks the base branch",
            do="fetch it first, e.g. git fetch origin main",
        )
    return text


def stamp(repository: Repository, scope: Scope, objects: str) -> str:
    """Changes when a ref, an object or HEAD does: what was told about places no longer holds."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(
        f"{objects} {repository.head} {scope.within}\n".encode("utf-8", "surrogateescape")
    )
    digest.update(b"\n".join(sorted(repository.cut_commits())))
    with repository.git.stream("for-each-ref", "--format=%(objectname)") as stream:
        try:
            while chunk := stream.out.read(1 << 20):
                digest.update(chunk)
            ended = stream.finish()
        except TimeoutError:
            ended = False
    return digest.hexdigest() if ended else ""


def index_environment(repository: Repository) -> dict[str, str]:
    """The index of the commit that is being made: git tells its hooks by GIT_INDEX_FILE.

    Only when it lies in this repository; a hook of another one may have started us.
    """
    named = os.environ.get("GIT_INDEX_FILE", "")
    if not named:
        return {}
    try:
        path = Path(named).resolve()
        inside = path.is_relative_to(repository.directory.resolve())
    except (OSError, RuntimeError, ValueError):
        return {}
    return {"GIT_INDEX_FILE": str(path)} if inside and path.is_file() else {}
