"""Which resources of a root module refer to which, by reference or by a name that both know.

All that lies under one root belongs together, whichever module declares it; two roots of one
repository know nothing of each other. What attributes refer to is read once for each type and
attribute and kept for all reviews of the scope.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from haechi.checks.terraform.addresses import Addresses
from haechi.errors import NotEvaluated
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.model.unknown import Unknown

_STEP = re.compile(r"[^.\[\]]+")
_NAMES = (
    "id",
    "arn",
    "name",
    "bucket",
    "self_link",
    "identifier",
    "cluster_identifier",
    "cluster_id",
    "function_name",
    "repository",
    "domain_name",
    "cluster_name",
    "dataset_id",
    "account_id",
    "email",
    "key_id",
)
"""Attributes by whose known value another resource may name this one."""


def root_of(resource: Resource) -> str:
    """The part of a key that names the root module: ``tf:infra%2Fprod/``."""
    head, slash, _ = resource.key.partition("/")
    return head + slash


def resources(review: Review, type_: str, *, about: Resource | None = None) -> list[Resource]:
    """All resources of a type under the same root as the reviewed one."""
    return _of_root(review, type_, root_of(about or review.resource))


def linked(
    review: Review, type_: str, attribute: str, *, about: Resource | None = None
) -> list[Resource]:
    """Resources of a type of which an attribute refers to the reviewed one (or to ``about``)."""
    subject = about or review.resource
    index = _index(review, type_, attribute, root_of(subject))
    found = {id(one): one for one in index.by_address.of(subject.name)}
    for name in _names_of(subject):
        for resource in index.by_text.get(name, ()):
            found[id(resource)] = resource
    return list(found.values())


def doubtful(
    review: Review, type_: str, attribute: str, *, about: Resource | None = None
) -> Unknown | None:
    """The unknown value for which one of the type might be linked, and nobody can tell."""
    subject = about or review.resource
    return _index(review, type_, attribute, root_of(subject)).doubt


def require_no_doubt(
    review: Review, type_: str, attribute: str, *, about: Resource | None = None
) -> None:
    """Raises NotEvaluated where ``doubtful`` finds something."""
    doubt = doubtful(review, type_, attribute, about=about)
    if doubt is not None:
        raise NotEvaluated(
            doubt.reason or f"what {type_}.{attribute} refers to is not known", cause=doubt.cause
        )


def target(
    review: Review, attribute: str, *, about: Resource | None = None, type_: str = ""
) -> list[Resource]:
    """The resources of the same root that an attribute refers to: by reference, or (with ``type_``)
    by the known name, id or ARN of one of that type."""
    subject = about or review.resource
    root = root_of(subject)
    found: dict[int, Resource] = {}
    for value in values_at(subject.data, attribute):
        if isinstance(value, Unknown):
            for reference in value.refs:
                for resource in _addressed(review, root).of(reference.address):
                    found[id(resource)] = resource
        elif type_ and isinstance(value, str) and value:
            for resource in _named(review, type_, root).get(value, ()):
                found[id(resource)] = resource
    return [one for one in found.values() if not type_ or one.kind == type_]


def values_at(data: Any, attribute: str) -> Iterator[Any]:
    """The leaves of an attribute: of every block on the way and of lists at the end."""
    level = [data]
    for step in _STEP.findall(attribute):
        below: list[Any] = []
        for item in level:
            if isinstance(item, Unknown):
                below.append(item)  # nobody knows what is inside
            elif isinstance(item, dict):
                if step in item:
                    below.append(item[step])
            elif isinstance(item, list):
                below += [
                    inner if isinstance(inner, Unknown) else inner.get(step)
                    for inner in item
                    if isinstance(inner, (Unknown, dict))
                ]
        level = below
    for item in level:
        yield from _leaves(item)


def _leaves(item: Any) -> Iterator[Any]:
    if isinstance(item, Unknown):
        yield item
    elif isinstance(item, list):
        for inner in item:
            yield from _leaves(inner)
    elif isinstance(item, dict):
        for inner in item.values():
            yield from _leaves(inner)
    elif item is not None:
        yield item


class _Index:
    """What one attribute of the resources of one type refers to."""

    __slots__ = ("by_address", "by_text", "doubt")

    def __init__(self, found: Sequence[Resource], attribute: str) -> None:
        self.by_address = Addresses()
        self.by_text: dict[str, list[Resource]] = defaultdict(list)
        self.doubt: Unknown | None = None
        for resource in found:
            for value in values_at(resource.data, attribute):
                if isinstance(value, Unknown):
                    for reference in value.refs:
                        self.by_address.add(reference.address, resource)
                    if not value.refs:
                        self.doubt = self.doubt or value
                elif isinstance(value, str):
                    self.by_text[value].append(resource)


def _index(review: Review, type_: str, attribute: str, root: str) -> _Index:
    known: dict[tuple[str, str, str], _Index] = review.shared.setdefault("tf links", {})
    key = (root, type_, attribute)
    if key not in known:
        known[key] = _Index(_of_root(review, type_, root), attribute)
    return known[key]


def _of_root(review: Review, type_: str, root: str) -> list[Resource]:
    known: dict[tuple[str, str], list[Resource]] = review.shared.setdefault("tf roots", {})
    key = (root, type_)
    if key not in known:
        known[key] = [one for one in review.scope.of_type(type_) if one.key.startswith(root)]
    return known[key]


def _addressed(review: Review, root: str) -> Addresses:
    """The resources of a root by their address. ``of_type("terraform")`` is what the
    inventory answers for all of them."""
    known: dict[str, Addresses] = review.shared.setdefault("tf addresses", {})
    if root not in known:
        known[root] = Addresses()
        for resource in _of_root(review, "terraform", root):
            known[root].add(resource.name, resource)
    return known[root]


def _named(review: Review, type_: str, root: str) -> dict[str, list[Resource]]:
    known: dict[tuple[str, str], dict[str, list[Resource]]] = review.shared.setdefault(
        "tf names", {}
    )
    key = (root, type_)
    if key not in known:
        known[key] = {}
        for resource in _of_root(review, type_, root):
            for name in _names_of(resource):
                known[key].setdefault(name, []).append(resource)
    return known[key]


def _names_of(resource: Resource) -> Iterator[str]:
    data = resource.data
    seen = set()
    for attribute in _NAMES:
        value = data.get(attribute)
        if value is None or isinstance(value, Unknown):
            continue
        if isinstance(value, str) and value and value not in seen:
            seen.add(value)
            yield value
