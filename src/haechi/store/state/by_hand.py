"""Owners and due dates that people gave, for a vulnerability that now goes by another id.

When an alias comes to be known the finding has another rule and with it another fingerprint: it is
a new one to the store, and the old one is over. What a person said of it goes over.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from haechi.model.finding import DEPENDENCIES
from haechi.model.keys import without_version
from haechi.store.state.plain import from_json
from haechi.store.state.pushed import NONE, Pushed, Seen
from haechi.store.state.schema import finding as f

BY_HAND = ("owner", "due")
_CVE = "CVE-"


class ByHand:
    """What people said of one target's findings about packages; asked for at the first need."""

    def __init__(self, connection: Connection, pushed: Pushed) -> None:
        self._connection = connection
        self._pushed = pushed
        self._rows: dict[tuple[str, str, str], Any] | None = None

    def of(self, seen: Seen) -> dict[str, str]:
        """Columns for a new finding that is known by another of its ids."""
        if seen.domain != DEPENDENCIES or seen.aliases == NONE:
            return {}
        if self._rows is None:
            self._rows = self._read()
        if not self._rows:
            return {}
        package = without_version(seen.resource)
        for alias in from_json(seen.aliases):
            row = self._rows.get((seen.path, package, alias))
            if row is not None and not (alias.startswith(_CVE) and seen.rule.startswith(_CVE)):
                return _given(row)
        return {}

    def _read(self) -> dict[tuple[str, str, str], Any]:
        pushed = self._pushed
        columns = (f.c.path, f.c.resource, f.c.rule, f.c.owner, f.c.owner_by, f.c.due, f.c.due_by)
        ask = select(*columns).where(
            *(f.c.cluster == pushed.cluster, f.c.source == pushed.source, f.c.ref == pushed.ref),
            *(f.c.domain == DEPENDENCIES, f.c.live == 1),
            (f.c.owner_by != "") | (f.c.due_by != ""),
        )
        rows = self._connection.execute(ask)
        return {(row.path, without_version(row.resource), row.rule): row for row in rows}


def _given(row: Any) -> dict[str, str]:
    given: dict[str, str] = {}
    for name in BY_HAND:
        by = getattr(row, f"{name}_by")
        if by:
            given |= {name: getattr(row, name), f"{name}_by": by}
    return given
