"""A request, and what of the API it is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.apiserver.catalogue import Catalogue, Served
from tests.fakes.apiserver.status import bad_request, method_not_allowed, no_such_path

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Json = field(default_factory=dict)

    def body(self) -> Json:
        out: Json = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            out["uid"] = self.uid
        return out | ({"extra": self.extra} if self.extra else {})


ANONYMOUS = User(name="system:anonymous", groups=("system:unauthenticated",))
SYSTEM = User(name="system:apiserver", groups=("system:masters",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One resource of a request path."""

    served: Served
    namespace: str
    name: str
    subresource: str
    verb: str  # get list watch create update patch delete deletecollection


@dataclass(slots=True, kw_only=True)
class Request:
    method: str
    raw_path: str
    headers: dict[str, str]  # names in lower case
    body: bytes = b""
    user: User = ANONYMOUS
    path: str = ""
    query: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.raw_path)
        self.path = unquote(parts.path)
        for key, value in parse_qsl(parts.query, keep_blank_values=True):
            self.query[key] = value
            self.many.setdefault(key, []).append(value)

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "application/json").partition(";")[0].strip()

    @property
    def dry(self) -> bool:
        asked = self.many.get("dryRun", [])
        if any(value not in ("", "All") for value in asked):
            text = f'dryRun: Unsupported value: {asked[-1]!r}: supported values: "All"'
            raise bad_request(text)
        return "All" in asked

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("1", "true")


@dataclass(slots=True, kw_only=True)
class Answer:
    code: int = 200
    body: Any = None  # a JSON value, or bytes
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def target_of(request: Request, catalogue: Catalogue) -> Target | None:
    """The resource a path names; None for paths outside of resources (discovery and the like)."""
    parts = request.path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if not rest or not rest[0]:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    served = catalogue.find(group, version, rest[0])
    if served is None or (namespace and not served.namespaced):
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    below = "/".join(rest[2:])
    if below and below not in served.subresources:
        raise no_such_path()
    verb = _verb(request, name)
    _check_scope(served, namespace, name, verb)
    return Target(served=served, namespace=namespace, name=name, subresource=below, verb=verb)


def _verb(request: Request, name: str) -> str:
    if request.method == "GET":
        if request.flag("watch"):
            return "watch"
        return "get" if name else "list"
    if request.method == "DELETE" and not name:
        return "deletecollection"
    verb = _VERBS.get(request.method)
    if verb is None or (verb in ("update", "patch") and not name):
        raise method_not_allowed(request.method.lower())
    return verb


def _check_scope(served: Served, namespace: str, name: str, verb: str) -> None:
    if verb not in served.verbs:
        raise method_not_allowed(verb)
    if served.namespaced and not namespace and (name or verb in ("create", "deletecollection")):
        if name:
            raise no_such_path()
        raise method_not_allowed(verb)
