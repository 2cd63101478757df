"""What this replica made of haechi's own kinds, in the status of their objects.

Each replica owns one entry of ``status.replicas`` (server-side apply, a field manager of its own)
and writes it only when it says something else than before. What cannot be written is tried again
later and counted; it never holds up a policy or a review. A replica that stops takes its entries
back; of one that was killed they stay until a replica of that name comes or the object changes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from haechi.admit.own import API_VERSION, GROUP
from haechi.checks.pods.view import mapping
from haechi.errors import KubeError, KubeNotFound
from haechi.model.admission import PolicyFault
from haechi.server.webhook.frames import Loaded, Text

log = logging.getLogger("haechi.webhook")
KINDS = ("PolicyPack", "ImagePolicy", "PolicyRollout")
EVERY_S, AGAIN_S = 1.0, 30.0
MOST_FAULTS, MOST_TEXT = 5, 400
Json = dict[str, Any]
Place = tuple[str, str]  # kind, name
Counted = Callable[[str], None]


class Client(Protocol):
    """What is asked of a cluster."""

    def apply(
        self, body: Mapping[str, Any], *, field_manager: str, force: bool, subresource: str
    ) -> dict[str, Any]:
        """Server-side apply. Raises KubeError."""


class Reporting:
    """``tell`` it what was loaded; ``follow`` writes."""

    def __init__(
        self,
        client: Client,
        replica: str,
        *,
        counted: Counted = lambda result: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._clock, self._counted = client, clock, counted
        self._replica = replica[:63]
        self._manager = f"haechi-webhook-{self._replica}"
        self._lock = threading.Lock()
        self._wanted: dict[Place, Json] = {}
        self._written: dict[Place, Json] = {}
        self._again = float("-inf")
        self.fault = ""

    def tell(self, texts: Iterable[Text], loaded: Loaded) -> None:
        """These policies are in force."""
        faults: dict[str, list[PolicyFault]] = {}
        for fault in loaded.faults:
            faults.setdefault(fault.file, []).append(fault)
        wanted = {
            place: self._entry(observed, loaded.generation, faults.get(name, []))
            for name, place, observed in _own(texts)
        }
        with self._lock:
            self._wanted = wanted

    def refused(self, texts: Iterable[Text], generation: str, why: str) -> None:
        """These are not: what changed among them is told why."""
        with self._lock:
            for _, place, observed in _own(texts):
                known = self._wanted.get(place)
                if known is None or known.get("observedGeneration") != observed:
                    fault = PolicyFault(kind="not-in-force", what=why)
                    self._wanted[place] = self._entry(observed, generation, [fault])

    def step(self) -> None:
        """Write what is new. Blocks."""
        if self._clock() < self._again:
            return
        with self._lock:
            wanted = dict(self._wanted)
        for place in [place for place in self._written if place not in wanted]:
            del self._written[place]  # the object is gone
        for place, entry in wanted.items():
            if self._written.get(place) == entry:
                continue
            if not self._write(place, [entry]):
                return
            self._written[place] = entry
        self.fault = ""

    def _write(self, place: Place, entries: Sequence[Json]) -> bool:
        kind, name = place
        body = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"name": name},
            "status": {"replicas": list(entries)} if entries else {},
        }
        try:
            self._client.apply(body, field_manager=self._manager, force=True, subresource="status")
        except KubeNotFound as error:
            if error.name:
                return True  # it was deleted meanwhile; the next set is without it
            return self._failed(error)  # the kind has no status: an older definition
        except KubeError as error:
            return self._failed(error)
        self._counted("ok")
        return True

    def _failed(self, error: KubeError) -> bool:
        if not self.fault:
            log.warning("the status of policies cannot be written: %s", error.explain())
        self.fault = error.what
        self._again = self._clock() + AGAIN_S
        self._counted("failed")
        return False

    async def follow(self) -> None:
        """Write for ever."""
        while True:
            try:
                await asyncio.to_thread(self.step)
            except Exception:  # the boundary of a task
                log.exception("writing the status of policies failed")
                self._again = self._clock() + AGAIN_S
            await asyncio.sleep(EVERY_S)

    def close(self) -> None:
        """Take back what was written, as far as that goes."""
        for place in list(self._written):
            del self._written[place]
            if not self._write(place, []):
                return

    def _entry(self, observed: int, generation: str, faults: Sequence[PolicyFault]) -> Json:
        made: Json = {
            "name": self._replica,
            "observedGeneration": observed,
            "generation": generation,
            "loaded": not any(fault.fatal for fault in faults),
        }
        if faults:
            made["faults"] = [_told(fault) for fault in faults[:MOST_FAULTS]]
        return made


def _told(fault: PolicyFault) -> Json:
    made: Json = {"what": fault.what[:MOST_TEXT]}
    for field in ("why", "do"):
        if text := getattr(fault, field):
            made[field] = text[:MOST_TEXT]
    if fault.line:
        made["line"] = fault.line
    return made


def _own(texts: Iterable[Text]) -> Iterable[tuple[str, Place, int]]:
    """Name of the text, kind and name, generation of what is of haechi's own kinds."""
    for text in texts:
        group, _, rest = text.name.partition("/")
        kind = rest.partition("/")[0]
        if group != GROUP or kind not in KINDS:
            continue
        metadata = mapping(mapping(msgspec.json.decode(text.data)).get("metadata"))
        name, observed = metadata.get("name"), metadata.get("generation")
        if isinstance(name, str) and isinstance(observed, int):
            yield text.name, (kind, name), observed
