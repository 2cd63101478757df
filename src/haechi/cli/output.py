"""Write a report to a file: whole or not at all, for half a report could pass for a whole one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from haechi.errors import UsageError


def save(target: Path, text: str) -> None:
    """Write ``text`` in place of a file, or into a device or pipe. Raises UsageError."""
    try:
        if target.exists() and not target.is_file():
            _into(target, text)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"cannot write {target}", why=error.strerror or "") from error


def _into(target: Path, text: str) -> None:
    """/dev/stdout and named pipes are written to; replacing them would break the machine."""
    with target.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def _replace(target: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
