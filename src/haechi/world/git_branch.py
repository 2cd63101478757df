"""Commits on a new branch, made of contents alone: no checkout, no work tree, no hook.

Blobs, trees and commits are written by plumbing with an index of their own, and the branch is
created last and only if it was not there. So a person's index, files and current branch stay as
they are, whatever state they are in. Nothing is ever pushed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from haechi.errors import InputError, UsageError
from haechi.world.objects.command import Answer, Git

_NOBODY = "0" * 40
_NAME = "haechi"
_MAIL = "haechi@localhost"
_CRUD = " .,:;<>\"\\'\t\r\n"
"""What git takes off both ends of a name; one of nothing else it refuses."""
_MODES = ("100644", "100755")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One commit: its message and the new contents by path (from the top of the repository)."""

    message: str
    contents: Mapping[str, bytes]


class Commits:
    """New commits on top of one; nothing refers to them until ``branch``."""

    def __init__(self, top: Path, base: str) -> None:
        self._git = Git(top)
        self.base = base
        self.tip = base

    def add(self, steps: Sequence[Step]) -> None:
        """Write one commit after the other. Raises InputError."""
        with tempfile.TemporaryDirectory(prefix="haechi-index-") as name:
            index = {"GIT_INDEX_FILE": str(Path(name) / "index")}
            self._done(self._git.run("read-tree", self.tip, extra=index), "read-tree")
            for step in steps:
                self._add(step, index, Path(name))

    def _add(self, step: Step, index: Mapping[str, str], folder: Path) -> None:
        for path, data in step.contents.items():
            mode = self._mode(path, index)
            source = folder / "blob"
            source.write_bytes(data)
            with source.open("rb") as stream:
                made = self._git.run("hash-object", "-w", "--no-filters", "--stdin", stdin=stream)
            blob = self._done(made, "hash-object").text
            entry = f"{mode},{blob},{path}"
            self._done(
                self._git.run("update-index", "--cacheinfo", entry, extra=index), "update-index"
            )
        tree = self._done(self._git.run("write-tree", extra=index), "write-tree").text
        message = folder / "message"
        message.write_text(step.message, encoding="utf-8")
        made = self._git.run(
            "-c",
            "i18n.commitEncoding=UTF-8",
            "commit-tree",
            "--no-gpg-sign",
            "-p",
            self.tip,
            "-F",
            str(message),
            tree,
            extra=self._author(),
        )
        self.tip = self._done(made, "commit-tree").text

    def _mode(self, path: str, index: Mapping[str, str]) -> str:
        """The mode that the file has; only regular files are changed."""
        listed = self._git.run("ls-files", "--stage", "-z", "--", f":(literal){path}", extra=index)
        mode = listed.text[:6]
        if mode not in _MODES:
            raise InputError("git does not know it as a regular file", where=path)
        return mode

    def _author(self) -> dict[str, str]:
        """Who the repository's configuration names, else haechi."""
        found = {}
        for part, key, fallback in (("NAME", "user.name", _NAME), ("EMAIL", "user.email", _MAIL)):
            said = self._git.run("config", "--get", key).text.strip(_CRUD)
            for who in ("AUTHOR", "COMMITTER"):
                name = f"GIT_{who}_{part}"
                found[name] = os.environ.get(name, "").strip(_CRUD) or said or fallback
        return found

    def branch(self, name: str) -> None:
        """Create the branch at the last commit. Raises UsageError when there is one already."""
        reference = f"refs/heads/{name}"
        made = self._git.run(
            "update-ref", "-m", "haechi patch", reference, self.tip, _NOBODY[: len(self.tip)]
        )
        if made.code != 0:
            raise UsageError(
                f"the branch {name} cannot be created",
                why=made.told.strip()[:300],
                do="name another one: --branch NAME",
            )

    def _done(self, answer: Answer, what: str) -> Answer:
        if answer.code != 0:
            raise InputError(f"git {what} failed: {answer.told.strip()[:300] or 'no reason given'}")
        return answer


def head_of(top: Path) -> str:
    """The id of the commit that is checked out. Raises UsageError when there is none yet."""
    found = Git(top).run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if found.code != 0 or not found.text:
        raise UsageError("this repository has no commit yet", do="commit first")
    return found.text


def free_branch(top: Path, wanted: str) -> str:
    """The name, or with a number behind it where such a branch is there. Raises UsageError for
    what git takes for no name."""
    git = Git(top)
    if wanted.startswith("-") or git.run("check-ref-format", f"refs/heads/{wanted}").code != 0:
        raise UsageError(f"{wanted!r} is no name of a branch")
    parts = wanted.split("/")
    for end in range(1, len(parts)):
        above = "/".join(parts[:end])
        if _is_there(git, above):
            raise UsageError(
                f"there is a branch called {above}: none can be called {wanted}",
                do="name another one: --branch NAME",
            )
    for number in range(1, 100):
        name = wanted if number == 1 else f"{wanted}-{number}"
        below = git.run("for-each-ref", "--count=1", "--format=x", f"refs/heads/{name}/").text
        if not below and not _is_there(git, name):
            return name
    raise UsageError(f"there are too many branches called {wanted}", do="delete some of them")


def _is_there(git: Git, name: str) -> bool:
    return git.run("show-ref", "--verify", "--quiet", f"refs/heads/{name}").code == 0
