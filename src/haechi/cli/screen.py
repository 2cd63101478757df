"""The terminal: how wide, whether it takes colour and Unicode, and a line of progress."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Literal, TextIO

import msgspec


class Screen(msgspec.Struct, frozen=True):
    """What a stream can show. NO_COLOR, FORCE_COLOR and TERM=dumb are honoured."""

    width: int
    colour: bool
    ascii: bool


def screen(stream: TextIO) -> Screen:
    """Describe a stream; a pipe gets 100 columns and no colour."""
    tty = stream.isatty()
    dumb = os.environ.get("TERM") == "dumb"
    colour = tty and not dumb and not os.environ.get("NO_COLOR")
    if os.environ.get("FORCE_COLOR") and not os.environ.get("NO_COLOR"):
        colour = True
    width = min(shutil.get_terminal_size((100, 24)).columns, 140) if tty else 100
    encoding = (stream.encoding or "ascii").lower().replace("-", "")
    return Screen(width=width, colour=colour, ascii=not encoding.startswith("utf"))


def language() -> Literal["en", "ko"]:
    """The reader's language by LC_ALL, LC_MESSAGES or LANG; the HTML report opens in it."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "ko" if value.lower().startswith("ko") else "en"
    return "en"


def progress() -> Callable[[int, int, str], None] | None:
    """A callback that draws one line on stderr after a second, or None when nobody watches."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb" or os.environ.get("CI"):
        return None
    start = time.monotonic()
    drawn = [start + 0.9]

    def draw(done: int, total: int, path: str) -> None:
        now = time.monotonic()
        if now - drawn[0] < 0.1:
            return
        drawn[0] = now
        count = f"{done}/{total} " if total else ""
        shown = "".join(c if c.isprintable() else "?" for c in path)[-60:]
        sys.stderr.write(f"\r\x1b[K{count}{shown}")
        sys.stderr.flush()

    return draw


def clear_progress() -> None:
    """Remove the line of progress."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
