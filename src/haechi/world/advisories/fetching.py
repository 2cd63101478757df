"""Fetch one file by HTTPS into a file of ours: nothing is fetched unless somebody asks for it.

Plain HTTP is refused except to this machine itself, and only when asked for; redirects obey the
same rule. Size, number of redirects, every wait and all of them together are bounded: the last
by an event loop, as a server may send its headers byte by byte and each of them in time.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from haechi.errors import InputError, LimitExceeded, UsageError

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 2 * 1024 * 1024 * 1024
MAX_SECONDS = 1800
_REDIRECTS = 5
_PATIENCE = 30.0
EXPORTS = "https://osv-vulnerabilities.storage.googleapis.com/{}/all.zip"
Progress = Callable[[int, int, str], None]


def is_url(text: str) -> bool:
    """Whether it names something to fetch."""
    return text.startswith(("http://", "https://"))


def shown(url: str) -> str:
    """A URL without the name and password that may stand in it, and without a signed query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def fetch(
    url: str, target: Path, *, insecure: bool = False, progress: Progress | None = None
) -> str:
    """Write the answer to ``target``; where it came from in the end, without secrets.

    Raises UsageError for a URL that is not allowed, InputError when no whole answer came.
    """
    return asyncio.run(_within_bounds(url, target, insecure, progress))


async def _within_bounds(url: str, target: Path, insecure: bool, progress: Progress | None) -> str:
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await _fetched(url, target, insecure, progress)
    except TimeoutError:
        raise InputError(
            f"{shown(url)}: not whole after {MAX_SECONDS // 60} minutes",
            do="fetch the file elsewhere and import it by its path",
        ) from None


async def _fetched(url: str, target: Path, insecure: bool, progress: Progress | None) -> str:
    import httpx

    current = url
    async with httpx.AsyncClient(timeout=httpx.Timeout(_PATIENCE)) as client:
        for _ in range(_REDIRECTS + 1):
            _allow(current, insecure)
            try:
                async with client.stream("GET", current, headers=_HEADERS) as answer:
                    if answer.is_redirect:
                        current = urljoin(current, answer.headers.get("location", ""))
                        continue
                    if answer.status_code != 200:
                        raise InputError(
                            f"{shown(current)}: the server answered {answer.status_code}",
                            do="is the name right? ecosystems are spelled as OSV spells them",
                        )
                    await _keep(answer, target, current, progress)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise InputError(
                    f"{shown(current)}: no answer",
                    why=type(error).__name__,
                    do="fetch the file elsewhere and import it by its path",
                ) from None
            return shown(current)
    raise InputError(f"{shown(url)}: more than {_REDIRECTS} redirects")


_HEADERS = {"User-Agent": "haechi", "Accept-Encoding": "identity"}


async def _keep(answer: httpx.Response, target: Path, url: str, progress: Progress | None) -> None:
    claimed = answer.headers.get("content-length", "")
    total = int(claimed) if claimed.isdecimal() else 0
    if total > MAX_BYTES:
        raise LimitExceeded(f"{shown(url)}: {total >> 20} MiB; at most {MAX_BYTES >> 20}")
    size = 0
    with target.open("wb") as stream:
        async for chunk in answer.aiter_raw():
            size += len(chunk)
            if size > MAX_BYTES:
                raise LimitExceeded(f"{shown(url)}: more than {MAX_BYTES >> 20} MiB")
            stream.write(chunk)
            if progress is not None:
                progress(size >> 10, total >> 10, f"KiB of {shown(url)}")
    if total and size != total:
        raise InputError(f"{shown(url)}: {size:,} of {total:,} bytes came")


def _allow(url: str, insecure: bool) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise UsageError("no URL") from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and insecure and _is_loopback(host):
        return
    raise UsageError(
        f"{shown(url)}: advisories are fetched by HTTPS only",
        do="--insecure-http allows plain HTTP to this machine itself",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
