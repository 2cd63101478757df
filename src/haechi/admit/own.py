"""What haechi's own kinds of policies have in common: ``action``, ``failurePolicy``, ``match``.

``Binding`` is one document's say over a policy: several PolicyPacks may name the same rule with
different matches and actions, and the strictest that matches an object counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.match import EVERYTHING, Match, read_match
from haechi.admit.policy import View
from haechi.checks.pods.view import mapping
from haechi.errors import NotEvaluated, RuleError
from haechi.model.admission import Effect, FailureChoice, PolicyFault
from haechi.model.location import AttrPath, format_path
from haechi.model.resource import Resource
from haechi.model.review import Review

GROUP, VERSION = "haechi.dev", "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
ACTIONS: Mapping[str, tuple[Effect, ...]] = {
    "deny": (Effect.DENY,),
    "warn": (Effect.WARN,),
    "audit": (Effect.AUDIT,),
}
_STRENGTH = {"deny": 3, "warn": 2, "audit": 1}


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What one document does with a policy, for which objects, and without which parts."""

    action: str
    failure: FailureChoice = FailureChoice.IGNORE
    match: Match = EVERYTHING
    excepted: frozenset[str] = frozenset()
    file: str = ""
    line: int = 0

    @property
    def effects(self) -> tuple[Effect, ...]:
        return ACTIONS[self.action]

    @property
    def strength(self) -> int:
        return _STRENGTH[self.action]


def strictest(bindings: Sequence[Binding], review: Review, view: View) -> Binding | None:
    """The strictest binding that is about this review. Raises NotEvaluated when that hangs on a
    namespace that is not known: one that is as strict and surely about it is enough."""
    unknown: NotEvaluated | None = None
    strength = 0
    for binding in bindings:  # strictest first
        try:
            if binding.match is not EVERYTHING and not binding.match.matches(review, view):
                continue
        except NotEvaluated as reason:
            if unknown is None:
                unknown, strength = reason, binding.strength
            continue
        if unknown is None or strength == binding.strength:
            return binding
        break
    if unknown is not None:
        raise unknown
    return None


def ordered(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Strictest first; of those that are as strict, what fails closed."""
    return tuple(
        sorted(bindings, key=lambda one: (-one.strength, one.failure is not FailureChoice.FAIL))
    )


def all_effects(bindings: Sequence[Binding]) -> tuple[Effect, ...]:
    """Every effect that a policy can have, strongest first."""
    return tuple(dict.fromkeys(effect for b in ordered(bindings) for effect in b.effects))


def any_failure(bindings: Sequence[Binding]) -> FailureChoice:
    """Closed when one of them fails closed."""
    closed = any(binding.failure is FailureChoice.FAIL for binding in bindings)
    return FailureChoice.FAIL if closed else FailureChoice.IGNORE


class OwnDocument:
    """Reads the spec of one of haechi's own documents, and collects what is wrong with it."""

    def __init__(self, resource: Resource, fields: frozenset[str]) -> None:
        self.resource = resource
        self.faults: list[PolicyFault] = []
        spec = resource.data.get("spec")
        self.spec: Mapping[str, Any] = mapping(spec)
        if not isinstance(spec, dict):
            self.fault(("spec",), "a mapping is needed")
        for key in sorted(set(map(str, self.spec)) - fields):
            do = f"fields: {', '.join(sorted(fields))}"
            self.fault(("spec", key), "there is no such field", do=do)
        if not resource.name:
            self.fault(("metadata", "name"), "a name is needed")

    def fault(self, path: AttrPath, why: str, *, do: str = "", fatal: bool = True) -> None:
        """Name something that is wrong; the document is not in force when it is fatal."""
        where = self.resource.locate(path)
        self.faults.append(
            PolicyFault(
                kind="invalid",
                what=f"{self.resource.label}: {format_path(path)}: {why}",
                why="it is not in force" if fatal else "",
                do=do,
                file=self.resource.file,
                line=where.line,
                column=where.column,
                object=self.resource.key,
                fatal=fatal,
            )
        )

    def binding(self, action: str = "deny") -> Binding:
        """Its action, failure choice and match; ``action`` where it names none."""
        where = self.resource.locate(())
        return Binding(
            action=self.choice("action", tuple(ACTIONS), action),
            failure=FailureChoice(self.choice("failurePolicy", tuple(FailureChoice), "Ignore")),
            match=self._match(),
            file=self.resource.file,
            line=where.line,
        )

    def choice(self, field: str, choices: Sequence[str], usual: str) -> str:
        """A field that is one of a few words."""
        value = self.spec.get(field)
        if value is None:
            return usual
        if value in tuple(choices):
            return str(value)
        self.fault(("spec", field), f"must be one of {', '.join(choices)}")
        return usual

    def flag(self, field: str) -> bool:
        """A field that is true or false; absent is false."""
        value = self.spec.get(field)
        if value is not None and not isinstance(value, bool):
            self.fault(("spec", field), "must be true or false")
        return value is True

    def texts(self, field: str) -> tuple[str, ...]:
        """A field that is a list of texts."""
        value = self.spec.get(field)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fault(("spec", field), "must be a list")
            return ()
        for index, item in enumerate(value):
            if not isinstance(item, str) or not item.strip():
                self.fault(("spec", field, index), "must be a text that is not empty")
        return tuple(item for item in value if isinstance(item, str) and item.strip())

    def _match(self) -> Match:
        try:
            return read_match(self.spec.get("match"))
        except RuleError as error:
            self.fault(("spec", "match"), f"{error.where}: {error.what}", do=error.do)
            return EVERYTHING


def own_documents(
    resources: Iterable[Resource], kind: str, faults: list[PolicyFault]
) -> list[Resource]:
    """The documents of one of haechi's own kinds; those that only look like it are faults."""
    found: list[Resource] = []
    for resource in resources:
        if resource.kind != kind:
            continue
        if resource.group == GROUP and resource.version == VERSION:
            found.append(resource)
        elif resource.group == GROUP or not resource.group or "haechi" in resource.group:
            where = resource.locate(())
            said = f"{resource.group}/{resource.version}" if resource.group else resource.version
            faults.append(
                PolicyFault(
                    kind="wrong-group",
                    what=f"{resource.label} protects nothing: its apiVersion is {said}",
                    why=f"haechi reads {kind} of {API_VERSION}",
                    do=f"write apiVersion: {API_VERSION}",
                    file=resource.file,
                    line=where.line,
                    object=resource.key,
                )
            )
    return found
