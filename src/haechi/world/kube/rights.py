"""Who somebody is and what may be done, asked of the server before anything is tried.

A response that fails in its third step for want of a right has done two for nothing: the rights
that are missing are named first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.world.kube import answers
from haechi.world.kube.names import SELF_REVIEW, TOKEN_REVIEW, Kind
from haechi.world.kube.wire import Request

if TYPE_CHECKING:
    from haechi.world.kube.client import KubernetesClient


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """May somebody do this? ``namespace`` empty: everywhere, or of what has none."""

    verb: str
    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        resource = f"{self.kind.right}/{self.subresource}" if self.subresource else self.kind.right
        name = f" {self.name}" if self.name else ""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {resource}{name}{where}"


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """The server's word. ``why`` is what it says of it, often nothing."""

    right: Right
    allowed: bool
    why: str = ""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token belongs to."""

    authenticated: bool
    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    error: str = ""


class _Access(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    allowed: bool = False
    denied: bool = False
    reason: str = ""
    evaluation_error: str = ""


class _Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    status: _Access = _Access()


class _User(msgspec.Struct, frozen=True, kw_only=True):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None


class _Token(msgspec.Struct, frozen=True, kw_only=True):
    authenticated: bool = False
    user: _User = _User()
    audiences: list[str] | None = None
    error: str = ""


class _TokenReviewed(msgspec.Struct, frozen=True, kw_only=True):
    status: _Token = _Token()


def may(client: KubernetesClient, right: Right) -> Permission:
    """One right of the account that this client has. Raises KubeError."""
    asked = {
        "namespace": right.namespace,
        "verb": right.verb,
        "group": right.kind.group,
        "version": right.kind.version,
        "resource": right.kind.plural,
        "subresource": right.subresource,
        "name": right.name,
    }
    spec = {"resourceAttributes": {name: word for name, word in asked.items() if word}}
    found = _reviewed(client, SELF_REVIEW, spec, _Reviewed).status
    why = found.reason or found.evaluation_error
    allowed = found.allowed and not found.denied
    return Permission(right=right, allowed=allowed, why=why[:300])


def missing(client: KubernetesClient, rights: Iterable[Right]) -> list[Permission]:
    """Those that the account lacks; none: go ahead. Raises KubeError."""
    asked = [may(client, right) for right in dict.fromkeys(rights)]
    return [one for one in asked if not one.allowed]


def review_token(
    client: KubernetesClient, token: str, *, audiences: Iterable[str] = ()
) -> Identity:
    """Whom a token belongs to, as the server knows it. Raises KubeError."""
    spec: dict[str, Any] = {"token": token}
    if wanted := list(audiences):
        spec["audiences"] = wanted
    found = _reviewed(client, TOKEN_REVIEW, spec, _TokenReviewed).status
    # A server without audiences says nothing of them: then the token is not meant for ours.
    meant = not wanted or bool(set(found.audiences or ()) & set(wanted))
    return Identity(
        authenticated=found.authenticated and meant,
        user=found.user.username,
        uid=found.user.uid,
        groups=tuple(found.user.groups or ()),
        audiences=tuple(found.audiences or ()),
        error=found.error[:300] or ("" if meant else "the token is for another audience"),
    )


def _reviewed(client: KubernetesClient, kind: Kind, spec: dict[str, Any], type_: type[Any]) -> Any:
    """A review is a question in the form of an object: nothing is kept, so it may be repeated."""
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}
    request = Request(method="POST", path=kind.path(), body=msgspec.json.encode(body))
    answer = client.send(request, about=kind.kind)
    try:
        return msgspec.json.decode(answer.body, type=type_)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise answers.not_json(f"{client.name}: {kind.kind}") from error
