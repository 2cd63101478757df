"""A provider of our own on loopback: real TLS with a certificate made for this run."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from haechi.world.verify.transport import HttpsTransport

HOST = "api.provider.example"
Script = Callable[[ssl.SSLSocket], None]


@dataclass
class Provider:
    """A server that answers every connection by ``script`` and keeps what it was asked."""

    context: ssl.SSLContext
    trusted: ssl.SSLContext
    script: Script
    asked: list[bytes] = field(default_factory=list)
    connections: int = 0
    _listener: socket.socket = field(
        default_factory=lambda: socket.create_server(("127.0.0.1", 0)), repr=False
    )
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def stopped(self) -> threading.Event:
        """Set when the test is over, so that slow scripts end."""
        return self._stop

    def transport(self, *, timeout: float = 10.0) -> HttpsTransport:
        """A transport that trusts this server and reaches every host here."""
        address = self._listener.getsockname()
        return HttpsTransport(
            context=self.trusted, place=lambda host: (address[0], address[1]), timeout=timeout
        )

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with plain:
                try:
                    with self.context.wrap_socket(plain, server_side=True) as sock:
                        self.asked.append(_request(sock))
                        self.script(sock)
                except OSError:
                    continue  # the client hung up, as some tests want it to

    def close(self) -> None:
        self._stop.set()
        # A thread in accept() is not woken by closing its socket.
        with socket.create_connection(self._listener.getsockname()):
            self._listener.close()


def _request(sock: ssl.SSLSocket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (block := sock.recv(65536)):
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.partition(b":")[2]) and (block := sock.recv(65536)):
                body += block
                data += block
    return data


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of HOST in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    files = ["-nodes", "-days", "2", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *request, *names, *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return both


@pytest.fixture
def provider(certificate: Path) -> Iterator[Callable[[Script], Provider]]:
    """Starts providers; their threads end with the test."""
    started: list[tuple[Provider, threading.Thread]] = []

    def start(script: Script) -> Provider:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(certificate)
        server = Provider(context, trusted, script)
        thread = threading.Thread(target=server.serve)
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.close()
        thread.join(timeout=30)
        assert not thread.is_alive()
