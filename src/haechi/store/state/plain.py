"""Text and JSON from outside made fit for every engine: no NUL, no lone surrogate, bounded.

PostgreSQL refuses NUL in text and SQLite's functions stop at it; a lone surrogate has no UTF-8.
Both are replaced by a sign that shows it, never dropped: two texts that differ by them alone
are rare, and whoever looks sees that something was there.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_UNFIT = re.compile("[\x00\ud800-\udfff]")
_DEPTH = 24


def clean(words: str, most: int = 4_000) -> str:
    """The text without what a column cannot hold; cut at ``most`` characters, visibly."""
    if not words.isprintable():
        words = _UNFIT.sub(_sign, words)
    return words if len(words) <= most else words[: most - 1] + "…"


def _sign(match: re.Match[str]) -> str:
    return "\u2400" if match[0] == "\0" else "\ufffd"


def to_json(value: Any) -> str:
    """JSON in one line; unfit text in it is replaced."""
    try:
        encoded = msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, TypeError, OverflowError, ValueError):
        return msgspec.json.encode(_fit(value, 0)).decode()
    if "\\u0000" in encoded:
        return msgspec.json.encode(_fit(value, 0)).decode()
    return encoded


def bounded_json(value: Any, most: int) -> str:
    """As ``to_json``; what is longer than ``most`` characters becomes a note of its size."""
    encoded = to_json(value)
    if len(encoded) <= most:
        return encoded
    return to_json({"left_out": f"{len(encoded):,} characters, more than {most:,}"})


def from_json(encoded: str) -> Any:
    """What ``to_json`` wrote."""
    return msgspec.json.decode(encoded)


def _fit(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _UNFIT.sub(_sign, value)
    if depth > _DEPTH:
        return "…"
    if isinstance(value, dict):
        return {_UNFIT.sub(_sign, str(key)): _fit(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fit(item, depth + 1) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    return str(value)
