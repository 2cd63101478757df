"""Where policies come from. Each source is polled (in a thread) and gives the texts of its policies
when they changed; compiling them is the nursery's work. A source that cannot be read keeps what was
there before, and says so.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from haechi.server.webhook.frames import Text


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Policies as they are written. ``origin``: where and which, for people."""

    texts: tuple[Text, ...]
    origin: str


class Source(Protocol):
    """``poll`` gives the policies when they are others than the last time, else None."""

    def poll(self) -> Policies | None:
        """Raises HaechiError when the source cannot be read. Blocks."""

    def close(self) -> None:
        """End what it keeps open."""
