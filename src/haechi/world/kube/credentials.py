"""Who asks: fixed words, a token's file that is read again, a program that is asked.

An account's token in a pod lives for an hour and is replaced in its file; client-go looks once a
minute, so do we, and at once after a 401.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from haechi.errors import ConfigError, KubeForbidden
from haechi.world.kube.access import Credential, read_file

AGAIN_S = 60.0


class Fixed:
    """Words that do not change."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def now(self) -> Credential:
        """What counts now."""
        return self._credential

    def refused(self, shown: Credential) -> bool:
        """Nothing else can be shown."""
        return False


class TokenFile:
    """The token in a file. ``certificate`` and key may be shown beside it."""

    def __init__(
        self, file: str, beside: Credential, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file, self._beside, self._clock = file, beside, clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._credential = Credential()

    def now(self) -> Credential:
        """As the file was not longer than a minute ago. A file that cannot be read just now (it
        is being replaced) leaves the last token standing."""
        with self._lock:
            if self._clock() - self._read_at >= AGAIN_S:
                try:
                    self._credential = self._read()
                except ConfigError:
                    if not self._credential.token:
                        raise
                self._read_at = self._clock()
            return self._credential

    def refused(self, shown: Credential) -> bool:
        """Look again; True when the file holds another token by now."""
        with self._lock:
            if self._credential.token == shown.token:
                try:
                    self._credential = self._read()
                except ConfigError:
                    return False
                self._read_at = self._clock()
            return self._credential.token != shown.token

    def _read(self) -> Credential:
        token = checked_token(read_file(self._file), self._file)
        return Credential(token=token, certificate=self._beside.certificate, key=self._beside.key)


def checked_token(data: bytes | str, where: str) -> str:
    """A token that can stand in a header. Raises ConfigError; the token is never in its words."""
    text = (data.decode("ascii", "replace") if isinstance(data, bytes) else data).strip()
    if not text:
        raise ConfigError("the token is empty", where=where)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError("the token holds characters that no token has", where=where)
    return text


def unknown_to_server(where: str) -> KubeForbidden:
    """For a server that does not know who asks."""
    return KubeForbidden(
        "the API server does not know who asks",
        why="no, wrong or expired credentials (401)",
        do="sign in again, or look at the user of this context: kubectl auth whoami",
        where=where,
        status=401,
        reason="Unauthorized",
    )
