"""Reading a request's body with bounds on size, time, pace and what it unpacks to.

A body is read whole, so each bound is one of memory or of a connection held: more bytes than the
operation allows (said beforehand or not), a sender that keeps a connection by a byte a second,
a small archive of a large nothing.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from haechi.errors import StoreBusy
from haechi.server.problems import Refusal
from haechi.store.folder import storage_errors

Receive = Callable[[], Awaitable[Any]]
ENCODINGS = "gzip, zstd"
ZSTD_WINDOW = 8 << 20
"""Bytes of memory that a zstd frame may ask for before it gives anything (RFC 9659)."""
MOST_MEMBERS = 10_000
"""Gzip members or zstd frames of a body: each costs its own beginning, even with nothing in it."""
_SLICE, _LARGEST_SLICE = 256, 64 << 10


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How slow a sender may be: ``seconds`` for the whole body, and after ``grace`` seconds never
    less than ``rate`` bytes a second on the whole."""

    seconds: float = 60.0
    grace: float = 10.0
    rate: int = 4096

    def ends(self, received: int) -> float:
        """Seconds from the start by which the next piece must have come."""
        return min(self.seconds, self.grace + received / self.rate)


class Room:
    """Bytes of bodies that may be held at a time, over all requests: what waits for a thread
    waits in memory."""

    def __init__(self, most: int = 256 << 20) -> None:
        self._most = most
        self.held = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes so many bytes more; at the end all are given back. It
        raises StoreBusy when there is no room (a body alone always has some)."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self.held > mine and self.held + size > self._most:
                raise StoreBusy("the server holds as many bodies as it can", do="try again soon")
            mine += size
            self.held += size

        try:
            yield take
        finally:
            self.held -= mine


_AT_ONCE = 1 << 20
"""Bytes that are gathered before they are written to a file."""


