"""``http``: a request to a receiver of the settings. The body is ``{"receiver": name, "data": …}``.

At most once: a request whose answer was lost may have been carried out, and the receiver cannot
be asked, so it is not sent again and the action says so. The idempotency key goes along for
receivers that know what to do with it. It is sent as alerts are: one deadline for all of it (the
thread that waits here is the one that undoes what others did), a bound for the answer, no
redirects, https unless ``allow_http``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from haechi.errors import HaechiError, InputError
from haechi.respond.steps.performer import Standing, Unfit
from haechi.store.state.action_records import StoredStep

_SECONDS = 10.0


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go. ``token_file`` holds the bearer token, if one is needed; ``ca_file`` the
    authority to trust instead of the system's."""

    url: str
    token_file: str = ""
    ca_file: str = ""
    allow_http: bool = False


class Undelivered(InputError):
    """The receiver did not take it."""


class Notify:
    """See ``Performer``."""

    def __init__(self, receivers: Mapping[str, Receiver], *, seconds: float = _SECONDS) -> None:
        self._receivers, self._seconds = receivers, seconds

    def prepare(self, step: StoredStep) -> Any:
        """Sure that the receiver is known."""
        self._receiver(step)
        return None

    def apply(self, step: StoredStep) -> str:
        """Send it, once."""
        from haechi.world.receivers.http import Http
        from haechi.world.receivers.sending import NotSent
        from haechi.world.receivers.settings import ReceiverSettings

        name, receiver = str(step.body["receiver"]), self._receiver(step)
        headers = {"Content-Type": "application/json", "Idempotency-Key": step.id}
        token = _token(receiver.token_file) if receiver.token_file else ""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        settings = ReceiverSettings(
            name=name,
            kind="webhook",
            url=receiver.url,
            ca_file=receiver.ca_file,
            allow_http=receiver.allow_http,
            timeout=self._seconds,
        )
        body = msgspec.json.encode(step.body["data"])
        try:
            http = Http(settings, token, receiver.url)
            reply = http.take("POST", receiver.url, body=body, headers=headers)
        except NotSent as error:
            if error.status or error.permanent:
                raise Undelivered(f"{name} did not take it: {error.what}") from error
            raise Undelivered(
                f"{name} gave no answer: it may or may not have taken the request", why=error.what
            ) from error
        return f"{name} answered {reply.status}"

    def standing(self, step: StoredStep) -> Standing:
        """Nobody can tell."""
        return Standing.UNKNOWN

    def undo(self, step: StoredStep) -> str:
        """A request cannot be called back."""
        return "what was sent cannot be called back"

    def _receiver(self, step: StoredStep) -> Receiver:
        name = str(step.body.get("receiver", ""))
        if name not in self._receivers:
            known = ", ".join(sorted(self._receivers)) or "none is configured"
            raise Unfit(f"there is no receiver {name[:80]!r}", do=f"respond.receivers: {known}")
        return self._receivers[name]


def _token(file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HaechiError("the receiver's token cannot be read", where=file) from error
