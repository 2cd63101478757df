"""Gatekeeper's ``match`` as what a ValidatingAdmissionPolicy has: rules, selectors, conditions.

Kinds whose plural is known become ``resourceRules`` (the API server then asks for nothing else);
others are asked by their group, with a condition on ``request.kind``. Namespaces by name and
globs become a condition, since a rule has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haechi.admit.export.kinds import known
from haechi.admit.export.literals import any_glob, is_glob, text, texts
from haechi.admit.export.portable import Expression, Inexpressible, Portable
from haechi.admit.match import ANY, Kinds, Match, read_match
from haechi.checks.reach.selectors import IN, NOT_IN, Selector

NAMESPACE = (
    '(request.kind.group == "" && request.kind.kind == "Namespace" ? request.name'
    ' : has(request.namespace) ? request.namespace : "")'
)
"""The namespace of a request as Gatekeeper sees it: a Namespace lies in itself."""
_POD = ("", "Pod")
_NAMESPACE_KIND = ("", "Namespace")


def constraints(portable: Portable) -> tuple[dict[str, Any], tuple[Expression, ...]]:
    """``matchConstraints`` and further ``matchConditions``. Raises Inexpressible."""
    match = read_match(dict(portable.match))
    _check(match)
    made: dict[str, Any] = {"matchPolicy": "Equivalent"}
    conditions: list[Expression] = []
    rules, narrow = _rules(portable, match)
    if narrow:
        conditions.append(Expression("haechi-kinds", narrow))
    made["resourceRules"] = rules
    if match.namespace_labels is not None:
        made["namespaceSelector"] = selector(match.namespace_labels)
    if match.labels is not None:
        made["objectSelector"] = selector(match.labels)
    if match.namespaces or match.excluded:
        conditions.append(Expression("haechi-namespaces", _namespaces(match)))
    if match.name:
        conditions.append(Expression("haechi-name", _name(match.name)))
    return made, tuple(conditions)


def _check(match: Match) -> None:
    if match.source != "All":
        raise Inexpressible(
            f"source: {match.source} tells generated pods from others, which the API server cannot",
            do="leave `source` out",
        )
    if match.namespace_labels is not None and match.about(*_NAMESPACE_KIND):
        raise Inexpressible(
            "its namespaceSelector counts for Namespaces as they were and as they will be,"
            " and the API server looks at one of both",
            do="name the kinds in match.kinds, Namespace not among them",
        )


def _rules(portable: Portable, match: Match) -> tuple[list[dict[str, Any]], str]:
    rules = []
    conditions: list[str] = []
    for entry in match.kinds or (Kinds(frozenset(), frozenset()),):
        resources, exact = _resources(entry, portable.subresources)
        rule: dict[str, Any] = {
            "apiGroups": sorted(entry.groups) if _named(entry.groups) else [ANY],
            "apiVersions": [ANY],
            "operations": list(portable.operations),
            "resources": resources,
        }
        if match.scope != ANY:
            rule["scope"] = match.scope
        if rule not in rules:
            rules.append(rule)
        conditions.append("" if exact else _kind_test(entry))
    if all(not one for one in conditions):
        return rules, ""
    tests = [one or _kind_test(entry) for one, entry in zip(conditions, match.kinds, strict=True)]
    return rules, " || ".join(f"({one})" for one in tests) if len(tests) > 1 else tests[0]


def _named(words: frozenset[str]) -> bool:
    return bool(words) and ANY not in words


def _resources(entry: Kinds, subresources: Sequence[str]) -> tuple[list[str], bool]:
    """Plurals, and whether they mean these kinds and nothing else."""
    if not _named(entry.kinds):
        return [ANY], True
    found: list[str] = []
    groups = entry.groups if _named(entry.groups) else frozenset(g for g, _ in known())
    exact = _named(entry.groups)
    for kind in sorted(entry.kinds):
        several = [k for (group, name), k in known().items() if name == kind and group in groups]
        if not several:
            return [ANY], False
        found.append(several[0].plural)
        if (several[0].group, kind) == _POD:
            found += [f"pods/{one}" for one in subresources]
    return found, exact


def _kind_test(entry: Kinds) -> str:
    tests = []
    if _named(entry.groups):
        tests.append(f"request.kind.group in {texts(sorted(entry.groups))}")
    if _named(entry.kinds):
        tests.append(f"request.kind.kind in {texts(sorted(entry.kinds))}")
    return " && ".join(tests) or "true"


def _namespaces(match: Match) -> str:
    tests = []
    if match.namespaces:
        tests.append(f"({any_glob(match.namespaces, 'n')})")
    if match.excluded:
        tests.append(f"!({any_glob(match.excluded, 'n')})")
    return f'[{NAMESPACE}].exists(n, n == "" || ({" && ".join(tests)}))'


def _name(glob: str) -> str:
    tests = is_glob(glob, 'o.metadata.?name.orValue("")')
    if glob.endswith(ANY):
        generated = is_glob(glob, 'o.metadata.?generateName.orValue("")')
        tests = f"{tests} || {generated}"
    return f"[object, oldObject].exists(o, o != null && ({tests}))"


def selector(value: Selector) -> dict[str, Any]:
    """A LabelSelector as it is written."""
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for need in value.needs:
        if need.operator == IN and len(need.values) == 1 and need.key not in labels:
            labels[need.key] = need.values[0]
            continue
        one: dict[str, Any] = {"key": need.key, "operator": need.operator}
        if need.operator in (IN, NOT_IN):
            one["values"] = list(need.values)
        expressions.append(one)
    made: dict[str, Any] = {}
    if labels:
        made["matchLabels"] = labels
    if expressions:
        made["matchExpressions"] = expressions
    return made


def written(match: Match) -> dict[str, Any]:
    """A ``match`` as it is written, of one that was read."""
    made: dict[str, Any] = {}
    if match.source != "All":
        made["source"] = match.source
    if match.kinds:
        made["kinds"] = [
            {"apiGroups": sorted(one.groups) or [ANY], "kinds": sorted(one.kinds) or [ANY]}
            for one in match.kinds
        ]
    if match.scope != ANY:
        made["scope"] = match.scope
    for field, names in (("namespaces", match.namespaces), ("excludedNamespaces", match.excluded)):
        if names:
            made[field] = list(names)
    if match.labels is not None:
        made["labelSelector"] = selector(match.labels)
    if match.namespace_labels is not None:
        made["namespaceSelector"] = selector(match.namespace_labels)
    if match.name:
        made["name"] = match.name
    return made


def operation_test(operations: Sequence[str]) -> str:
    """A condition on what is done."""
    one = f"request.operation == {text(operations[0])}"
    return one if len(operations) == 1 else f"request.operation in {texts(list(operations))}"


def kinds_of(pairs: Sequence[tuple[str, str]]) -> list[Mapping[str, Any]]:
    """``match.kinds`` for (group, kind) pairs: one entry a group."""
    groups: dict[str, list[str]] = {}
    for group, kind in pairs:
        groups.setdefault(group, []).append(kind)
    return [{"apiGroups": [group], "kinds": sorted(set(kinds))} for group, kinds in groups.items()]
