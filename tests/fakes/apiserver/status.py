"""Refusals in the shape of the real server: `kind: Status` with its reason, code and details.

Reasons, codes and wording follow apimachinery's `api/errors` and `util/validation/field`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """One refusal; `body()` is what the client reads."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Json | None = None,
        headers: dict[str, str] | None = None,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.headers = details or {}, headers or {}
        self.continue_token = continue_token

    def body(self) -> Json:
        metadata: Json = {"continue": self.continue_token} if self.continue_token else {}
        body: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body | {"code": self.code}


def success(group: str, plural: str, name: str, uid: str) -> Json:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _of(group, plural, name) | {"uid": uid},
    }


def _of(group: str, plural: str, name: str) -> Json:
    details: Json = {"name": name} if name else {}
    if group:
        details["group"] = group
    return details | {"kind": plural}


def qualified(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> ApiError:
    message = f'{qualified(group, plural)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_of(group, plural, name))


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(group: str, plural: str, name: str) -> ApiError:
    message = f'{qualified(group, plural)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_of(group, plural, name))


STALE = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(group: str, plural: str, name: str, why: str = STALE) -> ApiError:
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_of(group, plural, name))


def apply_conflict(causes: Sequence[Json], text: str) -> ApiError:
    return ApiError(409, "Conflict", text, details={"causes": list(causes)})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, plural: str, name: str, why: str) -> ApiError:
    shown = f'{qualified(group, plural)} "{name}"' if name else qualified(group, plural)
    message = f"{shown} is forbidden: {why}"
    return ApiError(403, "Forbidden", message, details=_of(group, plural, name))


def method_not_allowed(verb: str) -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={"verb": verb})


def unsupported_media(wanted: Sequence[str]) -> ApiError:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(wanted)
    )
    return ApiError(415, "UnsupportedMediaType", message)


def too_many(message: str, *, retry_after: int = 0, causes: Sequence[Json] = ()) -> ApiError:
    details: Json = {}
    if causes:
        details["causes"] = list(causes)
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return ApiError(429, "TooManyRequests", message, details=details, headers=headers)


def expired(message: str, continue_token: str = "") -> ApiError:
    return ApiError(410, "Expired", message, continue_token=continue_token)


def too_old(asked: int, oldest: int) -> ApiError:
    return expired(f"too old resource version: {asked} ({oldest})")


def too_large_version(asked: int, current: int) -> ApiError:
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    details = {"causes": causes, "retryAfterSeconds": 1}
    return ApiError(504, "Timeout", message, details=details, headers={"Retry-After": "1"})


def internal(message: str) -> ApiError:
    causes = [{"message": message}]
    text = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", text, details={"causes": causes})


class Cause:
    """One field error, as `field.Error` words it."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        self.reason, self.field, self.message = reason, field, message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message

    def body(self) -> Json:
        return {"reason": self.reason, "message": self.message, "field": self.field}


def shown(value: object) -> str:
    """A value as Go's `%q`/`%#v` of `field.Error` prints it (JSON for structures)."""
    if value is None:
        return "null"
    return json.dumps(value, separators=(",", ":"))


def invalid_value(field: str, value: object, why: str) -> Cause:
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown(value)}: {why}")


def required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", field, "Required value" + (f": {why}" if why else ""))


def forbidden_field(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {why}")


def not_supported(field: str, value: object, allowed: Sequence[str]) -> Cause:
    words = ", ".join(f'"{word}"' for word in allowed)
    text = f"Unsupported value: {shown(value)}: supported values: {words}"
    return Cause("FieldValueNotSupported", field, text)


def duplicate(field: str, value: object) -> Cause:
    return Cause("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    shown_kind = f"{kind}.{group}" if group else kind
    texts = [str(cause) for cause in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    message = f'{shown_kind} "{name}" is invalid: {text}'
    details = _of(group, kind, name) | {"causes": [cause.body() for cause in causes]}
    return ApiError(422, "Invalid", message, details=details)
