"""A view over a fixed set of objects: those of a folder of manifests, of a dump, of a test.

A live cluster has its own view (in the server), which answers the same questions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from haechi.checks.pods.view import mapping
from haechi.model.resource import Resource

Key = tuple[str, str]  # apiVersion, kind
EVERYTHING = frozenset({("*", "*")})
"""As kinds (group, kind): all of them."""


def is_among(group: str, kind: str, kinds: Collection[tuple[str, str]]) -> bool:
    """Whether kinds (group, kind), or ``EVERYTHING``, name this one."""
    return (group, kind) in kinds or ("*", "*") in kinds


class ObjectsView:
    """Objects known once and for all. ``complete`` says whether what is missing is not there,
    ``unknown`` names the kinds (group, kind) for which it may be there after all."""

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]] = (),
        *,
        complete: bool = False,
        unknown: Iterable[tuple[str, str]] = (),
        generation: int = 0,
    ) -> None:
        self.generation = generation
        self._unknown = frozenset(unknown) if complete else EVERYTHING
        self._by_kind: dict[Key, list[Mapping[str, Any]]] = {}
        self._by_name: dict[tuple[str, str, str | None, str], Mapping[str, Any]] = {}
        self._inventory: dict[str, Any] | None = None
        for body in objects:
            self._add(body)

    @classmethod
    def of(
        cls,
        resources: Iterable[Resource],
        *,
        complete: bool = False,
        unknown: Iterable[tuple[str, str]] = (),
    ) -> ObjectsView:
        """The view of Kubernetes resources; what else is among them is left out."""
        bodies = [r.data for r in resources if r.key.startswith("k8s:")]
        return cls(bodies, complete=complete, unknown=unknown)

    def _add(self, body: Mapping[str, Any]) -> None:
        api_version, kind = body.get("apiVersion"), body.get("kind")
        metadata = mapping(body.get("metadata"))
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if not (isinstance(api_version, str) and isinstance(kind, str) and isinstance(name, str)):
            return
        place = namespace if isinstance(namespace, str) and namespace else None
        self._by_kind.setdefault((api_version, kind), []).append(body)
        self._by_name[api_version, kind, place, name] = body

    def knows(self, group: str, kind: str) -> bool:
        """Whether what is not among the objects of this kind is not there."""
        return not is_among(group, kind, self._unknown)

    def namespace(self, name: str) -> Mapping[str, Any] | None:
        """The Namespace object, if it is among the objects."""
        return self._by_name.get(("v1", "Namespace", None, name))

    def get(
        self, api_version: str, kind: str, namespace: str | None, name: str
    ) -> Mapping[str, Any] | None:
        """One object."""
        return self._by_name.get((api_version, kind, namespace, name))

    def objects(
        self, api_version: str, kind: str, namespace: str | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """All objects of a kind (None: of all namespaces)."""
        found = self._by_kind.get((api_version, kind), [])
        if namespace is None:
            return found
        return [b for b in found if mapping(b.get("metadata")).get("namespace") == namespace]

    def inventory(self) -> Mapping[str, Any]:
        """Gatekeeper's ``data.inventory``, made when first asked for."""
        if self._inventory is None:
            made: dict[str, Any] = {"namespace": {}, "cluster": {}}
            for (api_version, kind, namespace, name), body in self._by_name.items():
                place = made["cluster"]
                if namespace is not None:
                    place = made["namespace"].setdefault(namespace, {})
                place.setdefault(api_version, {}).setdefault(kind, {})[name] = body
            self._inventory = made
        return self._inventory

    def allows(self, user: Mapping[str, Any], attributes: Mapping[str, str]) -> bool | None:
        """Not known: nobody answers for a cluster's authorizer here."""
        return None


NOTHING = ObjectsView()
"""The view of somebody who sees nothing but the object itself."""
