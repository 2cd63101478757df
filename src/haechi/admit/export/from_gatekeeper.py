"""A constraint whose template has CEL → Portable, as upstream hands such templates to the API
server: ``anyObject`` and ``params`` are variables; the parameters stand in the text, as there is
no object that a binding could point at without Gatekeeper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.admit.export.literals import literal
from haechi.admit.export.matching import written
from haechi.admit.export.portable import (
    OPERATIONS,
    Expression,
    Inexpressible,
    Portable,
    Validation,
)
from haechi.admit.gatekeeper.constraint import Constraint, read_constraint
from haechi.admit.gatekeeper.exclusions import AUDIT, WEBHOOK, read_exclusions
from haechi.admit.gatekeeper.names import CONSTRAINTS, TEMPLATE, TEMPLATES
from haechi.admit.gatekeeper.template import read_template
from haechi.admit.match import Match
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import Effect, PolicyInfo
from haechi.model.resource import Resource
from haechi.model.review import Point

ANY_OBJECT = (
    'has(request.operation) && request.operation == "DELETE" && object == null ? oldObject : object'
)
_NULL = re.compile(r"\bvariables\.params(?=\s*[!=]=\s*null\b)")
_VARIABLES = re.compile(r"\bvariables\s*\.")
_NAMESPACE_OBJECT = re.compile(r"\bnamespaceObject\b")


def constraint_of(info: PolicyInfo, resources: Sequence[Resource]) -> Constraint:
    """The constraint and its template, read again from the documents."""
    _, kind, name = info.id.split("/", 2)
    template = None
    for one in resources:
        if (one.group, one.kind) == (TEMPLATES, TEMPLATE):
            read = read_template(one)[0]
            if read is not None and read.kind == kind:
                template = read
                break
    for one in resources:
        if template and (one.group, one.kind, one.name) == (CONSTRAINTS, kind, name):
            made = read_constraint(one, template)[0]
            if made is not None:
                return made
    raise Inexpressible("its documents are not among those that were read")


def portable_of(info: PolicyInfo, resources: Sequence[Resource]) -> Portable:
    """Raises Inexpressible."""
    constraint = constraint_of(info, resources)
    template = constraint.template
    if template.cel is None:
        raise Inexpressible(
            "its code is Rego, and the API server has CEL only",
            do="write the template's code for K8sNativeValidation, too",
        )
    notes: list[str] = []
    match = written(constraint.match)
    excluded = _excluded(resources, notes)
    if excluded:
        match["excludedNamespaces"] = list(
            dict.fromkeys([*match.get("excludedNamespaces", ()), *excluded])
        )
    given = constraint.parameters
    return Portable(
        policy=info.id,
        name=_name(f"{template.kind.lower()}-{constraint.resource.name}"),
        title=template.title,
        description=template.description,
        match=match,
        operations=template.operations or OPERATIONS,
        subresources=("ephemeralcontainers",) if _about_pods(constraint.match) else (),
        conditions=tuple(_conditions(template.cel)),
        variables=(
            Expression("anyObject", ANY_OBJECT),
            Expression("params", f"dyn({literal({} if given is None else given)})"),
            *_variables(template.cel, given),
        ),
        validations=tuple(_validations(template.cel, given)),
        failure=info.failure,
        effects=_effects(constraint),
        notes=tuple(notes),
    )


def _about_pods(match: Match) -> bool:
    return any(entry.takes("", "Pod") and "*" not in entry.kinds for entry in match.kinds)


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-.")[:253]


def _effects(constraint: Constraint) -> tuple[Effect, ...]:
    by_point = constraint.actions.by_point
    enforced = by_point.get(Point.ADMISSION)
    if enforced is None:
        raise Inexpressible("it is not enforced at the webhook")
    if any(by_point.get(point) != enforced for point in (Point.AUDIT, Point.FILE)):
        raise Inexpressible(
            "it does other things in the audit, or in files, than at the webhook;"
            " a ValidatingAdmissionPolicy is at the door only",
            do="write one enforcementAction for all points",
        )
    return enforced.effects


def _excluded(resources: Sequence[Resource], notes: list[str]) -> tuple[str, ...]:
    by_process = read_exclusions(resources)[0].by_process
    globs = tuple(by_process.get(WEBHOOK, ()))
    if globs != tuple(by_process.get(AUDIT, ())):
        notes.append(
            "namespaces that Gatekeeper's Config leaves out of the audit only are judged by"
            " haechi's audit"
        )
    return globs


def _without_null(text: Any, given: Any) -> str:
    """A template may ask whether there are parameters at all."""
    if not isinstance(text, str):
        raise Inexpressible("an expression is no text")
    return _NULL.sub("null", text) if given is None else text


def _conditions(source: Mapping[str, Any]) -> list[Expression]:
    found: list[Expression] = []
    for field in ("matchConditions", "matchCondition"):
        for entry in items(source.get(field)):
            name, text = mapping(entry).get("name"), mapping(entry).get("expression")
            if not isinstance(text, str):
                raise Inexpressible("a match condition is no text")
            if _VARIABLES.search(text):
                raise Inexpressible(
                    "a match condition uses variables, which the API server does not give it",
                    do="write the variable's expression into the condition",
                )
            if _NAMESPACE_OBJECT.search(text):
                raise Inexpressible("a match condition reads the Namespace, which is null there")
            found.append(Expression(str(name or f"condition-{len(found)}"), text))
    return found


def _variables(source: Mapping[str, Any], given: Any) -> list[Expression]:
    return [
        Expression(
            str(mapping(entry).get("name")), _without_null(mapping(entry).get("expression"), given)
        )
        for entry in items(source.get("variables"))
    ]


def _validations(source: Mapping[str, Any], given: Any) -> list[Validation]:
    found = []
    for entry in items(source.get("validations")):
        written_ = mapping(entry)
        text = _without_null(written_.get("expression"), given)
        message, words = written_.get("message"), written_.get("messageExpression")
        message = message.strip() if isinstance(message, str) else ""
        if not message and text != written_.get("expression"):
            message = f"failed expression: {str(written_.get('expression')).strip()}"
        if "\n" in message:
            raise Inexpressible("a message has several lines, which the API server refuses")
        said = _without_null(words, given) if isinstance(words, str) and words.strip() else ""
        found.append(Validation(text=text, message=message, words=said))
    return found
