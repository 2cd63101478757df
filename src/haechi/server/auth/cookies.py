"""The two cookies: the session's, and that of a sign-in on its way to a provider and back.

With TLS their names begin with ``__Host-``: no subdomain and no plain page can set them. On
loopback there is mostly no TLS, so the prefix is not possible there.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from haechi.engines.addresses import is_loopback
from haechi.errors import Forbidden


def session_cookie(url: str) -> str:
    """The name of the session's cookie for whoever came by this URL."""
    return "__Host-haechi" if _secure(url) else "haechi"


def flow_cookie(url: str) -> str:
    """The name of the cookie that ties a provider's answer to the browser that asked."""
    return "__Host-haechi-flow" if _secure(url) else "haechi-flow"


def set_session(url: str, secret: str, seconds: int) -> str:
    """Set-Cookie. Strict: the page itself asks who is signed in, so no link needs it."""
    return _cookie(session_cookie(url), secret, seconds, "Strict", _secure(url))


def drop_session(url: str) -> str:
    """Set-Cookie that removes it."""
    return _cookie(session_cookie(url), "", 0, "Strict", _secure(url))


def set_flow(url: str, value: str, seconds: int) -> str:
    """Set-Cookie. Lax: the way back from the provider is a link from another site."""
    return _cookie(flow_cookie(url), value, seconds, "Lax", _secure(url))


def drop_flow(url: str) -> str:
    """Set-Cookie that removes it."""
    return _cookie(flow_cookie(url), "", 0, "Lax", _secure(url))


def refuse_clear(url: str, address: str, *, allowed: bool) -> None:
    """Raises Forbidden where a session's cookie would cross a network in clear. ``allowed``: the
    settings say so (``listen.allow_plain``: a proxy in front encrypts)."""
    if allowed or _secure(url) or is_loopback(address) or is_loopback(urlsplit(url).hostname or ""):
        return
    raise Forbidden(
        "signing in needs TLS from another machine",
        why="the session would be readable on the way",
        do="set up TLS (haechi up --tls-cert …), or sign in on the machine itself",
    )


def _secure(url: str) -> bool:
    return urlsplit(url).scheme == "https"


def _cookie(name: str, value: str, seconds: int, site: str, secure: bool) -> str:
    tail = "; Secure" if secure else ""
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={site}{tail}"
