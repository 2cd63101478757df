"""The two clients: ``Client`` and ``AsyncClient``. Both send the same asks and differ in waiting.

    with Client("http://127.0.0.1:8420") as haechi:
        for finding in haechi.each("findings", severity=["critical"]):
            print(finding["title"], finding["path"])

The token comes from the argument or HAECHI_TOKEN (see ``settings``). Requests that may be sent
twice are repeated, at most three times, when the server is busy or the connection broke.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from haechi.client import asks
from haechi.client.answers import BUSY, Answer, ServerUnreachable, refusal, value_of
from haechi.client.asks import Ask, ask
from haechi.client.settings import Connection, connection
from haechi.errors import UsageError

TRIES = 4
PATIENCE = 20.0
"""Seconds at most between two tries, whatever Retry-After says."""
_PIECE = 1 << 20
_TIMEOUT = httpx.Timeout(30.0, read=120.0)


class _Common:
    """What both clients share: headers, the wait between tries, the words of a failure."""

    def __init__(self, to: Connection) -> None:
        self._to = to
        self._token = to.token

    def _headers(self, one: Ask) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "haechi"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if one.body is not None:
            headers["Content-Type"] = one.type
        if one.encoding:
            headers["Content-Encoding"] = one.encoding
        if one.unless:
            headers["If-None-Match"] = one.unless
        return headers

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        return ServerUnreachable(
            f"{self._to.url} cannot be reached",
            why=str(error) or type(error).__name__,
            do="is `haechi up` running there, and does its certificate fit (HAECHI_CA_FILE)?",
        )

    def _github(self) -> tuple[str, dict[str, str], dict[str, str]] | None:
        if self._token or self._to.github is None:
            return None
        url, secret = self._to.github
        return url, {"audience": self._to.url}, {"Authorization": f"Bearer {secret}"}

    def _granted(self, response: httpx.Response) -> None:
        try:
            self._token = str(msgspec.json.decode(response.content)["value"])
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise ServerUnreachable(
                f"GitHub gave no OpenID token (status {response.status_code})",
                do="the job needs `permissions: id-token: write`",
            ) from error


def _context(to: Connection) -> ssl.SSLContext | bool:
    if not to.ca:
        return True
    try:
        return ssl.create_default_context(cafile=to.ca)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the CA file {to.ca} cannot be used", why=str(error), do="name a PEM file"
        ) from error


def _taken(response: httpx.Response) -> Answer:
    headers = {key.lower(): value for key, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, body=response.content)


def _read(response: httpx.Response, most: int) -> Answer:
    """The answer as far as it may be read: whatever answers must not fill the memory."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > most:
            raise ServerUnreachable(
                f"the answer has more than {most:,} bytes",
                do="is this the address of a haechi server?",
            )
    headers = {key.lower(): value for key, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, body=bytes(body))


def _pause(tried: int, headers: Mapping[str, str]) -> float:
    asked = headers.get("retry-after", "")
    wait = float(asked) if asked.isdecimal() else 0.5 * 2**tried
    return min(wait, PATIENCE)