async def keep_body(
    receive: Receive,
    headers: Mapping[str, str],
    *,
    limit: int,
    pace: Pace,
    folder: Path,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """A large body, written to a file of its own as it comes: memory holds a piece. Whoever asks
    owns the file; what fails leaves none. Raises as ``read_body``."""
    _check_length(headers, limit)
    if headers.get("content-encoding", "identity") != "identity":
        raise Refusal(
            415, "a packed body is not read here", do="send the file as it is, without an encoding"
        )
    number, name = tempfile.mkstemp(dir=folder, prefix=".body-")
    path = Path(name)
    started, size, waiting = clock(), 0, bytearray()
    try:
        with os.fdopen(number, "wb") as file:
            more = True
            while more:
                part, more = await _next_part(receive, pace, size, clock() - started)
                size += len(part)
                if size > limit:
                    raise too_large(limit)
                waiting += part
                if len(waiting) >= _AT_ONCE or not more:
                    with storage_errors(folder):
                        await asyncio.to_thread(file.write, bytes(waiting))
                    waiting.clear()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


async def _next_part(receive: Receive, pace: Pace, size: int, passed: float) -> tuple[bytes, bool]:
    try:
        message = await asyncio.wait_for(receive(), timeout=max(pace.ends(size) - passed, 0))
    except TimeoutError:
        raise Refusal(
            408,
            f"the body came too slowly: {size} bytes in {passed:.0f} s",
            do="send it faster",
            headers={"Connection": "close"},
        ) from None
    if message["type"] != "http.request":
        raise Gone
    return message.get("body", b""), bool(message.get("more_body", False))


class Gone(Exception):
    """The client hung up before its request was whole: nobody is there to be told."""


async def read_body(
    receive: Receive,
    headers: Mapping[str, str],
    *,
    limit: int,
    pace: Pace,
    take: Callable[[int], None] = lambda size: None,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """The body as it was sent (still packed). ``take`` is told of every part (see ``Room``).
    Raises Refusal 400, 408, 413; StoreBusy; Gone."""
    _check_length(headers, limit)
    started = clock()
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        remaining = pace.ends(size) - (clock() - started)
        try:
            message = await asyncio.wait_for(receive(), timeout=max(remaining, 0))
        except TimeoutError:
            raise Refusal(
                408,
                f"the body came too slowly: {size} bytes in {clock() - started:.0f} s",
                do="send it faster, or in smaller parts",
                headers={"Connection": "close"},
            ) from None
        if message["type"] != "http.request":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        take(len(part))
        if part:
            parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_length(headers: Mapping[str, str], limit: int) -> None:
    length = headers.get("content-length")
    if length is None:
        return
    if not (length.isascii() and length.isdecimal()):
        raise Refusal(400, "Content-Length is not a number", headers={"Connection": "close"})
    if len(length) > 15 or int(length) > limit:
        raise too_large(limit)


def too_large(limit: int) -> Refusal:
    """The refusal of a body over ``limit`` bytes, packed or unpacked."""
    return Refusal(
        413,
        f"the body is larger than the {limit} bytes that are taken here",
        do="send it in parts",
        headers={"Connection": "close"},
    )


def unpack(body: bytes, encoding: str, *, limit: int) -> bytes:
    """The body without its Content-Encoding. Raises Refusal 400, 413, 415. Costs CPU time."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body, limit)
        case "zstd":
            return _unzstd(body, limit)
    raise Refusal(
        415,
        "a Content-Encoding that is not read here",
        do=f"one of: {ENCODINGS}",
        headers={"Accept-Encoding": ENCODINGS},
    )


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip file (RFC 1952 allows several). Fed in slices: the library copies
    what follows a member, which for many small ones would be the square of the body."""
    parts: list[bytes] = []
    left = limit
    view = memoryview(body)
    members = 0
    while view:
        members = _one_more(members)
        member = zlib.decompressobj(wbits=31)
        fed = 0
        try:
            for piece in _slices(view):
                part = member.decompress(piece, left + 1)
                fed += len(piece)
                left -= len(part)
                if left < 0:
                    raise too_large(limit)
                parts.append(part)
                if member.eof:
                    break
        except zlib.error as error:
            raise Refusal(400, "the body is not gzip, as it says") from error
        if not member.eof:
            raise Refusal(400, "the gzip body ends early")
        view = view[fed - len(member.unused_data) :]
    return b"".join(parts)


def _slices(view: memoryview) -> Iterator[memoryview]:
    """Small ones first: most of a tiny member's slice belongs to those after it."""
    start, size = 0, _SLICE
    while start < len(view):
        yield view[start : start + size]
        start += size
        size = min(2 * size, _LARGEST_SLICE)


def _one_more(members: int) -> int:
    """Counts a member or frame. Raises Refusal 413 for one too many."""
    if members >= MOST_MEMBERS:
        raise Refusal(
            413,
            f"the body is packed in more than {MOST_MEMBERS:,} pieces",
            do="pack it in one piece",
            headers={"Connection": "close"},
        )
    return members + 1


def _unzstd(body: bytes, limit: int) -> bytes:
    """All frames. Fed in small slices: the library bounds its input only, and 4 bytes can unpack
    to a block of 128 KiB."""
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    parts: list[bytes] = []
    left = limit
    view = memoryview(body)
    frames = 0
    while view:
        frames = _one_more(frames)
        frame = unpacker.decompressobj()
        try:
            for start in range(0, len(view), _SLICE):
                part = frame.decompress(view[start : start + _SLICE])
                left -= len(part)
                if left < 0:
                    raise too_large(limit)
                parts.append(part)
                if frame.eof:
                    break
        except zstandard.ZstdError as error:
            raise Refusal(400, "the body is not zstd, as it says") from error
        if not frame.eof:
            raise Refusal(400, "the zstd body ends early")
        view = view[min(start + _SLICE, len(view)) - len(frame.unused_data) :]
    return b"".join(parts)
