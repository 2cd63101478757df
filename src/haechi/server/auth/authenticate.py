"""Who sends a request: by Bearer token, session cookie, or a pipeline's signed token; where
programs send events, also by a token as the password of HTTP Basic (a URL's, for Falco).

Called by the routing for every request of the API, in a thread (it asks the store, and for
pipelines now and then their issuer). None is a request without credentials. What was shown and
does not hold raises Unauthenticated; a cookie that does not hold is no credentials, because a
browser sends an old one unasked.

Strangers learn nothing: unknown, revoked and disabled are one answer. Only who shows the whole
secret of an expired token is told that it expired.
"""

from __future__ import annotations

import base64
import datetime as dt
import logging
from typing import TYPE_CHECKING

from haechi.errors import StoreError, TooManyRequests, Unauthenticated
from haechi.model.access import Principal
from haechi.server.auth.buckets import network
from haechi.server.auth.cookies import session_cookie
from haechi.server.auth.forgery import SAFE, reached_by, refuse_foreign, refuse_forged
from haechi.store.state.access_secrets import Kind, prefix, well_formed
from haechi.store.state.access_tokens import FoundToken, Standing

if TYPE_CHECKING:
    from starlette.requests import Request

    from haechi.server.world import World

LONGEST_CREDENTIAL = 16 * 1024
log = logging.getLogger("haechi.server.auth")


def authenticate(
    request: Request, world: World, *, touch: bool = True, sends: bool = False
) -> Principal | None:
    """The principal, or None without credentials.

    ``touch`` False does not count as use: for streams that check from time to time
    whether their principal is still welcome. ``sends``: as in ``Operation``. Raises
    Unauthenticated, Forbidden (a forged request), TooManyRequests.
    """
    now, address = world.clock(), request.client.host if request.client else ""
    shown = request.headers.getlist("authorization")
    try:
        if shown:
            secret = _secret(shown, basic=sends)
            principal: Principal | None = _bearer(secret, world, address, now, touch=touch)
        else:
            principal = _session(request, world, now, touch=touch)
    except Unauthenticated:
        _limit_anonymous(world, address, now)
        raise
    if principal is None:
        _limit_anonymous(world, address, now)
    elif touch:
        _limit_known(principal, world, now, sends=sends)
    return principal


def _secret(shown: list[str], *, basic: bool) -> str:
    """The token of the Authorization header. A user name beside it means nothing."""
    scheme, _, secret = shown[0].partition(" ")
    scheme, secret = scheme.lower(), secret.strip()
    known = scheme == "bearer" or (basic and scheme == "basic")
    if len(shown) > 1 or not known or not secret.isascii():
        raise Unauthenticated("no Bearer token", do="send Authorization: Bearer <token>, once")
    if len(secret) > LONGEST_CREDENTIAL:
        raise Unauthenticated("the token is too long to be one")
    if scheme == "bearer":
        return secret
    try:
        _, colon, password = base64.b64decode(secret, validate=True).decode("ascii").partition(":")
    except ValueError:
        colon = password = ""
    if not colon or not password:
        raise Unauthenticated(
            "the Basic credentials have no token",
            do="write it as the password: https://token:<token>@…",
        )
    return password


def _bearer(secret: str, world: World, address: str, now: dt.datetime, *, touch: bool) -> Principal:
    if secret.count(".") == 2 and not secret.startswith("haechi_"):
        from haechi.server.auth.pipelines import pipeline_principal

        return pipeline_principal(secret, world.settings.auth, world.auth, now)
    found = token_in_force(secret, world, address, now)
    if touch:
        try:
            world.store.state.access.tokens.used(found.record, now, address)
        except StoreError as error:  # a full disk must not lock people out of a look at it
            log.warning("the use of %s could not be noted: %s", found.record.id, error.what)
    return found.principal


