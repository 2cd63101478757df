"""Who may come in: users, tokens, sessions, sign-in codes, failed attempts.

Each is a small class over the same database; every change is one transaction that carries its
audit entry, so a change without a record cannot be.
"""

from __future__ import annotations

from haechi.store.state.access_attempts import Attempts
from haechi.store.state.access_sessions import Sessions
from haechi.store.state.access_tables import Database
from haechi.store.state.access_tokens import Tokens
from haechi.store.state.access_users import Users


class Access:
    """The state's part about identity."""

    def __init__(self, database: Database) -> None:
        self.users = Users(database)
        self.tokens = Tokens(database)
        self.sessions = Sessions(database)
        self.attempts = Attempts(database)
