"""What policies may know of a followed cluster: a ``View`` over its objects as they are kept.

Objects stay JSON until a policy asks for them; what was asked for stays values until the next
change, up to a bound. The inventory holds the kinds that policies read and no others: it is the one
thing that a policy may walk over as a whole. Contents of Secrets are never there (the mirror takes
them away); who asks for an object of another version of its kind is given the one that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from haechi.admit.view import is_among
from haechi.errors import NotEvaluated
from haechi.world.kube.cluster import Kept

MOST_VALUES = 64 << 20
"""Bytes of JSON that are held as values, which take about ten times as much."""
_NAMESPACE = "core/Namespace"


class Holding(Protocol):
    """Whoever has objects: a mirror, a dump, what a process was told."""

    def kept(self, *types: str) -> Iterable[Kept]:
        """Objects of these types."""


class ClusterView:
    """A ``View``. ``renew`` after changes; not thread-safe while it is renewed. ``reads`` are the
    kinds (group, kind) that the inventory holds; ``unknown`` those of which not all is known."""

    def __init__(
        self,
        holding: Holding,
        *,
        reads: Iterable[tuple[str, str]] = (),
        unknown: Iterable[tuple[str, str]] = (),
        most: int = MOST_VALUES,
    ) -> None:
        self._holding, self._most = holding, most
        self._reads = frozenset(_type(group, kind) for group, kind in reads)
        self.unknown = frozenset(unknown)
        self.generation = 0
        self._index: dict[str, dict[tuple[str, str], Kept]] = {}
        self._values: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        self._size = 0
        self._inventory: Mapping[str, Any] | None = None

    def renew(self, *, unknown: Iterable[tuple[str, str]] | None = None) -> None:
        """The objects changed: forget what was made of them."""
        self.generation += 1
        if unknown is not None:
            self.unknown = frozenset(unknown)
        self._index, self._values, self._size, self._inventory = {}, {}, 0, None

    def knows(self, group: str, kind: str) -> bool:
        """Whether what is not among the objects of this kind is not there."""
        return not is_among(group, kind, self.unknown)

    def namespace(self, name: str) -> Mapping[str, Any] | None:
        """The Namespace object; None when it is not known."""
        return self._one(_NAMESPACE, "", name)

    def get(
        self, api_version: str, kind: str, namespace: str | None, name: str
    ) -> Mapping[str, Any] | None:
        """One object."""
        return self._one(_type_of(api_version, kind), namespace or "", name)

    def objects(
        self, api_version: str, kind: str, namespace: str | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """All objects of a kind (None: of all namespaces), by namespace and name."""
        of_type = self._of(_type_of(api_version, kind))
        return [
            self._value(of_type[place])
            for place in sorted(of_type)
            if namespace is None or place[0] == namespace
        ]

    def inventory(self) -> Mapping[str, Any]:
        """Gatekeeper's ``data.inventory``. Raises NotEvaluated when it is too large to hold."""
        if self._inventory is None:
            every = [one for type_ in sorted(self._reads) for one in self._of(type_).values()]
            size = sum(len(one.body) for one in every)
            if size > self._most:
                raise NotEvaluated(
                    f"the inventory would be {size >> 20} MiB, more than {self._most >> 20}"
                )
            self._inventory = _inventory(every)
        return self._inventory

    def allows(self, user: Mapping[str, Any], attributes: Mapping[str, str]) -> bool | None:
        """Not known: nobody is asked."""
        return None

    def _of(self, type_: str) -> dict[tuple[str, str], Kept]:
        found = self._index.get(type_)
        if found is None:
            kept = self._holding.kept(type_)
            found = self._index[type_] = {(one.namespace, one.name): one for one in kept}
        return found

    def _one(self, type_: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        kept = self._of(type_).get((namespace, name))
        return None if kept is None else self._value(kept)

    def _value(self, kept: Kept) -> Mapping[str, Any]:
        key = (kept.type, kept.namespace, kept.name)
        found = self._values.get(key)
        if found is None:
            found = msgspec.json.decode(kept.body, type=dict[str, Any])
            if self._size + len(kept.body) <= self._most:
                self._values[key] = found
                self._size += len(kept.body)
        return found


def _inventory(every: Iterable[Kept]) -> Mapping[str, Any]:
    spaces: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    for kept in every:
        body = msgspec.json.decode(kept.body, type=dict[str, Any])
        place = spaces.setdefault(kept.namespace, {}) if kept.namespace else whole
        of_version = place.setdefault(body["apiVersion"], {})
        of_version.setdefault(body["kind"], {})[kept.name] = body
    return {"namespace": spaces, "cluster": whole}


def _type_of(api_version: str, kind: str) -> str:
    return _type(api_version.rpartition("/")[0], kind)


def _type(group: str, kind: str) -> str:
    return f"{group or 'core'}/{kind}"
