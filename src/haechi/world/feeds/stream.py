"""Lines of standard input or a pipe, as they come.

A stream has no place to go on from: what was read is gone, so whoever pipes into haechi must be
able to live with the loss of what was in flight. A line over the limit is refused and passed over
without being held.
"""

from __future__ import annotations

import os
import selectors

from haechi.world.feeds.lines import MOST_LINE, Batch, Line, Overlong

_CHUNK = 256 * 1024
_SAMPLE = 4_096


class Stream:
    """Reads a descriptor that it does not own. ``ended`` is set at the end of the input."""

    def __init__(self, descriptor: int, *, name: str = "stdin", most_line: int = MOST_LINE) -> None:
        self.ended = False
        self._descriptor, self._name, self._most_line = descriptor, name, most_line
        self._rest = bytearray()
        self._skipping = False
        self._number = 0

    def poll(self, timeout_s: float) -> Batch | None:
        """The lines that came within the time; None when there were none."""
        if self.ended or not self._is_ready(timeout_s):
            return None
        data = os.read(self._descriptor, _CHUNK)
        if not data:
            self.ended = True
            data = b"\n" if self._rest and not self._skipping else b""
        return self._batch(data) if data else None

    def _is_ready(self, timeout_s: float) -> bool:
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._descriptor, selectors.EVENT_READ)
            except PermissionError:
                return True  # a plain file: always ready
            return bool(selector.select(timeout_s))

    def _batch(self, data: bytes) -> Batch | None:
        lines: list[Line] = []
        overlong: list[Overlong] = []
        *whole, rest = data.split(b"\n")
        for part in whole:
            if self._skipping:
                self._skipping = False
                continue
            self._rest += part
            line = bytes(self._rest.removesuffix(b"\r"))
            self._rest.clear()
            self._number += 1
            if len(line) > self._most_line:
                overlong.append(Overlong(line[:_SAMPLE], self._place()))
            elif line:
                lines.append(Line(line, self._place()))
        if not self._skipping:
            self._rest += rest
            if len(self._rest) > self._most_line:
                self._number += 1
                overlong.append(Overlong(bytes(self._rest[:_SAMPLE]), self._place()))
                self._rest.clear()
                self._skipping = True
        if not (lines or overlong):
            return None
        return Batch(lines=tuple(lines), overlong=tuple(overlong))

    def _place(self) -> str:
        """A line's number within one run; two runs must not share places, so the process is in
        it."""
        return f"{self._name}:{os.getpid()}:{self._number}"
