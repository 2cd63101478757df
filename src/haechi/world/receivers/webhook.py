"""A webhook of one's own: JSON with a signature that the receiver can check.

    X-Haechi-Timestamp: 1795000000
    X-Haechi-Delivery:  9f0c…            the same for every try of one message
    X-Haechi-Signature: v1=HEX           HMAC-SHA256(secret, "v1:" + timestamp + ":" + body)

A receiver takes a message when the signature holds, the timestamp is at most five minutes off,
and the delivery was not taken yet: ``verified`` does the first two, and is written so that it can
be copied.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from haechi.model.alert import Item, Message
from haechi.world.receivers.http import Http
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import Known, Sent
from haechi.world.receivers.settings import ReceiverSettings

SCHEMA = "haechi.alert/1"
WINDOW_S = 300


class Webhook:
    """See the module."""

    def __init__(
        self, settings: ReceiverSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._clock = clock

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """One signed POST."""
        secret, url = secret_of(self._settings), url_of(self._settings)
        body = msgspec.json.encode(document(message))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.id,
            "X-Haechi-Delivery": message.id,
            **signed(body, secret, int(self._clock())),
        }
        http = Http(self._settings, secret, url)
        reply = http.take("POST", url, body=body, headers=headers)
        return Sent(status=str(reply.status))


def signed(body: bytes, secret: str, at: int) -> dict[str, str]:
    """The headers that prove who sent the body, and when."""
    return {
        "X-Haechi-Timestamp": str(at),
        "X-Haechi-Signature": f"v1={_mac(body, secret, str(at))}",
    }


def verified(body: bytes, headers: Mapping[str, str], secret: str, now: float) -> bool:
    """True when the holder of ``secret`` sent this body within five minutes of ``now``.
    ``headers`` have names in lower case."""
    at = headers.get("x-haechi-timestamp", "")
    version, _, mac = headers.get("x-haechi-signature", "").partition("=")
    if version != "v1" or not (at.isascii() and at.isdigit()) or len(at) > 12:
        return False
    if abs(now - int(at)) > WINDOW_S:
        return False
    return hmac.compare_digest(_mac(body, secret, at).encode(), mac.encode("utf-8", "replace"))


def _mac(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), f"v1:{at}:".encode() + body, hashlib.sha256).hexdigest()


def document(message: Message) -> dict[str, Any]:
    """The message as JSON; texts are plain and masked."""
    return {
        "schema": SCHEMA,
        "id": message.id,
        "ts_ns": message.at_ns,
        "test": message.test,
        "language": message.language,
        "subject": message.subject,
        "status": message.status.value,
        "level": message.level,
        "more": message.more,
        "items": [item(one) for one in message.items],
    }


def item(one: Item) -> dict[str, Any]:
    """A piece of news: its words for people, and all of it for programs."""
    return {
        "heading": one.heading,
        "next": one.next_step,
        "link": one.link,
        "facts": [{"label": fact.label, "value": fact.value} for fact in one.facts],
        "news": msgspec.to_builtins(one.news),
    }
