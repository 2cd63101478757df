"""What an evaluator knows of the cluster: a view that news change.

Objects are kept as their JSON and made values when a policy asks, as the mirror in ``world/kube``
does; namespaces, which nearly every review needs, stay values once asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.view import EVERYTHING, is_among
from haechi.server.webhook.frames import Changes, Known

_Place = tuple[str, str]  # namespace, name


class Knowledge:
    """A ``View`` of what the front told."""

    def __init__(self) -> None:
        self.generation = 0
        self._unknown = EVERYTHING
        self._kept: dict[tuple[str, str], dict[_Place, bytes]] = {}
        self._values: dict[tuple[str, str], dict[_Place, Mapping[str, Any]]] = {}
        self._inventory: Mapping[str, Any] | None = None

    def take(self, changes: Changes) -> None:
        """News."""
        for known in changes.objects:
            self._put(known)
        if changes.unknown is not None:
            self._unknown = frozenset(changes.unknown)
        self.generation += 1
        self._inventory = None

    def _put(self, known: Known) -> None:
        kind, place = (known.api_version, known.kind), (known.namespace, known.name)
        self._values.get(kind, {}).pop(place, None)
        kept = self._kept.setdefault(kind, {})
        if known.body:
            kept[place] = known.body
        else:
            kept.pop(place, None)

    def knows(self, group: str, kind: str) -> bool:
        """Whether what is not among the objects of this kind is not there."""
        return not is_among(group, kind, self._unknown)

    def namespace(self, name: str) -> Mapping[str, Any] | None:
        """The Namespace object; None when it is not known."""
        return self.get("v1", "Namespace", None, name)

    def get(
        self, api_version: str, kind: str, namespace: str | None, name: str
    ) -> Mapping[str, Any] | None:
        """One object."""
        return self._value((api_version, kind), (namespace or "", name))

    def objects(
        self, api_version: str, kind: str, namespace: str | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """All objects of a kind (None: of all namespaces)."""
        key = (api_version, kind)
        places = [
            place for place in self._kept.get(key, ()) if namespace is None or place[0] == namespace
        ]
        found = (self._value(key, place) for place in places)
        return [one for one in found if one is not None]

    def inventory(self) -> Mapping[str, Any]:
        """Gatekeeper's ``data.inventory``, made when first asked for after news."""
        if self._inventory is None:
            spaces: dict[str, Any] = {}
            whole: dict[str, Any] = {}
            for (api_version, kind), kept in self._kept.items():
                for place in kept:
                    namespace, name = place
                    into = spaces.setdefault(namespace, {}) if namespace else whole
                    value = self._value((api_version, kind), place)
                    into.setdefault(api_version, {}).setdefault(kind, {})[name] = value
            self._inventory = {"namespace": spaces, "cluster": whole}
        return self._inventory

    def allows(self, user: Mapping[str, Any], attributes: Mapping[str, str]) -> bool | None:
        """Not known: an evaluator asks nobody."""
        return None

    def _value(self, kind: tuple[str, str], place: _Place) -> Mapping[str, Any] | None:
        values = self._values.setdefault(kind, {})
        found = values.get(place)
        if found is None:
            body = self._kept.get(kind, {}).get(place)
            if body is None:
                return None
            found = values[place] = msgspec.json.decode(body)
        return found
