"""Offline proofs for credentials of chat, observability and other services.

Each answers False only when the value is surely none of the vendor's, except ``mixed``: it
belongs to rules that go by the name of a vendor and a length, where the other half of the
matches would be identifiers.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from itertools import pairwise

_DISCORD_EPOCH_BITS = 22
_DISCORD_ID = range(1 << _DISCORD_EPOCH_BITS, 1 << 63)
_INTERCOM = re.compile(rb"tok:[0-9a-f]{8}(?:[_-][0-9a-f]{4}){3}[_-][0-9a-f]{12}:\d:\d\Z")
_GRAFANA = re.compile(rb'\{"k":"[0-9A-Za-z]{32}"')
_ELASTIC = re.compile(rb"[A-Za-z0-9_-]{20}:[A-Za-z0-9_-]{22}\Z")


def mixed(value: bytes) -> bool:
    """Letters and digits both, or capitals and small letters in no order.

    A drawn value of 16 characters (base 62) misses this once in a hundred times; a word, the
    name of a variable or a path nearly always.
    """
    if re.search(rb"[0-9]", value):
        return bool(re.search(rb"[A-Za-z]", value))
    switches = sum(
        one.isupper() is not two.isupper() for one, two in pairwise(value.decode("latin-1"))
    )
    return switches * 20 >= len(value) * 7


def discord(value: bytes) -> bool:
    """The first part is the account's number (a snowflake) in base64 (Discord API reference)."""
    text = _decoded(value.partition(b".")[0])
    return text.isdigit() and len(text) <= 20 and int(text) in _DISCORD_ID


def grafana(value: bytes) -> bool:
    """The last eight hex digits are the CRC-32 of what precedes them, lowest byte first.

    Grafana, pkg/components/satokengen.
    """
    body, _, checksum = value.rpartition(b"_")
    return zlib.crc32(body).to_bytes(4, "little").hex().encode() == checksum.lower()


def grafana_key(value: bytes) -> bool:
    """Base64 of a JSON object that begins with the key ``k``, 32 characters; addresses of
    published Power BI reports begin alike, with a UUID.
    """
    return bool(_GRAFANA.match(_decoded(value)))


def sentry(value: bytes) -> bool:
    """Between the underscores stands the base64 of a JSON object with ``iat`` and ``url``."""
    payload = _object(value.removeprefix(b"sntrys_").partition(b"_")[0])
    return "iat" in payload and "url" in payload


def intercom(value: bytes) -> bool:
    """Base64 of ``tok:``, an identifier and two digits."""
    return bool(_INTERCOM.match(_decoded(value)))


def elastic(value: bytes) -> bool:
    """Base64 of the key's id (20 characters), a colon and its secret (22)."""
    return bool(_ELASTIC.match(_decoded(value)))


def workos(value: bytes) -> bool:
    """Behind the prefix stands the base64 of ``key_`` and an identifier."""
    return _decoded(value.removeprefix(b"sk_live_")).startswith(b"key_")


def _object(text: bytes) -> dict[str, object]:
    try:
        found = json.loads(_decoded(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: bytes) -> bytes:
    """Base64 of either alphabet, with or without padding; empty for what is none."""
    plain = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""


CHECKS: dict[str, Callable[[bytes], bool]] = {
    "mixed": mixed,
    "discord": discord,
    "grafana": grafana,
    "grafana-key": grafana_key,
    "sentry": sentry,
    "intercom": intercom,
    "elastic": elastic,
    "workos": workos,
}
"""By the name that a rule's ``pattern.check`` gives."""
