"""Where the server is and how one signs in: arguments first, then the environment.

``HAECHI_SERVER``, ``HAECHI_TOKEN`` or ``HAECHI_TOKEN_FILE``, ``HAECHI_CA_FILE``. In GitHub
Actions with ``id-token: write`` and no token set, the job's own OpenID token is asked for, with
the server's address as audience; GitLab puts such a token into HAECHI_TOKEN by ``id_tokens:``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from haechi.errors import UsageError

SERVER, TOKEN, TOKEN_FILE = "HAECHI_SERVER", "HAECHI_TOKEN", "HAECHI_TOKEN_FILE"
CA_FILE = "HAECHI_CA_FILE"
GITHUB_URL, GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """``url`` has no path and no trailing slash; ``github`` is asked for a token when set."""

    url: str
    token: str = ""
    ca: str = ""
    github: tuple[str, str] | None = None

    @property
    def local(self) -> bool:
        """True for a server on this machine."""
        return urlsplit(self.url).hostname in _LOOPBACK

    def __repr__(self) -> str:
        return f"Connection(url={self.url!r})"


def connection(
    url: str | None = None,
    token: str | None = None,
    *,
    ca: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Connection:
    """Put a connection together. Raises UsageError where something is missing or unsafe."""
    env = os.environ if environ is None else environ
    address = checked_url(url or env.get(SERVER, ""))
    secret = token if token is not None else _token(env)
    github = None
    if not secret and env.get(GITHUB_URL) and env.get(GITHUB_TOKEN):
        github = (env[GITHUB_URL], env[GITHUB_TOKEN])
    return Connection(
        url=address, token=secret, ca=ca if ca is not None else env.get(CA_FILE, ""), github=github
    )


def checked_url(url: str) -> str:
    """Scheme, host and port alone. A token must not travel in clear except on this machine."""
    if not url:
        raise UsageError(
            "no server is named",
            do=f"name its address (https://haechi.example.org) by the option, or set {SERVER}",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is not an address", why=str(error)) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is not an address", do="write https://HOST[:PORT]")
    if parts.username or parts.password:
        raise UsageError(
            "the address holds a user or password", do=f"leave it out and set {TOKEN} instead"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"{url!r} has a path", do="name the server alone: https://HOST[:PORT]")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise UsageError(
            f"{url!r} is not encrypted: a token would be readable on the way",
            do="use https://, or http:// on this machine alone",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _token(env: Mapping[str, str]) -> str:
    if env.get(TOKEN):
        return env[TOKEN].strip()
    name = env.get(TOKEN_FILE)
    if not name:
        return ""
    try:
        with Path(name).open("rb") as stream:
            return stream.read(1 << 16).decode("utf-8", "replace").strip()
    except OSError as error:
        raise UsageError(
            f"the token file {name} cannot be read", do=f"name a readable file in {TOKEN_FILE}"
        ) from error
