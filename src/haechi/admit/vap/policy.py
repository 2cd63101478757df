"""A ValidatingAdmissionPolicy with one of its bindings, as one policy of haechi.

What happens in which order, and in which words it is told, is the API server's (apiserver,
pkg/admission/plugin/policy/validating): constraints, the binding's own match, params, match
conditions, validations, audit annotations. What goes wrong before the first expression runs
refuses whatever the binding's actions are, unless ``failurePolicy`` says Ignore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import structs

from haechi.admit.policy import View
from haechi.admit.vap.matching import MatchResources, asked_by
from haechi.admit.vap.params import ParamKind, ParamRef, Unbound, collect
from haechi.admit.vap.program import Annotation, Program, Validation, engine
from haechi.engines.cel import Activation, CompiledExpression
from haechi.engines.cel.reads import Reads
from haechi.engines.cel.wheel import Failure
from haechi.model.admission import Effect, FailureChoice, PolicyInfo, PolicyVerdict
from haechi.model.review import Review, State
from haechi.model.unknown import Unknown

_DENY: Final = (Effect.DENY,)
_MESSAGE_LIMIT: Final = 5 * 1024
_ANNOTATION_LIMIT: Final = 10 * 1024
_ACTIVATIONS: Final = "vap.activations"


class _Stopped(Exception):
    """The match conditions came to no answer."""

    def __init__(self, state: State, message: str) -> None:
        super().__init__(message)
        self.state = state
        self.message = message


class AdmissionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One policy with one binding. ``binding`` is empty for a policy without one that is judged
    nevertheless."""

    info: PolicyInfo
    name: str
    program: Program
    constraints: MatchResources
    binding: str = ""
    resources: MatchResources | None = None
    param_kind: ParamKind | None = None
    param_ref: ParamRef | None = None
    action: str = ""
    passes: PolicyVerdict | None = None
    """What it says most of the time, made once."""

    def __post_init__(self) -> None:
        structs.force_setattr(self, "passes", self._verdict(State.PASS, ""))

    @property
    def looks(self) -> tuple[Reads, ...]:
        """What it can look at of the variables."""
        return self.program.reads

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """All that does not hold, one PASS when everything does, nothing when it is not meant."""
        asked = asked_by(review)
        if asked.is_exempt:
            return ()
        if not self.constraints.matches(review, view):
            return ()
        if self.resources is not None and not self.resources.matches(review, view):
            return ()
        try:
            params = collect(self.param_kind, self.param_ref, asked.known_namespace, view)
        except Unbound as reason:
            message = f"failed to configure binding: {reason}"
            return (self._verdict(State.ERROR, message, effects=_DENY),)
        found: list[PolicyVerdict] = []
        annotations: dict[str, list[str]] = {}
        judged = False
        for param in params:
            judged |= self._with(param, review, view, found, annotations)
        if not found and judged and self.passes is not None:
            found.append(self.passes)
        return self._annotated(found, annotations)

    def _with(
        self,
        param: Any,
        review: Review,
        view: View,
        found: list[PolicyVerdict],
        annotations: dict[str, list[str]],
    ) -> bool:
        """Judge with one param; whether the policy is about the request at all."""
        activation = self._activation(review, view, param)
        try:
            if self.program.conditions and not self._applies(activation, review, view, param):
                return False
        except _Stopped as stopped:
            if self.info.failure is FailureChoice.IGNORE and stopped.state is State.ERROR:
                return False
            found.append(self._verdict(stopped.state, stopped.message))
            return True
        evaluate = activation.evaluate
        for validation in self.program.validations:
            result = evaluate(validation.expression)
            if result is not True:
                found.append(self._judged(validation, activation, result))
        for annotation in self.program.annotations:
            verdict = self._noted(annotation, activation, annotations)
            if verdict is not None:
                found.append(verdict)
        return True

    def _applies(self, activation: Activation, review: Review, view: View, param: Any) -> bool:
        """A condition that is false decides, even beside one that fails."""
        stopped: _Stopped | None = None
        for condition in self.program.conditions:
            one = activation
            if condition.sees_namespace and review.namespace is not None:
                one = self._activation(
                    structs.replace(review, namespace=None), view, param, apart=1
                )
            result = one.evaluate(condition.expression)
            if result is False:
                return False
            if result is not True:
                state, reason = _reason(one, condition.expression, result)
                stopped = stopped or _Stopped(state, f"match condition {condition.name}: {reason}")
        if stopped is not None:
            raise stopped
        return True

    def _judged(
        self, validation: Validation, activation: Activation, result: str | bool | Failure
    ) -> PolicyVerdict:
        rule = f"validations[{validation.number}]"
        if result is False:
            evidence = {"reason": validation.reason, "expression": validation.text}
            return self._verdict(
                State.FAIL,
                _message(validation, activation),
                rule=rule,
                line=validation.line,
                evidence=evidence,
            )
        state, reason = _reason(activation, validation.expression, result)
        message = f"expression '{validation.text}' resulted in error: {reason}"
        return self._verdict(state, message, rule=rule, line=validation.line)

    def _noted(
        self, annotation: Annotation, activation: Activation, found: dict[str, list[str]]
    ) -> PolicyVerdict | None:
        value = activation.text(annotation.expression)
        if isinstance(value, Failure):
            if self.info.failure is FailureChoice.IGNORE:
                return None
            state, reason = activation.reason(annotation.expression, value)
            rule = f"auditAnnotations[{annotation.key}]"
            return self._verdict(state, reason, rule=rule, line=annotation.line, effects=_DENY)
        text = (value or "").strip()
        if text:
            cut = text.encode()[:_ANNOTATION_LIMIT].decode("utf-8", "ignore")
            same = found.setdefault(annotation.key, [])
            if cut not in same:
                same.append(cut)
        return None

    def _activation(self, review: Review, view: View, param: Any, *, apart: int = 0) -> Activation:
        """The variables of the review, shared by all policies that see the same ones."""
        allows = view.allows if self.program.asks else None
        namespace, asked = review.namespace, asked_by(review)
        # Conditions see no namespace, known or not.
        unknown = namespace is None and not apart and asked.lies_in_one
        if param is None and not unknown and not apart:
            return engine().activation(review, allows)
        kept: dict[Any, Any] = review.memo.setdefault(_ACTIVATIONS, {})
        key = (id(param), unknown, apart)
        found = kept.get(key)
        if found is None or (allows is not None and found[1].allows is None):
            namespaces: Any = Unknown("the Namespace is not known") if unknown else namespace
            own = structs.replace(review, params=param, namespace=namespaces, memo={})
            # the param is kept, so that its id stays its own
            found = kept[key] = (param, engine().activation(own, allows))
        activation: Activation = found[1]
        return activation

    def _annotated(
        self, found: list[PolicyVerdict], annotations: Mapping[str, list[str]]
    ) -> Sequence[PolicyVerdict]:
        if not annotations or not found:
            return found
        published = {f"{self.name}/{key}": ", ".join(values) for key, values in annotations.items()}
        return [structs.replace(found[0], annotations=published), *found[1:]]

    def _verdict(
        self,
        state: State,
        message: str,
        *,
        rule: str = "",
        line: int = 0,
        effects: tuple[Effect, ...] | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> PolicyVerdict:
        return PolicyVerdict(
            policy=self.info.id,
            rule=rule,
            state=state,
            message=message,
            effects=self.info.effects if effects is None else effects,
            failure=self.info.failure,
            action=self.action,
            line=line or self.info.line,
            evidence=evidence or {},
        )


def _reason(
    activation: Activation, compiled: CompiledExpression, result: str | bool | Failure
) -> tuple[State, str]:
    if not isinstance(result, Failure):
        result = Failure("the expression gives text, not a truth value")
    return activation.reason(compiled, result)


def _message(validation: Validation, activation: Activation) -> str:
    """``messageExpression``, if it gives one line that is not too long; else ``message``; else
    the expression."""
    if validation.words is not None:
        told = activation.evaluate(validation.words)
        if isinstance(told, str):
            told = told.strip()
            if told and "\n" not in told and len(told.encode()) <= _MESSAGE_LIMIT:
                return told
    return validation.message or f"failed expression: {validation.text}"
