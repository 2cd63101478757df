"""The CEL of a template (``K8sNativeValidation``), compiled once and shared by its constraints.

It is judged as Gatekeeper has the API server judge it: ``variables.anyObject`` is the object, or
what goes in a DELETE, ``variables.params`` the parameters; an error counts by ``failurePolicy``,
which is Fail unless the template says otherwise. ``generateVAP`` changes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import structs

from haechi.admit.gatekeeper.names import fault, line_in_text, line_of
from haechi.admit.gatekeeper.rego_code import Violation
from haechi.admit.gatekeeper.template import Template
from haechi.checks.pods.view import items, mapping
from haechi.errors import NotEvaluated, RuleError
from haechi.model.admission import FailureChoice, PolicyFault
from haechi.model.location import AttrPath
from haechi.model.review import Review, State

if TYPE_CHECKING:
    from haechi.admit.policy import View
    from haechi.engines.cel import Activation, CelEngine, CompiledExpression

_MESSAGE_LIMIT: Final = 5 * 1024
_RESERVED: Final = "gatekeeper_internal_"


class Variable(msgspec.Struct, frozen=True):
    """A named expression."""

    name: str
    expression: str


_OWN: Final = (
    Variable(
        "anyObject",
        'has(request.operation) && request.operation == "DELETE" && object == null'
        " ? oldObject : object",
    ),
    Variable("params", "params"),
)


class Validation(msgspec.Struct, frozen=True):
    """One thing that must hold; ``text`` is what is told without a message."""

    expression: CompiledExpression
    words: CompiledExpression | None
    message: str
    text: str
    line: int


class CelError(Exception):
    """An expression came to no value; it counts by the failure policy."""


class CelCode:
    """Compiled CEL of one template."""

    reads: tuple[tuple[str, str], ...] = ()

    def __init__(
        self,
        engine: CelEngine,
        conditions: Sequence[CompiledExpression],
        validations: Sequence[Validation],
        failure: FailureChoice,
    ) -> None:
        self._engine = engine
        self._conditions = tuple(conditions)
        self._validations = tuple(validations)
        self.failure: FailureChoice | None = failure

    def violations(self, review: Review, view: View, parameters: Any) -> list[Violation] | None:
        """What does not hold; None where a match condition says that it is not for this object.
        Raises CelError, NotEvaluated."""
        activation = self._activation(review, parameters)
        if not self._is_for(activation):
            return None
        found: list[Violation] = []
        for validation in self._validations:
            result = activation.evaluate(validation.expression)
            if result is False:
                message = _message(validation, activation)
                found.append(Violation(message=message, details={}, line=validation.line))
            elif result is not True:
                _raise(activation, validation.expression, result, validation.text)
        return found

    def _is_for(self, activation: Activation) -> bool:
        """As in a policy of the API server: a condition that is false outweighs one that fails."""
        failed: tuple[CompiledExpression, Any] | None = None
        for condition in self._conditions:
            result = activation.evaluate(condition)
            if result is False:
                return False
            if result is not True:
                failed = failed or (condition, result)
        if failed is not None:
            _raise(activation, *failed, "a match condition")
        return True

    def _activation(self, review: Review, parameters: Any) -> Activation:
        resource = review.resource
        if not resource.data:
            resource = structs.replace(resource, data=None)
        return self._engine.activation(
            structs.replace(review, resource=resource, params=parameters, memo={})
        )


def _raise(activation: Activation, compiled: CompiledExpression, result: Any, text: str) -> None:
    from haechi.engines.cel.wheel import Failure

    if not isinstance(result, Failure):
        result = Failure("the expression gives text, not a truth value")
    state, reason = activation.reason(compiled, result)
    if state is State.NOT_EVALUATED:
        raise NotEvaluated(reason)
    raise CelError(f"{text}: {reason}")


def _message(validation: Validation, activation: Activation) -> str:
    if validation.words is not None:
        told = activation.evaluate(validation.words)
        if isinstance(told, str) and told.strip() and "\n" not in told:
            return told.strip() if len(told) <= _MESSAGE_LIMIT else validation.text
    return validation.message or f"failed expression: {validation.text}"


@lru_cache(maxsize=1)
def _engine() -> CelEngine:
    from haechi.engines.cel import CelEngine

    return CelEngine()


def compile_cel(template: Template) -> CelCode | PolicyFault:
    """Compile the CEL of a template; what is wrong is told with its line."""
    source = template.cel or {}
    reader = _Reader(template, source)
    try:
        return reader.code()
    except _Bad as bad:
        return bad.told


class _Bad(Exception):
    def __init__(self, told: PolicyFault) -> None:
        super().__init__(told.what)
        self.told = told


class _Reader:
    """Reads one source."""

    def __init__(self, template: Template, source: Mapping[str, Any]) -> None:
        self._template = template
        self._source = source
        self._variables: list[Variable] = list(_OWN)

    def code(self) -> CelCode:
        self._read_variables()
        conditions = [
            self._compile(mapping(entry).get("expression"), (name, number, "expression"))
            for name in ("matchConditions", "matchCondition")
            for number, entry in enumerate(items(self._source.get(name)))
        ]
        validations = [
            self._validation(mapping(entry), number)
            for number, entry in enumerate(items(self._source.get("validations")))
        ]
        if not validations:
            raise self._bad(("validations",), "it has no validations")
        return CelCode(_engine(), conditions, validations, self._failure())

    def _read_variables(self) -> None:
        for number, entry in enumerate(items(self._source.get("variables"))):
            name, text = mapping(entry).get("name"), mapping(entry).get("expression")
            path: AttrPath = ("variables", number)
            if not isinstance(name, str) or not isinstance(text, str):
                raise self._bad(path, "a variable has a name and an expression")
            if name.startswith(_RESERVED) or name in ("params", "anyObject"):
                raise self._bad((*path, "name"), f"{name!r} is Gatekeeper's own name")
            self._variables.append(Variable(name, text))
            self._compile(f"dyn(variables.{name}) == null", (*path, "expression"), own=True)

    def _validation(self, entry: Mapping[str, Any], number: int) -> Validation:
        path: AttrPath = ("validations", number)
        text, message = entry.get("expression"), entry.get("message")
        words = entry.get("messageExpression")
        compiled = self._compile(text, (*path, "expression"))
        said = None
        if isinstance(words, str) and words.strip():
            said = self._compile(words, (*path, "messageExpression"), returns="string")
        return Validation(
            compiled,
            said,
            message.strip() if isinstance(message, str) else "",
            str(text).strip(),
            line_of(self._template.resource, (*self._template.cel_path, *path, "expression")),
        )

    def _compile(
        self, text: Any, path: AttrPath, *, returns: str = "bool", own: bool = False
    ) -> CompiledExpression:
        if not isinstance(text, str):
            raise self._bad(path, "an expression is text")
        try:
            return _engine().compile(text, variables=self._variables, returns=returns)
        except RuleError as error:
            what = error.what if not own else error.what.removeprefix("expression: ")
            raise self._bad(path, what, why=error.why, text=text, do=error.do) from error

    def _failure(self) -> FailureChoice:
        value = self._source.get("failurePolicy", "Fail")
        try:
            return FailureChoice(value)
        except ValueError:
            raise self._bad(("failurePolicy",), f"{value!r} is neither Fail nor Ignore") from None

    def _bad(
        self, path: AttrPath, what: str, *, why: str = "", text: str = "", do: str = ""
    ) -> _Bad:
        template = self._template
        where = (*template.cel_path, *path)
        line = line_in_text(template.resource, where, text, 1) if text else None
        return _Bad(
            fault(
                "invalid-template",
                f"{template.resource.label}: CEL: {what}",
                template.resource,
                where,
                why=why,
                do=do,
                line=line,
            )
        )
