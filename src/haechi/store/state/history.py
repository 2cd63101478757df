"""Rows of a finding's history, written in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from haechi.store.state.bulk import insert_all, next_number
from haechi.store.state.schema import finding_change


class Step(NamedTuple):
    """One change of the finding with this row number. Replaying ``became`` of the steps seen,
    fixed, reopened, waived and unwaived gives the present state."""

    finding: int
    at: int
    what: str
    was: str
    became: str
    actor: str
    note: str = ""


def record(connection: Connection, steps: Sequence[Step]) -> None:
    """Append the steps in their order."""
    if steps:
        first = next_number(connection, finding_change)
        numbered = ({"n": n, **step._asdict()} for n, step in enumerate(steps, first))
        insert_all(connection, finding_change, numbered)
