"""The CEL of a template (``K8sNativeValidation``), compiled once and shared by its constraints.

It is judged as Gatekeeper has the API server judge it: ``variables.anyObject`` is the object, or
what goes in a DELETE, ``variables.params`` the parameters; an error counts by ``failurePolicy``,
which is Fail unless the template says otherwise. ``generateVAP`` changes nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import structs

from haechi.admit.gatekeeper.cel_fields import Written
from haechi.admit.gatekeeper.names import fault, line_in_text, line_of
from haechi.admit.gatekeeper.rego_code import Violation
from haechi.admit.gatekeeper.template import Template
from haechi.checks.pods.view import items, mapping
from haechi.engines.cel.variables import carried, used
from haechi.engines.cel.wheel import Failure
from haechi.errors import ExpressionError, NotEvaluated, RuleError
from haechi.model.admission import FailureChoice, PolicyFault
from haechi.model.location import AttrPath, format_path
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
    # has(null.x) is false for the API server and an error for the library; {} gives the former
    Variable("params", "params.p == null ? dyn({}) : params.p"),
)
_STAGE: Final = 12
"""Variables of one stage, where a template has more than the library nests."""
_CARRIER: Final = "params.v"
_NO_PARAMETERS: Final = re.compile(r"\bvariables\.params(?=\s*[!=]=\s*null\b)")


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
        stages: Sequence[Mapping[str, CompiledExpression]] = (),
        written: Sequence[Written] = (),
    ) -> None:
        self._engine = engine
        self.written = tuple(written)
        self._stages = tuple(stages)
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
        seen = structs.replace(review, resource=resource)
        values: dict[str, Any] = {}
        activation = self._bound(seen, parameters, values)
        for stage in self._stages:
            for name, compiled in stage.items():
                value = activation.value(compiled)
                if not isinstance(value, Failure):  # one that fails matters to what uses it only
                    values[name] = value
            activation = self._bound(seen, parameters, values)
        return activation

    def _bound(self, review: Review, parameters: Any, values: Mapping[str, Any]) -> Activation:
        params = {"p": parameters, "v": dict(values)}
        return self._engine.activation(structs.replace(review, params=params, memo={}))


def _raise(activation: Activation, compiled: CompiledExpression, result: Any, text: str) -> None:
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

    return CelEngine(kubernetes=True)


def compile_cel(template: Template) -> CelCode | PolicyFault:
    """Compile the CEL of a template; what is wrong is told with its line."""
    source = template.cel or {}
    try:
        return _Reader(template, source, staged=False).code()
    except _Bad as bad:
        first = bad.told
    try:  # deep chains of variables are evaluated group by group; a fault is one both ways
        return _Reader(template, source, staged=True).code()
    except _Bad:
        return first


def _without_null(text: str) -> str:
    """Where an author compares the parameters with null, they are what was given."""
    return _NO_PARAMETERS.sub("params.p        ", text)


class _Bad(Exception):
    def __init__(self, told: PolicyFault) -> None:
        super().__init__(told.what)
        self.told = told


class _Reader:
    """Reads one source."""

    def __init__(self, template: Template, source: Mapping[str, Any], *, staged: bool) -> None:
        self._template = template
        self._source = source
        self._staged = staged
        self._stages: list[dict[str, CompiledExpression]] = []
        self._written: list[Written] = []
        self._carried: tuple[str, ...] = ()
        self._variables: list[Variable] = list(_OWN)

    def code(self) -> CelCode:
        self._read_variables()
        if self._staged:
            self._stage()
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
        failure = self._failure()
        return CelCode(_engine(), conditions, validations, failure, self._stages, self._written)

    def _read_variables(self) -> None:
        for number, entry in enumerate(items(self._source.get("variables"))):
            name, text = mapping(entry).get("name"), mapping(entry).get("expression")
            path: AttrPath = ("variables", number)
            if not isinstance(name, str) or not isinstance(text, str):
                raise self._bad(path, "a variable has a name and an expression")
            if name.startswith(_RESERVED) or name in ("params", "anyObject"):
                raise self._bad((*path, "name"), f"{name!r} is Gatekeeper's own name")
            if not self._staged:
                self._compile(text, (*path, "expression"), returns="any", variable=name)
            self._variables.append(Variable(name, _without_null(text)))

    def _stage(self) -> None:
        """Compile the variables in groups; each group sees the values of those before."""
        known: list[str] = []
        written = self._variables[len(_OWN) :]
        for start in range(0, len(written), _STAGE):
            group = [
                Variable(one.name, carried(one.expression, known, _CARRIER))
                for one in written[start : start + _STAGE]
            ]
            stage: dict[str, CompiledExpression] = {}
            for number, one in enumerate(group, start):
                path = ("variables", number, "expression")
                before = [*_OWN, *group[: number - start]]
                stage[one.name] = self._compile(
                    one.expression, path, returns="any", variables=before
                )
            self._stages.append(stage)
            known += stage
        self._carried = tuple(known)

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
        self,
        text: Any,
        path: AttrPath,
        *,
        returns: str = "bool",
        variables: Sequence[Variable] | None = None,
        variable: str = "",
    ) -> CompiledExpression:
        if not isinstance(text, str):
            raise self._bad(path, "an expression is text")
        try:
            known = self._variables if variables is None else variables
            text = carried(_without_null(text), self._carried, _CARRIER)
            needed = used(text, known)
            compiled = _engine().compile(text, variables=needed, returns=returns)
        except RuleError as error:
            raise self._refused(path, text, error) from error
        if not self._staged:
            self._written.append(Written(path, text, compiled, tuple(needed), variable))
        return compiled

    def _failure(self) -> FailureChoice:
        value = self._source.get("failurePolicy", "Fail")
        try:
            return FailureChoice(value)
        except ValueError:
            raise self._bad(("failurePolicy",), f"{value!r} is neither Fail nor Ignore") from None

    def _bad(self, path: AttrPath, what: str) -> _Bad:
        resource = self._template.resource
        where = (*self._template.cel_path, *path)
        return _Bad(fault("invalid-template", f"{resource.label}: CEL: {what}", resource, where))

    def _refused(self, path: AttrPath, text: str, error: RuleError) -> _Bad:
        resource = self._template.resource
        where = (*self._template.cel_path, *path)
        line, what = 1, error.what
        if isinstance(error, ExpressionError):
            what = error.text
            line = error.line if error.field == "expression" else 1
        return _Bad(
            fault(
                "invalid-template",
                f"{resource.label}: CEL: {format_path(path)}: {what}",
                resource,
                where,
                why=error.why,
                do=error.do,
                line=line_in_text(resource, where, text, max(1, line)),
            )
        )
