"""Files in the user's cache that nobody but the user can have written.

What lies there is trusted like the program itself (compiled patterns are as good as code), so a
file counts only when it is a regular one that belongs to the user, in a folder that belongs to
the user, and others may write to neither. Writing is best effort: all of it can be computed again.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

KEEP_SECONDS = 30 * 86400
"""Files that were not written for so long go when a new one comes."""
_UNFINISHED = ".unfinished-"


class PrivateFile(msgspec.Struct, frozen=True):
    """A content, and what tells its file from one that replaces it."""

    data: bytes
    identity: tuple[int, int, int]


def cache_directory() -> Path | None:
    """Where haechi keeps what it can compute again: $XDG_CACHE_HOME/haechi.

    None where nobody has a home, as under a made-up user id in a container.
    """
    base = os.environ.get("XDG_CACHE_HOME") or ""
    if base and Path(base).is_absolute():
        return Path(base) / "haechi"
    try:
        return Path.home() / ".cache" / "haechi"
    except RuntimeError:
        return None


def read_private(path: Path, *, limit: int) -> PrivateFile | None:
    """The file, if nobody else can have written it and it has at most ``limit`` bytes."""
    try:
        if not _is_private(path.parent.lstat(), stat.S_ISDIR):
            return None
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(handle)
        if not _is_private(info, stat.S_ISREG) or info.st_size > limit:
            return None
        try:
            return PrivateFile(stream.read(), (info.st_ino, info.st_size, info.st_mtime_ns))
        except OSError:
            return None


def write_private(path: Path, *parts: bytes, old: str) -> None:
    """Replace the file whole, for its owner only. Files of the folder that match the glob ``old``
    go after a month."""
    import tempfile

    with contextlib.suppress(OSError):
        # ``parents`` alone would leave the folder above to the user's umask.
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not _is_private(path.parent.lstat(), stat.S_ISDIR):
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.writelines(parts)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        limit = time.time() - KEEP_SECONDS
        for pattern in (old, f"{_UNFINISHED}*"):
            for one in path.parent.glob(pattern):
                if one.lstat().st_mtime < limit:
                    one.unlink(missing_ok=True)


def _is_private(info: os.stat_result, kind: Callable[[int], bool]) -> bool:
    if not kind(info.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    return info.st_uid == os.getuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
