"""A policy on its way from one format to another: CEL, and whom it is about.

``match`` is Gatekeeper's, the narrowest of all formats that own kinds have in common; what it
cannot say stands in ``conditions``, which both targets evaluate before anything else. Whoever
cannot say something with the same meaning raises ``Inexpressible``: an export that means something
else would be worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.model.admission import Effect, FailureChoice

Document = Mapping[str, Any]
OPERATIONS = ("CREATE", "UPDATE")
"""What a webhook is sent unless a policy names others."""


class Inexpressible(Exception):
    """The target format cannot say this. ``do`` is what would help."""

    def __init__(self, reason: str, *, do: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.do = do


class Expression(msgspec.Struct, frozen=True):
    """A named expression: a variable, or a condition."""

    name: str
    text: str


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold, and what is said when it does not."""

    text: str
    message: str = ""
    words: str = ""


class Portable(msgspec.Struct, frozen=True, kw_only=True):
    """One policy. ``name`` is a Kubernetes name. ``subresources`` are those of pods that count
    besides the pod itself; ``notes`` are told beside the documents."""

    policy: str
    name: str
    title: str = ""
    description: str = ""
    match: Mapping[str, Any] = {}
    operations: tuple[str, ...] = OPERATIONS
    subresources: tuple[str, ...] = ()
    conditions: tuple[Expression, ...] = ()
    variables: tuple[Expression, ...] = ()
    validations: tuple[Validation, ...] = ()
    failure: FailureChoice = FailureChoice.FAIL
    effects: tuple[Effect, ...] = (Effect.DENY,)
    notes: tuple[str, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one policy: documents to apply, and what to know about them."""

    policy: str
    documents: tuple[Document, ...]
    notes: tuple[str, ...] = ()


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that was not exported, and why."""

    policy: str
    reason: str
    do: str = ""
    file: str = ""
    line: int = 0


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that the cluster has itself: what to set, as lines of YAML that are told only."""

    policy: str
    text: str
    lines: tuple[str, ...]


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    parts: tuple[Part, ...] = ()
    hints: tuple[Hint, ...] = ()
    left: tuple[Left, ...] = ()
