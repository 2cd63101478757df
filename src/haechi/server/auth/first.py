"""The first start, and the sign-in link that the terminal prints."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from haechi.store.state.access_tokens import LONGEST, NewToken
from haechi.store.state.access_users import OWNER
from haechi.store.state.access_ways import FULL

if TYPE_CHECKING:
    from haechi.store.state.state import State


def ensure_admin(state: State, *, anew: bool = False, lasts: dt.timedelta = LONGEST) -> str | None:
    """The administrator's token when nobody could administer: at the first start, and when the
    last such token has expired. The caller prints it once. ``anew`` makes one in any case: for
    an owner who lost theirs (whoever can start the server here can read the store anyway)."""
    state.access.users.owner()
    wanted = NewToken(name="first admin", grants=(FULL,), lasts=lasts, user=OWNER)
    return state.access.tokens.first(wanted, by=OWNER, anew=anew)


def new_sign_in_code(state: State, *, user: str = OWNER, by: str = OWNER) -> str:
    """A code for one sign-in from this machine within ten minutes:
    ``http://127.0.0.1:PORT/signin#code=…`` (behind ``#`` it reaches no log)."""
    state.access.users.owner()
    return state.access.sessions.new_code(user, by=by)
