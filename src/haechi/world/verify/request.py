"""From a provider's entry and the values of a credential to the one request that is sent.

Requests and answers never show their content: whatever prints, logs or formats one of them (an
error report, a debugger's summary) gets method, host and status only.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from haechi import __version__
from haechi.world.verify.providers import PLACEHOLDER, Ask
from haechi.world.verify.signing import SCHEMES, Unsendable

USER_AGENT = f"haechi/{__version__} (asks whether a leaked credential still works)"
_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}\Z")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTPS request. ``target`` is path and query."""

    host: str
    target: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.host})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Status and the first bytes of a body; ``cut`` when there was more than the limit."""

    status: int
    body: bytes = b""
    cut: bool = False

    def __repr__(self) -> str:
        return f"Answer({self.status})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


def build(ask: Ask, values: Mapping[str, str], now: dt.datetime) -> Request:
    """The request for a credential. Raises Unsendable; its words never hold a value."""
    for name, value in values.items():
        if not _SENDABLE.match(value) or not value.strip("."):
            raise Unsendable(f"the {name} is nothing that can be sent")
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        **{name: _filled(text, values) for name, text in ask.headers.items()},
    }
    if ask.basic:
        user, password = (_filled(text, values) for text in ask.basic)
        pair = base64.b64encode(f"{user}:{password}".encode("ascii")).decode("ascii")
        headers["Authorization"] = f"Basic {pair}"
    target = _filled(ask.target, values, in_path=True)
    if ask.sign:
        headers |= SCHEMES[ask.sign](ask.method, ask.host, target, values, now)
    return Request(
        host=ask.host,
        target=target,
        method=ask.method,
        headers=tuple(headers.items()),
        body=ask.body.encode("utf-8"),
    )


def _filled(text: str, values: Mapping[str, str], *, in_path: bool = False) -> str:
    """``text`` with its placeholders filled; one path segment stays one (RFC 3986, pchar)."""

    def value(match: re.Match[str]) -> str:
        found = values[match.group(1)]
        return quote(found, safe=":") if in_path else found

    return PLACEHOLDER.sub(value, text)
