"""HTTPS as ``--verify`` needs it: one request, one bounded answer, one deadline for all of it.

http.client rather than a client library: it follows no redirect, knows no proxy, no cookies, no
retries and reads no ~/.netrc. Its timeouts are per wait, so a server that drips bytes could hold
it for hours; every wait here is cut to what is left of the deadline. Only the resolver keeps its
own time. Exceptions of the libraries may quote headers; none gets out.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from haechi.errors import HaechiError
from haechi.world.verify.request import Answer, Request

TIMEOUT = 10.0
MAX_BODY = 64 * 1024


class Unanswered(HaechiError):
    """No usable answer came. The reason is one of our own sentences."""


class Transport(Protocol):
    """How a request reaches a provider."""

    def send(self, request: Request) -> Answer:
        """The answer. Raises Unanswered."""


def trusted_context() -> ssl.SSLContext:
    """The system's certificate authorities, names checked, TLS 1.2 or later.

    Not ``create_default_context``: that one writes session keys to a file which the
    environment names (SSLKEYLOGFILE).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context


def _https(host: str) -> tuple[str, int]:
    return host, 443


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsTransport:
    """Sends requests over verified TLS.

    ``place`` says where a host is reached (tests lead it to a server of their own; the
    certificate must be the host's all the same). ``timeout`` is for the whole exchange.
    """

    context: ssl.SSLContext
    place: Callable[[str], tuple[str, int]] = _https
    timeout: float = TIMEOUT

    def send(self, request: Request) -> Answer:
        """The answer, whatever its status. Raises Unanswered."""
        deadline = time.monotonic() + self.timeout
        try:
            with self._connected(request.host, deadline) as sock:
                return _exchange(sock, request, deadline)
        except TimeoutError:
            reason = f"no answer within {self.timeout:g} seconds"
        except ssl.SSLCertVerificationError:
            reason = "its certificate is not trusted, so nothing was sent"
        except ssl.SSLError:
            reason = "TLS failed"
        except OSError:
            reason = "it cannot be reached"
        except (http.client.HTTPException, ValueError):
            # ValueError: http.client quotes what it refuses to send or cannot parse.
            reason = "its answer is not HTTP"
        raise Unanswered(reason)

    def _connected(self, host: str, deadline: float) -> ssl.SSLSocket:
        name, port = self.place(host)
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            name, port, type=socket.SOCK_STREAM
        ):
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(_left(deadline))
                plain.connect(address)
            except TimeoutError:
                plain.close()
                raise
            except OSError as error:
                plain.close()
                failure = error
                continue
            try:
                plain.settimeout(_left(deadline))
                return self.context.wrap_socket(plain, server_hostname=host)
            except OSError:
                plain.close()
                raise
        raise failure


def _exchange(sock: ssl.SSLSocket, request: Request, deadline: float) -> Answer:
    connection = http.client.HTTPSConnection(request.host)
    connection.set_debuglevel(0)  # a class attribute of http.client, which prints headers
    connection.sock = _Timed(sock, deadline)
    connection.putrequest(request.method, request.target)
    for name, value in request.headers:
        connection.putheader(name, value)
    connection.putheader("Connection", "close")
    if request.body:
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body or None)
    response = connection.getresponse()
    body = response.read(MAX_BODY + 1)
    return Answer(status=response.status, body=body[:MAX_BODY], cut=len(body) > MAX_BODY)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@dataclass(frozen=True, slots=True)
class _Timed:
    """The part of a socket that http.client uses, with each wait cut to the deadline."""

    sock: ssl.SSLSocket
    deadline: float

    def sendall(self, data: bytes) -> None:
        self.sock.settimeout(_left(self.deadline))
        self.sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.sock, self.deadline))

    def close(self) -> None:
        """http.client closes before the body is read; who opened the socket closes it."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: ssl.SSLSocket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)
