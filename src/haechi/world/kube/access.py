"""What is needed to speak to one API server: where it is, whom to trust, who asks.

Material of certificates is PEM bytes or a file that is read again when it changes (accounts'
files are replaced while a pod runs). No value of a secret is part of any ``repr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

import msgspec

from haechi.engines.addresses import is_loopback
from haechi.errors import ConfigError

MOST_FILE = 1 << 20


class Pem(msgspec.Struct, frozen=True, kw_only=True):
    """PEM data, or the file that holds it. Empty: none."""

    data: bytes = b""
    file: str = ""

    def __bool__(self) -> bool:
        return bool(self.data or self.file)

    def __repr__(self) -> str:
        return f"Pem({self.file or len(self.data)})"

    def read(self) -> bytes:
        """The bytes as they are now. Raises ConfigError."""
        return self.data or read_file(self.file)


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown to the server now."""

    token: str = ""
    certificate: Pem = Pem()
    key: Pem = Pem()

    def __repr__(self) -> str:
        return f"Credential(token={bool(self.token)}, certificate={bool(self.certificate)})"


class Credentials(Protocol):
    """Who asks. Thread-safe."""

    def now(self) -> Credential:
        """What counts now. Raises ConfigError, KubeForbidden."""

    def refused(self, shown: Credential) -> bool:
        """The server answered 401 to what was shown: forget it. True when another try with
        what ``now`` gives then makes sense."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How one server is reached. ``namespace`` is the context's."""

    name: str
    server: str
    credentials: Credentials
    authority: Pem = Pem()
    tls_name: str = ""
    proxy: str = ""
    insecure: bool = False
    compress: bool = True
    namespace: str = "default"
    headers: Mapping[str, str] = {}
    """Impersonation."""
    groups: tuple[str, ...] = ()
    """``Impersonate-Group``, a header for each."""


def read_file(path: str) -> bytes:
    """A small file. Raises ConfigError."""
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MOST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path) from error
    if len(data) > MOST_FILE:
        raise ConfigError("is larger than 1 MiB", where=path)
    return data


def server_url(text: str, where: str) -> SplitResult:
    """The server's address, checked. Plain HTTP is for this machine only (``kubectl proxy``):
    elsewhere everybody on the way reads the token. Raises ConfigError."""
    full = text if "://" in text else f"https://{text}"
    try:
        url = urlsplit(full)
        port = url.port
    except ValueError:
        raise ConfigError("the server's address is no URL", where=where) from None
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ConfigError(
            "the server's address is no URL of a server", do="https://host:6443", where=where
        )
    if url.username or url.password or url.query or url.fragment:
        raise ConfigError(
            "the server's address must be scheme, host, port and path alone", where=where
        )
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise ConfigError(
            f"{url.hostname} would be asked without encryption",
            why="whoever is on the way would read the token and could answer in its place",
            do="use https with certificate-authority; plain HTTP is for loopback only",
            where=where,
        )
    return url


def proxy_url(text: str, where: str) -> str:
    """The proxy's address, checked. Raises ConfigError."""
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
        url = urlsplit("")
    if not good:
        socks = url.scheme.startswith("socks")
        raise ConfigError(
            "SOCKS proxies are not supported" if socks else "the proxy's address is no URL",
            do="give an HTTP proxy as http://host:3128",
            where=where,
        )
    return text
