"""AdmissionReview documents: what is read of a request, and the bytes of an answer.

The evaluator answers what it judged; the front answers what could not be judged, by group. Both
write the same shape, ``admission.k8s.io/v1``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.decide import MESSAGE_BYTES, clipped
from haechi.model.admission import Decision
from haechi.server.webhook.frames import Route

API_VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"
MOST_ANNOTATIONS, ANNOTATION_BYTES = 32, 4096
_HEAD = 4096
_UID = re.compile(rb'"request"\s*:\s*\{\s*"uid"\s*:\s*"([\x20-\x7e]{1,128}?)"')
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of a ``metav1.Status`` that a refusal has."""

    code: int
    message: str = ""
    reason: str = ""


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """``AdmissionResponse``."""

    uid: str
    allowed: bool | None = None
    status: Status | None = None
    warnings: Sequence[str] = ()
    audit_annotations: Mapping[str, str] = {}
    patch: str = ""
    patch_type: str = ""


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """An ``AdmissionReview`` with an answer."""

    apiVersion: str = API_VERSION
    kind: str = KIND
    response: Response


class _Request(msgspec.Struct):
    uid: str = ""


class _Asked(msgspec.Struct):
    request: _Request | None = None


_encode = msgspec.json.Encoder().encode
_uid = msgspec.json.Decoder(_Asked)


def response_of(uid: str, decision: Decision) -> bytes:
    """The answer that a decision gives."""
    patch = ""
    if decision.patches and decision.allowed:
        patch = base64.b64encode(_encode(decision.patches)).decode()
    refused = not decision.allowed
    return _encode(
        Reviewed(
            response=Response(
                uid=uid,
                allowed=decision.allowed,
                status=Status(decision.code, decision.message, decision.reason)
                if refused
                else None,
                warnings=decision.warnings,
                audit_annotations=annotations_of(decision),
                patch=patch,
                patch_type="JSONPatch" if patch else "",
            )
        )
    )


def annotations_of(decision: Decision) -> dict[str, str]:
    """Audit annotations: those of the policies, and which set of policies decided. The API server
    writes ``<webhook>/<key>`` and takes keys of letters, digits, ``.``, ``_`` and ``-`` only."""
    found: dict[str, str] = {}
    for key, value in decision.annotations.items():
        if len(found) >= MOST_ANNOTATIONS:
            break
        name = _NOT_IN_NAMES.sub(".", key)[:63].strip("._-")
        if name:
            found[name] = clipped(value, ANNOTATION_BYTES)
    if decision.generation:
        found["generation"] = decision.generation
    return found


def unjudged(uid: str, route: Route, why: str, generation: str = "") -> bytes:
    """The answer to what could not be judged: refused where policies fail closed, let through
    with a warning where they fail open."""
    notes = {"unjudged": clipped(why, 200)}
    if generation:
        notes["generation"] = generation
    if route.closed:
        text = f"haechi could not judge this request, and its policies here fail closed: {why}"
        response = Response(
            uid=uid,
            allowed=False,
            status=Status(500, clipped(text, MESSAGE_BYTES), "InternalError"),
            audit_annotations=notes,
        )
    else:
        text = f"haechi could not judge this request and let it through: {why}"
        response = Response(
            uid=uid, allowed=True, warnings=(clipped(text, 256),), audit_annotations=notes
        )
    return _encode(Reviewed(response=response))


def uid_of(body: bytes) -> str:
    """The request's uid, also of a review that is broken further on; empty when unreadable."""
    try:
        asked = _uid.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        found = _UID.search(body[:_HEAD])
        return found[1].decode() if found else ""
    return asked.request.uid if asked.request is not None else ""


def patch_of(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The JSON patch of a response, decoded: for tests and for people."""
    found: list[dict[str, Any]] = msgspec.json.decode(base64.b64decode(response["patch"]))
    return found
