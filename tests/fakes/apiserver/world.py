"""What the parts of the server share: the store, the kinds, the clock, names and addresses."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tests.fakes.apiserver import status
from tests.fakes.apiserver.catalogue import Catalogue, Served
from tests.fakes.apiserver.clock import Clock
from tests.fakes.apiserver.storage import Key, Store

if TYPE_CHECKING:
    from tests.fakes.apiserver.admission import Webhooks

Json = dict[str, Any]
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class World:
    """One cluster's state. `settle` runs the controllers; `admit` calls the webhooks."""

    def __init__(self, *, clock: Clock, seed: int, history: int) -> None:
        self.clock, self.random = clock, random.Random(seed)  # noqa: S311 - names, not secrets
        self.store, self.catalogue = Store(history=history), Catalogue()
        self.webhooks: Webhooks | None = None
        self.plugins = False  # what the built-in admission plugins add to pods
        self.registered: Callable[[Json | None, Json | None], None] = lambda old, new: None

    def uid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        return "".join(self.random.choice(_LETTERS) for _ in range(length))

    def served(self, api_version: str, kind: str) -> Served:
        found = self.catalogue.of_kind(api_version, kind)
        if found is None:
            why = f'no matches for kind "{kind}" in version "{api_version}"'
            raise status.ApiError(404, "NotFound", why)
        return found

    def find(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        return self.store.get((group, plural), (namespace, name))

    def all(self, group: str, plural: str, namespace: str = "") -> list[Json]:
        return self.store.all((group, plural), namespace)

    def namespace_of(self, name: str) -> Json | None:
        return self.store.get(("", "namespaces"), ("", name))


def key_of(body: Json) -> Key:
    meta = body["metadata"]
    return meta.get("namespace", ""), meta["name"]


def controller_of(body: Json) -> Json | None:
    owners: Iterable[Json] = body["metadata"].get("ownerReferences") or ()
    return next((each for each in owners if each.get("controller")), None)


def owner_reference(owner: Json, *, controller: bool = True) -> Json:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def finished(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
