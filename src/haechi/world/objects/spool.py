"""Lists of object ids on disk, one a line of fixed width: git reads them, memory does not grow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import IO


class Spool:
    """Ids in hexadecimal, in order. ``count`` is how many there are."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.count = 0
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 - closed by close
            buffering=0, prefix="haechi-ids-"
        )

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the list go."""
        self._file.close()

    def extend(self, ids: Iterable[bytes]) -> None:
        """Append ids of the right width."""
        text = b"\n".join(ids)
        if text:
            text += b"\n"
            _write(self._file, text)
            self.count += len(text) // (self.width + 1)

    def at(self, number: int) -> IO[bytes]:
        """The file, set to an id: what a git started with it will read from there on.

        The place is shared with that git, so only one may read at a time; ``ids`` may be asked.
        """
        self._file.seek(number * (self.width + 1))
        return self._file

    def ids(self, start: int, count: int) -> list[bytes]:
        """Some of the ids."""
        line = self.width + 1
        return os.pread(self._file.fileno(), count * line, start * line).split()

    def chunks(self, size: int = 16384) -> Iterator[list[bytes]]:
        """All ids, some at a time."""
        number = 0
        while ids := self.ids(number, size):
            number += len(ids)
            yield ids


def _write(file: IO[bytes], text: bytes) -> None:
    """All of it: an unbuffered file may take a part at a time."""
    view = memoryview(text)
    while view:
        view = view[file.write(view) :]
