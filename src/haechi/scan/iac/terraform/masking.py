"""Verdicts without the secrets of what they are about.

Hidden are texts that a plan or a variable marks as sensitive, and those under names of secrets. A
plan from a stranger marks half a million, so none of them is looked for by itself: where one may
begin is told by its first characters, which of them it is by their order.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from haechi.model.resource import Resource
from haechi.model.review import Verdict
from haechi.model.unknown import Unknown

MASK = "(secret)"
_SHORTEST = 4
_MAX_EVIDENCE = 50
_SECRET = re.compile(
    r"password|passwd|secret|token|private_key|api_?key|access_key|connection_string|credential|"
    r"user_?data|custom_data|certificate_body",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?:_arn|_id|_name|_ref|_type|_length|_days|_enabled)\Z")


class Hidden:
    """Texts that must not be shown, of four characters or more."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._ordered = sorted(text for text in set(texts) if len(text) >= _SHORTEST)
        self._longest = max(map(len, self._ordered), default=0)
        self._starts = {text[:_SHORTEST] for text in self._ordered}

    def longest(self, text: str, at: int) -> int:
        """The length of the longest one that stands at a place of a text; 0 for none."""
        if text[at : at + _SHORTEST] not in self._starts:
            return 0
        rest = text[at : at + self._longest]
        while rest:
            place = bisect_right(self._ordered, rest) - 1
            if place < 0:
                return 0
            nearest = self._ordered[place]
            if rest.startswith(nearest):
                return len(nearest)
            rest = _shared(rest, nearest)  # whatever stands here is no longer than this
        return 0


def _shared(one: str, other: str) -> str:
    """What two texts begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((one[:at] for at, (a, b) in pairs if a != b), min(one, other, key=len))


def masked(verdict: Verdict, resource: Resource, hidden: Hidden) -> Verdict:
    """The verdict without hidden texts, secret values of the resource, and values that nobody
    knows."""
    secrets = (hidden, Hidden(_secrets(resource.data)))
    evidence = dict(list(verdict.evidence.items())[:_MAX_EVIDENCE])
    clean = {key: _shown(value, secrets, 0) for key, value in evidence.items()}
    return replace(verdict, message=_without(verdict.message, secrets), evidence=clean)


def _without(text: str, secrets: tuple[Hidden, ...]) -> str:
    out: list[str] = []
    kept = at = 0
    while at < len(text):
        length = max(hidden.longest(text, at) for hidden in secrets)
        if length:
            out += (text[kept:at], MASK)
            kept = at + length
        at += length or 1
    return "".join((*out, text[kept:])) if out else text


def _shown(value: Any, secrets: tuple[Hidden, ...], depth: int) -> Any:
    if isinstance(value, Unknown):
        return "(unknown)"
    if isinstance(value, str):
        return _without(value, secrets)
    if isinstance(value, (int, float)) or value is None or depth > 10:
        return value if isinstance(value, (int, float)) else None
    if isinstance(value, Mapping):
        return {
            str(key): MASK if is_secret(str(key)) else _shown(item, secrets, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(item, secrets, depth + 1) for item in value]
    return str(value)


def is_secret(name: str) -> bool:
    """Whether an attribute of this name holds a secret rather than naming one."""
    return _SECRET.search(name) is not None and _NAMED.search(name) is None


def _secrets(value: Any, name: str = "") -> Iterator[str]:
    """Texts that stand under names of secrets."""
    if isinstance(value, Unknown):
        return
    if isinstance(value, str):
        if is_secret(name):
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets(item, name if is_secret(name) else key)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, name)
