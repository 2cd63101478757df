"""A constraint as a policy of ours: matched, evaluated, answered with verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from haechi.admit.gatekeeper.actions import Enforced
from haechi.admit.gatekeeper.cel_code import CelCode, CelError
from haechi.admit.gatekeeper.constraint import Constraint
from haechi.admit.gatekeeper.exclusions import Exclusions
from haechi.admit.gatekeeper.framework import ANY
from haechi.admit.gatekeeper.given import review_input
from haechi.admit.gatekeeper.names import REQUIRES_SYNC, line_of
from haechi.admit.gatekeeper.rego_code import BadViolation, RegoCode, Violation
from haechi.admit.policy import View
from haechi.engines.rego.values import RegoFailure
from haechi.errors import NotEvaluated
from haechi.model.admission import (
    FailureChoice,
    Family,
    Matched,
    PolicyInfo,
    PolicyVerdict,
)
from haechi.model.review import Point, Review, State

Code = RegoCode | CelCode
_SENT = ("CREATE", "UPDATE")
"""What Gatekeeper's webhook is registered for, unless a template asks for more: who names no
operations did not mean that an object without a label cannot be deleted."""
_DOORS = (Point.ADMISSION, Point.WHAT_IF)


class ConstraintPolicy:
    """One constraint with the code of its template."""

    def __init__(self, constraint: Constraint, code: Code, exclusions: Exclusions) -> None:
        self._constraint = constraint
        self._code = code
        self._exclusions = exclusions
        self._operations = constraint.template.operations
        self._rego_parameters = {} if constraint.parameters is None else constraint.parameters
        self._file = constraint.template.resource.file
        self.info = _info(constraint, code)

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """A verdict for each violation, PASS without one, nothing where it does not apply."""
        enforced = self._constraint.actions.by_point.get(review.point)
        if enforced is None or not self._is_for(review):
            return ()
        try:
            if self._exclusions.leaves_out(review):
                return ()
            if not self._constraint.match.matches(review, view):
                return ()
            found = self._violations(review, view)
        except (RegoFailure, BadViolation, CelError) as failure:
            return (self._unjudged(enforced, State.ERROR, str(failure)),)
        except NotEvaluated as reason:
            return (self._unjudged(enforced, State.NOT_EVALUATED, str(reason)),)
        if found is None:
            return ()
        if not found:
            return (self._verdict(enforced, State.PASS),)
        return tuple(self._failed(enforced, violation) for violation in found)

    def _is_for(self, review: Review) -> bool:
        operation = (review.request or {}).get("operation")
        if not operation:
            return True
        if self._operations:
            return operation in self._operations
        return operation in _SENT or review.point not in _DOORS  # suites ask about any of them

    def _violations(self, review: Review, view: View) -> list[Violation] | None:
        if isinstance(self._code, CelCode):
            return self._code.violations(review, view, self._constraint.parameters)
        inventory = view.inventory() if self._code.uses.inventory else None
        given = {"review": review_input(review), "parameters": self._rego_parameters}
        found = self._code.violations(given, inventory)
        if not found and inventory is not None and review.point is not Point.FILE:
            self._must_be_whole(view)
        return found

    def _must_be_whole(self, view: View) -> None:
        """Nothing found among some of the objects is no pass. (A file is judged as gator does:
        by what it was given.) Raises NotEvaluated."""
        if any(ANY in read for read in self._code.reads):
            raise NotEvaluated(
                "the template does not say which kinds of data.inventory it compares with",
                do=f"name them in its annotation {REQUIRES_SYNC}",
            )
        for group, kind in self._code.reads:
            if not view.knows(group, kind):
                raise NotEvaluated(f"the objects that it compares with are not all known: {kind}")

    def _failed(self, enforced: Enforced, violation: Violation) -> PolicyVerdict:
        details = violation.details
        return structs.replace(
            self._verdict(enforced, State.FAIL),
            message=violation.message,
            evidence=details if isinstance(details, dict) else {"details": details},
            file=self._file if violation.line else "",
            line=violation.line or self.info.line,
        )

    def _unjudged(self, enforced: Enforced, state: State, reason: str) -> PolicyVerdict:
        return structs.replace(self._verdict(enforced, state), message=reason)

    def _verdict(self, enforced: Enforced, state: State) -> PolicyVerdict:
        return PolicyVerdict(
            policy=self.info.id,
            state=state,
            effects=enforced.effects,
            failure=self.info.failure,
            action=enforced.action,
            line=self.info.line,
        )


def _info(constraint: Constraint, code: Code) -> PolicyInfo:
    template, resource = constraint.template, constraint.resource
    matched = constraint.match.matched()
    if template.operations:
        matched = tuple(_for_operations(one, template.operations) for one in matched)
    return PolicyInfo(
        id=constraint.id,
        family=Family.GATEKEEPER,
        name=resource.name,
        title=template.title,
        description=template.description,
        file=resource.file,
        line=line_of(resource, ("metadata", "name")),
        object=resource.key,
        effects=constraint.actions.all_effects(),
        failure=constraint.failure or code.failure or FailureChoice.IGNORE,
        matched=matched,
        reads=code.reads,
    )


def _for_operations(matched: Matched, operations: tuple[str, ...]) -> Matched:
    return structs.replace(matched, operations=operations)
