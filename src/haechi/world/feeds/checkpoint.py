"""A checkpoint in a file, for followers that run without a store (``--state`` of a sender).

Written beside, synced, renamed, and the folder synced: after any crash the file holds the old
place or the new one. What cannot be read counts as none, and reading starts again: twice is safe,
never is not.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from haechi.errors import InputError
from haechi.world.feeds.lines import Checkpoint

_MOST_BYTES = 4_096


class CheckpointFile:
    """One checkpoint. Raises InputError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Checkpoint | None:
        """What was saved last, or None."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(_MOST_BYTES)
        try:
            return Checkpoint.of(msgspec.json.decode(data))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Durable when it returns."""
        beside = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(
                beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(checkpoint))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            self._sync_folder()
        except OSError as error:
            raise InputError(
                "the place in the log cannot be kept",
                why=error.strerror or str(error),
                do="name a file in a folder that can be written to",
                where=str(self._path),
            ) from error

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
