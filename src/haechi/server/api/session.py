"""Signing in and out: by a token, by the code of a sign-in link, or at an OpenID provider."""

from __future__ import annotations

import datetime as dt
import logging

import msgspec

import haechi
from haechi.engines.addresses import is_loopback
from haechi.errors import Forbidden, HaechiError, Unauthenticated, UsageError
from haechi.model.access import EVERYWHERE, Principal, Role
from haechi.server.auth import cookies, oidc
from haechi.server.auth.authenticate import failed, locked, token_in_force
from haechi.server.auth.buckets import network
from haechi.server.auth.forgery import csrf_token
from haechi.server.auth.mapping import grants_by, person
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.shapes import Me, SignIn, SignInWays
from haechi.store.state.access import Access
from haechi.store.state.access_secrets import prefix

log = logging.getLogger("haechi.server.auth")


class LoginQuery(msgspec.Struct, frozen=True, kw_only=True):
    """``next`` is a path of this server to go on to."""

    next: str = "/"


class CallbackQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answers with. Only the first four are used; the others are what known
    providers add."""

    code: str = ""
    state: str = ""
    iss: str = ""
    error: str = ""
    error_description: str = ""
    error_uri: str = ""
    session_state: str = ""
    scope: str = ""
    authuser: str = ""
    prompt: str = ""
    hd: str = ""
    client_info: str = ""


def show(call: Call) -> Me:
    """Who asks."""
    secret = call.cookies.get(cookies.session_cookie(call.url), "")
    idle = dt.timedelta(hours=call.world.settings.auth.session_idle_hours)
    found = _access(call).sessions.find(secret, call.now, idle) if secret else None
    if found is None or found.principal.id != call.principal.id:
        return me(call.principal, expires=call.principal.expires)
    return me(call.principal, csrf=csrf_token(secret), expires=found.ends)


def ways(call: Call) -> SignInWays:
    """What the sign-in screen offers."""
    names = [provider.name for provider in call.world.settings.auth.providers]
    return SignInWays(providers=names, version=haechi.__version__)


def start(call: Call) -> Answer:
    """A session for whoever shows a token or a code."""
    wanted: SignIn = call.body
    if bool(wanted.token) == bool(wanted.code):
        raise UsageError("send a token or a code, one of them")
    _clear_allowed(call)
    home = f"address:{network(call.address)}"
    if wanted.token:
        secret = wanted.token.strip()
        whom = (home, f"token:{prefix(secret)}")
        locked(whom, call.world, call.now)
        found = token_in_force(secret, call.world, call.address, call.now)
        _access(call).tokens.used(found.record, call.now, call.address)
        _access(call).attempts.succeeded(whom)
        return _begun(call, user=found.record.user, token=found.record.id, way="token")
    if not is_loopback(call.address):
        raise Forbidden(
            "a sign-in link works on the server's own machine only", do="sign in with a token"
        )
    locked((home,), call.world, call.now)
    user = _access(call).sessions.take_code(wanted.code.strip())
    if user is None:
        failed((home,), call.world, call.address, call.now)
        raise Unauthenticated(
            "the link was used already or is older than ten minutes",
            do="sign in with a token; a start of haechi up on a terminal prints a new link",
        )
    _access(call).attempts.succeeded((home,))
    return _begun(call, user=user, way="code")


def end(call: Call) -> Answer:
    """Signs this session out; a Bearer token stays as it is (revoke it instead)."""
    secret = call.cookies.get(cookies.session_cookie(call.url), "")
    if secret:
        _access(call).sessions.end(secret, by=call.principal.id)
    return Answer(value=None, status=204, cookies=(cookies.drop_session(call.url),))


def login(call: Call) -> Answer:
    """Sends the browser to the provider."""
    provider = oidc.provider_named(call.world.settings.auth, call.params["provider"])
    _clear_allowed(call)
    try:
        departure = oidc.depart(
            provider, call.world.auth, url=call.url, next_=call.query.next, now=call.now
        )
    except HaechiError as error:
        return _turned_away(call, provider.name, "unavailable", error)
    return _redirect(departure.location, cookies.set_flow(call.url, departure.cookie, oidc.LASTS))


def callback(call: Call) -> Answer:
    """The way back: a session, or the sign-in screen with the reason."""
    provider = oidc.provider_named(call.world.settings.auth, call.params["provider"])
    _clear_allowed(call)
    query: CallbackQuery = call.query
    try:
        arrival = oidc.arrive(
            provider,
            call.world.auth,
            url=call.url,
            answer={"code": query.code, "state": query.state, "iss": query.iss}
            | {"error": query.error},
            cookie=call.cookies.get(cookies.flow_cookie(call.url), ""),
            now=call.now,
        )
    except HaechiError as error:
        return _turned_away(call, provider.name, "refused", error)
    known = person(provider.issuer, arrival.claims, grants_by(provider.rules, arrival.claims))
    user = _access(call).users.arrived(known)
    if user.disabled or not user.grants:
        reason = Forbidden(f"{user.id} is disabled" if user.disabled else f"{user.id} has no role")
        return _turned_away(call, provider.name, "no-access", reason)
    secret = _session(call, user=user.id, token="", way=provider.name)
    return _redirect(
        arrival.next,
        cookies.set_session(call.url, secret, _seconds(call)),
        cookies.drop_flow(call.url),
    )


def me(principal: Principal, *, csrf: str = "", expires: dt.datetime | None = None) -> Me:
    """What the principal may do here."""
    from haechi.server.api import all_operations

    roles = [role for role in Role if any(grant.role.includes(role) for grant in principal.grants)]
    return Me(
        id=principal.id,
        name=principal.name,
        role=roles[-1] if roles else "",
        grants=list(principal.grants),
        operations=sorted(one.id for one in all_operations() if may_call(principal, one)),
        csrf=csrf,
        expires=expires,
    )


def may_call(principal: Principal, operation: Operation) -> bool:
    """Whether the routing would let it through."""
    if operation.role is None:
        return True
    return principal.may(operation.role, operation.id) and (
        not operation.everywhere or EVERYWHERE in principal.within(operation.role)
    )


def _begun(call: Call, *, user: str, way: str, token: str = "") -> Answer:
    secret = _session(call, user=user, token=token, way=way)
    idle = dt.timedelta(hours=call.world.settings.auth.session_idle_hours)
    found = _access(call).sessions.find(secret, call.now, idle)
    if found is None:
        raise Unauthenticated("the token or user was taken away just now")
    return Answer(
        value=me(found.principal, csrf=csrf_token(secret), expires=found.ends),
        status=201,
        cookies=(cookies.set_session(call.url, secret, _seconds(call)),),
    )


def _session(call: Call, *, user: str, token: str, way: str) -> str:
    """A new session, always with a new secret; the browser's old one ends."""
    if old := call.cookies.get(cookies.session_cookie(call.url)):
        _access(call).sessions.end(old, by=token or user)
    return _access(call).sessions.start(
        user=user,
        token=token,
        lasts=dt.timedelta(hours=call.world.settings.auth.session_hours),
        address=call.address,
        way=way,
    )


