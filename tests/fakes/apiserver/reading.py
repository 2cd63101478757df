"""Get and list: at a version, in pages, through selectors, as objects, tables or metadata."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.apiserver import status
from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.request import Request, Target
from tests.fakes.apiserver.selectors import field_match, label_match
from tests.fakes.apiserver.storage import Compacted, Key
from tests.fakes.apiserver.tables import View
from tests.fakes.apiserver.world import World, key_of

Json = dict[str, Any]
_ANCIENT = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


def wanted(request: Request, target: Target) -> Callable[[Json], bool]:
    """What the request selects: namespace, name, labels, fields."""
    labels = label_match(request.query.get("labelSelector", ""))
    fields = field_match(request.query.get("fieldSelector", ""), target.served.plural)

    def match(body: Json) -> bool:
        meta = body["metadata"]
        if target.namespace and meta.get("namespace", "") != target.namespace:
            return False
        if target.name and meta["name"] != target.name:
            return False
        return labels(meta.get("labels") or {}) and fields(body)

    return match


def version_of(text: str) -> int:
    """A resourceVersion parameter; 0 when there is none."""
    if text == "":
        return 0
    if not text.isdigit():
        raise status.bad_request(f'invalid resource version "{text}": strconv.ParseUint')
    return int(text)


@dataclass(frozen=True, slots=True)
class _Page:
    version: int  # -1: from the newest state, consistent or not
    start: Key


class Reader:
    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, request: Request, target: Target) -> Json:
        asked = version_of(request.query.get("resourceVersion", ""))
        self._reached(asked)
        body = self.world.store.get(target.served.place, (target.namespace, target.name))
        if body is None:
            raise status.not_found(*target.served.place, target.name)
        return View(request, target.served).one(body)

    def _reached(self, asked: int) -> None:
        current = self.world.store.version
        if asked > current:
            raise status.too_large_version(asked, current)

    def list(self, request: Request, target: Target) -> Json:
        match = wanted(request, target)
        limit = version_of(request.query.get("limit", ""))
        page = self._page(request)
        version, held = self._held(target.served, page, request)
        found = [(key, held[key]) for key in sorted(held) if page is None or key >= page.start]
        found = [(key, body) for key, body in found if match(body)]
        meta: Json = {"resourceVersion": str(version)}
        if limit and len(found) > limit:
            exact = not (request.query.get("labelSelector") or request.query.get("fieldSelector"))
            rest = found[limit][0]
            again = -1 if page is not None and page.version == -1 else version
            meta["continue"] = _token(_Page(again if again == -1 else version, rest))
            if exact:
                meta["remainingItemCount"] = len(found) - limit
            found = found[:limit]
        return View(request, target.served).many([body for _, body in found], meta)

    def _page(self, request: Request) -> _Page | None:
        text = request.query.get("continue", "")
        if not text:
            return None
        if request.query.get("resourceVersion") not in (None, "", "0"):
            raise status.bad_request(
                "specifying resource version is not allowed when using continue"
            )
        return _read_token(text)

    def _held(
        self, served: Served, page: _Page | None, request: Request
    ) -> tuple[int, dict[Key, Json]]:
        store = self.world.store
        if page is not None and page.version != -1:
            try:
                return page.version, store.at(served.place, page.version)
            except Compacted:
                again = _token(_Page(-1, page.start))
                raise status.expired(_ANCIENT, again) from None
        text = request.query.get("resourceVersion", "")
        how = request.query.get("resourceVersionMatch", "")
        asked = version_of(text)
        if how and not text:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            raise _bad_match(why)
        if how not in ("", "Exact", "NotOlderThan"):
            cause = status.not_supported("resourceVersionMatch", how, ("Exact", "NotOlderThan"))
            raise status.invalid("meta.k8s.io", "ListOptions", "", [cause])
        self._reached(asked)
        exact = how == "Exact" or (not how and asked > 0 and request.query.get("limit"))
        if exact:
            if asked == 0:
                why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
                raise _bad_match(why)
            try:
                return asked, store.at(served.place, asked)
            except Compacted:
                text = "The resourceVersion for the provided list is too old."
                raise status.expired(text) from None
        with store.lock:
            return store.version, {key_of(b): b for b in store.all(served.place)}


def _bad_match(why: str) -> status.ApiError:
    cause = status.forbidden_field("resourceVersionMatch", why)
    return status.invalid("meta.k8s.io", "ListOptions", "", [cause])


def _token(page: _Page) -> str:
    start = "/".join(part for part in page.start)
    body = {"v": "meta.k8s.io/v1", "rv": page.version, "start": f"{start}\0"}
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")


def _read_token(text: str) -> _Page:
    try:
        body = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        namespace, _, name = body["start"].rstrip("\0").partition("/")
        if body["v"] != "meta.k8s.io/v1":
            raise ValueError(body["v"])
        return _Page(int(body["rv"]), (namespace, name))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as failed:
        raise status.bad_request(f"continue key is not valid: {failed}") from failed
