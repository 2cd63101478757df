"""Where policies come from. Each source is polled (in a thread) and gives the texts of its policies
when they changed; compiling them is the nursery's work. A source that cannot be read keeps what was
there before, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from haechi.server.webhook.frames import Text

WAIVERS = "haechi.waivers.yaml"


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Policies as they are written, and files of waivers. ``origin``: where and which, for
    people."""

    texts: tuple[Text, ...]
    origin: str
    waivers: tuple[Text, ...] = ()


def parted(texts: Iterable[Text], origin: str) -> Policies:
    """Policies from files, among which ``haechi.waivers.yaml`` are no policies."""
    several = tuple(texts)
    return Policies(
        texts=tuple(text for text in several if not text.name.endswith(WAIVERS)),
        origin=origin,
        waivers=tuple(text for text in several if text.name.endswith(WAIVERS)),
    )


class Source(Protocol):
    """``poll`` gives the policies when they are others than the last time, else None."""

    def poll(self) -> Policies | None:
        """Raises HaechiError when the source cannot be read. Blocks."""

    def close(self) -> None:
        """End what it keeps open."""
