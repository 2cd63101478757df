"""Open a repository: what it is, whether git accepts it, and what it lacks.

Everything later relies on these facts, asked once: where the objects lie, how long an id is,
whether history was cut off (shallow), left behind (partial) or borrowed (alternates).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from haechi.model.coverage import Gap
from haechi.world.objects.command import Git

OLDEST = (2, 31)
"""git that knows ``rev-parse --path-format``; the other commands used are older."""
_ALTERNATES_LIMIT = 64 * 1024
_REFS_LIMIT = 50_000
_SHALLOW_LIMIT = 64 * 1024 * 1024


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that git reads. ``prefix`` is where ``root`` lies below its top (with slash).

    ``width`` is the length of an id in hexadecimal digits: 40, or 64 with SHA-256. ``head`` is
    the commit of HEAD, empty before the first one. ``borrows``: objects come from elsewhere, too.
    """

    root: Path
    git: Git
    directory: Path
    common: Path
    objects: Path
    width: int
    prefix: str
    shallow: bool
    partial: bool
    borrows: bool
    head: str

    @property
    def has_reflogs(self) -> bool:
        """True when some ref remembers where it was."""
        return any((self.common / name).exists() for name in ("logs", "worktrees", "reftable"))

    def cut_commits(self) -> frozenset[bytes]:
        """The commits of a shallow clone whose parents were not fetched."""
        if not self.shallow:
            return frozenset()
        try:
            with (self.common / "shallow").open("rb") as stream:
                return frozenset(stream.read(_SHALLOW_LIMIT).split())
        except OSError:
            return frozenset()

    @property
    def empty_tree(self) -> str:
        """The id of the tree without entries, which git knows whether it is stored or not."""
        if self.width == 64:
            return "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
        return "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def open_repository(root: Path, git: Git | None = None) -> Repository | Gap | None:
    """The repository that ``root`` lies in, a gap when git cannot read it, None when none is."""
    git = git or Git(root)
    there = _marked(root)
    if git.program is None:
        return _refused("git is not installed", "install git") if there else None
    found = git.run(
        "rev-parse",
        "--path-format=absolute",
        "--absolute-git-dir",
        "--git-path",
        "objects",
        "--git-common-dir",
        "--show-object-format",
        "--is-shallow-repository",
        "--show-prefix",
    )
    lines = os.fsdecode(found.out).split("\n")
    if found.code != 0 or len(lines) != 7:
        return _why_not(git, found.told) if there or "dubious ownership" in found.told else None
    directory, objects, common, form, shallow, prefix = lines[:6]
    if _has_linked_refs(Path(common) / "refs"):
        return _refused("links among its refs lead to folders", "take them out of .git/refs")
    head = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD^{commit}")
    return Repository(
        root=root,
        git=git,
        directory=Path(directory),
        common=Path(common),
        objects=Path(objects),
        width=64 if form == "sha256" else 40,
        prefix=prefix,
        shallow=shallow == "true",
        partial=_is_partial(git, Path(objects)),
        borrows=_borrows(Path(objects), Path(common)),
        head=head.text if head.code == 0 else "",
    )


def _marked(root: Path) -> bool:
    """True when something here says that it is a git repository, broken or not."""
    absolute = root.absolute()
    return any((folder / ".git").exists() for folder in (absolute, *absolute.parents))


def _why_not(git: Git, told: str) -> Gap:
    version = _version(git)
    if version is not None and version < OLDEST:
        asked = ".".join(map(str, OLDEST))
        return _refused(f"git is older than {asked}", "update git")
    if "dubious ownership" in told:
        return _refused(
            "the repository belongs to another user, so git refuses it",
            "if you trust it: git config --global --add safe.directory FOLDER",
        )
    if "objectformat" in told.lower() or "extension" in told.lower():
        return _refused("this git does not know the repository's format", "update git")
    return _refused("git cannot read the repository", "see `git fsck`")


def _version(git: Git) -> tuple[int, ...] | None:
    match = re.search(r"(\d+)\.(\d+)", git.run("--version").text)
    return (int(match[1]), int(match[2])) if match else None


def _refused(reason: str, do: str) -> Gap:
    return Gap(kind="git", path=".git", reason=f"{reason}: its history was not read", do=do)


def _is_partial(git: Git, objects: Path) -> bool:
    """True for clones made with ``--filter``: they fetch what they lack when it is asked for."""
    told = git.run("config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$")
    return told.code == 0 or any(_list(objects / "pack", ".promisor"))


def _has_linked_refs(refs: Path) -> bool:
    """True for folders of refs that are links: git follows them, in circles, too, and three such
    circles are more paths than it can ever list. git itself never makes one."""
    pending = [str(refs)]
    left = _REFS_LIMIT
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return False
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.is_symlink() and entry.is_dir():
                        return True
        except OSError:
            continue
    return False


def _list(folder: Path, ending: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.name.endswith(ending)]
    except OSError:
        return []


def _borrows(objects: Path, common: Path) -> bool:
    """True when the object store names others (``clone --shared``, ``--reference``).

    Also when the store itself lies outside of the repository, by a link.
    """
    try:
        if not objects.resolve().is_relative_to(common.resolve()):
            return True
        with (objects / "info/alternates").open("rb") as stream:
            lines = stream.read(_ALTERNATES_LIMIT).split(b"\n")
    except (OSError, RuntimeError):
        return False
    return any(line.strip() and not line.startswith(b"#") for line in lines)
