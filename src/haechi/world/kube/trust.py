"""TLS to an API server: whom we trust, and the certificate that we show.

A private key never touches the disk: OpenSSL reads it from memory that has a file's name. Files
of certificates are looked at again once a minute, as accounts' authorities are replaced.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Iterator

import msgspec

from haechi.errors import ConfigError
from haechi.world.kube.access import Access, Credential, Pem

AGAIN_S = 60.0


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes that TLS is made of. ``read_at`` is no part of what it is."""

    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    shown: tuple[Pem, Pem] = (Pem(), Pem())
    read_at: float = 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Material) and self._words == other._words

    def __hash__(self) -> int:
        return hash(self._words)

    def __repr__(self) -> str:
        return "Material(…)"

    @property
    def _words(self) -> tuple[bytes, bytes, bytes]:
        return self.authority, self.certificate, self.key

    @classmethod
    def of(cls, access: Access, credential: Credential, last: Material | None) -> Material:
        """As the files are, or were not longer than a minute ago."""
        shown = (credential.certificate, credential.key)
        now = time.monotonic()
        if last is not None and last.shown == shown and now - last.read_at < AGAIN_S:
            return last
        try:
            return cls(
                authority=access.authority.read() if access.authority else b"",
                certificate=credential.certificate.read() if credential.certificate else b"",
                key=credential.key.read() if credential.key else b"",
                shown=shown,
                read_at=now,
            )
        except ConfigError:
            if last is None or last.shown != shown:
                raise
            return last


def context_of(access: Access, material: Material) -> ssl.SSLContext:
    """TLS 1.2 or later. Not ``create_default_context``: that one writes session keys to a file
    which the environment names. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif material.authority:
        try:
            context.load_verify_locations(cadata=material.authority.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError, ValueError):
            raise ConfigError(
                "the certificate authority is no PEM certificate", where=access.name
            ) from None
    else:
        context.load_default_certs()
    if material.certificate:
        _show(context, material, access.name)
    return context


def _show(context: ssl.SSLContext, material: Material, where: str) -> None:
    with _in_memory(material.certificate + b"\n" + material.key) as path:
        try:
            # Without a password's callback OpenSSL would ask on the terminal.
            context.load_cert_chain(path, password=lambda: b"")
        except (ssl.SSLError, OSError, ValueError):
            raise ConfigError(
                "the client certificate and its key do not fit, or are no PEM files",
                why="a key with a password cannot be used",
                where=where,
            ) from None


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield file.name
        return
    number = os.memfd_create("haechi", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
