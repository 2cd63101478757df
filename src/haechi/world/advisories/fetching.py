"""Fetch one file by HTTPS into a file of ours: nothing is fetched unless somebody asks for it.

Plain HTTP is refused except to this machine itself, and only when asked for; redirects obey the
same rule. Size, number of redirects and every wait are bounded.
"""

from __future__ import annotations

import ipaddress
import time
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
    import httpx

    current, began = url, time.monotonic()
    with httpx.Client(timeout=httpx.Timeout(_PATIENCE), follow_redirects=False) as client:
        for _ in range(_REDIRECTS + 1):
            _allow(current, insecure)
            try:
                with client.stream("GET", current, headers=_HEADERS) as answer:
                    if answer.is_redirect:
                        current = urljoin(current, answer.headers.get("location", ""))
                        continue
                    if answer.status_code != 200:
                        raise InputError(
                            f"{shown(current)}: the server answered {answer.status_code}",
                            do="is the name right? ecosystems are spelled as OSV spells them",
                        )
                    _keep(answer, target, current, began, progress)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise InputError(
                    f"{shown(current)}: no answer",
                    why=type(error).__name__,
                    do="fetch the file elsewhere and import it by its path",
                ) from None
            return shown(current)
    raise InputError(f"{shown(url)}: more than {_REDIRECTS} redirects")


_HEADERS = {"User-Agent": "haechi", "Accept-Encoding": "identity"}


def _keep(
    answer: httpx.Response, target: Path, url: str, began: float, progress: Progress | None
) -> None:
    claimed = answer.headers.get("content-length", "")
    total = int(claimed) if claimed.isdecimal() else 0
    if total > MAX_BYTES:
        raise LimitExceeded(f"{shown(url)}: {total >> 20} MiB; at most {MAX_BYTES >> 20}")
    size = 0
    with target.open("wb") as stream:
        for chunk in answer.iter_raw():
            size += len(chunk)
            if size > MAX_BYTES:
                raise LimitExceeded(f"{shown(url)}: more than {MAX_BYTES >> 20} MiB")
            if time.monotonic() - began > MAX_SECONDS:
                raise InputError(f"{shown(url)}: not whole after {MAX_SECONDS // 60} minutes")
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
