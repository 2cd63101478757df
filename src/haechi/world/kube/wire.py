"""One API server on the wire: pooled connections, deadlines that hold, answers that are bounded.

httpcore (the transport of httpx) and not httpx's client: that one would keep a server's cookies
and read the environment by itself, and its timeouts are per wait, so a server that drips bytes
could hold a thread for days. Here every wait is cut to what is left of the request's deadline,
redirects are refused, and an answer is unpacked piece by piece up to a limit.

**The one place through which every request goes**, so the rule about Secrets stands here:
nothing asks for their values (``_guard``).
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore
import msgspec

from haechi.errors import KubeError, KubeForbidden, KubeUnreachable
from haechi.world.kube.access import Access, Credential, server_url
from haechi.world.kube.sockets import KEEP_ALIVE, Backend
from haechi.world.kube.trust import Material, context_of

MIB = 1 << 20
CONNECT_S = 10.0
MOST_CONNECTIONS = 1_000
JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_ONLY = frozenset({METADATA, METADATA_LIST})


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``path`` is made by ``names.Kind``; ``seconds`` is for all of it, ``idle`` for
    each silence of a stream (then ``seconds`` is for the head alone)."""

    method: str = "GET"
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    accept: str = JSON
    content_type: str = JSON
    seconds: float = 30.0
    idle: float = 0.0
    limit: int = 64 * MIB


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Thread-safe. ``close`` ends its connections."""

    def __init__(self, access: Access) -> None:
        where = access.name
        url = server_url(access.server, where)
        self.access = access
        self._prefix = url.path.rstrip("/")
        scheme = url.scheme.encode()
        host = (url.hostname or "").encode("idna" if not _is_ascii(url.hostname) else "ascii")
        self._scheme, self._host = scheme, host
        self._port = url.port
        self._netloc = url.netloc.encode("ascii", "replace")
        self._backend = Backend()
        self._lock = threading.Lock()
        self._pool: httpcore.ConnectionPool | None = None
        self._material: Material | None = None
        self._retired: list[httpcore.ConnectionPool] = []
        self.ended = threading.Event()
        """Set by ``close``: what waits for a better time waits on it."""

    @property
    def closed(self) -> bool:
        """True after ``close``."""
        return self.ended.is_set()

    def send(self, request: Request) -> Answer:
        """The answer, whatever its status (a redirect is none). One more try after a 401 that
        other credentials may mend. Raises KubeUnreachable, KubeForbidden, ConfigError."""
        credential = self.access.credentials.now()
        answer = self._sent(request, credential)
        if answer.status == 401 and self.access.credentials.refused(credential):
            again = self.access.credentials.now()
            answer = self._sent(request, again)
        return answer

    def stream(self, request: Request) -> contextlib.AbstractContextManager[Stream]:
        """The answer piece by piece, until it ends or ``idle`` seconds pass in silence."""
        return self._streamed(request)

    @contextlib.contextmanager
    def _streamed(self, request: Request) -> Iterator[Stream]:
        credential = self.access.credentials.now()
        with self._open(request, credential) as stream:
            if stream.status != 401 or not self.access.credentials.refused(credential):
                yield stream
                return
        with self._open(request, self.access.credentials.now()) as stream:
            yield stream

    def _sent(self, request: Request, credential: Credential) -> Answer:
        with self._open(request, credential) as stream:
            body = b"".join(stream.pieces())
            return Answer(status=stream.status, headers=stream.headers, body=body)

    @contextlib.contextmanager
    def _open(self, request: Request, credential: Credential) -> Iterator[Stream]:
        _guard(request)
        pool = self._pool_for(credential)
        progress = _Progress()
        self._backend.deadline = time.monotonic() + request.seconds
        try:
            with pool.stream(
                request.method.encode(),
                httpcore.URL(
                    scheme=self._scheme,
                    host=self._host,
                    port=self._port,
                    target=self._target(request),
                ),
                headers=self._headers(request, credential),
                content=request.body or None,
                extensions=self._extensions(request, progress),
            ) as response:
                stream = Stream(response, request, self._backend)
                if 300 <= stream.status < 400:
                    raise KubeError(
                        f"the API server sends elsewhere (HTTP {stream.status})",
                        why="redirects are not followed: they could lead anywhere",
                        do="look whether the address is that of an API server",
                        where=self.access.server,
                        status=stream.status,
                    )
                yield stream
        except (httpcore.TimeoutException, TimeoutError) as error:
            connecting = isinstance(error, httpcore.ConnectTimeout | httpcore.PoolTimeout)
            raise self._unreachable(
                "no answer in time", "", sent=progress.sent and not connecting
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
            raise self._unreachable(*_plain(error), sent=progress.sent) from error
        except (OSError, ssl.SSLError) as error:
            raise self._unreachable(*_plain(error), sent=progress.sent) from error
        finally:
            self._backend.deadline = None

    def _unreachable(self, what: str, why: str, *, sent: bool) -> KubeUnreachable:
        return KubeUnreachable(
            f"the API server gives no answer: {what}",
            why=why,
            do=f"kubectl --context … get --raw /version; is {self.access.server} right?",
            where=self.access.name,
            sent=sent,
        )

    def _target(self, request: Request) -> bytes:
        from urllib.parse import urlencode

        query = f"?{urlencode(request.query)}" if request.query else ""
        return f"{self._prefix}{request.path}{query}".encode("ascii")

    def _headers(self, request: Request, credential: Credential) -> list[tuple[bytes, bytes]]:
        from haechi import __version__

        compress = self.access.compress and not request.idle
        headers = {
            "Host": "",
            "Accept": request.accept,
            "Accept-Encoding": "gzip" if compress else "identity",
            "User-Agent": f"haechi/{__version__}",
            **self.access.headers,
        }
        if credential.token:
            headers["Authorization"] = f"Bearer {credential.token}"
        if request.body:
            headers["Content-Type"] = request.content_type
        made = [(name.encode(), value.encode("ascii")) for name, value in headers.items() if value]
        made.insert(0, (b"Host", self._netloc))
        return made + [(b"Impersonate-Group", group.encode()) for group in self.access.groups]

    def _extensions(self, request: Request, progress: _Progress) -> dict[str, Any]:
        extensions: dict[str, Any] = {
            "timeout": {
                "connect": min(CONNECT_S, request.seconds),
                "read": request.seconds,
                "write": request.seconds,
                "pool": request.seconds,
            },
            "trace": progress.told,
        }
        if self.access.tls_name:
            extensions["sni_hostname"] = self.access.tls_name
        return extensions

    def _pool_for(self, credential: Credential) -> httpcore.ConnectionPool:
        """A pool whose TLS is made of what the files hold now."""
        with self._lock:
            if self.closed:
                raise KubeUnreachable("the client is closed", where=self.access.name)
            material = Material.of(self.access, credential, self._material)
            if self._pool is None or material != self._material:
                if self._pool is not None:
                    # Its connections serve their requests; new ones are made with the new keys.
                    self._retired.append(self._pool)
                    self._retired, old = self._retired[-2:], self._retired[:-2]
                    for one in old:
                        one.close()
                self._pool = self._made(material)
                self._material = material
            return self._pool

    def _made(self, material: Material) -> httpcore.ConnectionPool:
        options: dict[str, Any] = {
            "ssl_context": context_of(self.access, material) if self._scheme == b"https" else None,
            "max_connections": MOST_CONNECTIONS,
            "max_keepalive_connections": 10,
            "keepalive_expiry": 30.0,
            "socket_options": KEEP_ALIVE,
            "network_backend": self._backend,
        }
        if not self.access.proxy:
            return httpcore.ConnectionPool(**options)
        proxy = urlsplit(self.access.proxy)
        port = f":{proxy.port}" if proxy.port else ""
        host = f"[{proxy.hostname}]" if ":" in (proxy.hostname or "") else proxy.hostname
        auth = (unquote(proxy.username), unquote(proxy.password or "")) if proxy.username else None
        return httpcore.HTTPProxy(f"{proxy.scheme}://{host}{port}", proxy_auth=auth, **options)

    def close(self) -> None:
        """End all connections; running requests fail."""
        with self._lock:
            self.ended.set()
            pools = [*self._retired, *([self._pool] if self._pool else [])]
            self._pool, self._retired = None, []
        self._backend.shut()  # first: to close a socket does not wake whoever reads from it
        for pool in pools:
            with contextlib.suppress(RuntimeError):  # a stream is still open in another thread
                pool.close()


def _is_ascii(host: str | None) -> bool:
    return (host or "").isascii()


def _guard(request: Request) -> None:
    """Values of Secrets are never asked for: their paths may be read only as metadata, and not
    written at all, since an answer to a write holds the object, too."""
    parts = [unquote(part) for part in request.path.split("/") if part]
    if "secrets" not in parts[2:]:
        return
    if not (parts[:2] == ["api", "v1"] and _names_secrets(parts[2:])):
        return
    if request.method == "GET" and request.accept in _METADATA_ONLY and "watch" not in parts[2:3]:
        return
    raise KubeForbidden(
        "values of Secrets are never asked for",
        why="of a Secret no more than its metadata is read",
        where=request.path,
    )


def _names_secrets(parts: list[str]) -> bool:
    """Whether the resource of a path below ``/api/v1`` is ``secrets``."""
    if parts[:1] == ["watch"]:
        parts = parts[1:]
    if parts[:1] == ["namespaces"] and len(parts) >= 3:
        parts = parts[2:]
    return parts[:1] == ["secrets"]


def _plain(error: BaseException) -> tuple[str, str]:
    """What went wrong and why, in words for a person."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return (
                "its certificate is not trusted",
                f"{found.verify_message}; nothing was sent",
            )
        if isinstance(found, ssl.SSLError):
            return "TLS failed", (found.reason or "").replace("_", " ").lower()
        found = found.__cause__ or found.__context__
    if isinstance(error, httpcore.ProxyError):
        return "the proxy refuses", str(error)[:200]
    if isinstance(error, httpcore.ConnectError):
        return "it cannot be reached", str(error)[:200]
    if isinstance(error, httpcore.ProtocolError):
        return "its answer is not HTTP, or was cut off", str(error)[:200]
    return "the connection broke", str(error)[:200]


