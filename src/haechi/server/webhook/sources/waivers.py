"""Policies from any source, with a file of waivers beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from haechi.server.webhook.frames import Text
from haechi.server.webhook.sources import Policies, Source
from haechi.server.webhook.sources.cluster import Beside, ClusterSource
from haechi.server.webhook.sources.files import Files


class WithWaivers:
    """A source, and a file of waivers of whatever name."""

    def __init__(self, policies: Source, file: Path) -> None:
        self._policies, self._files = policies, Files([file])
        self._known: Policies | None = None
        self._waivers: tuple[Text, ...] = ()

    def poll(self) -> Policies | None:
        """See ``Source``."""
        found, waivers = self._policies.poll(), self._files.poll()
        if waivers is not None:
            self._waivers = (*waivers.texts, *waivers.waivers)
        self._known = found or self._known
        if self._known is None or (found is None and waivers is None):
            return None
        return structs.replace(self._known, waivers=(*self._known.waivers, *self._waivers))

    def close(self) -> None:
        """End what it keeps open."""
        self._policies.close()


class ClusterWithWaivers(WithWaivers):
    """The same of a source that follows a cluster."""

    def __init__(self, source: ClusterSource | Beside, file: Path) -> None:
        super().__init__(source, file)
        self._cluster = source

    def wants(self, reads: Iterable[tuple[str, str]]) -> None:
        """What the policies in force ask the cluster for."""
        self._cluster.wants(reads)