def token_in_force(secret: str, world: World, address: str, now: dt.datetime) -> FoundToken:
    """The API token with this secret; failures are counted. Raises Unauthenticated."""
    if not well_formed(secret, Kind.TOKEN):
        raise Unauthenticated(
            "this is no token of haechi",
            why="its form or its checksum is wrong: it is cut off or mistyped",
            do="copy the whole token, from haechi_api_ on",
        )
    found = world.store.state.access.tokens.find(secret, now)
    match found.standing if found else None:
        case Standing.LIVE if found is not None:
            return found
        case Standing.EXPIRED if found is not None and found.record.expires is not None:
            raise Unauthenticated(
                f"the token expired on {found.record.expires:%Y-%m-%d}",
                do="have an administrator make a new one",
            )
        case None:
            failed((f"address:{network(address)}", f"token:{prefix(secret)}"), world, address, now)
    raise Unauthenticated("the token is not valid", do="ask an administrator for another")


def failed(whom: tuple[str, ...], world: World, address: str, now: dt.datetime) -> None:
    """Counts a failed sign-in. Raises TooManyRequests for whoever is, or is now, locked out."""
    attempts = world.store.state.access.attempts
    locked(whom, world, now)
    _limit_anonymous(world, address, now)
    wait = attempts.failed(
        whom, allowed=world.settings.auth.limits.failures_before_lockout, address=address
    )
    _locked(wait)


def locked(whom: tuple[str, ...], world: World, now: dt.datetime) -> None:
    """Raises TooManyRequests while one of them is locked out."""
    _locked(world.store.state.access.attempts.wait(whom, now))


def _session(request: Request, world: World, now: dt.datetime, *, touch: bool) -> Principal | None:
    changes = request.method not in SAFE
    url = _url(request, world)
    if changes:
        refuse_foreign(request.headers, url)
    secret = request.cookies.get(session_cookie(url), "")
    if not well_formed(secret, Kind.SESSION):
        return None
    sessions, settings = world.store.state.access.sessions, world.settings.auth
    found = sessions.find(secret, now, dt.timedelta(hours=settings.session_idle_hours))
    if found is None:
        return None
    if changes:
        refuse_forged(secret, request.headers)
    if touch:
        try:
            sessions.used(found, now)
        except StoreError as error:
            log.warning("the use of a session could not be noted: %s", error.what)
    return found.principal


def greet(request: Request, world: World) -> None:
    """What is asked of a request that needs no sign-in: not another site's, not too many. Quick
    (memory only). Raises Forbidden, TooManyRequests."""
    if request.method not in SAFE:
        refuse_foreign(request.headers, _url(request, world))
    _limit_anonymous(world, request.client.host if request.client else "", world.clock())


def _url(request: Request, world: World) -> str:
    """As the handlers' ``Call.url``: cookies are named by it."""
    host = request.headers.get("host", "")
    return reached_by(request.url.scheme, host, world.settings.listen.public_url)


def _limit_known(principal: Principal, world: World, now: dt.datetime, *, sends: bool) -> None:
    """Senders have a bucket of their own, so a flood of events keeps nobody from looking at it."""
    limits = world.settings.auth.limits
    pace = (
        (limits.sender_per_second, limits.sender_burst)
        if sends
        else (limits.per_second, limits.burst)
    )
    key = f"sender:{principal.id}" if sends else principal.id
    wait = world.auth.known.take(key, per_second=pace[0], burst=pace[1], now=now.timestamp())
    _limit(wait)


def _limit_anonymous(world: World, address: str, now: dt.datetime) -> None:
    limits = world.settings.auth.limits
    _limit(
        world.auth.anonymous.take(
            network(address),
            per_second=limits.anonymous_per_second,
            burst=limits.anonymous_burst,
            now=now.timestamp(),
        )
    )


def _limit(wait: float) -> None:
    if wait > 0:
        raise TooManyRequests("too many requests", retry_after=int(wait) + 1)


def _locked(wait: dt.timedelta) -> None:
    if wait > dt.timedelta(0):
        raise TooManyRequests(
            "locked out after failed sign-ins", retry_after=int(wait.total_seconds()) + 1
        )
