"""The expressions of one policy, compiled once and shared by its bindings.

Each expression takes only the variables that it needs (``engines.cel.variables.used``), so one
that is broken matters only to what uses it, and none is evaluated before something asks for it.
Every variable is compiled for itself as well: the API server refuses a policy with one that does
not compile, used or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from haechi.admit.vap.kinds import type_of_kind, type_of_rules
from haechi.admit.vap.matching import read_match
from haechi.admit.vap.params import read_kind
from haechi.admit.vap.places import line_of, place_in_text
from haechi.admit.vap.typed import TypedExpressions
from haechi.admit.vap.types import ANY, Type
from haechi.checks.pods.view import items, mapping
from haechi.engines.cel import CelEngine, CompiledExpression
from haechi.engines.cel.reads import Reads
from haechi.engines.cel.variables import Named, used
from haechi.errors import ExpressionError, RuleError
from haechi.model.admission import PolicyFault
from haechi.model.location import AttrPath, format_path
from haechi.model.resource import Resource

_AUTHORIZER: Final = ("authorizer", "authorizer.requestResource")


class Variable(msgspec.Struct, frozen=True):
    """A named expression."""

    name: str
    expression: str


class Condition(msgspec.Struct, frozen=True):
    """An entry of ``matchConditions``. ``sees_namespace``: it mentions ``namespaceObject``, which
    the API server does not give to conditions: it is null there."""

    name: str
    expression: CompiledExpression
    sees_namespace: bool


class Validation(msgspec.Struct, frozen=True):
    """An entry of ``validations``. ``text`` is told when nothing else is said."""

    number: int
    expression: CompiledExpression
    words: CompiledExpression | None
    message: str
    text: str
    reason: str
    line: int


class Annotation(msgspec.Struct, frozen=True):
    """An entry of ``auditAnnotations``."""

    key: str
    expression: CompiledExpression
    line: int


class Program(msgspec.Struct, frozen=True):
    """All expressions of a policy. ``asks``: one of them asks the authorizer."""

    conditions: tuple[Condition, ...]
    validations: tuple[Validation, ...]
    annotations: tuple[Annotation, ...]
    asks: bool

    @property
    def reads(self) -> tuple[Reads, ...]:
        """What each of them can look at."""
        several = [one.expression for one in self.conditions]
        several += [one.expression for one in self.validations]
        several += [one.words for one in self.validations if one.words is not None]
        several += [one.expression for one in self.annotations]
        return tuple(one.reads for one in several)


@lru_cache(maxsize=1)
def engine() -> CelEngine:
    """The engine of all policies of this family."""
    return CelEngine(kubernetes=True)


def compile_policy(resource: Resource) -> tuple[Program | None, list[PolicyFault]]:
    """Compile; with fatal faults there is no program, as there is no such policy in a cluster."""
    reader = _Reader(resource)
    program = reader.program()
    if reader.faults:
        return None, reader.faults
    return program, reader.typed.faults


class _Reader:
    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._spec: Mapping[str, Any] = mapping(resource.data.get("spec"))
        self._variables: list[Variable] = []
        self._params = self._spec.get("paramKind") is not None
        self._asks = False
        self.faults: list[PolicyFault] = []
        self.typed = TypedExpressions(resource, _types(self._spec))

    def program(self) -> Program:
        self._read_variables()
        return Program(
            conditions=tuple(self._conditions()),
            validations=tuple(self._validations()),
            annotations=tuple(self._annotations()),
            asks=self._asks,
        )

    def _entries(self, field: str) -> Iterator[tuple[AttrPath, int, Mapping[str, Any]]]:
        for number, entry in enumerate(items(self._spec.get(field))):
            yield ("spec", field, number), number, mapping(entry)

    def _read_variables(self) -> None:
        for path, _, entry in self._entries("variables"):
            text = entry["expression"]
            self._compile((*path, "expression"), text, returns="any", variable=entry["name"])
            self._variables.append(Variable(entry["name"], text))

    def _conditions(self) -> Iterator[Condition]:
        known, self._variables = self._variables, []  # conditions may not use them
        for path, _, entry in self._entries("matchConditions"):
            compiled = self._compile((*path, "expression"), entry["expression"])
            if compiled is not None:
                sees = "namespaceObject" in entry["expression"]
                yield Condition(entry["name"], compiled, sees)
        self._variables = known

    def _validations(self) -> Iterator[Validation]:
        for path, number, entry in self._entries("validations"):
            text, words = entry["expression"], entry.get("messageExpression") or ""
            compiled = self._compile((*path, "expression"), text)
            said = None
            if words.strip():
                where = (*path, "messageExpression")
                said = self._compile(where, words, returns="string", authorizer=False)
            if compiled is not None:
                yield Validation(
                    number=number,
                    expression=compiled,
                    words=said,
                    message=(entry.get("message") or "").strip(),
                    text=text.strip(),
                    reason=entry.get("reason") or "Invalid",
                    line=line_of(self._resource, (*path, "expression")),
                )

    def _annotations(self) -> Iterator[Annotation]:
        for path, _, entry in self._entries("auditAnnotations"):
            where = (*path, "valueExpression")
            text = entry["valueExpression"]
            compiled = self._compile(where, text, returns="string or null", authorizer=False)
            if compiled is not None:
                yield Annotation(entry["key"], compiled, line_of(self._resource, where))

    def _compile(
        self,
        path: AttrPath,
        text: str,
        *,
        returns: str = "bool",
        authorizer: bool = True,
        variable: str = "",
    ) -> CompiledExpression | None:
        field = format_path(path)
        needed = used(text, self._variables)
        try:
            compiled = engine().compile(text, variables=needed, returns=returns, field=field)
        except RuleError as error:
            self._refuse(path, error, needed=needed)
            return None
        self.typed.look(path, text, compiled, needed, variable=variable)
        seen = {read.place[0] for read in compiled.reads.reads}
        if not self._params and "params" in seen:
            why = "the policy has no paramKind"
            self._refuse(path, ExpressionError(field, "undeclared reference to 'params'", why=why))
        if not seen.isdisjoint(_AUTHORIZER):
            self._asks = True
            if not authorizer:
                fault = "undeclared reference to 'authorizer'"
                self._refuse(path, ExpressionError(field, fault, why="it is not given here"))
        return compiled

    def _refuse(self, path: AttrPath, error: RuleError, *, needed: Sequence[Named] = ()) -> None:
        line = column = 0
        if isinstance(error, ExpressionError):
            if error.field.startswith("variables.") and needed:
                return  # told where the variable stands
            line, column = error.line, error.column
        row, place = place_in_text(self._resource, path, line, column)
        self.faults.append(
            PolicyFault(
                kind="invalid",
                what=f"{self._resource.label}: {error.what}",
                why=error.why or "the API server does not take such a policy",
                do=error.do,
                file=self._resource.file,
                line=row,
                column=place,
                object=self._resource.key,
            )
        )


def _types(spec: Mapping[str, Any]) -> dict[str, Type]:
    """What is known of an expression's variables before there is an object."""
    object_ = type_of_rules(read_match(spec.get("matchConstraints")).rules)
    kind = read_kind(spec.get("paramKind"))
    params = ANY
    if kind is not None:
        params = type_of_kind(kind.group, kind.api_version.rpartition("/")[2], kind.kind)
    return {"object": object_, "oldObject": object_, "params": params}
