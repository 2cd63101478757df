"""A constraint: a template at work, with its match, its parameters and its actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.admit.gatekeeper.actions import Actions, read_actions
from haechi.admit.gatekeeper.names import (
    CONSTRAINTS,
    FAILURE_POLICY,
    VERSIONS,
    annotation,
    fault,
    line_of,
    path_of,
    spec_of,
    too_deep,
)
from haechi.admit.gatekeeper.schema import Problem, faults_of_value, told, with_defaults
from haechi.admit.gatekeeper.template import Template
from haechi.admit.match import Match, read_match
from haechi.checks.pods.view import mapping
from haechi.errors import RuleError
from haechi.model.admission import FailureChoice, PolicyFault
from haechi.model.location import AttrPath
from haechi.model.resource import Resource

_PARAMETERS: AttrPath = ("spec", "parameters")
SCHEMA, UNKNOWN_FIELD = "invalid-parameters", "unknown-field"
"""Kinds of faults: a value that the schema refuses; a field that it does not have."""
_SPEC_FIELDS = ("match", "parameters", "enforcementAction", "scopedEnforcementActions")


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """A constraint that can be put to work. ``parameters`` have their defaults; None: none were
    given (Rego sees an empty object then, CEL null)."""

    resource: Resource
    template: Template
    match: Match
    parameters: Any
    actions: Actions
    failure: FailureChoice | None
    id: str


def read_constraint(
    resource: Resource, template: Template
) -> tuple[Constraint | None, list[PolicyFault]]:
    """The constraint, if it is one of the template, and what is wrong with it."""
    try:
        return _read(resource, template)
    except RecursionError:
        return None, [too_deep(resource)]


def _read(resource: Resource, template: Template) -> tuple[Constraint | None, list[PolicyFault]]:
    identity = f"gatekeeper/{template.kind}/{resource.name}"
    faults = _version_faults(resource, identity)
    faults += _parameter_faults(resource, template, identity)
    try:
        spec = mapping(mapping(resource.data).get("spec"))
        match = read_match(spec.get("match"))
        actions = read_actions(spec)
        failure = _failure(resource)
    except RuleError as error:
        faults.append(_told(resource, error, identity))
        return None, faults
    if any(one.fatal for one in faults):
        return None, faults
    faults += _elsewhere(resource, actions, identity)
    schema = {"properties": {"parameters": dict(template.schema)}}
    made = Constraint(
        resource=resource,
        template=template,
        match=match,
        parameters=mapping(with_defaults(dict(spec), schema)).get("parameters"),
        actions=actions,
        failure=failure,
        id=identity,
    )
    return made, faults


def _version_faults(resource: Resource, identity: str) -> list[PolicyFault]:
    found: list[PolicyFault] = []
    if resource.version not in VERSIONS[CONSTRAINTS]:
        what = f"{resource.label}: {CONSTRAINTS} has no version {resource.version!r}"
        do = f"write apiVersion: {CONSTRAINTS}/v1beta1"
        found.append(fault("invalid", what, resource, ("apiVersion",), do=do, policy=identity))
    if not resource.name:
        what = f"a {resource.kind} has no name"
        found.append(fault("invalid", what, resource, ("metadata",), policy=identity))
    for name in spec_of(resource):
        if name not in _SPEC_FIELDS:
            what = f"{resource.label}: spec has no field {name!r}"
            do = f"fields are {', '.join(_SPEC_FIELDS)}"
            path = ("spec", name)
            found.append(fault(UNKNOWN_FIELD, what, resource, path, do=do, policy=identity))
    return found


def _parameter_faults(resource: Resource, template: Template, identity: str) -> list[PolicyFault]:
    spec = mapping(mapping(resource.data).get("spec"))
    if spec.get("parameters") is None:
        return []
    problems = faults_of_value(spec["parameters"], template.schema, _PARAMETERS)
    return [_problem_fault(resource, template, problem, identity) for problem in problems]


def _problem_fault(
    resource: Resource, template: Template, problem: Problem, identity: str
) -> PolicyFault:
    where = template.resource
    place = f" ({where.file}:{line_of(where, ('spec', 'crd', 'spec', 'validation'))})"
    return fault(
        UNKNOWN_FIELD if problem.unknown else SCHEMA,
        f"{resource.label}: {told(problem)}",
        resource,
        problem.path,
        why=f"the schema of {where.label}{place if where.file else ''} does not take it",
        do="correct the parameters, or the template's openAPIV3Schema",
        policy=identity,
    )


def _failure(resource: Resource) -> FailureChoice | None:
    text = annotation(resource, FAILURE_POLICY)
    if not text:
        return None
    try:
        return FailureChoice(text)
    except ValueError:
        raise RuleError(
            f"annotation {FAILURE_POLICY} is {text!r}",
            do="write Fail or Ignore",
            where="metadata.annotations",
        ) from None


def _told(resource: Resource, error: RuleError, identity: str) -> PolicyFault:
    return fault(
        "invalid",
        f"{resource.label}: {error.where}: {error.what}" if error.where else error.what,
        resource,
        path_of(error.where),
        why=error.why,
        do=error.do,
        policy=identity,
    )


def _elsewhere(resource: Resource, actions: Actions, identity: str) -> list[PolicyFault]:
    path = ("spec", "scopedEnforcementActions")
    found: list[PolicyFault] = []
    for name in actions.elsewhere:
        what = f"{resource.label}: {name!r} is no enforcement point of Gatekeeper or haechi"
        found.append(fault("unknown-point", what, resource, path, policy=identity, fatal=False))
    if actions.by_api_server and not actions.by_point:
        found.append(
            fault(
                "elsewhere",
                f"{resource.label} is enforced by the API server alone (vap.k8s.io)",
                resource,
                path,
                why="haechi judges at validation, audit and gator points",
                policy=identity,
                fatal=False,
            )
        )
    return found


def parameters_for_rego(parameters: Any) -> Mapping[str, Any]:
    """What ``input.parameters`` is: never nothing."""
    return parameters if parameters is not None else {}
