"""One HTTP request to a receiver: bounded in time and size, without redirects, TLS verified.

The whole exchange has one deadline, which asyncio can hold and timeouts of reads cannot: a
receiver that sends a byte now and then would keep a thread for hours. What comes back decides
whether trying again makes sense: yes after 408, 425, 429, 5xx and broken connections, no after
every other refusal. Redirects are refused, as what is sent (and the secret with it) is meant for
the address of the configuration alone.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from haechi.engines.addresses import is_loopback
from haechi.world.receivers.secret import hidden
from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.settings import ReceiverSettings

MOST_ANSWER = 256 << 10
_AGAIN = frozenset({408, 425, 429})
_LONGEST_WAIT = 3600.0
_SHOWN = 200


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. ``body`` is at most MOST_ANSWER bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. NotSent when it is none: something else answers there."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            raise NotSent(
                f"HTTP {self.status}, but the answer is no JSON: {shown(self.body)}",
                status=str(self.status),
            ) from None

    def mapping(self) -> dict[str, Any]:
        """The body as a mapping. NotSent."""
        value = self.json()
        if not isinstance(value, dict):
            raise NotSent(f"HTTP {self.status}, but the answer is no object")
        return value


class Http:
    """Requests to one receiver. ``secrets`` are taken out of every text of a failure."""

    def __init__(self, settings: ReceiverSettings, *secrets: str) -> None:
        self._settings = settings
        self._secrets = secrets

    def ask(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Any answer of the receiver. NotSent when there is none."""
        parts = urlsplit(url)
        plain = parts.scheme == "http"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NotSent("the receiver's address is no URL", permanent=True)
        if plain and not self._settings.allow_http and not is_loopback(parts.hostname):
            raise NotSent(
                "the receiver's address is not https (allow_http permits it)", permanent=True
            )
        try:
            return asyncio.run(self._exchange(method, url, body, dict(headers or {})))
        except NotSent:
            raise
        except TimeoutError:
            raise NotSent(f"no answer within {self._settings.timeout:g} s") from None
        except (OSError, ssl.SSLError, ValueError) as error:
            raise NotSent(self._words(error)) from None

    def take(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """An answer that says yes (2xx). NotSent says what else it was."""
        reply = self.ask(method, url, body=body, headers=headers)
        if not 200 <= reply.status < 300:
            raise self.refusal(reply)
        return reply

    def refusal(self, reply: Reply, *, again: bool = False) -> NotSent:
        """What a refusal means. ``again``: the product says so where HTTP does not."""
        words = f"HTTP {reply.status}"
        if 300 <= reply.status < 400:
            words += ": redirects are not followed"
        elif said := shown(reply.body):
            words += f": {said}"
        later = again or reply.status in _AGAIN or reply.status >= 500
        return NotSent(
            hidden(words, self._secrets),
            permanent=not later,
            retry_after=retry_after(reply.headers) if later else 0.0,
            status=str(reply.status),
        )

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Reply:
        import httpx

        headers = {"User-Agent": "haechi", "Accept": "application/json", **headers}
        async with asyncio.timeout(self._settings.timeout):
            try:
                async with (
                    httpx.AsyncClient(
                        verify=_context(self._settings.ca_file, url),
                        timeout=self._settings.timeout,
                        follow_redirects=False,
                        # Proxies of the environment count, but never for this machine itself.
                        trust_env=not is_loopback(urlsplit(url).hostname or ""),
                    ) as client,
                    client.stream(method, url, content=body, headers=headers) as response,
                ):
                    data = bytearray()
                    async for part in response.aiter_bytes():
                        data += part[: MOST_ANSWER - len(data)]
                        if len(data) >= MOST_ANSWER:
                            break
                    return Reply(
                        status=response.status_code,
                        headers={name.lower(): value for name, value in response.headers.items()},
                        body=bytes(data),
                    )
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise NotSent(self._words(error)) from None

    def _words(self, error: Exception) -> str:
        """Without the address: it may be a secret itself."""
        said = shown(str(error).encode("utf-8", "replace")) or type(error).__name__
        return hidden(f"no answer: {said}", self._secrets)


def _context(ca_file: str, url: str) -> ssl.SSLContext:
    """Trusts the named authority, or the system's. Reading all of the system's takes longer than
    a request, so without TLS there is one that trusts nobody."""
    if url.startswith("http:") and not ca_file:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        words = getattr(error, "strerror", None) or "it holds no certificate"
        raise NotSent(f"ca_file cannot be used: {ca_file}: {words}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def retry_after(headers: Mapping[str, str], now: dt.datetime | None = None) -> float:
    """Seconds of a Retry-After (a number or a date), at most an hour; 0 without a usable one."""
    said = headers.get("retry-after", "").strip()[:60]
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    left = (at - (now or dt.datetime.now(dt.UTC))).total_seconds()
    return max(0.0, min(left, _LONGEST_WAIT))


def shown(body: bytes) -> str:
    """The beginning of an answer as one line of printable text."""
    text = body[:2_000].decode("utf-8", "replace")
    words = " ".join(text.split())
    return "".join(one if one.isprintable() else "?" for one in words)[:_SHOWN]
