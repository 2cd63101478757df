"""Documents → policies: each policy with each of its bindings, and what protects nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from haechi.admit.policy import Loaded
from haechi.admit.vap.matching import MatchResources, read_match
from haechi.admit.vap.params import ParamKind, is_known, read_kind, read_ref
from haechi.admit.vap.places import line_of, place_of
from haechi.admit.vap.policy import AdmissionPolicy
from haechi.admit.vap.program import Program, compile_policy
from haechi.admit.vap.shape import Wrong, wrong_in_binding, wrong_in_policy
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import Effect, FailureChoice, Family, PolicyFault, PolicyInfo
from haechi.model.location import format_path
from haechi.model.resource import Resource

GROUP: Final = "admissionregistration.k8s.io"
VERSIONS: Final = ("v1", "v1beta1", "v1alpha1")
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
_MUTATING: Final = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
_ORDER: Final = (Effect.DENY, Effect.WARN, Effect.AUDIT)
_EFFECTS: Final = {"Deny": Effect.DENY, "Warn": Effect.WARN, "Audit": Effect.AUDIT}
_UNBOUND: Final = "-"


class _Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that compiled."""

    resource: Resource
    program: Program
    constraints: MatchResources
    failure: FailureChoice
    param_kind: ParamKind | None


def load(resources: Sequence[Resource], *, unbound: bool = False) -> Loaded:
    """Compile the policies among the documents. ``unbound``: those without a binding are judged
    as well, and what they find is written down and nothing else."""
    faults: list[PolicyFault] = [*_lookalikes(resources)]
    definitions, broken = _definitions(resources, faults)
    made: list[AdmissionPolicy] = []
    bound: set[str] = set()
    for resource in _of(resources, BINDING):
        name = mapping(resource.data.get("spec")).get("policyName")
        if isinstance(name, str):
            bound.add(name)
        wrong = wrong_in_binding(resource.data)
        faults.extend(_faults(resource, wrong))
        if any(one.fatal for one in wrong):
            continue
        definition = definitions.get(str(name))
        if definition is None:
            if name not in broken:
                faults.append(_nameless(resource, str(name)))
            continue
        faults.extend(_param_faults(resource, definition))
        made.append(_bound(definition, resource))
    for name, definition in definitions.items():
        if name not in bound:
            faults.append(_unbound(definition.resource))
            if unbound:
                made.append(_policy(definition, binding=None))
        faults.extend(_kind_fault(definition, resources))
    return Loaded(policies=tuple(made), faults=tuple(faults))


def _of(resources: Iterable[Resource], kind: str) -> Iterator[Resource]:
    for resource in resources:
        if (resource.group, resource.kind) == (GROUP, kind) and resource.version in VERSIONS:
            yield resource


def _definitions(
    resources: Sequence[Resource], faults: list[PolicyFault]
) -> tuple[dict[str, _Definition], set[str]]:
    found: dict[str, _Definition] = {}
    broken: set[str] = set()
    for resource in _of(resources, POLICY):
        wrong = wrong_in_policy(resource.data)
        faults.extend(_faults(resource, wrong))
        program = None
        if not any(one.fatal for one in wrong):
            program, bad = compile_policy(resource)
            faults.extend(bad)
        if program is None:
            broken.add(resource.name)
        elif resource.name in found:
            faults.append(_fault(resource, "duplicate", "another policy has the same name"))
        else:
            found[resource.name] = _definition(resource, program)
    return found, broken - found.keys()


def _definition(resource: Resource, program: Program) -> _Definition:
    spec = mapping(resource.data.get("spec"))
    return _Definition(
        resource=resource,
        program=program,
        constraints=read_match(spec.get("matchConstraints")),
        failure=FailureChoice(spec.get("failurePolicy") or "Fail"),
        param_kind=read_kind(spec.get("paramKind")),
    )


def _bound(definition: _Definition, binding: Resource) -> AdmissionPolicy:
    return _policy(definition, binding=binding)


def _policy(definition: _Definition, *, binding: Resource | None) -> AdmissionPolicy:
    name = definition.resource.name
    spec: Mapping[str, Any] = mapping(binding.data.get("spec")) if binding is not None else {}
    actions = [str(action) for action in items(spec.get("validationActions"))]
    effects = tuple(one for one in _ORDER if one in {_EFFECTS[action] for action in actions})
    own = spec.get("matchResources")
    bound = binding.name if binding is not None else ""
    return AdmissionPolicy(
        info=_info(definition, f"vap/{name}/{bound or _UNBOUND}", effects or (Effect.AUDIT,)),
        name=name,
        binding=bound,
        program=definition.program,
        constraints=definition.constraints,
        resources=None if own is None else read_match(own),
        param_kind=definition.param_kind,
        param_ref=read_ref(spec.get("paramRef")),
        action=",".join(actions) or "Audit",
    )


