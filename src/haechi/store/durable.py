"""Files that are there, whole and for their owner only, once a call has returned."""

from __future__ import annotations

import os
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def write(path: Path, data: bytes, *, over: bool = False) -> None:
    """Write a new file (``over``: or in place of what one holds) and fsync it. Its name is
    durable after ``sync`` of the folder. OSError."""
    handle = os.open(path, _FLAGS | (os.O_TRUNC if over else os.O_EXCL), 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """fsync a file, or a folder: then the names in it are durable, too. OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
