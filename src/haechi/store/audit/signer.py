"""The thread that signs heads behind the log: every so many records or seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from haechi.errors import HaechiError

_log = logging.getLogger(__name__)


class Signer:
    """Calls ``sign`` when ``unsigned`` reaches ``every``, or ``within_s`` seconds after the first
    record that no head covers. ``problem`` says why the last try failed."""

    def __init__(
        self,
        unsigned: Callable[[], int],
        sign: Callable[[], object],
        *,
        every: int,
        within_s: float,
    ) -> None:
        self._unsigned, self._sign = unsigned, sign
        self._every, self._within_s = every, within_s
        self.problem = ""
        self._due = threading.Condition()
        self._thread: threading.Thread | None = None
        self._counting = self._stopped = False

    def call(self) -> None:
        """There are new records. Starts the thread with the first."""
        with self._due:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="audit-heads", daemon=True)
                self._thread.start()
            elif not self._counting or self._unsigned() >= self._every:
                self._due.notify_all()

    def stop(self) -> None:
        """End the thread; what is unsigned stays so."""
        with self._due:
            self._stopped = True
            self._due.notify_all()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while self._wait():
            try:
                self._sign()
                self.problem = ""
            except HaechiError as error:
                # records go on being logged; the next head covers them all
                self.problem = str(error)
                _log.warning("no head of the audit log could be signed: %s", error)
                with self._due:
                    self._due.wait_for(lambda: self._stopped, self._within_s)

    def _wait(self) -> bool:
        """Until a head is due; False when there shall be no more."""
        with self._due:
            self._counting = False
            self._due.wait_for(lambda: self._stopped or self._unsigned() > 0)
            self._counting = True
            self._due.wait_for(
                lambda: self._stopped or self._unsigned() >= self._every, self._within_s
            )
            return not self._stopped
