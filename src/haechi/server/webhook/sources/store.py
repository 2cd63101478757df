"""Waivers that live in a haechi server, asked for every minute.

The door never waits for the server: while it cannot be asked the waivers known last go on to
count (each to its own end), and ``fault`` says why there are no newer ones.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from haechi.client.answers import ServerRefused, ServerUnreachable
from haechi.client.waivers import waivers_of
from haechi.errors import HaechiError, InputError
from haechi.gate.matching import matcher
from haechi.model.access import NONE
from haechi.model.waiver import Waiver
from haechi.server.webhook.frames import Changes

if TYPE_CHECKING:
    from haechi.client.http import Client

log = logging.getLogger("haechi.webhook")
EVERY_S = 60.0
MOST = 50_000
"""Waivers that evaluators keep, one for each fingerprint."""
Give = Callable[[Changes], None]
Counted = Callable[[str], None]


class StoreWaivers:
    """The server's waivers for one cluster. ``known`` None: it was never asked with success."""

    def __init__(self, client: Client, cluster: str, *, every_s: float = EVERY_S) -> None:
        self._client, self._cluster, self._every_s = client, cluster, every_s
        self.known: tuple[Waiver, ...] | None = None
        self.asked: dt.datetime | None = None
        self.fault = ""

    def poll(self) -> bool:
        """Ask the server; whether anything changed. Raises HaechiError. Blocks."""
        rows = self._client.each("waivers", state="active", limit=500)
        try:
            found = tuple(self._taken(rows))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                "the server's waivers cannot be read", why=f"{type(error).__name__}: {error}"
            ) from error
        changed, self.known = found != self.known, found
        self.asked = dt.datetime.now(dt.UTC)
        return changed

    def _taken(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Waiver]:
        # As findings of the audit are called in the store: a waiver may be about these alone.
        own = f"cluster:{self._cluster}"
        count = 0
        for row in rows:
            if row.get("source") not in ("", None, own, f"repo:{own}"):
                continue
            for waiver in waivers_of(row, self._cluster or NONE):
                try:
                    matcher(waiver)
                except InputError:
                    continue  # a glob that an older haechi took
                count += 1
                if count > MOST:
                    raise InputError(f"the server has more than {MOST:,} waivers")
                yield waiver

    async def follow(self, give: Give, counted: Counted) -> None:
        """Poll for ever. ``counted`` is told how each poll ended."""
        while True:
            try:
                if await asyncio.to_thread(self.poll):
                    give(Changes([], None, list(self.known or ())))
                self.fault = ""
                counted("ok")
            except HaechiError as error:
                self._failed(_words(error))
                counted("failed")
            except Exception as error:  # the boundary of a task
                log.exception("asking for waivers failed")
                self._failed(f"a fault of haechi: {type(error).__name__}")
                counted("failed")
            await asyncio.sleep(self._every_s)

    def _failed(self, why: str) -> None:
        if not self.fault:
            log.warning("the server's waivers are those known before: %s", why)
        self.fault = why

    def state(self) -> Mapping[str, Any]:
        """For ``/readyz``."""
        return {
            "known": len(self.known) if self.known is not None else 0,
            "asked": self.asked.isoformat(timespec="seconds") if self.asked else "",
            "fault": self.fault,
        }

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _words(error: HaechiError) -> str:
    if isinstance(error, ServerRefused) and error.status in (401, 403):
        return f"{error.what}: the token needs the permission waivers.list"
    return error.what if isinstance(error, ServerUnreachable) else error.explain()
