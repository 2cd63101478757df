"""Walk and read a working tree: symbolic links, unreadable and huge files included.

The tree is hostile input. Links are never followed out of the tree nor into directories, and
whatever cannot be read is named, not skipped.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from haechi.errors import InputError
from haechi.world.objects.command import Git

SKIPPED_DIRECTORIES = frozenset(
    {
        ".git",
        ".haechi",
        ".hg",
        ".svn",
        ".tox",
        ".nox",
        ".venv",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".terraform",
        ".terragrunt-cache",
        "__pycache__",
        "node_modules",
        "site-packages",
    }
)
"""What tools put there, not people. Named in the documentation of coverage."""

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
MAX_FILES = 1_000_000
MAX_DEPTH = 100
MAX_NAMES = 100_000
"""Of one folder that is listed besides the walk."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file of the tree. ``path`` is relative with slashes; ``size`` in bytes."""

    path: str
    size: int


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the tree that was not looked into."""

    kind: str
    path: str
    reason: str


@dataclass(slots=True)
class Tree:
    """A directory on disk with what git ignores and what ``exclude`` names left out.

    ``within`` narrows the walk to a folder or one file of the tree; paths stay relative to
    ``root``. While walking ``unread`` fills, and ``links`` (path and target within the tree) and
    ``walked`` (directories). ``source`` is where a copied tree came from. ``ignored`` keeps what
    git ignores.
    """

    root: Path
    exclude: Sequence[re.Pattern[str]] = ()
    within: str = ""
    source: Path | None = None
    ignored: bool = False
    unread: list[Unread] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    walked: set[str] = field(default_factory=set, repr=False)
    _folders: dict[str, bool] = field(default_factory=dict, repr=False)

    @property
    def project(self) -> Path:
        """The folder whose content is not trusted, programs included."""
        return self.source or self.root

    def walk(self) -> Iterator[Entry]:
        """Every regular file in a stable order (by name, directories after files)."""
        start = self.root / self.within
        if self.within and not start.is_dir():
            yield Entry(path=self.within, size=start.stat().st_size)
            return
        ignored_files, ignored_directories = (
            (frozenset[str](), frozenset[str]())
            if self.ignored
            else _ignored_by_git(self.root, self.within)
        )
        pending: list[tuple[str, int]] = [(f"{self.within}/" if self.within else "", 0)]
        count = 0
        while pending:
            directory, depth = pending.pop()
            deeper = []
            self._folders[directory.rstrip("/")] = True
            self.walked.add(directory.rstrip("/"))
            for entry in self._list(directory):
                path = f"{directory}{entry.name}"
                if path in ignored_files or (
                    entry.name in SKIPPED_DIRECTORIES and not _is_plain_file(entry)
                ):
                    continue
                if self.exclude and any(pattern.fullmatch(path) for pattern in self.exclude):
                    continue
                kind = self._kind(entry, path)
                if kind == "directory":
                    if path in ignored_directories:
                        continue
                    if depth >= MAX_DEPTH:
                        self._unread("too-deep", path, f"more than {MAX_DEPTH} directories deep")
                        continue
                    deeper.append((path + "/", depth + 1))
                elif kind == "file":
                    count += 1
                    if count > MAX_FILES:
                        self._unread("too-many-files", ".", f"only {MAX_FILES:,} were looked at")
                        return
                    yield Entry(path=path, size=self._size(entry))
            pending.extend(reversed(deeper))

    def read(self, path: str, *, limit: int) -> bytes:
        """Content of a file of the tree, refusing anything that is not a regular file inside it.

        Raises InputError when it cannot be read or has more than ``limit`` bytes.
        """
        handle, size = self._open(path)
        try:
            data = os.read(handle, min(size, limit) + 1)
            # A file that has the size it said is whole; others change while they are read.
            while len(data) != size and len(data) <= limit:
                more = os.read(handle, limit + 1 - len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise InputError(_reason(error), where=path) from error
        finally:
            os.close(handle)
        if len(data) > limit:
            raise InputError(f"more than {limit:,} bytes", where=path)
        return data

    def blocks(self, path: str, *, size: int = 1 << 20) -> Iterator[bytes]:
        """The same content in blocks, for files that are not held at once."""
        handle, _ = self._open(path)
        try:
            while block := os.read(handle, size):
                yield block
        except OSError as error:
            raise InputError(_reason(error), where=path) from error
        finally:
            os.close(handle)

    def _open(self, path: str) -> tuple[int, int]:
        """A handle on a regular file inside the tree, and its size."""
        if not self._is_inside(path):
            raise InputError("outside the scanned folder", where=path)
        try:
            handle = os.open(f"{self.root}/{path}", _READ)
        except OSError as error:
            raise InputError(_reason(error), where=path) from error
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            os.close(handle)
            raise InputError("not a regular file", where=path)
        return handle, info.st_size

    def is_file(self, path: str) -> bool:
        """True for a regular file of the tree, scanned or not."""
        target = self.root / path
        return self._is_inside(path) and not target.is_symlink() and target.is_file()

    def is_directory(self, path: str) -> bool:
        """True for a directory of the tree, scanned or not."""
        target = self.root / path
        return self._is_inside(path) and not target.is_symlink() and target.is_dir()

    def listed(self, folder: str) -> frozenset[str]:
        """Names of everything right in a folder of the tree, folders included, scanned or not."""
        if not self._is_inside(f"{folder}/." if folder else "."):
            return frozenset()
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                return frozenset(entry.name for entry in islice(entries, MAX_NAMES))
        except OSError:
            return frozenset()

    def _is_inside(self, path: str) -> bool:
        """False when a path leads out of the tree, by ``..`` or by a link among its folders.

        Paths of the walk never do; those that files of the tree name may.
        """
        folder = path.rpartition("/")[0]
        known = self._folders.get(folder)
        if known is None:
            try:
                real = (self.root / folder).resolve()
                known = real.is_relative_to(self.root.resolve())
            except (OSError, RuntimeError, ValueError):
                known = False
            self._folders[folder] = known
        return known and path.rpartition("/")[2] != ".." and "\0" not in path

    def contains(self, path: str, needles: Sequence[bytes], *, limit: int) -> bool:
        """True when a file too large to parse holds all needles in its first ``limit`` bytes."""
        missing = set(needles)
        keep = max(map(len, needles)) - 1
        tail = b""
        done = 0
        try:
            with (self.root / path).open("rb") as stream:
                while missing and done < limit and (block := stream.read(1 << 20)):
                    done += len(block)
                    window = tail + block
                    missing = {needle for needle in missing if needle not in window}
                    tail = window[-keep:]
        except OSError:
            return False
        return not missing

    def _list(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(f"{self.root}/{directory}") as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._unread("unreadable", directory.rstrip("/") or ".", _reason(error))
            return []

    def _kind(self, entry: os.DirEntry[str], path: str) -> str:
        if not _printable(path):
            self._unread("name", path.encode("utf-8", "backslashreplace").decode(), "odd name")
            return "other"
        try:
            if entry.is_symlink():
                self._link(path)
                return "other"
            if entry.is_dir(follow_symlinks=False):
                return "directory"
            return "file" if entry.is_file(follow_symlinks=False) else "other"
        except OSError as error:
            self._unread("unreadable", path, _reason(error))
            return "other"

    def _link(self, path: str) -> None:
        """A link inside the tree is looked at under its target's name, if the walk comes there;
        others are not followed."""
        target = self.root / path
        try:
            real = target.resolve(strict=True)
        except FileNotFoundError:
            self._unread("link", path, "a link to nothing")
        except (OSError, RuntimeError):
            self._unread("link", path, "a link that leads in a circle")
        else:
            root = self.root.resolve()
            if real.is_relative_to(root):
                self.links.append((path, real.relative_to(root).as_posix()))
            else:
                what = "directory" if real.is_dir() else "file"
                self._unread("link", path, f"a link to a {what} outside the scanned folder")

    def _size(self, entry: os.DirEntry[str]) -> int:
        try:
            return entry.stat().st_size
        except OSError:
            return 0

    def _unread(self, kind: str, path: str, reason: str) -> None:
        self.unread.append(Unread(kind=kind, path=path, reason=reason))


def _is_plain_file(entry: os.DirEntry[str]) -> bool:
    """True for a file that only has the name of a tool's folder (``.git`` points to one)."""
    try:
        return entry.name != ".git" and entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _printable(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _ignored_by_git(root: Path, within: str) -> tuple[frozenset[str], frozenset[str]]:
    """Files and directories that git ignores under root/within, relative to root.

    Nothing when the folder asked for is itself ignored: who asks for it wants it looked at.
    """
    nothing: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    absolute = root.resolve()
    if not any((parent / ".git").exists() for parent in (absolute, *absolute.parents)):
        return nothing
    git = Git(absolute)
    if (within or not (absolute / ".git").exists()) and git.run(
        "check-ignore", "-q", within or "."
    ).code == 0:
        return nothing
    listed = git.run(
        "ls-files",
        "--others",
        "--ignored",
        "--exclude-standard",
        "--directory",
        "-z",
        "--",
        within or ".",
    )
    if listed.code != 0:
        return nothing
    names = [os.fsdecode(name) for name in listed.out.split(b"\0") if name]
    files = frozenset(name for name in names if not name.endswith("/"))
    return files, frozenset(name.rstrip("/") for name in names if name.endswith("/"))
