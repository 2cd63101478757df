"""An OpenID issuer as it describes itself: where to sign in, where its keys are, the keys.

Only issuers of the settings are asked. What is fetched is bounded in size and time, never
redirected, over https (or loopback where the settings allow it). Keys are kept for an hour; a
key that is not among them has them fetched again, but at most twice a minute, so that nobody
can make this server ask on and on.
"""

from __future__ import annotations

import datetime as dt
import ssl
import threading
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from haechi.engines.addresses import is_loopback
from haechi.errors import Unauthenticated

LARGEST = 256 * 1024
SECONDS = 5.0
WHOLE_SECONDS = 10.0
KEPT = dt.timedelta(hours=1)
HELD = dt.timedelta(days=1)
"""How long keys hold on while their issuer cannot be reached."""
AGAIN = dt.timedelta(seconds=30)
MOST_KEYS = 50


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the discovery document that is used."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class KeySet(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 7517, section 5."""

    keys: tuple[dict[str, Any], ...]


@cache
def _trust() -> ssl.SSLContext:
    """The certificate authorities. Reading them is most of what a request would cost."""
    import httpx

    return httpx.create_ssl_context()


class Issuer:
    """Thread-safe; one for each issuer, kept over requests."""

    def __init__(self, url: str, *, allow_http: bool = False) -> None:
        self.url = url
        self._allow_http = allow_http
        self._lock = threading.Lock()
        self._described: Described | None = None
        self._keys: tuple[dict[str, Any], ...] = ()
        self._described_at: dt.datetime | None = None
        self._keys_at: dt.datetime | None = None
        self._tried: dt.datetime | None = None

    def described(self, now: dt.datetime) -> Described:
        """The discovery document. Raises Unauthenticated when it is not to be had."""
        with self._lock:
            return self._describe(now)

    def keys(self, kid: str | None, now: dt.datetime) -> list[dict[str, Any]]:
        """Keys with this id (without an id: all), fetched when they are old or it is unknown."""
        with self._lock:
            found = self._chosen(kid)
            age = None if self._keys_at is None else now - self._keys_at
            if age is None or age > KEPT or not found:
                self._refresh(now, needed=not found)
                if self._keys_at is None or now - self._keys_at > HELD:
                    self._keys = ()
                found = self._chosen(kid)
        return found

    def fetch(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        """Status and body of one request to the issuer, bounded. Raises Unauthenticated."""
        import httpx

        self._permitted(url)
        end, body = time.monotonic() + WHOLE_SECONDS, bytearray()
        try:
            with (
                httpx.Client(
                    timeout=SECONDS,
                    follow_redirects=False,
                    trust_env=not self._allow_http,
                    verify=_trust(),
                ) as client,
                client.stream(method, url, **options) as response,
            ):
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST or time.monotonic() > end:
                        raise self._fault(f"{url} answers too much or too slowly")
                return response.status_code, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._fault(f"{url}: {type(error).__name__}") from error

    def _chosen(self, kid: str | None) -> list[dict[str, Any]]:
        return [key for key in self._keys if kid is None or key.get("kid") == kid]

    def _refresh(self, now: dt.datetime, *, needed: bool) -> None:
        if self._tried is not None and dt.timedelta(0) <= now - self._tried < AGAIN:
            return
        self._tried = now
        try:
            keys = self._get(self._describe(now).jwks_uri, KeySet).keys
        except Unauthenticated:
            if needed:
                raise
            return  # the keys that are known hold on while their issuer cannot be reached
        self._keys, self._keys_at = keys[:MOST_KEYS], now

    def _describe(self, now: dt.datetime) -> Described:
        at = self._described_at
        if self._described is not None and at is not None and now - at <= KEPT:
            return self._described
        url = self.url.rstrip("/") + "/.well-known/openid-configuration"
        found: Described = self._get(url, Described)
        if found.issuer != self.url:
            raise self._fault(f"it calls itself {found.issuer[:200]!r}")
        for address in (found.jwks_uri, found.authorization_endpoint, found.token_endpoint):
            if address:
                self._permitted(address)
        self._described, self._described_at = found, now
        return found

    def _get(self, url: str, type_: type[Any]) -> Any:
        status, body = self.fetch("GET", url, headers={"accept": "application/json"})
        if status != 200:
            raise self._fault(f"{url} answers {status}")
        try:
            return msgspec.json.decode(body, type=type_)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._fault(f"{url} is not what it should be: {error}") from error

    def _permitted(self, url: str) -> None:
        parts = urlsplit(url)
        plain = parts.scheme == "http" and self._allow_http and is_loopback(parts.hostname or "")
        if not plain and (parts.scheme != "https" or not parts.hostname):
            raise self._fault(f"{url[:200]!r} is no https URL")

    def _fault(self, what: str) -> Unauthenticated:
        return Unauthenticated(
            f"the issuer {self.url} cannot be asked",
            why=what,
            do="try again; if it stays so, look at the server's settings of this issuer",
        )