def _info(definition: _Definition, id_: str, effects: tuple[Effect, ...]) -> PolicyInfo:
    resource = definition.resource
    notes = mapping(mapping(resource.data.get("metadata")).get("annotations"))
    kind = definition.param_kind
    told = notes.get("description") or notes.get("policies.kyverno.io/description") or ""
    first = next((v.message for v in definition.program.validations if v.message), "")
    return PolicyInfo(
        id=id_,
        family=Family.ADMISSION_POLICY,
        name=resource.name,
        title=resource.name,
        description=str(told).strip() or first,
        file=resource.file,
        line=line_of(resource),
        object=resource.key,
        effects=effects,
        failure=definition.failure,
        matched=tuple(rule.matched for rule in definition.constraints.rules),
        reads=((kind.group, kind.kind),) if kind is not None else (),
    )


def _lookalikes(resources: Sequence[Resource]) -> Iterator[PolicyFault]:
    """Documents that somebody took for such a policy."""
    for resource in resources:
        if resource.kind in (POLICY, BINDING) and resource.group != GROUP:
            why = f"its group is {resource.group or 'the core group'}, so it protects nothing"
            yield _fault(resource, "wrong-group", why, do=f"write apiVersion: {GROUP}/v1")
        elif resource.kind in (POLICY, BINDING) and resource.version not in VERSIONS:
            why = f"there is no version {resource.version}, so it protects nothing"
            yield _fault(resource, "wrong-group", why, do=f"write apiVersion: {GROUP}/v1")
        elif resource.group == GROUP and resource.kind in _MUTATING:
            why = "haechi does not carry out mutating admission policies"
            yield _fault(resource, "unsupported", why, fatal=False)


def _faults(resource: Resource, wrong: Iterable[Wrong]) -> Iterator[PolicyFault]:
    for one in wrong:
        line, column = place_of(resource, one.path)
        yield PolicyFault(
            kind="wrong-shape",
            what=f"{resource.label}: {format_path(one.path)}: {one.why}",
            why="the API server does not take it" if one.fatal else "",
            do=one.do,
            file=resource.file,
            line=line,
            column=column,
            object=resource.key,
            fatal=one.fatal,
        )


def _unbound(resource: Resource) -> PolicyFault:
    what = "no binding names this policy: it protects nothing"
    do = f"write a {BINDING} with policyName: {resource.name}"
    return _fault(resource, "unbound", what, do=do)


def _nameless(resource: Resource, name: str) -> PolicyFault:
    what = f"there is no {POLICY} {name!r} here: as it is, the binding protects nothing"
    return _fault(resource, "unknown-policy", what, do="check spec.policyName")


def _param_faults(binding: Resource, definition: _Definition) -> Iterator[PolicyFault]:
    has_ref = mapping(binding.data.get("spec")).get("paramRef") is not None
    if has_ref and definition.param_kind is None:
        why = "the policy has no paramKind: paramRef does nothing"
        yield _fault(binding, "unused-param", why, fatal=False)
    if not has_ref and definition.param_kind is not None:
        why = "the policy has a paramKind, and the binding no paramRef: params is null"
        yield _fault(binding, "missing-param", why, fatal=False)


def _kind_fault(definition: _Definition, resources: Sequence[Resource]) -> Iterator[PolicyFault]:
    kind = definition.param_kind
    if kind is not None and not is_known(kind, resources):
        why = f"paramKind {kind} is known to none of these documents"
        do = "a cluster without this kind refuses everything that the policy is about"
        yield _fault(definition.resource, "unknown-param-kind", why, do=do, fatal=False)


def _fault(
    resource: Resource, kind: str, why: str, *, do: str = "", fatal: bool = True
) -> PolicyFault:
    line, column = place_of(resource, ())
    return PolicyFault(
        kind=kind,
        what=f"{resource.label}: {why}",
        do=do,
        file=resource.file,
        line=line,
        column=column,
        object=resource.key,
        fatal=fatal,
    )
