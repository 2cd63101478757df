"""What every policy is to the engine, and what it may know besides the object before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from haechi.model.admission import PolicyFault, PolicyInfo, PolicyVerdict
from haechi.model.review import Review


class View(Protocol):
    """What is known of the cluster (or of the files) around the reviewed object.

    ``Review.namespace`` carries the object's own Namespace already. All answers are plain JSON
    values that nobody may change.
    """

    @property
    def generation(self) -> int:
        """Rises with every change, so that what was derived from it can be kept."""

    def knows(self, group: str, kind: str) -> bool:
        """Whether all objects of this kind are known: what is not found is not there."""

    def namespace(self, name: str) -> Mapping[str, Any] | None:
        """The Namespace object."""

    def get(
        self, api_version: str, kind: str, namespace: str | None, name: str
    ) -> Mapping[str, Any] | None:
        """One object."""

    def objects(
        self, api_version: str, kind: str, namespace: str | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """All objects of a kind (None: of all namespaces)."""

    def inventory(self) -> Mapping[str, Any]:
        """Gatekeeper's ``data.inventory``: ``namespace[ns][apiVersion][kind][name]`` and
        ``cluster[apiVersion][kind][name]``."""

    def allows(self, user: Mapping[str, Any], attributes: Mapping[str, str]) -> bool | None:
        """Whether an account may do something (the ``authorizer`` of CEL); None: not known."""


class Policy(Protocol):
    """One policy, compiled. It holds no state that a judgement changes."""

    @property
    def info(self) -> PolicyInfo: ...

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """Verdicts about this review, with the state PASS when nothing is wrong; nothing at all
        when the policy does not apply to it. It may raise: that is an ``error`` verdict then,
        under ``info.failure``."""


class Mutator(Protocol):
    """A policy that changes the object (Gatekeeper's Assign, AssignMetadata, ModifySet …)."""

    @property
    def info(self) -> PolicyInfo: ...

    def mutate(self, review: Review, body: dict[str, Any], view: View) -> bool:
        """Change ``body`` (a copy of the object) in place; whether it changed. Idempotent."""


class Loaded(msgspec.Struct, frozen=True):
    """What one family of policies made of a set of documents."""

    policies: tuple[Policy, ...] = ()
    mutators: tuple[Mutator, ...] = ()
    faults: tuple[PolicyFault, ...] = ()
