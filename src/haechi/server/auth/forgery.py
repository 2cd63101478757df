"""Requests that another site makes a browser send (cross-site request forgery).

A session's changing requests need a token that only the page can read, bound to the session by
an HMAC under the cookie's secret, so nothing has to be stored. Before that, what a browser says
about where a request comes from must not speak against it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from haechi.errors import Forbidden

HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token(session: str) -> str:
    """The token of the session with this secret."""
    return hmac.new(session.encode(), b"haechi csrf", hashlib.sha256).hexdigest()


def refuse_forged(session: str, headers: Mapping[str, str]) -> None:
    """Raises Forbidden unless the session's own token came along."""
    shown = headers.get(HEADER, "")
    if not hmac.compare_digest(shown.encode(), csrf_token(session).encode()):
        raise Forbidden(
            "the request lacks the session's X-CSRF-Token",
            why="another site could have sent it with your cookie",
            do="send the csrf value of GET /api/v1/me, or use an API token",
        )


def refuse_foreign(headers: Mapping[str, str], url: str) -> None:
    """Raises Forbidden when the browser says that another site sent this."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden(f"sent by another site (Sec-Fetch-Site: {site[:20]})")
    origin = headers.get("origin")
    if origin is not None and not _same(origin, url):
        raise Forbidden(
            "sent by a page of another origin",
            do="behind a proxy, pass the Host header on as it came",
        )


def reached_by(scheme: str, host: str, public_url: str) -> str:
    """The URL (scheme and host) by which a request came: the public one when its host was asked
    for, whatever the proxy in front spoke to us; else what the request says."""
    public = public_url.rstrip("/")
    if public and urlsplit(public).netloc.lower() == host.lower():
        return public
    return f"{scheme}://{host}"


def _same(origin: str, url: str) -> bool:
    """Equal origins; https before a proxy that speaks http to us counts, never the reverse."""
    try:
        theirs, ours = urlsplit(origin), urlsplit(url)
        same = (theirs.hostname, theirs.port or _port(theirs.scheme)) == (
            ours.hostname,
            ours.port or _port(theirs.scheme),
        )
    except ValueError:
        return False
    return same and theirs.scheme in ({"https"} if ours.scheme == "https" else {"http", "https"})


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
