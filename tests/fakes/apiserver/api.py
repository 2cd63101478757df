"""From a request to its answer, without a socket: who asks, may they, what is it, do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.fakes.apiserver import discovery, openapi, protobuf, status, strict
from tests.fakes.apiserver.deleting import Deleter, options_of
from tests.fakes.apiserver.faults import Entry
from tests.fakes.apiserver.intake import Hand
from tests.fakes.apiserver.rbac import Authorizer, Wish
from tests.fakes.apiserver.reading import Reader
from tests.fakes.apiserver.request import SYSTEM, Answer, Request, Target, User, target_of
from tests.fakes.apiserver.reviews import Reviews
from tests.fakes.apiserver.storage import Store
from tests.fakes.apiserver.subresources import Subresources
from tests.fakes.apiserver.tables import View
from tests.fakes.apiserver.tokens import Tokens
from tests.fakes.apiserver.watching import Watcher
from tests.fakes.apiserver.world import World
from tests.fakes.apiserver.writing import APPLY, Writer

Json = dict[str, Any]
MOST_BODY = 3 * 1024 * 1024
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/.well-known/", "/openid/")


class Api:
    def __init__(
        self, world: World, tokens: Tokens, authorizer: Authorizer, *, bookmark_every: float
    ) -> None:
        self.world, self.tokens, self.authorizer = world, tokens, authorizer
        self.reader = Reader(world)
        self.writer, self.deleter = Writer(world), Deleter(world)
        self.watcher = Watcher(world, bookmark_every=bookmark_every)
        self.reviews = Reviews(tokens, authorizer)
        self.below = Subresources(world, self.writer, self.deleter, tokens)
        self.base = ""
        self.settle: Callable[[], None] = lambda: None

    @property
    def store(self) -> Store:
        return self.world.store

    def locate(self, request: Request, entry: Entry) -> None:
        """Fill in what the log says of a request, as far as it can be told."""
        try:
            target = target_of(request, self.world.catalogue)
        except status.ApiError:
            return
        if target is None:
            entry.verb = request.method.lower()
            return
        entry.verb, entry.resource = target.verb, target.served.plural
        entry.namespace, entry.name = target.namespace, target.name
        entry.subresource = target.subresource

    def handle(
        self, request: Request, certificate: bytes | None, cut: Callable[[], bool]
    ) -> Answer:
        user = self.tokens.authenticate(request.headers.get("authorization", ""), certificate)
        request.user = self._impersonated(request, user)
        target = target_of(request, self.world.catalogue)
        if target is None:
            self._may(request, Wish(verb=request.method.lower(), url=request.path))
            return self._plain(request)
        self._may(request, _wish(target))
        return self._resource(request, target, cut)

    def _impersonated(self, request: Request, user: User) -> User:
        name = request.headers.get("impersonate-user", "")
        if not name:
            return user
        groups = tuple(g for g in request.headers.get("impersonate-group", "").split(",") if g)
        for resource, each in [("users", name), *(("groups", group) for group in groups)]:
            wish = Wish(verb="impersonate", resource=resource, name=each)
            if not self.authorizer.allows(user, wish)[0]:
                why = self.authorizer.refusal(user, wish)
                raise status.forbidden("", resource, each, why)
        return User(name=name, groups=(*groups, "system:authenticated"))

    def _may(self, request: Request, wish: Wish) -> None:
        if wish.url.startswith(_PUBLIC):
            return
        allowed, _ = self.authorizer.allows(request.user, wish)
        if not allowed:
            why = self.authorizer.refusal(request.user, wish)
            if wish.url:
                raise status.ApiError(403, "Forbidden", f"forbidden: {why}")
            raise status.forbidden(wish.group, wish.resource, wish.name, why)

    # -- outside of resources

    def _plain(self, request: Request) -> Answer:
        catalogue, path = self.world.catalogue, request.path.rstrip("/")
        if request.method not in ("GET", "HEAD"):
            raise status.no_such_path()
        form = discovery.aggregated_version(request)
        match path.strip("/").split("/"):
            case ["healthz" | "livez" | "readyz", *_]:
                return Answer(body=b"ok", media="text/plain")
            case ["version"]:
                return Answer(body=discovery.VERSION)
            case ["api" | "apis" as root] if form:
                body = discovery.aggregated(catalogue, form, core=root == "api")
                return Answer(body=body, media=discovery.media(form))
            case ["api"]:
                return Answer(body=discovery.api_versions())
            case ["apis"]:
                return Answer(body=discovery.group_list(catalogue))
            case ["apis", name]:
                return _found(discovery.group(catalogue, name))
            case ["api", version]:
                return _found(discovery.resources(catalogue, "", version))
            case ["apis", name, version]:
                return _found(discovery.resources(catalogue, name, version))
            case ["openapi", "v3"]:
                return Answer(body=openapi.index(catalogue))
            case ["openapi", "v3", "api", version]:
                return _found(openapi.document(catalogue, "", version))
            case ["openapi", "v3", "apis", name, version]:
                return _found(openapi.document(catalogue, name, version))
            case ["openid", "v1", "jwks"]:
                return Answer(body=self.tokens.jwks(), media="application/jwk-set+json")
            case [".well-known", "openid-configuration"]:
                return Answer(body=self.tokens.configuration(self.base))
        raise status.no_such_path()

    # -- resources

    def _resource(self, request: Request, target: Target, cut: Callable[[], bool]) -> Answer:
        if target.verb == "watch":
            stream = self.watcher.open(request, target, cut)
            return Answer(stream=stream)
        document = self._document(request, target)
        if target.served.virtual:
            review = strict.decode(document, target.served).body
            body = self.reviews.answer(target, review, request.user)
            return Answer(code=201, body=body)
        if target.subresource:
            special = self.below.answer(request, target, document)
            if special is not None:
                self.settle()
                return special
        answer = self._plainly(request, target, document)
        if target.verb not in ("get", "list"):
            self.settle()
        return answer

    def _document(self, request: Request, target: Target) -> Any:
        if len(request.body) > MOST_BODY:
            text = f"limit is {MOST_BODY}"
            raise status.ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {text}")
        if target.verb in ("create", "update", "delete", "deletecollection") and request.body:
            return _parsed(request)
        if target.verb in ("create", "update"):
            raise status.bad_request("unable to decode: EOF")
        return None

    def _plainly(self, request: Request, target: Target, document: Any) -> Answer:
        view = View(request, target.served)
        match target.verb:
            case "get":
                return Answer(body=self.reader.get(request, target))
            case "list":
                return Answer(body=self.reader.list(request, target))
            case "create":
                if target.name and not target.subresource:
                    raise status.method_not_allowed("create")
                name = ((document or {}).get("metadata") or {}).get("name", "")
                body = self.writer.create(replace(target, name=name), document, Hand.of(request))
                return Answer(code=201, body=view.one(body))
            case "update":
                body, new = self.writer.update(target, document, Hand.of(request))
                return Answer(code=201 if new else 200, body=view.one(body))
            case "patch":
                if request.media == APPLY and not request.query.get("fieldManager"):
                    cause = status.required("fieldManager", "is required for apply patch")
                    raise status.invalid("meta.k8s.io", "PatchOptions", "", [cause])
                key = (target.namespace, target.name)
                if request.media == APPLY and self.store.get(target.served.place, key) is None:
                    self._may(request, _wish(target, "create"))
                body, new = self.writer.patch(target, request.body, request.media, Hand.of(request))
                return Answer(code=201 if new else 200, body=view.one(body))
            case "delete":
                body = self.deleter.delete(target, options_of(request, document), Hand.of(request))
                told = body.get("kind") == "Status" and body.get("status") == "Success"
                return Answer(body=body if told else view.one(body))
            case _:
                return self._delete_all(request, target, document)

    def _delete_all(self, request: Request, target: Target, document: Any) -> Answer:
        options = options_of(request, document)
        found = self.reader.list(replace_form(request), target)
        hand = Hand.of(request)
        for each in found["items"]:
            one = replace(target, name=each["metadata"]["name"], verb="delete")
            try:
                self.deleter.delete(one, options, hand)
            except status.ApiError as failed:
                if failed.code != 404:
                    raise
        return Answer(body=found)

    # -- for the test itself

    def put(self, body: Json) -> Json:
        """Store an object as it is given (status, too), as a cluster's own parts would."""
        served = self.world.served(body.get("apiVersion", ""), body.get("kind", ""))
        meta = dict(body.get("metadata") or {})
        if served.namespaced:
            meta.setdefault("namespace", "default")
        sent = {key: value for key, value in body.items() if key != "status"} | {"metadata": meta}
        name, space = meta.get("name", ""), meta.get("namespace", "") if served.namespaced else ""
        target = Target(served=served, namespace=space, name=name, subresource="", verb="update")
        hand = Hand(user=SYSTEM, manager="fixture", validation="Ignore", given=True)
        for key in ("resourceVersion", "managedFields"):
            meta.pop(key, None)
        if space and self.world.namespace_of(space) is None:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        old = self.store.get(served.place, (space, name)) if name else None
        if old is None:
            stored = self.writer.create(target, sent, hand)
        else:
            meta.pop("uid", None)
            version = old["metadata"]["resourceVersion"]
            again = sent | {"metadata": meta | {"resourceVersion": version}}
            stored, _ = self.writer.update(target, again, hand)
        if "status" in body and "status" in served.subresources:
            below = replace(target, name=stored["metadata"]["name"], subresource="status")
            live = self.store.get(served.place, (space, stored["metadata"]["name"])) or stored
            document = live | {"status": body["status"], "apiVersion": served.api_version}
            stored, _ = self.writer.update(below, document, hand)
        self.settle()
        return stored


def replace_form(request: Request) -> Request:
    """The same request for plain JSON, without a limit."""
    headers = request.headers | {"accept": "application/json"}
    return Request(method="GET", raw_path=request.raw_path, headers=headers, user=request.user)


def _parsed(request: Request) -> Json:
    """The object a body is, in whichever form."""
    if request.media == protobuf.MEDIA:
        return protobuf.decode(request.body)
    if request.media not in ("application/json", "application/yaml", ""):
        raise status.unsupported_media(["application/json", "application/yaml"])
    document = strict.parse(request.body, request.media)
    if not isinstance(document, dict):
        raise status.bad_request("couldn't get version/kind; json parse error: not an object")
    return document


def _found(body: Json | None) -> Answer:
    if body is None:
        raise status.no_such_path()
    return Answer(body=body)


def _wish(target: Target, verb: str = "") -> Wish:
    spaces = target.served.place == ("", "namespaces")
    return Wish(
        verb=verb or target.verb,
        group=target.served.group,
        resource=target.served.plural,
        subresource=target.subresource,
        namespace=target.name if spaces else target.namespace,
        name=target.name,
    )
