"""Which file comes after this one: the names that rotation gives, and telling files apart.

A name is no identity: logs are renamed, copied and cut, and inodes are used again. A file is the
one that was read when its inode and its beginning are the same, or, for a copy, its beginning and
at least what was read of it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from haechi.world.feeds.lines import Checkpoint, fingerprint

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4")
_MOST_LOOKED_AT = 1_000
_NUMBER = r"[0-9][0-9A-Za-z.:_+-]{0,60}"


def open_regular(path: Path) -> int | None:
    """A descriptor of a regular file, or None when there is none. Raises OSError when it cannot
    be opened. Never waits for a pipe's other end."""
    try:
        found = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(22, "no regular file")
    return found


def is_same(descriptor: int, checkpoint: Checkpoint) -> bool:
    """True when this is the file of the checkpoint, with all that was read of it."""
    found = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (checkpoint.device, checkpoint.inode) and begins(
        descriptor, checkpoint
    )


def begins(descriptor: int, checkpoint: Checkpoint) -> bool:
    """True when what was read of the checkpoint's file is what this one begins with."""
    if os.fstat(descriptor).st_size < checkpoint.offset:
        return False
    if not checkpoint.head:
        return True
    return fingerprint(os.pread(descriptor, checkpoint.head, 0)) == checkpoint.fingerprint


def rotated(path: Path) -> list[Path]:
    """What the log was rotated to, oldest first: ``audit.log.1``, ``audit-2026-11-22T….log``.
    Packed files are left out: rotation packs what is older."""
    pattern = re.compile(
        rf"{re.escape(path.name)}[.-]{_NUMBER}|{re.escape(path.stem)}-{_NUMBER}{re.escape(path.suffix)}"
    )
    found: list[tuple[int, str, Path]] = []
    for entry in _entries(path.parent):
        if len(found) >= _MOST_LOOKED_AT:
            break
        if not pattern.fullmatch(entry.name) or entry.name.endswith(_PACKED):
            continue
        try:
            if entry.is_file(follow_symlinks=False):
                found.append((entry.stat().st_mtime_ns, entry.name, Path(entry.path)))
        except OSError:
            continue  # it went away
    return [path for _, _, path in sorted(found)]


def find(path: Path, checkpoint: Checkpoint) -> tuple[int, Path] | None:
    """The file of the checkpoint among what the log was rotated to: itself, else a copy of it."""
    others = rotated(path)
    for matches in (is_same, begins):
        if matches is begins and not checkpoint.head:
            break
        for other in others:
            descriptor = _opened(other)
            if descriptor is None:
                continue
            if matches(descriptor, checkpoint):
                return descriptor, other
            os.close(descriptor)
    return None


def after(
    path: Path, descriptor: int, known: Checkpoint, done: frozenset[tuple[int, int]]
) -> Path | None:
    """The oldest rotated file that was written to after this one, or None when the log itself is
    next. Copies of this one are passed over, and so are those (device, inode) that are ``done``
    and no newer: times of files are coarse."""
    mine = os.fstat(descriptor)
    for other in rotated(path):
        try:
            found = other.stat()
        except OSError:
            continue
        one = (found.st_dev, found.st_ino)
        if found.st_mtime_ns < mine.st_mtime_ns or one == (mine.st_dev, mine.st_ino):
            continue
        if found.st_mtime_ns == mine.st_mtime_ns and one in done:
            continue
        if not _is_copy(other, known):
            return other
    return None


def _is_copy(other: Path, known: Checkpoint) -> bool:
    descriptor = _opened(other) if known.head else None
    if descriptor is None:
        return False
    try:
        return begins(descriptor, known)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int | None:
    try:
        return open_regular(path)
    except OSError:
        return None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return
