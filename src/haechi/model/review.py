"""What a judge is given and what it answers. Every judge of resources has this shape.

A file in CI, an admission request, a live object and a what-if all become a ``Review``; the
rule cannot tell them apart unless it asks for ``point`` (invariant 1: one verdict everywhere).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from haechi.model.location import AttrPath
from haechi.model.resource import Resource


class State(StrEnum):
    """The result of one rule on one resource, or of one control. No evidence is never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    ERROR = "error"
    NOT_EVALUATED = "not_evaluated"
    NOT_APPLICABLE = "not_applicable"
    MANUAL = "manual"


class Point(StrEnum):
    """Where the review comes from."""

    FILE = "file"
    ADMISSION = "admission"
    AUDIT = "audit"
    WHAT_IF = "what-if"


class Scope(Protocol):
    """The other resources that are visible together with the reviewed one."""

    def of_type(self, type_: str) -> Sequence[Resource]:
        """All resources of ``core/Service``, ``apps/Deployment`` …; empty when none."""

    def workloads(self) -> Sequence[Resource]:
        """All resources that carry a pod template, pods included."""

    def near(self, resource: Resource, candidates: Sequence[Resource]) -> Sequence[Resource]:
        """Of the candidates in the same namespace, those that most likely belong together."""


class EmptyScope:
    """The scope of a resource that is judged alone."""

    def of_type(self, type_: str) -> Sequence[Resource]:
        return ()

    def workloads(self) -> Sequence[Resource]:
        return ()

    def near(self, resource: Resource, candidates: Sequence[Resource]) -> Sequence[Resource]:
        return candidates


class Review(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One resource to judge. Names follow ValidatingAdmissionPolicy's variables.

    ``generated``: the resource is what another would create (a Deployment's pod), nobody sent it.
    ``memo`` lets judges of one review share what they derived (the pod view, an activation),
    ``shared`` those of all reviews of one scope (the labels of every workload); neither
    changes a verdict.
    """

    resource: Resource
    old: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None
    namespace: Mapping[str, Any] | None = None
    params: Any = None
    point: Point = Point.FILE
    generated: bool = False
    scope: Scope = msgspec.field(default_factory=EmptyScope)
    memo: dict[str, Any] = msgspec.field(default_factory=dict)
    shared: dict[str, Any] = msgspec.field(default_factory=dict)


class Hit(msgspec.Struct, frozen=True):
    """What a Python judge yields for each violation.

    ``path`` addresses the offending value; a value that is missing is addressed as if it were
    there. ``since`` is the rule revision from which this counts as a violation: the lock file
    keeps a stricter revision from breaking a pipeline by itself.
    """

    message: str
    path: AttrPath = ()
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    since: int = 1


class Verdict(msgspec.Struct, frozen=True):
    """One rule's answer about one resource (several when it is violated in several places)."""

    rule: str
    state: State
    message: str = ""
    path: AttrPath = ()
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    since: int = 1