class _Progress:
    """Whether a byte of the request may have left: before, anything may be tried again."""

    def __init__(self) -> None:
        self.sent = False

    def told(self, event: str, _: Mapping[str, Any]) -> None:
        """httpcore's trace."""
        if event.endswith("send_request_headers.started"):
            self.sent = True


class Stream:
    """An answer whose body comes piece by piece."""

    def __init__(self, response: httpcore.Response, request: Request, backend: Backend) -> None:
        self.status = response.status
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        self._response, self._request, self._backend = response, request, backend

    def pieces(self) -> Iterator[bytes]:
        """The body, unpacked; at most ``limit`` bytes (without one for a stream)."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise KubeError(f"the API server answers in the encoding {encoding[:40]!r}")
        pieces: Iterable[bytes] = self._raw()
        if encoding == "gzip":
            pieces = _unpacked(pieces)
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self._request.limit and not self._request.idle:
                limit = self._request.limit // MIB
                raise KubeError(
                    f"the API server's answer is larger than {limit} MiB",
                    where=self._request.path,
                )
            yield piece

    def _raw(self) -> Iterator[bytes]:
        source = self._response.iter_stream()
        while True:
            if self._request.idle:
                self._backend.deadline = time.monotonic() + self._request.idle
            piece = next(source, None)
            if piece is None:
                return
            if self._request.idle:
                self._backend.deadline = None  # whoever reads may take his time
            yield piece


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """gzip, a MiB at a time: what unpacks to gigabytes is met by the limit."""
    unpack = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                yield unpack.decompress(rest, MIB)
                rest = unpack.unconsumed_tail
        yield unpack.flush()
    except zlib.error as error:
        raise KubeError("the API server's answer cannot be unpacked") from error
    if not unpack.eof:
        raise KubeUnreachable("the API server's answer was cut off", sent=True)
