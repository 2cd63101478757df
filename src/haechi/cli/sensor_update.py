"""What the server's rules ask of a sensor, asked anew each minute.

The rules come whole (``resolved``): macros and lists of the server's files are not known here. An
answer that is as before costs one short request (ETag) and changes nothing.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.cli.plain import plain
from haechi.errors import HaechiError

if TYPE_CHECKING:
    from haechi.cli.sensor_rules import Known
    from haechi.cli.sensor_shedding import Matters
    from haechi.client.http import Client
    from haechi.world.sensor.sensor import Wants

RULES_S = 60.0
MOST_PAGES, MOST_BYTES = 40, 64 << 20
Rows = list[dict[str, Any]]


class RulePages:
    """The rules that the server judges by, as its list gives them. Used by one thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, dict[str, Any]]] = {}

    def news(self, client: Client) -> Rows | None:
        """All rows, or None when nothing has changed. Raises HaechiError."""
        before = {cursor: tag for cursor, (tag, _) in self._kept.items()}
        kept: dict[str, tuple[str, dict[str, Any]]] = {}
        cursor = ""
        for _ in range(MOST_PAGES):
            kept[cursor] = self._page(client, cursor)
            cursor = str(kept[cursor][1].get("next") or "")
            if not cursor:
                break
        self._kept = kept
        if before == {cursor: tag for cursor, (tag, _) in kept.items()} and all(before.values()):
            return None
        return [row for _, page in kept.values() for row in page["items"]]

    def _page(self, client: Client, cursor: str) -> tuple[str, dict[str, Any]]:
        from haechi.client.answers import ServerUnreachable, value_of
        from haechi.client.asks import ask

        tag, known = self._kept.get(cursor, ("", {}))
        query = {"source": "syscall", "enabled": True, "resolved": True, "hits": False}
        one = ask("GET", "runtime/rules", query=query | {"limit": 200, "cursor": cursor or None})
        answer = client.raw(msgspec.structs.replace(one, unless=tag, most=MOST_BYTES))
        if answer.status == 304 and tag:
            return tag, known
        page = value_of(answer, "GET runtime/rules")
        items = page.get("items") if isinstance(page, dict) else None
        if not isinstance(items, list) or not all(isinstance(row, dict) for row in items):
            raise ServerUnreachable("GET runtime/rules answered with something else than rules")
        return answer.headers.get("etag", ""), page


class ServerRules:
    """Asks the server now and then by which rules it judges, in a thread of its own: a server
    that hangs must not hold up the reading of the kernel's ring."""

    def __init__(
        self, server: str, known: Known, also: tuple[str, ...], root: str, matters: Matters
    ) -> None:
        self._server = server
        self._known = known
        self._also = also
        self._root = root
        self._matters = matters
        self._asked = float("-inf")
        self._told = ""
        self._pages = RulePages()
        self._answers: queue.SimpleQueue[Wants] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def wants(self) -> Wants | None:
        """What they ask for, when there is news."""
        busy = self._thread is not None and self._thread.is_alive()
        if not busy and time.monotonic() - self._asked >= RULES_S:
            self._asked = time.monotonic()
            self._thread = threading.Thread(target=self.ask, name="rules", daemon=True)
            self._thread.start()
        try:
            return self._answers.get_nowait()
        except queue.Empty:
            return None

    def ask(self) -> None:
        """Ask once; what came of it is given by ``wants``."""
        from haechi.cli import sensor_rules
        from haechi.client.http import Client

        try:
            with Client(self._server) as client:
                rows = self._pages.news(client)
        except HaechiError as error:
            self._tell(f"the server's rules are not known, the last known ones are: {error.what}")
            return
        if rows is None:
            return
        found = sensor_rules.of_rows(rows)
        if found.untold:
            self._tell(
                f"{found.untold} of the server's rules do not load here:"
                " what they read may not be watched (--watch PREFIX adds places)"
            )
        rules = (*self._known.rules, *found.rules)
        self._matters.use(rules)
        wants, _ = sensor_rules.wants(rules, self._also, root=self._root)
        self._answers.put(wants)

    def _tell(self, line: str) -> None:
        if self._told != line:
            self._told = line
            sys.stderr.write(plain(f"haechi: {line}\n"))
