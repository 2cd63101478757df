"""The contract on SQLite."""

from __future__ import annotations

from tests.store.state.contract import Contract


class TestSqlite(Contract):
    """The fixture of conftest is SQLite."""
