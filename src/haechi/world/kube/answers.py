"""What an API server said, as a value or as one of our errors.

Every refusal is a ``Status`` document with a reason, details and causes; they are put in words
that name the object, who holds a field, which right is missing, when to come again. Everything in
it is the server's word: bounded, and never more than text.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from haechi.errors import (
    KubeBusy,
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeGone,
    KubeInvalid,
    KubeNotFound,
)
from haechi.world.kube.credentials import unknown_to_server
from haechi.world.kube.wire import Answer

MOST_CAUSES = 50
_WORDS = 500
_UNTYPED = "failed to create typed"
"""Server-side apply answers 500 to a field that the schema does not have: no fault that passes."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of several."""

    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What it is about."""

    name: str = ""
    group: str = ""
    kind: str = ""
    causes: list[Cause] | None = None
    retry_after_seconds: float = 0


class ListMeta(msgspec.Struct, frozen=True, kw_only=True):
    """Of a list, and of a status."""

    resource_version: str = msgspec.field(name="resourceVersion", default="")
    continue_: str = msgspec.field(name="continue", default="")


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """``v1.Status``."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None
    metadata: ListMeta = ListMeta()


_status = msgspec.json.Decoder(Status, strict=False).decode


def decoded(answer: Answer, where: str) -> Any:
    """The value of a good answer. Raises KubeError."""
    try:
        value = msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(where) from error
    return value


def not_json(where: str) -> KubeError:
    """For an answer that is something else."""
    return KubeError(
        "the API server's answer is not JSON",
        do="is this the address of an API server, or of a page before it?",
        where=where,
    )


def check(answer: Answer, where: str) -> None:
    """Raises the error that a refusal stands for; ``where`` names the object and the cluster."""
    if 200 <= answer.status < 300:
        return
    status = Status()
    with contextlib.suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        status = _status(answer.body)
    raise error_of(answer.status, status, where, retry_after=_seconds(answer))


def error_of(code: int, status: Status, where: str, *, retry_after: float = 0.0) -> KubeError:
    """A status as an error."""
    details = status.details or Details()
    causes = (details.causes or [])[:MOST_CAUSES]
    what = _text(status.message) or f"the API server answers HTTP {code}"
    reason = _text(status.reason)[:100]
    common: dict[str, Any] = {"where": where, "status": code, "reason": reason}
    if code == 500 and what.startswith(_UNTYPED):
        code = 422
    match code:
        case 401:
            return unknown_to_server(where)
        case 403:
            return KubeForbidden(
                what,
                do="give the account this right, or take the cluster's part out of the settings",
                **common,
            )
        case 404 | 405:
            absent = KubeNotFound(what, **common)
            absent.name = _text(details.name) if reason == "NotFound" else ""
            return absent
        case 409:
            return _conflict(what, causes, common)
        case 410:
            gone = KubeGone(what, do="list again", **common)
            gone.token = status.metadata.continue_[:4096]
            return gone
        case 400 | 413 | 415 | 422:
            invalid = KubeInvalid(what, **common)
            invalid.causes = tuple((_text(one.field), _text(one.message)) for one in causes)
            return invalid
        case 429 | 503:
            busy = KubeBusy(what, **common)
            busy.retry_after = max(retry_after, min(float(details.retry_after_seconds), 3600.0))
            busy.budget = any(one.reason == "DisruptionBudget" for one in causes)
            if busy.budget:
                busy.why = "; ".join(_text(one.message) for one in causes)
            return busy
        case _:
            return KubeError(what, **common)


def _conflict(what: str, causes: list[Cause], common: dict[str, Any]) -> KubeConflict:
    owners = tuple(
        (_manager(one.message), _text(one.field))
        for one in causes
        if one.reason == "FieldManagerConflict"
    )
    if not owners:
        return KubeConflict(what, do="look at it again, then repeat", **common)
    held: dict[str, list[str]] = {}
    for manager, field in owners:
        held.setdefault(manager, []).append(field)
    who = "; ".join(f"{name} holds {', '.join(fields[:10])}" for name, fields in held.items())
    conflict = KubeConflict(
        "fields of the object are held by others",
        why=who,
        do="leave these fields out, or take them over with force",
        **common,
    )
    conflict.owners = owners
    return conflict


def _manager(message: str) -> str:
    """From ``conflict with "kubectl" using apps/v1 at 2026-…``."""
    parts = message.split('"')
    return _text(parts[1])[:128] if len(parts) > 2 else "another field manager"


def _text(words: str) -> str:
    return "".join(c if c.isprintable() else " " for c in words[:_WORDS]).strip()


def _seconds(answer: Answer) -> float:
    """Retry-After in seconds; a date is taken for a moment."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal() and said.isascii() and len(said) < 6:
        return min(float(said), 3600.0)
    return 1.0 if said else 0.0