class Client(_Common):
    """The sync client. Thread-safe as httpx's is."""

    def __init__(
        self, url: str | None = None, token: str | None = None, *, ca: str | None = None
    ) -> None:
        super().__init__(connection(url, token, ca=ca))
        self._http = httpx.Client(
            base_url=self._to.url,
            timeout=_TIMEOUT,
            verify=_context(self._to),
            # Proxies of the environment count, but never for this machine itself.
            trust_env=not self._to.local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, one: Ask) -> Any:
        """Send an ask; its value. Raises ServerRefused, ServerUnreachable."""
        return value_of(self._answer(one), f"{one.method} {one.path}")

    def raw(self, one: Ask) -> Answer:
        """Send an ask; whatever came back."""
        return self._answer(one)

    def _answer(self, one: Ask) -> Answer:
        self._sign_in()
        for tried in range(TRIES):
            last = tried == TRIES - 1 or not one.again
            try:
                with self._http.stream(
                    one.method,
                    one.path,
                    params=list(one.query),
                    content=one.body,
                    headers=self._headers(one),
                ) as response:
                    answer = _read(response, one.most)
            except httpx.HTTPError as error:
                if last or isinstance(error, httpx.UnsupportedProtocol):
                    raise self._unreachable(error) from error
                time.sleep(_pause(tried, {}))
                continue
            if answer.status not in BUSY or last:
                return answer
            time.sleep(_pause(tried, answer.headers))
        raise AssertionError  # the last try returns or raises

    def send_file(self, one: Ask, file: Path) -> Any:
        """Send an ask whose body is a file, piece by piece, once. Raises as ``send``, UsageError
        when the file cannot be read."""
        self._sign_in()
        try:
            with file.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                headers = {**self._headers(one), "Content-Type": one.type}
                response = self._http.request(
                    one.method,
                    one.path,
                    params=list(one.query),
                    content=iter(lambda: stream.read(_PIECE), b""),
                    headers={**headers, "Content-Length": str(size)},
                )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except OSError as error:
            raise UsageError(f"{file} cannot be read", why=error.strerror or "") from error
        return value_of(_taken(response), f"{one.method} {one.path}")

    def _sign_in(self) -> None:
        asked = self._github()
        if asked is None:
            return
        url, params, headers = asked
        try:
            # Not the server's connection: another host, and the public CAs.
            response = httpx.get(url, params=params, headers=headers, timeout=30.0)
        except httpx.HTTPError as error:
            raise ServerUnreachable(
                "GitHub's OpenID provider cannot be reached", why=str(error)
            ) from error
        self._granted(response)

    def request(self, method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
        """Any operation of the API: ``request("GET", "now")``."""
        return self.send(ask(method, path, query=query, body=body, again=method.upper() != "POST"))

    def each(self, what: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All rows of a list, page by page."""
        while True:
            page = self.send(asks.listing(what, query))
            yield from page["items"]
            if not page.get("next"):
                return
            query["cursor"] = page["next"]

    def now(self) -> dict[str, Any]:
        """What needs a person."""
        return dict(self.send(ask("GET", "now")))

    def finding(self, identity: str) -> dict[str, Any]:
        """One finding with its history."""
        return dict(self.send(asks.thing("findings", identity)))

    def tend(self, finding: str, **changes: Any) -> dict[str, Any]:
        """Set ``owner`` or ``due``."""
        return dict(self.send(asks.tend(finding, changes)))

    def waive(self, **request: Any) -> dict[str, Any]:
        """Make a waiver."""
        return dict(self.send(asks.waive(request)))

    def revoke_waiver(self, identity: str) -> dict[str, Any] | None:
        """End a waiver."""
        return self.send(asks.revoke_waiver(identity))  # type: ignore[no-any-return]

    def push(self, document: Any) -> dict[str, Any]:
        """Send what a scan found."""
        return dict(self.send(asks.push(document)))

    def send_events(self, events: Sequence[Any]) -> dict[str, Any]:
        """Send a batch of events; returns once they are durable."""
        return dict(self.send(asks.send_events(events)))

    def search_events(self, **query: Any) -> Iterator[dict[str, Any]]:
        """Events as the server finds them, newest first, with the ranges that are done."""
        yield from self.lines("events/search", query)

    def lines(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The values of an NDJSON answer as they come."""
        yield from self.stream(ask("GET", path, query=query))

    def stream(self, one: Ask) -> Iterator[dict[str, Any]]:
        """The values of an NDJSON answer to any ask, as they come."""
        self._sign_in()
        try:
            with self._http.stream(
                one.method,
                one.path,
                params=list(one.query),
                content=one.body,
                headers=self._headers(one),
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    raise refusal(_taken(response), f"{one.method} {one.path}")
                for line in response.iter_lines():
                    if line:
                        yield msgspec.json.decode(line)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error


class AsyncClient(_Common):
    """The async client: the same names, awaited."""

    def __init__(
        self, url: str | None = None, token: str | None = None, *, ca: str | None = None
    ) -> None:
        super().__init__(connection(url, token, ca=ca))
        self._http = httpx.AsyncClient(
            base_url=self._to.url,
            timeout=_TIMEOUT,
            verify=_context(self._to),
            # Proxies of the environment count, but never for this machine itself.
            trust_env=not self._to.local,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, one: Ask) -> Any:
        """Send an ask; its value. Raises ServerRefused, ServerUnreachable."""
        return value_of(await self._answer(one), f"{one.method} {one.path}")

    async def _answer(self, one: Ask) -> Answer:
        await self._sign_in()
        for tried in range(TRIES):
            last = tried == TRIES - 1 or not one.again
            try:
                answer = _taken(
                    await self._http.request(
                        one.method,
                        one.path,
                        params=list(one.query),
                        content=one.body,
                        headers=self._headers(one),
                    )
                )
            except httpx.HTTPError as error:
                if last or isinstance(error, httpx.UnsupportedProtocol):
                    raise self._unreachable(error) from error
                await asyncio.sleep(_pause(tried, {}))
                continue
            if answer.status not in BUSY or last:
                return answer
            await asyncio.sleep(_pause(tried, answer.headers))
        raise AssertionError  # the last try returns or raises

    async def _sign_in(self) -> None:
        asked = self._github()
        if asked is None:
            return
        url, params, headers = asked
        try:
            async with httpx.AsyncClient(timeout=30.0) as other:
                response = await other.get(url, params=params, headers=headers)
        except httpx.HTTPError as error:
            raise ServerUnreachable(
                "GitHub's OpenID provider cannot be reached", why=str(error)
            ) from error
        self._granted(response)

    async def request(self, method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
        """Any operation of the API."""
        again = method.upper() != "POST"
        return await self.send(ask(method, path, query=query, body=body, again=again))

    async def each(self, what: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """All rows of a list, page by page."""
        while True:
            page = await self.send(asks.listing(what, query))
            for row in page["items"]:
                yield row
            if not page.get("next"):
                return
            query["cursor"] = page["next"]

    async def now(self) -> dict[str, Any]:
        """What needs a person."""
        return dict(await self.send(ask("GET", "now")))

    async def finding(self, identity: str) -> dict[str, Any]:
        """One finding with its history."""
        return dict(await self.send(asks.thing("findings", identity)))

    async def tend(self, finding: str, **changes: Any) -> dict[str, Any]:
        """Set ``owner`` or ``due``."""
        return dict(await self.send(asks.tend(finding, changes)))

    async def waive(self, **request: Any) -> dict[str, Any]:
        """Make a waiver."""
        return dict(await self.send(asks.waive(request)))

    async def revoke_waiver(self, identity: str) -> dict[str, Any] | None:
        """End a waiver."""
        return await self.send(asks.revoke_waiver(identity))  # type: ignore[no-any-return]

    async def push(self, document: Any) -> dict[str, Any]:
        """Send what a scan found."""
        return dict(await self.send(asks.push(document)))

    async def send_events(self, events: Sequence[Any]) -> dict[str, Any]:
        """Send a batch of events; returns once they are durable."""
        return dict(await self.send(asks.send_events(events)))
