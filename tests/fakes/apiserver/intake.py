"""What a write brings along: who writes, how, and the body it sent, decoded and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.apiserver import status, strict
from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.request import Request, Target, User
from tests.fakes.apiserver.world import World

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Who writes, and how: what a request's options come to."""

    user: User
    manager: str
    dry: bool = False
    validation: str = "Warn"
    force: bool = False
    given: bool = False  # what the object says of its uid and birth is believed (fixtures)
    warn: Callable[[str], None] = lambda text: None

    @classmethod
    def of(cls, request: Request, *, dry: bool | None = None) -> Hand:
        agent = request.headers.get("user-agent", "").partition("/")[0]
        validation = request.query.get("fieldValidation") or "Warn"
        if validation not in ("Strict", "Warn", "Ignore"):
            raise status.bad_request(f"fieldValidation: Unsupported value: {validation!r}")
        return cls(
            user=request.user,
            manager=request.query.get("fieldManager") or agent or "unknown",
            dry=request.dry if dry is None else dry,
            validation=validation,
            force=request.flag("force"),
            warn=request.warnings.append,
        )


def decoded(document: Any, served: Served, hand: Hand) -> Json:
    if isinstance(document, dict) and not document.get("kind"):
        document = {"apiVersion": served.api_version, "kind": served.kind} | document
    decoded = strict.decode(document, served)
    if decoded.problems and hand.validation == "Strict":
        raise status.bad_request(
            f'{served.kind} in version "{served.version}" cannot be handled as a '
            f"{served.kind}: strict decoding error: " + ", ".join(decoded.problems)
        )
    if hand.validation == "Warn":
        for problem in decoded.problems:
            hand.warn(problem)
    return decoded.body


def decoded_patch(out: Json, served: Served, hand: Hand, repeated: list[str], raw: bytes) -> Json:
    try:
        decoded = strict.decode(out, served)
    except status.ApiError as failed:
        if failed.code != 400:
            raise
        cause = status.invalid_value("patch", raw.decode(errors="replace"), failed.message)
        raise status.invalid("", "", "", [cause]) from failed
    problems = repeated + decoded.problems
    if problems and hand.validation == "Strict":
        text = "strict decoding error: " + ", ".join(problems)
        cause = status.invalid_value("patch", raw.decode(errors="replace"), text)
        raise status.invalid("", "", "", [cause])
    if hand.validation == "Warn":
        for problem in problems:
            hand.warn(problem)
    body = decoded.body
    body.setdefault("metadata", {})
    return body


def matches(body: Json, target: Target) -> None:
    served = target.served
    if body.get("kind") != served.kind:
        text = f'{body.get("kind")} in version "{served.version}" cannot be handled as a '
        raise status.bad_request(f"{text}{served.kind}: it is of another kind")
    if body.get("apiVersion") != served.api_version:
        raise status.bad_request(
            f"the API version in the data ({body.get('apiVersion')}) does not match the "
            f"expected API version ({served.api_version})"
        )
    space = (body.get("metadata") or {}).get("namespace", "")
    if space and served.namespaced and space != target.namespace:
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def room(world: World, target: Target) -> None:
    """The namespace to create in is there, and not on its way out."""
    if not target.served.namespaced:
        return
    space = world.namespace_of(target.namespace)
    if space is None:
        raise status.not_found("", "namespaces", target.namespace)
    if space["metadata"].get("deletionTimestamp"):
        text = (
            f"unable to create new content in namespace {target.namespace} because it is "
            "being terminated"
        )
        refusal = status.forbidden(*target.served.place, target.name, text)
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {target.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        refusal.details["causes"] = [cause]
        raise refusal


def undeclared(target: Target, problem: str) -> status.ApiError:
    served = target.served
    where = f"{target.namespace}/{target.name}" if target.namespace else f"/{target.name}"
    path = problem.split('"')[1]
    text = (
        f"failed to create typed patch object ({where}; {served.api_version}, "
        f"Kind={served.kind}): .{path}: field not declared in schema"
    )
    return status.ApiError(500, "", text)
