"""Signing in at an OpenID provider: authorization code with PKCE, state and nonce.

On the way out the browser gets a cookie with one random value, sealed by this server; state,
nonce and PKCE verifier are derived from it, so an answer fits only the browser that asked, and
the server stores nothing for people who never come back. RFC 6749, 7636, 9207, 9700.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from haechi.errors import ConfigError, NotFound, Unauthenticated
from haechi.server.auth.config import AuthSettings, Provider
from haechi.server.auth.discovery import Described, Issuer
from haechi.server.auth.jose import verified
from haechi.server.auth.memory import AuthMemory

LASTS = 600
LONGEST_NEXT = 2_000
LONGEST_CODE = 4_096


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """Where to send the browser, and the cookie that it takes along."""

    location: str
    cookie: str


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Who came back, and where on the page they wanted to go."""

    claims: dict[str, Any]
    next: str


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What the sealed cookie holds."""

    value: str
    provider: str
    began: int
    next: str


class _TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id_token: str


def provider_named(settings: AuthSettings, name: str) -> Provider:
    """The provider of the settings. Raises NotFound."""
    for provider in settings.providers:
        if provider.name == name:
            return provider
    raise NotFound("no such sign-in provider")


def depart(
    provider: Provider, memory: AuthMemory, *, url: str, next_: str, now: dt.datetime
) -> Departure:
    """The way to the provider. Raises Unauthenticated when the provider cannot be asked."""
    described = _issuer(provider, memory).described(now)
    if not described.authorization_endpoint or not described.token_endpoint:
        raise Unauthenticated("the provider names no place to sign in")
    flow = Flow(
        value=secrets.token_urlsafe(32),
        provider=provider.name,
        began=int(now.timestamp()),
        next=local_path(next_),
    )
    ask = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": _callback(url, provider),
        "scope": " ".join(provider.scopes),
        "state": _derived(flow, "state"),
        "nonce": _derived(flow, "nonce"),
        "code_challenge": _challenge(_derived(flow, "verifier")),
        "code_challenge_method": "S256",
    }
    mark = "&" if urlsplit(described.authorization_endpoint).query else "?"
    return Departure(
        location=f"{described.authorization_endpoint}{mark}{urlencode(ask)}",
        cookie=_seal(flow, memory.seal),
    )


def arrive(
    provider: Provider,
    memory: AuthMemory,
    *,
    url: str,
    answer: Mapping[str, str],
    cookie: str,
    now: dt.datetime,
) -> Arrival:
    """Who the provider says it is. ``answer`` is the query of the callback. Raises
    Unauthenticated; nothing that the provider sent is repeated to the browser."""
    flow = _opened(cookie, memory.seal, provider, now)
    if not hmac.compare_digest(answer.get("state", "").encode(), _derived(flow, "state").encode()):
        raise Unauthenticated("the answer belongs to another sign-in (state)")
    if not memory.first_use(_derived(flow, "used")):
        raise Unauthenticated("this sign-in was finished already")
    issuer = _issuer(provider, memory)
    described = issuer.described(now)
    named = answer.get("iss", "")
    if named != provider.issuer and (
        named or described.authorization_response_iss_parameter_supported
    ):
        raise Unauthenticated("the answer is of another provider (iss)")
    code = answer.get("code", "")
    if answer.get("error") or not code or len(code) > LONGEST_CODE:
        raise Unauthenticated("the provider did not sign you in")
    token = _exchange(provider, issuer, described, url=url, code=code, flow=flow)
    claims = verified(
        token,
        keys=lambda kid: issuer.keys(kid, now),
        issuer=provider.issuer,
        audience=provider.client_id,
        now=now,
    )
    _for_us(claims, provider, flow)
    return Arrival(claims=claims, next=flow.next)


def local_path(wanted: str) -> str:
    """``next``, when it is a path of this server; else the first screen. A browser reads ``//x``
    and ``/\\x`` as other hosts, and drops tabs and line ends before it looks."""
    good = (
        wanted.startswith("/")
        and not wanted.startswith(("//", "/\\"))
        and "\\" not in wanted
        and len(wanted) <= LONGEST_NEXT
        and wanted.isprintable()
        and wanted.isascii()
        and " " not in wanted
    )
    return wanted if good else "/"


def _for_us(claims: Mapping[str, Any], provider: Provider, flow: Flow) -> None:
    """OpenID Connect Core 3.1.3.7: made for this client, in this sign-in."""
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), _derived(flow, "nonce").encode()
    ):
        raise Unauthenticated("the answer belongs to another sign-in (nonce)")
    several = isinstance(claims.get("aud"), list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else provider.client_id) != provider.client_id:
        raise Unauthenticated("the answer was made for another client (azp)")


def _exchange(
    provider: Provider, issuer: Issuer, described: Described, *, url: str, code: str, flow: Flow
) -> str:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _callback(url, provider),
        "client_id": provider.client_id,
        "code_verifier": _derived(flow, "verifier"),
    }
    headers = {"accept": "application/json"}
    if secret := _secret(provider):
        if "client_secret_basic" in described.token_endpoint_auth_methods_supported:
            pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_secret"] = secret
    status, body = issuer.fetch("POST", described.token_endpoint, data=form, headers=headers)
    if status != 200:
        raise Unauthenticated("the provider did not accept the sign-in's code")
    try:
        return msgspec.json.decode(body, type=_TokenAnswer).id_token
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unauthenticated("the provider's answer holds no id_token") from error


def _secret(provider: Provider) -> str:
    if not provider.client_secret_file:
        return ""
    path = Path(provider.client_secret_file)
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the client secret of {provider.name} cannot be read",
            where=str(path),
            why=type(error).__name__,
        ) from error


def _issuer(provider: Provider, memory: AuthMemory) -> Issuer:
    return memory.issuer(provider.issuer, allow_http=provider.allow_http)


def _callback(url: str, provider: Provider) -> str:
    return f"{url.rstrip('/')}/api/v1/auth/oidc/{provider.name}/callback"


def _derived(flow: Flow, purpose: str) -> str:
    """43 characters, as long as PKCE wants them to be at least."""
    mac = hmac.new(flow.value.encode(), f"haechi {purpose}".encode(), hashlib.sha256).digest()
    return _text(mac)


def _challenge(verifier: str) -> str:
    return _text(hashlib.sha256(verifier.encode()).digest())


def _seal(flow: Flow, key: bytes) -> str:
    body = msgspec.json.encode(flow)
    return f"{_text(body)}.{_text(hmac.new(key, body, hashlib.sha256).digest())}"


def _opened(cookie: str, key: bytes, provider: Provider, now: dt.datetime) -> Flow:
    fault = Unauthenticated(
        "this sign-in was not begun in this browser, or too long ago", do="sign in once more"
    )
    text, _, mac = cookie.partition(".")
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if not hmac.compare_digest(
            mac.encode(), _text(hmac.new(key, body, hashlib.sha256).digest()).encode()
        ):
            raise fault
        flow = msgspec.json.decode(body, type=Flow)
    except (ValueError, msgspec.DecodeError) as error:
        raise fault from error
    if flow.provider != provider.name or not 0 <= now.timestamp() - flow.began <= LASTS:
        raise fault
    return flow


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
