"""``http``: a request to a receiver of the settings. The body is ``{"receiver": name, "data": …}``.

At most once: a request whose answer was lost may have been carried out, and the receiver cannot
be asked, so it is not sent again and the action says so. The idempotency key goes along for
receivers that know what to do with it. Redirects are not followed.
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
    """Where requests go. ``token_file`` holds the bearer token, if one is needed."""

    url: str
    token_file: str = ""


class Undelivered(InputError):
    """The receiver did not take it."""


class Notify:
    """See ``Performer``."""

    def __init__(self, receivers: Mapping[str, Receiver]) -> None:
        self._receivers = receivers

    def prepare(self, step: StoredStep) -> Any:
        """Sure that the receiver is known."""
        self._receiver(step)
        return None

    def apply(self, step: StoredStep) -> str:
        """Send it, once."""
        import httpx

        receiver = self._receiver(step)
        headers = {"Content-Type": "application/json", "Idempotency-Key": step.id}
        if receiver.token_file:
            headers["Authorization"] = f"Bearer {_token(receiver.token_file)}"
        try:
            answer = httpx.post(
                receiver.url,
                content=msgspec.json.encode(step.body["data"]),
                headers=headers,
                timeout=_SECONDS,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            raise Undelivered(
                f"{step.body['receiver']} gave no answer: it may or may not have taken the request",
                why=type(error).__name__,
            ) from error
        if not answer.is_success:
            raise Undelivered(f"{step.body['receiver']} answered {answer.status_code}")
        return f"{step.body['receiver']} answered {answer.status_code}"

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
