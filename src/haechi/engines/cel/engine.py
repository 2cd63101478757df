"""Judging by CEL: compile a rule once, bind a review's variables once, evaluate in microseconds.

``true`` means the resource is fine, as in ValidatingAdmissionPolicy. Everything that is neither
true nor false is an ``error`` verdict, or ``not_evaluated`` when it stems from a value that is not
known. Compiling costs 110 µs and more, loading a compiled form 20: ``compiled`` hands the forms
out for a cache and ``stored`` takes them back, each sealed with a checksum over the library's
version, the source and the bytes, so a damaged or foreign one is compiled again.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from haechi import __version__
from haechi.engines.cel.data import (
    Examined,
    Unfit,
    as_decoded,
    examine,
    plain,
    present,
    without_nul,
    without_unknown,
)
from haechi.engines.cel.expand import EDITION
from haechi.engines.cel.lenient import lenient, might_help
from haechi.engines.cel.needs import Needs
from haechi.engines.cel.paths import parse_path
from haechi.engines.cel.reads import Reads, reads_of
from haechi.engines.cel.variables import Composed, Named, compose
from haechi.engines.cel.wheel import NAMES, Failure, Malformed, Problem, Wheel, the_wheel, version
from haechi.errors import ExpressionError, RuleError
from haechi.model.location import AttrPath, format_path, value_at
from haechi.model.review import Review, State, Verdict
from haechi.model.unknown import Unknown

if TYPE_CHECKING:
    from haechi.engines.cel.libraries.authorizer import Allows

T = TypeVar("T")
_SEAL = 16
_MESSAGE_LIMIT = 5 * 1024  # ValidatingAdmissionPolicy: a messageExpression gives at most 5 Ki
_MEMO = "cel"


class CelRule(Protocol):
    """What judging needs of a rule (``rules.schema.Rule`` has it)."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def expression(self) -> str: ...
    @property
    def message_expression(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def variables(self) -> Sequence[Named]: ...


class CompiledExpression:
    """An expression ready to evaluate. ``dump`` gives bytes that ``CelEngine.load`` restores."""

    __slots__ = ("_blob", "_lenient", "_reads", "native")

    def __init__(self, native: Any, blob: bytes) -> None:
        self.native = native
        self._blob = blob
        self._reads: Reads | None = None
        self._lenient: list[Any] | None = None

    def dump(self) -> bytes:
        """The library's serialised form, without a seal."""
        return self._blob

    @property
    def reads(self) -> Reads:
        """Which parts of the variables it can look at; worked out when first asked."""
        if self._reads is None:
            self._reads = reads_of(self.dump())
        return self._reads

    def lenient(self, wheel: Wheel) -> Any:
        """The form that asks maps only for their fields (see ``lenient``), or None."""
        if self._lenient is None:
            blob = lenient(self._blob)
            self._lenient = [None if blob is None else wheel.load(blob)]
        return self._lenient[0]


class CompiledRule(msgspec.Struct, frozen=True):
    """A rule's expressions and the place its findings point to."""

    expression: CompiledExpression
    message: CompiledExpression | None
    path: AttrPath


class Activation:
    """The variables of one review, examined once, converted by the library at their first use."""

    def __init__(
        self,
        wheel: Wheel,
        review: Review,
        allows: Allows | None = None,
        needs: Needs | None = None,
    ) -> None:
        self._wheel = wheel
        self.allows = allows
        self._needs, self._review = needs, review
        self._whole: Activation | None = None
        self._values = _values(review)
        fit = frozenset[str]() if needs is None else needs.narrow(self._values)
        self._examined: dict[str, Examined] = {}
        kubernetes = review.resource.key.startswith("k8s:")
        bound: dict[str, Any] = dict(self._values)
        for name, value in self._values.items():
            if value is None or name in fit:
                continue
            examined = examine(value)
            if examined.null and kubernetes and name in ("object", "oldObject"):
                bound[name] = self._values[name] = as_decoded(value)
            if examined.nul and not examined.fault:
                bound[name] = self._values[name] = without_nul(bound[name])
            if examined.fault:
                bound[name] = Unfit(examined.fault)
                self._examined[name] = examined
            elif examined.unknown:
                bound[name] = Unknown()
                self._examined[name] = examined
        if "resource" in self._values:
            self._bind_present(bound)
        if allows is not None:
            from haechi.engines.cel.libraries.authorizer import Desk

            request = plain(review.request) or {}
            user = request.get("userInfo")
            self._desk = Desk(allows, user if isinstance(user, Mapping) else {})
            bound["authorizer"] = self._desk.authorizer()
            bound["authorizer.requestResource"] = self._desk.request_resource(request)
        self._bound = bound
        self._native = wheel.activation(bound)
        self._pruned: Any = None

    def _bind_present(self, bound: dict[str, Any]) -> None:
        """``present`` is a copy only where something of the resource is not known."""
        examined = self._examined.get("resource")
        if examined is None or examined.fault:
            self._values["present"], bound["present"] = self._values["resource"], bound["resource"]
        else:
            self._values["present"] = bound["present"] = present(self._values["resource"])
            examined = examine(bound["present"])
            if examined.unknown:
                bound["present"] = Unknown()
        if examined is not None and (examined.fault or examined.unknown):
            self._examined["present"] = examined

    def evaluate(self, compiled: CompiledExpression) -> bool | str | Failure:
        """Evaluate; an expression that cannot see the unknown values is not held up by them."""
        if self._needs is not None and not self._needs.cover(compiled.reads):
            return self._uncut().evaluate(compiled)
        native = self._seen_by(compiled) if self._examined else self._native
        return self._judged(self._wheel.evaluate, compiled, native)

    def value(self, compiled: CompiledExpression) -> Any:
        """The value of an expression that returns ``any``, or a Failure."""
        if self._needs is not None and not self._needs.cover(compiled.reads):
            return self._uncut().value(compiled)
        return self._judged(self._wheel.value, compiled, self._seen_by(compiled))

    def _seen_by(self, compiled: CompiledExpression) -> Any:
        if self._examined and self._unknown_is_out_of_sight(compiled):
            return self._without_unknown()
        return self._native

    def text(self, compiled: CompiledExpression) -> str | Failure | None:
        """Evaluate to text or null, for what may give either; everything else is a Failure."""
        if self._needs is not None and not self._needs.cover(compiled.reads):
            return self._uncut().text(compiled)
        native = self._native
        if self._examined and self._unknown_is_out_of_sight(compiled):
            native = self._without_unknown()
        return self._judged(self._wheel.text, compiled, native)

    def _judged(
        self, judge: Callable[[Any, Any], T], compiled: CompiledExpression, native: Any
    ) -> T:
        result = judge(compiled.native, native)
        if isinstance(result, Failure) and might_help(result.text):
            other = compiled.lenient(self._wheel)
            return result if other is None else judge(other, native)
        return result

    def reason(self, compiled: CompiledExpression, failure: Failure) -> tuple[State, str]:
        """What a failure means: an error, or that something is not known."""
        return self.doubt(compiled, failure)[:2]

    def doubt(self, compiled: CompiledExpression, failure: Failure) -> tuple[State, str, str]:
        """The same, and the cause of the first unknown value that it looks at."""
        for name, examined in self._examined.items():
            if failure.text.startswith(f"Non-CEL value type for '{name}'"):
                if examined.fault:
                    return State.ERROR, f"CEL cannot hold {name}: {examined.fault}", ""
                seen = [path for path in examined.unknown if compiled.reads.touch(name, [path])]
                first = value_at(self._values[name], seen[0]) if seen else None
                cause = first.cause if isinstance(first, Unknown) else ""
                return State.NOT_EVALUATED, f"not known yet: {_listed(name, seen)}", cause
        return State.ERROR, f"CEL: {failure.text}", ""

    def _uncut(self) -> Activation:
        """The variables as they are, for an expression that was compiled later."""
        if self._whole is None:
            self._whole = Activation(self._wheel, self._review, self.allows)
        return self._whole

    def _unknown_is_out_of_sight(self, compiled: CompiledExpression) -> bool:
        unknown = [(name, found.unknown) for name, found in self._examined.items() if found.unknown]
        return bool(unknown) and not any(
            compiled.reads.touch(name, paths) for name, paths in unknown
        )

    def _without_unknown(self) -> Any:
        if self._pruned is None:
            values = {
                name: without_unknown(self._values[name]) if type(value) is Unknown else value
                for name, value in self._bound.items()
            }
            self._pruned = self._wheel.activation(values)
        return self._pruned


def _values(review: Review) -> dict[str, Any]:
    """The variables by name. Of a Terraform resource there is no object, only ``resource``."""
    if review.resource.key.startswith("tf:"):
        return dict.fromkeys(NAMES) | {"resource": plain(review.resource.data)}
    return {
        "object": _object(review),
        "oldObject": plain(review.old),
        "request": plain(review.request),
        "params": plain(review.params),
        "namespaceObject": plain(review.namespace),
    }


def _object(review: Review) -> Any:
    """Null in a DELETE, as the API server has it."""
    data = review.resource.data
    gone = not data and review.request is not None and review.request.get("operation") == "DELETE"
    return None if gone else plain(data)


def _listed(name: str, paths: Sequence[AttrPath]) -> str:
    shown = [format_path((name, *path)) for path in paths[:3]]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(shown) + more


class CelEngine:
    """Compiles and judges. ``stored`` holds sealed compiled forms by key, as ``compiled`` gave.

    ``kubernetes``: expressions may use what the API server has, and nothing of haechi's own.
    """

    def __init__(
        self, stored: Mapping[str, bytes] | None = None, *, kubernetes: bool = False
    ) -> None:
        self._stored = stored or {}
        self._kubernetes = kubernetes
        self._reads: list[Reads] = []
        self._needs: Needs | None = None
        self._memo = f"{_MEMO} {id(self)}" if kubernetes else _MEMO
        self.compiled: dict[str, bytes] = {}

    @property
    def _wheel(self) -> Wheel:
        return the_wheel()

    @functools.cached_property
    def version(self) -> str:
        """Version of the CEL library."""
        return version()

    def compile(
        self,
        expression: str,
        *,
        variables: Sequence[Named] = (),
        returns: str = "bool",
        field: str = "expression",
    ) -> CompiledExpression:
        """Compile, or take the stored form. ``returns`` is bool, string, string or null, or
        any. Raises RuleError."""
        key = "\0".join(
            (
                f"kubernetes {returns}" if self._kubernetes else returns,
                expression,
                *(f"{v.name}\0{v.expression}" for v in variables),
            )
        )
        compiled = self._unseal(key)
        if compiled is not None:
            self.compiled[key] = self._stored[key]
            self._noted(compiled)
            return compiled
        composed = compose(field, expression, variables, bindings=not self._kubernetes)
        compiled = self._compile(composed, returns)
        blob = compiled.dump()
        self.compiled[key] = self._checksum(key, blob) + blob
        self._noted(compiled)
        return compiled

    def _noted(self, compiled: CompiledExpression) -> None:
        """The reads of policies' expressions are known before the first request comes."""
        if self._kubernetes:
            self._reads.append(compiled.reads)
            self._needs = None

    def load(self, blob: bytes) -> CompiledExpression:
        """Restore ``CompiledExpression.dump()``. Raises RuleError on anything else."""
        try:
            return CompiledExpression(self._wheel.load(blob), blob)
        except Malformed as error:
            raise RuleError(f"not a compiled expression: {error}") from error

    def compile_rule(self, rule: CelRule) -> CompiledRule:
        """Compile what a rule holds. Raises RuleError that names field, line and column."""
        try:
            expression = self.compile(rule.expression, variables=rule.variables)
            message = None
            if rule.message_expression:
                message = self.compile(
                    rule.message_expression,
                    variables=rule.variables,
                    returns="string",
                    field="message_expression",
                )
            return CompiledRule(expression, message, parse_path(rule.path))
        except RuleError as error:
            what = f"rule {rule.id}: {error.what}"
            raise RuleError(what, why=error.why, do=error.do, where=error.where) from error

    def prepare(self, rule: CelRule) -> Callable[[Review], Verdict]:
        """A function that judges a review by the rule. Raises RuleError."""
        return functools.partial(self.judge, rule, self.compile_rule(rule))

    def activation(self, review: Review, allows: Allows | None = None) -> Activation:
        """The review's variables, built once and kept in its memo. ``allows`` answers for the
        ``authorizer``, which is not there without it.

        Policies' engines bind of an object what their expressions can look at; so they share an
        activation with nobody else."""
        found: Activation | None = review.memo.get(self._memo)
        if found is None or (allows is not None and found.allows is None):
            if self._kubernetes and self._needs is None:
                self._needs = Needs(self._reads)
            found = Activation(self._wheel, review, allows, self._needs)
            review.memo[self._memo] = found
        return found

    def judge(self, rule: CelRule, compiled: CompiledRule, review: Review) -> Verdict:
        """One verdict; never raises, whatever the data holds."""
        activation = self.activation(review)
        result = activation.evaluate(compiled.expression)
        if result is True:
            return Verdict(rule.id, State.PASS)
        if result is False:
            message = _message(rule, compiled, activation)
            return Verdict(rule.id, State.FAIL, message, compiled.path)
        if isinstance(result, str):
            result = Failure("the expression gives text, not a truth value")
        state, reason, cause = activation.doubt(compiled.expression, result)
        told = {"cause": cause} if cause else {}
        return Verdict(rule.id, state, reason, compiled.path, told)

    def _compile(self, composed: Composed, returns: str) -> CompiledExpression:
        try:
            return CompiledExpression(
                *self._wheel.compile(composed.text, returns=returns, kubernetes=self._kubernetes)
            )
        except Malformed as error:
            raise _located(composed, error.problems) from error

    def _unseal(self, key: str) -> CompiledExpression | None:
        sealed = self._stored.get(key, b"")
        seal, blob = sealed[:_SEAL], sealed[_SEAL:]
        if not blob or seal != self._checksum(key, blob):
            return None
        try:
            return self.load(blob)
        except RuleError:
            return None

    def _checksum(self, key: str, blob: bytes) -> bytes:
        parts = (
            f"{__version__} {self.version} {EDITION}".encode(),
            key.encode("utf-8", "replace"),
            blob,
        )
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()[:_SEAL]


def _message(rule: CelRule, compiled: CompiledRule, activation: Activation) -> str:
    """The rule's message; as in ValidatingAdmissionPolicy a bad expression is passed over."""
    if compiled.message is not None:
        text = activation.evaluate(compiled.message)
        if isinstance(text, str) and "\n" not in text and len(text) <= _MESSAGE_LIMIT:
            return text.strip() or rule.message or rule.title
    return rule.message or rule.title


def _located(composed: Composed, problems: Sequence[Problem]) -> ExpressionError:
    """The first problem, at the place where its author wrote the text."""
    first = problems[0]
    if not first.line:
        do = ""
        if "recursion" in first.text:
            do = "split it: parts in `variables`, or nested conditions as a list with all()"
        field = composed.fragments[-1].field
        return ExpressionError(field, first.text, do=do)
    fragment = max(
        (one for one in composed.fragments if one.line <= first.line), key=lambda one: one.line
    )
    lines = fragment.source.split("\n")
    line = min(first.line - fragment.line, len(lines) - 1)
    # Positions past the fragment belong to the brackets put around it: its end is meant.
    column = first.column if first.line - fragment.line <= line else len(lines[line]) + 1
    return ExpressionError(
        fragment.field,
        first.text,
        line=line + 1,
        column=column,
        why=f"{lines[line]}\n       {' ' * (column - 1)}^",
    )


__all__ = ["NAMES", "Activation", "CelEngine", "CelRule", "CompiledExpression", "CompiledRule"]
