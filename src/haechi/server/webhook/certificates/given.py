"""A user's certificate: read, checked, watched, never written.

Files of a mounted Secret change by the exchange of a link, certificate and key at almost the same
time; so what counts is their content, and a pair that does not fit (yet) leaves the old one served.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
from pathlib import Path

import msgspec
from cryptography import x509

from haechi.errors import ConfigError, HaechiError
from haechi.server.webhook.certificates.authority import fingerprint, names_of


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of files that can be served. ``chain`` is what the certificate's file held then."""

    certificate: Path
    key: Path
    leaf: str
    ends: dt.datetime
    chain: bytes


def checked(certificate: Path, key: Path, names: tuple[str, ...], now: dt.datetime) -> Given:
    """The pair, if it can be served under one of these names. Raises ConfigError."""
    where = str(certificate)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_password)
        chain = certificate.read_bytes()
        leaf = x509.load_pem_x509_certificate(chain)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(
            "the certificate and its key cannot be used",
            why=str(error),
            do="give PEM files that belong together, the key without a password",
            where=where,
        ) from error
    if leaf.not_valid_after_utc <= now:
        raise ConfigError(
            f"the certificate expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
            do="renew it; the files are read again when they change",
            where=where,
        )
    if leaf.not_valid_before_utc > now:
        raise ConfigError("the certificate is not valid yet", where=where)
    if names and not any(_covers(pattern, names[0]) for pattern in names_of(leaf)):
        raise ConfigError(
            f"the certificate does not name {names[0]}",
            why=f"it names {', '.join(names_of(leaf)) or 'nothing'}",
            do="API servers call the webhook by its service's name: have it among the SANs",
            where=where,
        )
    return Given(
        certificate=certificate,
        key=key,
        leaf=fingerprint(leaf),
        ends=leaf.not_valid_after_utc,
        chain=chain,
    )


def digest(*paths: Path) -> str:
    """Of the contents, to see that they changed; empty while a file is missing."""
    found = hashlib.sha256()
    try:
        for path in paths:
            found.update(path.read_bytes())
            found.update(b"\0")
    except OSError:
        return ""
    return found.hexdigest()


class Watched:
    """Two files of the user's. ``look`` gives the pair to serve, and keeps ``fault``."""

    def __init__(self, certificate: Path, key: Path, names: tuple[str, ...]) -> None:
        self._paths, self._names = (certificate, key), names
        self._digest = ""
        self._last: Given | None = None
        self.fault = ""

    def look(self, now: dt.datetime) -> Given:
        """The newest pair that can be served. Raises ConfigError while there never was one."""
        seen = digest(*self._paths)
        if self._last is not None and seen == self._digest:
            self.fault = "" if self._last.ends > now else "the served certificate has expired"
            return self._last
        try:
            self._last = checked(*self._paths, self._names, now)
            self._digest, self.fault = seen, ""
        except HaechiError as error:
            if self._last is None:
                raise
            self.fault = error.explain()
        return self._last


def _covers(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        return name.partition(".")[2].lower() == pattern[2:].lower()
    return pattern.lower() == name.lower()


def _no_password() -> str:
    raise ConfigError("the private key asks for a password", do="give a key without one")
