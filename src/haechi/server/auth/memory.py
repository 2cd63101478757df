"""What signing in keeps in memory while the server runs: nothing that a restart may not lose."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from haechi.server.auth.buckets import Buckets

if TYPE_CHECKING:
    from haechi.server.auth.discovery import Issuer

USED = 10_000


class AuthMemory:
    """One for each server: ``World.auth``."""

    def __init__(self) -> None:
        self.known = Buckets()
        self.anonymous = Buckets()
        self.seal = secrets.token_bytes(32)
        self._issuers: dict[tuple[str, bool], Issuer] = {}
        self._used: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def issuer(self, url: str, *, allow_http: bool) -> Issuer:
        """Keys and addresses of an issuer that the settings name (so there are few)."""
        from haechi.server.auth.discovery import Issuer

        with self._lock:
            found = self._issuers.get((url, allow_http))
            if found is None:
                found = self._issuers[url, allow_http] = Issuer(url, allow_http=allow_http)
            return found

    def first_use(self, mark: str) -> bool:
        """True the first time that this is asked for the mark of a sign-in."""
        with self._lock:
            if mark in self._used:
                return False
            self._used[mark] = None
            if len(self._used) > USED:
                self._used.popitem(last=False)
            return True
