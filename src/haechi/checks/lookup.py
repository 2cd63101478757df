"""Indexes over a scope: what a rule would otherwise search for among all objects, again for each.

A repository may hold thousands of objects of a kind, and a rule that walks over all of them for
every object takes the square of that. An index is made when it is first asked for, and kept in
``Review.shared`` for all reviews of the scope. It narrows the search and decides nothing: callers
still compare what they got.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

from haechi.model.resource import Resource
from haechi.model.review import Review

Groups = Mapping[Hashable, Sequence[Resource]]


def grouped(
    review: Review, name: str, pairs: Callable[[], Iterable[tuple[Hashable, Resource]]]
) -> Groups:
    """Resources by key, in the order of ``pairs``; made once for each ``name`` of a scope."""
    known: dict[str, dict[Hashable, list[Resource]]] = review.shared.setdefault("groups", {})
    found = known.get(name)
    if found is None:
        found = known[name] = {}
        for key, resource in pairs():
            found.setdefault(key, []).append(resource)
    return found


def named(review: Review, type_: str, name: object) -> Sequence[Resource]:
    """All objects of a type that have a name, in any namespace."""

    def by_name() -> Iterator[tuple[Hashable, Resource]]:
        return ((one.name, one) for one in review.scope.of_type(type_))

    return grouped(review, f"{type_} by name", by_name).get(name, ()) if _is_text(name) else ()


def by_namespace(review: Review, type_: str) -> Groups:
    """All objects of a type by their namespace; None for those that name none."""

    def pairs() -> Iterator[tuple[Hashable, Resource]]:
        return ((one.namespace, one) for one in review.scope.of_type(type_))

    return grouped(review, f"{type_} by namespace", pairs)


def workloads_by_namespace(review: Review) -> Groups:
    """Everything with a pod template by its namespace; None for those that name none."""

    def pairs() -> Iterator[tuple[Hashable, Resource]]:
        return ((one.namespace, one) for one in review.scope.workloads())

    return grouped(review, "workloads by namespace", pairs)


def sharing(groups: Groups, resource: Resource) -> Sequence[Resource]:
    """Of groups by namespace, the objects that may be in that of ``resource``: those of the same
    name or of none, all where it names none itself."""
    own = resource.namespace
    if not own:
        return [one for group in groups.values() for one in group]
    same = [group for space in (own, None, "") if (group := groups.get(space))]
    return same[0] if len(same) == 1 else [one for group in same for one in group]


def any_sharing(groups: Groups, resource: Resource) -> bool:
    """Whether ``sharing`` would find anything."""
    if not resource.namespace:
        return bool(groups)
    return any(groups.get(space) for space in (resource.namespace, None, ""))


def _is_text(name: object) -> bool:
    return isinstance(name, str)
