"""The folder of a store: where things lie in it, that nobody else can read it, and who owns it.

One process owns a store at a time. The lock is the kernel's (``flock``), so a killed owner
leaves nothing to clean up; its number stands in the file for people alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from haechi.errors import StoreError, StoreFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


class Folder:
    """A store's folder that this process owns, until ``close``.

    Raises StoreError when it is a link, belongs to somebody else or is owned by another
    process; StoreFull when nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        with storage_errors(self.path):
            _require_private(self.path / "state.db")
            _make(self.path)
            for name in ("cold", "audit", "keys", "backup", "incoming"):
                _make(self.path / name)
            self._lock = _lock(self.path / "lock")
            try:
                _write_once(self.path / ".gitignore", b"*\n")
            except BaseException:
                self.close()
                raise

    @property
    def state_db(self) -> Path:
        """Findings, resources, waivers, people."""
        return self.path / "state.db"

    @property
    def hot_db(self) -> Path:
        """The newest events."""
        return self.path / "hot.db"

    @property
    def advisories_db(self) -> Path:
        """Advisories by which SBOMs are judged; it is there once something was imported."""
        return self.path / "advisories.db"

    @property
    def incoming(self) -> Path:
        """Advisories that were sent and wait to be imported."""
        return self.path / "incoming"

    @property
    def cold(self) -> Path:
        """Sealed hours of events."""
        return self.path / "cold"

    @property
    def audit(self) -> Path:
        """Segments and heads of the signed log."""
        return self.path / "audit"

    @property
    def keys(self) -> Path:
        """Private keys of the log."""
        return self.path / "keys"

    @property
    def backup(self) -> Path:
        """Copies made before migrations."""
        return self.path / "backup"

    def close(self) -> None:
        """Give the folder up; idempotent."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """The system's errors about files come out as StoreFull or StoreError."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def storage_error(error: OSError, path: Path) -> StoreError:
    """What an error of the file system means for a person."""
    where = str(error.filename or path)
    if error.errno in _FULL:
        return StoreFull(
            "the store cannot be written",
            why=f"{where}: {error.strerror}",
            do="make room on the disk or make it writable",
        )
    return StoreError(
        "the store's folder cannot be used",
        why=f"{where}: {error.strerror or error}",
        do="give a folder of your own: `--store PATH`",
    )


def require_own(path: Path, *, what: str = "folder") -> None:
    """Refuse a link and what belongs to somebody else: its owner could swap files under us."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise StoreError(
            f"the store's {what} is a symbolic link",
            why=str(path),
            do="name the real folder; links are not followed here",
        )
    if found.st_uid != os.geteuid():
        raise StoreError(
            f"the store's {what} belongs to another user",
            why=f"{path} is owned by user {found.st_uid}, this process runs as {os.geteuid()}",
            do="run as the owner, or name another folder",
        )


def _require_private(database: Path) -> None:
    """A store that we made is private. One that others can read may have come with a stranger's
    repository, with tokens and keys that the stranger knows."""
    try:
        mode = stat.S_IMODE(database.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if mode & 0o077:
        raise StoreError(
            "the store can be read by others, so it may not be one that haechi made here",
            why=f"{database} has the mode {mode:o}",
            do=f"look where it comes from; if it is yours: chmod -R go-rwx {database.parent}",
        )


def _make(path: Path) -> None:
    """A private folder that is ours. An existing one of ours is made private."""
    with suppress(FileExistsError):
        path.mkdir(mode=_PRIVATE_FOLDER, parents=True)
    require_own(path)
    if not path.is_dir():
        raise StoreError("the store's place is not a folder", why=str(path), do="name a folder")
    if stat.S_IMODE(path.lstat().st_mode) != _PRIVATE_FOLDER:
        path.chmod(_PRIVATE_FOLDER)


def _lock(path: Path) -> int:
    """An open file that holds the lock, with this process' number in it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise StoreError(
            "the store is in use",
            why=f"process {owner} owns {path.parent}",
            do="stop it, or ask it by its address; a store has one owner at a time",
        ) from error
    except BaseException:
        os.close(handle)
        raise
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _write_once(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileExistsError):
        handle = os.open(path, flags, _PRIVATE_FILE)
        try:
            os.write(handle, content)
        finally:
            os.close(handle)


def make_private(path: Path) -> None:
    """An empty file that only we can read, or the one that is there made so. SQLite gives its
    journal the database's mode."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with storage_errors(path):
        handle = os.open(path, flags, _PRIVATE_FILE)
        try:
            os.fchmod(handle, _PRIVATE_FILE)
        finally:
            os.close(handle)
