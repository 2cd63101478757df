"""A request without its secrets: what may leave the webhook, and what the server may keep.

Recorded requests are judged again by policies to come, so structure and harmless values stay;
what may be a secret becomes ``***``: values of Secrets and ConfigMaps (whatever kind carries a
``stringData``), values of variables and fields whose names announce a credential, credentials
inside command lines, annotations that repeat a whole object. ``removed`` holds the values that
were taken out, so that messages and evidence that quote one lose it, too.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from haechi.engines.masking import MASK, announces_credential, masked

MOST_DEPTH = 60
SHORTEST = 4
"""Shorter values are words such as ``true``, which stand everywhere."""
MOST_REMOVED = 2_000
_VALUES = ("data", "stringData", "binaryData")
_HOLDERS = ("Secret", "ConfigMap")
_STRUCTURAL = ("Name", "Namespace", "Ref", "Path", "File", "Kind", "Class")
_HARMLESS = frozenset({"sessionAffinity", "secretName", "gmsaCredentialSpec"})
_DROPPED = frozenset({"managedFields"})
_COPIES = ("kubectl.kubernetes.io/last-applied-configuration", "last-applied")
_COMMANDS = frozenset({"args", "command"})
_SIGNS = re.compile(r"[:=\s$]|eyJ|-----")
_HINTS = re.compile(
    r"pass|pwd|secret|token|jwt|auth|cookie|credential|key|session|bearer|basic|otp|pin"
    r"|://|eyJ|\$|-----",
    re.IGNORECASE,
)
"""What every pattern of ``engines.masking.masked`` needs: a sign and a word."""


class Redacted(msgspec.Struct, frozen=True):
    """``body`` shares nothing with what it was made of."""

    body: dict[str, Any]
    removed: frozenset[str]

    def clean(self, text: str) -> str:
        """A text about the request without the values that were taken out of it."""
        for value in sorted(self.removed, key=len, reverse=True):
            if value in text:
                text = text.replace(value, MASK)
        return masked(text)


def redacted(request: Mapping[str, Any]) -> Redacted:
    """``AdmissionReview.request`` (or an object) without what may be a secret."""
    work = _Redaction()
    kind = request.get("kind")
    if isinstance(kind, str):
        body = work.mapping(request, 0)
    else:
        told = kind.get("kind") if isinstance(kind, Mapping) else None
        holds = isinstance(told, str) and told.startswith(_HOLDERS)
        body = {}
        for key, value in request.items():
            whole = key in ("object", "oldObject") and isinstance(value, Mapping)
            body[str(key)] = (
                work.mapping(value, 0, holds=holds) if whole else work.value(value, str(key), 0)
            )
    user = request.get("userInfo")
    if isinstance(user, Mapping):  # `extra` carries what an authenticator liked to add
        body["userInfo"] = {key: user[key] for key in ("username", "uid", "groups") if key in user}
    return Redacted(body, frozenset(work.removed))


class _Redaction:
    def __init__(self) -> None:
        self.removed: set[str] = set()

    def value(self, value: Any, key: str, depth: int) -> Any:
        if depth > MOST_DEPTH:
            return MASK
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        if isinstance(value, (list, tuple)):
            return [self.value(one, key, depth + 1) for one in value]
        if not isinstance(value, str):
            return value
        if _is_credential(key):
            return self.taken(value)
        return self.told(value)

    def mapping(
        self, value: Mapping[str, Any], depth: int, *, holds: bool = False
    ) -> dict[str, Any]:
        named = value.get("name", value.get("key"))
        secret = isinstance(named, str) and "value" in value and _announces(named)
        holder = holds or _holds_values(value)
        made: dict[str, Any] = {}
        for name, inner in value.items():
            key = str(name)
            if key in _DROPPED:
                continue
            if key == "stringData" or (holder and key in _VALUES) or (secret and key == "value"):
                made[key] = self.hidden(inner, depth + 1)
            elif holder and key == "items" and isinstance(inner, list):
                made[key] = [
                    self.mapping(one, depth + 1, holds=True) if isinstance(one, Mapping) else MASK
                    for one in inner
                ]
            elif key == "annotations" and isinstance(inner, Mapping):
                made[key] = {str(k): self.annotation(str(k), v) for k, v in inner.items()}
            elif key in _COMMANDS and isinstance(inner, list):
                made[key] = self.command(inner, depth + 1)
            else:
                made[key] = self.value(inner, key, depth + 1)
        return made

    def annotation(self, key: str, value: Any) -> Any:
        if not isinstance(value, str):
            return self.hidden(value, 0)
        if key.endswith(_COPIES) or _announces(key):
            return MASK  # not among the removed: a whole object is no value that others quote
        if value.lstrip()[:1] in ("{", "["):
            return self.document(value)
        return self.told(value)

    def document(self, text: str) -> str:
        """An annotation that holds JSON, by the same rules."""
        try:
            inner = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return self.told(text)
        return msgspec.json.encode(self.value(inner, "", 0)).decode()

    def command(self, parts: list[Any], depth: int) -> list[Any]:
        """``--password hunter2`` has its value in the part that follows."""
        made: list[Any] = []
        hide = False
        for part in parts:
            if not isinstance(part, str):
                made.append(self.value(part, "", depth))
                hide = False
                continue
            made.append(self.taken(part) if hide else self.told(part))
            flag = part.startswith("-") and "=" not in part and " " not in part
            hide = flag and _announces(part.lstrip("-"))
        return made

    def hidden(self, value: Any, depth: int) -> Any:
        """Everything below, with its keys."""
        if depth > MOST_DEPTH:
            return MASK
        if isinstance(value, Mapping):
            return {str(key): self.hidden(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hidden(one, depth + 1) for one in value]
        return self.taken(value) if isinstance(value, str) else None if value is None else MASK

    def told(self, text: str) -> str:
        if not _may_hold(text):
            return text
        clean = masked(text)
        if clean != text:
            self.note(text)
        return clean

    def taken(self, text: str) -> str:
        if not text:
            return ""  # that a value is empty is no secret, and policies ask for it
        self.note(text)
        return MASK

    def note(self, text: str) -> None:
        """Remember it and what it encodes, since messages may quote either."""
        for one in (text, text.strip(), _decoded(text)):
            if len(one) >= SHORTEST and len(self.removed) < MOST_REMOVED:
                self.removed.add(one)


def _holds_values(value: Mapping[str, Any]) -> bool:
    kind = value.get("kind")
    return "stringData" in value or (isinstance(kind, str) and any(h in kind for h in _HOLDERS))


@lru_cache(maxsize=4096)
def _announces(name: str) -> bool:
    return announces_credential(name)


def _may_hold(text: str) -> bool:
    """False where ``masked`` surely changes nothing: most texts of an object are short names."""
    return _SIGNS.search(text) is not None and _HINTS.search(text) is not None


@lru_cache(maxsize=4096)
def _is_credential(key: str) -> bool:
    if key in _HARMLESS or key.endswith(_STRUCTURAL):
        return False
    return announces_credential(key)


def _decoded(text: str) -> str:
    if len(text) % 4 or len(text) > 100_000:
        return ""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
