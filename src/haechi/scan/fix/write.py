"""Write a plan: each file whole or not at all, and only as it was when the plan was made.

The tree is hostile input: links are not followed, neither the file's nor those of its folders.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from haechi.errors import InputError

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def replace_file(root: Path, path: str, before: bytes, after: bytes) -> None:
    """Put ``after`` in the place of ``before``; mode and owner stay. Raises InputError."""
    target = root / path
    try:
        _check(root, target, path)
        info = _unchanged(target, before, path)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(after)
                stream.flush()
                os.fsync(stream.fileno())
            if hasattr(os, "chown"):
                with contextlib.suppress(PermissionError):
                    os.chown(name, info.st_uid, info.st_gid)
            Path(name).chmod(stat.S_IMODE(info.st_mode))
            _unchanged(target, before, path)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(error.strerror or str(error), where=path) from error


def _check(root: Path, target: Path, path: str) -> None:
    """Refuse what a link could lead elsewhere."""
    real = root.resolve()
    if target.parent.resolve() != real / Path(path).parent:
        raise InputError("a folder on the way is a link", where=path)
    info = target.lstat()
    if not stat.S_ISREG(info.st_mode):
        raise InputError("not a regular file", where=path)
    if info.st_nlink > 1:
        raise InputError("the file has several names (hard links)", where=path)
    if not os.access(target, os.W_OK):
        raise InputError("the file is read-only", where=path)


def _unchanged(target: Path, before: bytes, path: str) -> os.stat_result:
    handle = os.open(target, os.O_RDONLY | _NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        if stream.read(len(before) + 1) != before:
            raise InputError("the file was changed meanwhile; nothing was written", where=path)
        return os.fstat(stream.fileno())
