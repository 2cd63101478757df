"""A ValidatingAdmissionPolicy with a binding → Portable, for Gatekeeper.

Constraints go by kinds, policies by plurals: rules become ``match.kinds`` where both sides of a
name are known, and a condition that says the same again by plural, operation and name, so that
nothing more is judged than the rules take. What Gatekeeper has no word for (params of objects,
audit annotations, the authorizer) is not expressible.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.admit.export.kinds import Known, of_plural
from haechi.admit.export.literals import texts
from haechi.admit.export.matching import kinds_of, selector
from haechi.admit.export.portable import Expression, Inexpressible, Portable, Validation
from haechi.checks.pods.view import items, mapping
from haechi.checks.reach.selectors import Selector, selector_of
from haechi.model.admission import Effect, FailureChoice, PolicyInfo
from haechi.model.resource import Resource

GROUP = "admissionregistration.k8s.io"
_EFFECTS = {"Deny": Effect.DENY, "Warn": Effect.WARN, "Audit": Effect.AUDIT}
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_AS_PODS = ("", "ephemeralcontainers", "resize", "status")
"""Subresources whose requests hold a Pod."""
_AUTHORIZER = re.compile(r"\bauthorizer\b")
_NAMESPACE_OBJECT = re.compile(r"\bnamespaceObject\b")


def documents_of(info: PolicyInfo, resources: Sequence[Resource]) -> tuple[Resource, Resource]:
    """The policy and the binding that the id names."""
    _, name, binding = info.id.split("/", 2)
    kinds = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
    found = [
        next((r for r in resources if (r.group, r.kind, r.name) == (GROUP, kind, one)), None)
        for kind, one in zip(kinds, (name, binding), strict=True)
    ]
    if found[0] is None or found[1] is None:
        raise Inexpressible("no binding names it: it is in force nowhere", do="write a binding")
    return found[0], found[1]


def portable_of(info: PolicyInfo, resources: Sequence[Resource]) -> Portable:
    """Raises Inexpressible."""
    policy, binding = documents_of(info, resources)
    spec, bound = mapping(policy.data.get("spec")), mapping(binding.data.get("spec"))
    if spec.get("paramKind") is not None:
        raise Inexpressible(
            "it reads params of an object; a constraint has its parameters in itself",
            do="write a template with parameters",
        )
    if items(spec.get("auditAnnotations")):
        raise Inexpressible("it publishes audit annotations, which Gatekeeper cannot")
    matches = [mapping(spec.get("matchConstraints")), mapping(bound.get("matchResources"))]
    known = _kinds(matches[0])
    conditions = [
        Expression(name, test)
        for name, test in zip(
            ("haechi-rules", "haechi-binding-rules"), map(_rules, matches), strict=True
        )
        if test
    ]
    conditions += [
        Expression(f"{name}-left-out", f"!({test})")
        for name, one in zip(("rules", "binding-rules"), matches, strict=True)
        if (test := _tests(one, "excludeResourceRules"))
    ]
    validations = tuple(_validation(mapping(one)) for one in items(spec.get("validations")))
    given = tuple(
        Expression(one["name"], one["expression"]) for one in items(spec.get("matchConditions"))
    )
    variables = tuple(
        Expression(one["name"], one["expression"]) for one in items(spec.get("variables"))
    )
    _refuse_foreign(given, variables, validations)
    notes = []
    if any(mapping(one).get("reason") for one in items(spec.get("validations"))):
        notes.append("Gatekeeper has no `reason`: it refuses with Forbidden, whatever is wrong")
    return Portable(
        policy=info.id,
        name=f"{policy.name}-{binding.name}"[:200] if _several(policy, resources) else policy.name,
        title="" if info.title == info.name else info.title,
        description=info.description,
        match=_match(matches, known),
        operations=_operations(matches[0]),
        subresources=_subresources(matches[0]),
        conditions=(*conditions, *given),
        variables=variables,
        validations=validations,
        failure=FailureChoice(spec.get("failurePolicy") or "Fail"),
        effects=tuple(
            effect
            for word, effect in _EFFECTS.items()
            if word in items(bound.get("validationActions"))
        ),
        notes=tuple(notes),
    )


def _several(policy: Resource, resources: Sequence[Resource]) -> bool:
    names = [
        mapping(one.data.get("spec")).get("policyName")
        for one in resources
        if (one.group, one.kind) == (GROUP, "ValidatingAdmissionPolicyBinding")
    ]
    return names.count(policy.name) > 1


def _validation(entry: Mapping[str, Any]) -> Validation:
    return Validation(
        text=entry["expression"],
        message=(entry.get("message") or "").strip(),
        words=entry.get("messageExpression") or "",
    )


def _refuse_foreign(
    conditions: Sequence[Expression],
    variables: Sequence[Expression],
    validations: Sequence[Validation],
) -> None:
    every = [one.text for one in (*conditions, *variables)]
    every += [text for one in validations for text in (one.text, one.words)]
    if any(_AUTHORIZER.search(text) for text in every):
        raise Inexpressible("it asks the authorizer, which Gatekeeper's engine does not have")
    if any(_NAMESPACE_OBJECT.search(one.text) for one in conditions):
        raise Inexpressible("a match condition reads namespaceObject, which is null here only")


# --- whom it is about -------------------------------------------------------------------------


def _rule_kinds(rule: Mapping[str, Any], *, exact: bool) -> list[Known]:
    found = []
    for group in items(rule.get("apiGroups")):
        for resource in items(rule.get("resources")):
            plural, _, sub = str(resource).partition("/")
            known = of_plural(group, plural)
            if known is None:
                where = f"{plural}.{group}" if group else plural
                raise Inexpressible(
                    f"the kind of {where} is not known without a cluster",
                    do="name groups and plurals of Kubernetes itself",
                )
            if sub and not (plural == "pods" and sub in _AS_PODS):
                raise Inexpressible(f"requests for {resource} hold another kind than {known.kind}")
            _check_versions(known, items(rule.get("apiVersions")), exact=exact)
            found.append(known)
    return found


def _check_versions(known: Known, versions: Sequence[str], *, exact: bool) -> None:
    if "*" in versions or (set(known.versions) <= set(versions)):
        return
    if exact or len(known.versions) > 1 or not set(known.versions) & set(versions):
        raise Inexpressible(
            f"it is about {known.plural} of version {', '.join(versions)} only;"
            " constraints name no versions",
            do='write apiVersions: ["*"]',
        )


def _kinds(match: Mapping[str, Any]) -> list[Known]:
    exact = match.get("matchPolicy") == "Exact"
    rules = items(match.get("resourceRules"))
    if not rules:
        raise Inexpressible("its matchConstraints have no resourceRules")
    return list(
        dict.fromkeys(kind for rule in rules for kind in _rule_kinds(mapping(rule), exact=exact))
    )


def _rules(match: Mapping[str, Any]) -> str:
    return _tests(match, "resourceRules")


def _tests(match: Mapping[str, Any], field: str) -> str:
    return " || ".join(f"({_test(mapping(rule))})" for rule in items(match.get(field)))


def _test(rule: Mapping[str, Any]) -> str:
    tests = []
    groups, operations = items(rule.get("apiGroups")), items(rule.get("operations"))
    if "*" not in groups:
        tests.append(f"request.resource.group in {texts(groups)}")
    resources = []
    sub = '(has(request.subResource) ? request.subResource : "")'
    for plural, of in _by_subresource(items(rule.get("resources"))):
        part = [] if plural == ["*"] else [f"request.resource.resource in {texts(plural)}"]
        part += [] if of == "*" else [f"{sub} == {texts([of])[1:-1]}"]
        resources.append(" && ".join(part) or "true")
    tests.append(" || ".join(resources) if len(resources) == 1 else f"({' || '.join(resources)})")
    if "*" not in operations:
        tests.append(f"request.operation in {texts(operations)}")
    names = items(rule.get("resourceNames"))
    if names:
        tests.append(f"request.name in {texts(names)}")
    if rule.get("scope", "*") != "*":
        inside = (
            'has(request.namespace) && request.namespace != ""'
            ' && !(request.resource.group == "" && request.resource.resource == "namespaces")'
        )
        tests.append(f"({inside})" if rule["scope"] == "Namespaced" else f"!({inside})")
    return " && ".join(tests)


def _by_subresource(resources: Sequence[str]) -> list[tuple[list[str], str]]:
    found: dict[str, list[str]] = {}
    for one in resources:
        plural, _, sub = one.partition("/")
        found.setdefault(sub, []).append(plural)
    return [(["*"] if "*" in plurals else plurals, sub) for sub, plurals in found.items()]


def _match(matches: Sequence[Mapping[str, Any]], known: Sequence[Known]) -> dict[str, Any]:
    made: dict[str, Any] = {"kinds": kinds_of([(kind.group, kind.kind) for kind in known])}
    for field, name in (
        ("objectSelector", "labelSelector"),
        ("namespaceSelector", "namespaceSelector"),
    ):
        needs = [
            need
            for one in matches
            if one.get(field) is not None
            for need in selector_of(one[field]).needs
        ]
        if needs:
            made[name] = selector(Selector(tuple(needs)))
    if "namespaceSelector" in made and any(kind.kind == "Namespace" for kind in known):
        raise Inexpressible(
            "its namespaceSelector counts for Namespaces themselves as they will be;"
            " Gatekeeper looks at what they were, too"
        )
    _check_plain(matches[0], "excludeResourceRules")
    for one in matches[1:]:
        _check_plain(one, "resourceRules")
        _check_plain(one, "excludeResourceRules")
    return made


def _check_plain(match: Mapping[str, Any], field: str) -> None:
    """These rules stand in a condition, which compares no versions: they must mean all of them."""
    for entry in items(match.get(field)):
        rule = mapping(entry)
        versions = items(rule.get("apiVersions"))
        if "*" in versions:
            continue
        for group in items(rule.get("apiGroups")):
            for resource in items(rule.get("resources")):
                known = of_plural(group, str(resource).partition("/")[0])
                if known is None or not set(known.versions) <= set(versions):
                    raise Inexpressible(
                        f"its {field} name versions, which constraints do not",
                        do='write apiVersions: ["*"]',
                    )


def _operations(match: Mapping[str, Any]) -> tuple[str, ...]:
    named = {
        operation
        for rule in items(match.get("resourceRules"))
        for operation in items(mapping(rule).get("operations"))
    }
    return tuple(one for one in _OPERATIONS if one in named or "*" in named)


def _subresources(match: Mapping[str, Any]) -> tuple[str, ...]:
    named = {
        str(resource).partition("/")[2]
        for rule in items(match.get("resourceRules"))
        for resource in items(mapping(rule).get("resources"))
    }
    return tuple(sorted(named - {""}))
