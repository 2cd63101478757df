"""Assign, AssignMetadata, ModifySet and AssignImage as mutators of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from haechi.admit.gatekeeper.exclusions import MUTATION, Exclusions
from haechi.admit.gatekeeper.mutation.conflicts import Binding, Shape
from haechi.admit.gatekeeper.mutation.location import Location
from haechi.admit.gatekeeper.mutation.write import ABSENT, Setter, Writer
from haechi.admit.gatekeeper.names import line_of
from haechi.admit.match import Match
from haechi.admit.policy import View
from haechi.checks.pods.view import mapping
from haechi.engines.rego.values import equal
from haechi.errors import RuleError
from haechi.model.admission import Effect, FailureChoice, Family, Matched, PolicyInfo
from haechi.model.resource import Resource
from haechi.model.review import Review

OPERATIONS: Final = ("CREATE", "UPDATE")


class Applied(msgspec.Struct, frozen=True):
    """One entry of ``applyTo``: groups, versions and kinds, and operations (none: all)."""

    groups: tuple[str, ...]
    versions: tuple[str, ...]
    kinds: tuple[str, ...]
    operations: tuple[str, ...] = ()

    def takes(self, body: Mapping[str, Any], operation: str) -> bool:
        api, kind = body.get("apiVersion"), body.get("kind")
        if not isinstance(api, str) or kind not in self.kinds:
            return False
        group, _, version = api.rpartition("/")
        if group not in self.groups or version not in self.versions:
            return False
        named = self.operations or OPERATIONS
        return operation in named if operation else set(OPERATIONS) <= set(named)

    def bindings(self) -> list[Binding]:
        return [
            (group, version, kind, operation)
            for group in self.groups
            for version in self.versions
            for kind in self.kinds
            for operation in self.operations or OPERATIONS
        ]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a mutator does, read and checked. ``applied`` None: to every kind."""

    resource: Resource
    location: Location
    tests: Mapping[int, str]
    setter: Setter | None
    from_metadata: str = ""
    keyed: bool = False
    terminal: str = ""
    ends: bool = False
    applied: tuple[Applied, ...] | None
    match: Match
    failure: FailureChoice

    @property
    def id(self) -> str:
        return f"gatekeeper/{self.resource.kind}/{self.resource.name}"

    def shape(self) -> Shape | None:
        """What it implies of objects; AssignMetadata implies nothing that is not known."""
        if self.applied is None:
            return None
        bindings = tuple(b for one in self.applied for b in one.bindings())
        return Shape(
            id=self.id,
            location=self.location,
            terminal=self.terminal,
            ends=self.ends,
            bindings=bindings,
        )


class GatekeeperMutator:
    """One mutator. ``mutate`` changes a copy of the object in place."""

    def __init__(self, change: Change, exclusions: Exclusions) -> None:
        self._change = change
        self._exclusions = exclusions
        self.info = _info(change)

    def mutate(self, review: Review, body: dict[str, Any], view: View) -> bool:
        """Whether the object changed. It is matched as it is by now, mutated by others before.
        Raises RuleError where it has not the shape that is expected, and NotEvaluated."""
        change = self._change
        operation = (review.request or {}).get("operation") or ""
        if not isinstance(operation, str) or (operation and operation not in OPERATIONS):
            return False
        if change.applied is not None and not any(
            one.takes(body, operation) for one in change.applied
        ):
            return False
        now = structs.replace(
            review, resource=structs.replace(review.resource, data=body), old=None, memo={}
        )
        if self._exclusions.leaves_out(now, MUTATION) or not change.match.matches(now, view):
            return False
        setter = change.setter or _constant(_metadata(change.from_metadata, body))
        return Writer(change.location, change.tests, setter, keyed=change.keyed).write(body)


def _metadata(field: str, body: Mapping[str, Any]) -> str:
    value = mapping(body.get("metadata")).get(field)
    return value if isinstance(value, str) else ""


def _constant(value: Any) -> Setter:
    return lambda _: value


def constant(value: Any) -> Setter:
    """Whatever was there, this is set."""
    return _constant(value)


def merged(values: list[Any]) -> Setter:
    """Those values are added to a list that are not in it."""

    def setter(old: Any) -> Any:
        if old is ABSENT:
            return values
        found = _list(old)
        return found + [v for v in values if not any(equal(v, one) for one in found)]

    return setter


def pruned(values: list[Any]) -> Setter:
    """These values are taken out of a list."""

    def setter(old: Any) -> Any:
        if old is ABSENT:
            return ABSENT
        return [one for one in _list(old) if not any(equal(v, one) for v in values)]

    return setter


def _list(old: Any) -> list[Any]:
    if not isinstance(old, list):
        raise RuleError(f"a {type(old).__name__} stands where the mutator expects a list")
    return old


def _info(change: Change) -> PolicyInfo:
    resource = change.resource
    kinds = tuple(
        (group, kind) for one in change.applied or () for group in one.groups for kind in one.kinds
    )
    matched = change.match.matched() if not kinds else (Matched(kinds=kinds),)
    return PolicyInfo(
        id=change.id,
        family=Family.GATEKEEPER,
        name=resource.name,
        title=f"{resource.kind} {resource.name}",
        file=resource.file,
        line=line_of(resource, ("metadata", "name")),
        object=resource.key,
        effects=(Effect.DENY,),
        failure=change.failure,
        matched=matched,
    )
