"""Answers that are written while they are read: CSV and NDJSON twins of lists, searches.

The rows come from a generator that waits for the store, so it runs whole in one thread (the
store's connections like that) and hands bytes to the event loop over a pipe of fixed size: a
reader that is slow slows the generator, and costs 256 KiB whatever the list's length.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import threading
import typing
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from enum import Enum
from itertools import chain, islice
from typing import Any

import msgspec

from haechi.server.problems import Refusal

PIPE_BYTES = 256 << 10
CSV, NDJSON, JSON = "csv", "ndjson", "json"
MEDIA_TYPES = {CSV: "text/csv; charset=utf-8; header=present", NDJSON: "application/x-ndjson"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
STUCK_SECONDS, LONGEST_SECONDS = 30.0, 600.0
_BOM = b"\xef\xbb\xbf"


def chosen(accept: str, formats: Sequence[str]) -> str:
    """The format that is asked for: ``?format=`` (``formats`` are its values), else Accept."""
    if len(formats) > 1 or any(one not in (CSV, NDJSON, JSON) for one in formats):
        known = f"one of {CSV}, {NDJSON}, {JSON}"
        raise Refusal(400, f"format must be {known}", errors=[("query.format", known)])
    if formats:
        return formats[0]
    best, weight = JSON, 0.0
    for part in accept[:1000].split(","):
        name, _, rest = part.partition(";")
        form = {"text/csv": CSV, "application/x-ndjson": NDJSON, "application/json": JSON}.get(
            name.strip().lower()
        )
        if form is not None and (quality := _quality(rest)) > weight:
            best, weight = form, quality
    return best


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def ndjson(rows: Iterable[Any]) -> Iterator[bytes]:
    """One JSON document a line."""
    encode = msgspec.json.Encoder().encode
    for row in rows:
        yield encode(row) + b"\n"


def table(rows: Iterable[Any], row_type: Any, *, bom: bool = True) -> Iterator[bytes]:
    """CSV (RFC 4180) with a head. A struct in a column is spread over columns ``a.b``; what else
    is no plain value stands as JSON."""
    columns = tuple(_columns(row_type))
    several = iter(rows)
    # Before the head: until something was sent, a failure can still be told.
    first = list(islice(several, 1))
    yield (_BOM if bom else b"") + _line([name for name, _ in columns])
    for row in chain(first, several):
        yield _line([_cell(_value(row, path)) for _, path in columns])


def row_type(answer: Any) -> Any:
    """The type of the rows of an answer such as ``Page[StoredFinding]``."""
    hints = typing.get_type_hints(typing.get_origin(answer) or answer)
    items = typing.get_args(hints["items"])[0]
    if isinstance(items, typing.TypeVar):
        return typing.get_args(answer)[0]
    return items


def _columns(type_: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    for field in msgspec.structs.fields(type_):
        inner = (*path, field.name)
        if not path and isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _columns(field.type, inner)
        else:
            yield ".".join(inner), inner


def _value(row: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        row = getattr(row, name)
    return row


def _cell(value: Any) -> str:
    match value:
        case None | msgspec.UNSET:
            return ""
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case str():
            # A spreadsheet would run it (CWE-1236); a dash alone is what stands for nothing.
            return f"'{value}" if value.startswith(_FORMULA) and value != "-" else value
        case int() | float():
            return repr(value)
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dt.date():
            return value.isoformat()
        case list() | tuple() | dict() if not value:
            return ""
        case _:
            return msgspec.json.encode(value).decode()


def _line(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


class Pipe:
    """Bytes from a generator in a thread to the event loop, at most ``PIPE_BYTES`` between them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, size: int = PIPE_BYTES) -> None:
        self._loop = loop
        self._size = size
        self._room = threading.Condition()
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    def start(self, executor: Executor, parts: Callable[[], Iterator[bytes]]) -> None:
        """Begin. What ``parts`` raises comes out of ``read`` after what was made before."""
        executor.submit(self._fill, parts)

    def _fill(self, make: Callable[[], Iterator[bytes]]) -> None:
        error: BaseException | None = None
        try:
            parts = make()
            try:
                for part in parts:
                    if not self._put(part):
                        break
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()  # in this thread: it may hold a connection
        except BaseException as raised:  # noqa: BLE001  (it goes to whoever reads, and the log)
            error = raised
        with self._room:
            self._ended, self._error = True, error
        self._tell()

    def _put(self, part: bytes) -> bool:
        with self._room:
            while self._held >= self._size and not self._closed:
                self._room.wait()
            if self._closed:
                return False
            first = not self._parts
            self._parts.append(part)
            self._held += len(part)
        if first:
            self._tell()
        return True

    def _tell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the loop ended: nobody reads
            self.close()

    async def read(self) -> bytes:
        """What is there by now, at least something; empty at the end."""
        while True:
            self._news.clear()
            with self._room:
                if self._parts:
                    data = b"".join(self._parts)
                    self._parts.clear()
                    self._held = 0
                    self._room.notify_all()
                    return data
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return b""
            await self._news.wait()

    def close(self) -> None:
        """Nobody reads any more: the generator ends at its next part."""
        with self._room:
            self._closed = True
            self._room.notify_all()


async def stream(
    executor: Executor,
    parts: Callable[[], Iterator[bytes]],
    status: int,
    headers: Mapping[str, str],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """Write what ``parts`` makes, until its end or until the client hangs up or takes nothing.

    Nothing is sent before the first part is there: until then an error can still be told.
    Raises TimeoutError, and whatever ``parts`` raises.
    """
    pipe = Pipe(asyncio.get_running_loop())

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        pipe.close()

    async def write(message: Mapping[str, Any]) -> None:
        async with asyncio.timeout(STUCK_SECONDS):
            await send(message)

    pipe.start(executor, parts)
    gone = asyncio.ensure_future(hung_up())
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            part = await pipe.read()
            lines = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
            await write({"type": "http.response.start", "status": status, "headers": lines})
            while part and not gone.done():
                await write({"type": "http.response.body", "body": part, "more_body": True})
                part = await pipe.read()
            if not gone.done():
                await write({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        gone.cancel()
        pipe.close()