def _turned_away(call: Call, provider: str, why: str, error: HaechiError) -> Answer:
    """A browser is no reader of JSON: back to the sign-in screen, which knows these words. The
    reason is the log's: it may hold what the provider sent."""
    log.warning("sign-in at %s failed: %s (%s)", provider, error.what, error.why)
    return _redirect(f"/signin?failed={why}", cookies.drop_flow(call.url))


def _redirect(location: str, *more: str) -> Answer:
    return Answer(
        value=None,
        status=303,
        headers={"Location": location, "Referrer-Policy": "no-referrer"},
        cookies=more,
    )


def _clear_allowed(call: Call) -> None:
    allowed = call.world.settings.listen.allow_plain
    cookies.refuse_clear(call.url, call.address, allowed=allowed)


def _seconds(call: Call) -> int:
    return int(call.world.settings.auth.session_hours * 3600)


def _access(call: Call) -> Access:
    return call.world.store.state.access


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="session.show",
        method="GET",
        path="/me",
        role=Role.VIEWER,
        summary="Who is signed in, and what they may do",
        handler=show,
        answer=Me,
    ),
    Operation(
        id="session.ways",
        method="GET",
        path="/signin",
        role=None,
        summary="The ways to sign in",
        handler=ways,
        answer=SignInWays,
    ),
    Operation(
        id="session.start",
        method="POST",
        path="/session",
        role=None,
        summary="Sign in with a token or the code of a sign-in link",
        handler=start,
        body=SignIn,
        answer=Me,
        status=201,
        limit=16 * 1024,
    ),
    Operation(
        id="session.end",
        method="DELETE",
        path="/session",
        role=Role.VIEWER,
        summary="Sign out",
        handler=end,
        status=204,
    ),
    Operation(
        id="session.login",
        method="GET",
        path="/auth/oidc/{provider}/login",
        role=None,
        summary="Sign in at an OpenID provider: the way there",
        handler=login,
        query=LoginQuery,
        status=303,
    ),
    Operation(
        id="session.callback",
        method="GET",
        path="/auth/oidc/{provider}/callback",
        role=None,
        summary="Sign in at an OpenID provider: the way back",
        handler=callback,
        query=CallbackQuery,
        status=303,
    ),
)
