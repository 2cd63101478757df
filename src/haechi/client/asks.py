"""What can be asked of the server, as values: the sync and the async client send the same.

Every function returns an ``Ask``; nothing here does I/O. Documents are plain values in the
shapes of ``GET /api/v1/openapi.json``.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

BASE = "/api/v1"
JSON, NDJSON = "application/json", "application/x-ndjson"
Query = Mapping[str, Any]
_PACKED = 64 << 10
"""Bytes from which a document is packed."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``body`` is ready to be sent (``encoding`` says how it is packed, if it is);
    ``again`` tells that sending it twice does no harm, so it may be repeated when the server was
    busy or the connection broke. ``most`` bytes of an answer are read (by the sync client).
    ``unless``: an ETag; an answer that is still the same comes as 304, without a body."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    type: str = JSON
    encoding: str = ""
    again: bool = True
    most: int = 1 << 30
    unless: str = ""


def ask(
    method: str, path: str, *, query: Query | None = None, body: Any = None, again: bool = True
) -> Ask:
    """Any request. A list in ``query`` repeats the key; None and unset values are left out."""
    return Ask(
        method=method.upper(),
        path=path if path.startswith("/") else f"{BASE}/{path}",
        query=tuple(_pairs(query or {})),
        body=None if body is None else msgspec.json.encode(body),
        again=again,
    )


def _pairs(query: Query) -> Iterable[tuple[str, str]]:
    for key, value in query.items():
        several = value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
        for one in several:
            if isinstance(one, bool):
                yield key, "true" if one else "false"
            elif one is not None:
                yield key, one.isoformat() if hasattr(one, "isoformat") else str(one)


def listing(what: str, query: Query) -> Ask:
    """One page of ``findings``, ``waivers``, ``scans``, ``resources``, ``rules`` …"""
    return ask("GET", what, query=query)


def thing(what: str, identity: str) -> Ask:
    """One thing by its id."""
    return ask("GET", f"{what}/{quote(identity, safe='')}")


def tend(finding: str, changes: Mapping[str, Any]) -> Ask:
    """Owner and due date of a finding; None takes one away."""
    return ask("PATCH", f"findings/{quote(finding, safe='')}", body=dict(changes))


def waive(request: Mapping[str, Any]) -> Ask:
    """Make a waiver (``WaiverRequest``)."""
    return ask("POST", "waivers", body=dict(request), again=False)


def revoke_waiver(identity: str) -> Ask:
    """End a waiver now."""
    return ask("DELETE", f"waivers/{quote(identity, safe='')}")


def push(document: Any) -> Ask:
    """Send what a scan found (``haechi.push/1``, plain values or a ``Push``). Sending it twice
    gives a second scan with no changes. What is large goes packed."""
    one = ask("POST", "scans", body=document)
    if one.body is None or len(one.body) < _PACKED:
        return one
    packed = gzip.compress(one.body, 6, mtime=0)
    return msgspec.structs.replace(one, body=packed, encoding="gzip")


def send_advisories(name: str, covers: Sequence[str] = ()) -> Ask:
    """Send a file of advisories (``Client.send_file``), called by its name."""
    one = ask(
        "POST", "advisories/import", query={"name": name, "covers": list(covers)}, again=False
    )
    return msgspec.structs.replace(one, type="application/octet-stream")


def send_events(events: Sequence[Any]) -> Ask:
    """Send events (``haechi.event/1``). One that comes twice counts once, by its id."""
    encoder = msgspec.json.Encoder()
    lines = b"\n".join(encoder.encode(event) for event in events)
    return Ask(method="POST", path=f"{BASE}/events", body=lines, type=NDJSON)
