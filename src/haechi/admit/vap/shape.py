"""The documents as they are written: fields, unknown fields, and what the API server refuses.

Shapes are those of ``admissionregistration.k8s.io`` (v1, v1beta1 and v1alpha1 are alike).
A document with a wrong shape is not in force in a cluster, as the API server does not take it, and
not here. A field that is not known is dropped there and named here: a misspelt
``validationActions`` protects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from haechi.checks.pods.view import items, mapping
from haechi.checks.reach.selectors import Unreadable, selector_of
from haechi.model.location import AttrPath

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_VARIABLE: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*\Z")
_KEY: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
OPERATIONS: Final = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
REASONS: Final = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS: Final = ("Deny", "Warn", "Audit")

_SELECTOR: Final = {
    "matchLabels": None,
    "matchExpressions": [{"key": None, "operator": None, "values": None}],
}
_RULE: Final = {
    "apiGroups": None,
    "apiVersions": None,
    "operations": None,
    "resources": None,
    "resourceNames": None,
    "scope": None,
}
_MATCH: Final = {
    "namespaceSelector": _SELECTOR,
    "objectSelector": _SELECTOR,
    "resourceRules": [_RULE],
    "excludeResourceRules": [_RULE],
    "matchPolicy": None,
}
_TOP: Final = {"apiVersion": None, "kind": None, "metadata": None, "status": None}
POLICY: Final[Mapping[str, Any]] = {
    **_TOP,
    "spec": {
        "paramKind": {"apiVersion": None, "kind": None},
        "matchConstraints": _MATCH,
        "validations": [
            {"expression": None, "message": None, "messageExpression": None, "reason": None}
        ],
        "failurePolicy": None,
        "auditAnnotations": [{"key": None, "valueExpression": None}],
        "matchConditions": [{"name": None, "expression": None}],
        "variables": [{"name": None, "expression": None}],
    },
}
BINDING: Final[Mapping[str, Any]] = {
    **_TOP,
    "spec": {
        "policyName": None,
        "paramRef": {
            "name": None,
            "namespace": None,
            "selector": _SELECTOR,
            "parameterNotFoundAction": None,
        },
        "matchResources": _MATCH,
        "validationActions": None,
    },
}


class Wrong(msgspec.Struct, frozen=True):
    """Something that is not as it must be, where it stands. ``fatal``: the document is not in
    force for it."""

    path: AttrPath
    why: str
    do: str = ""
    fatal: bool = True


def wrong_in_policy(body: Mapping[str, Any]) -> list[Wrong]:
    """What is wrong with the shape of a policy."""
    spec = mapping(body.get("spec"))
    found = [*_strays(body, POLICY, ())]
    if not spec:
        return [*found, Wrong(("spec",), "a policy has a spec")]
    found += _choice(spec, ("failurePolicy",), ("Fail", "Ignore"))
    found += _match(spec.get("matchConstraints"), ("spec", "matchConstraints"), required=True)
    kind = spec.get("paramKind")
    if kind is not None:
        found += _texts(kind, ("spec", "paramKind"), ("apiVersion", "kind"))
    if not items(spec.get("validations")) and not items(spec.get("auditAnnotations")):
        do = "give it validations"
        found.append(Wrong(("spec",), "it has neither validations nor auditAnnotations", do))
    found += _validations(spec)
    found += _named(spec, "variables", _VARIABLE)
    found += _named(spec, "matchConditions", _KEY)
    for number, entry in enumerate(_entries(spec, "auditAnnotations", found)):
        path: AttrPath = ("spec", "auditAnnotations", number)
        found += _texts(entry, path, ("key", "valueExpression"))
    return found


def wrong_in_binding(body: Mapping[str, Any]) -> list[Wrong]:
    """What is wrong with the shape of a binding."""
    spec = mapping(body.get("spec"))
    found = [*_strays(body, BINDING, ())]
    if not spec:
        return [*found, Wrong(("spec",), "a binding has a spec")]
    found += _texts(spec, ("spec",), ("policyName",))
    actions, path = spec.get("validationActions"), ("spec", "validationActions")
    given = items(actions)
    if not given:
        do = f"name one or more of {', '.join(ACTIONS)}"
        found.append(Wrong(path, "at least one action is needed", do))
    for number, action in enumerate(given):
        if action not in ACTIONS:
            do = f"one of {', '.join(ACTIONS)}"
            found.append(Wrong((*path, number), f"{action!r} is no action", do))
        elif action in given[:number]:
            found.append(Wrong((*path, number), f"{action} is there twice"))
    if "Deny" in given and "Warn" in given:
        found.append(Wrong(path, "Deny and Warn together say the same thing twice", "drop Warn"))
    found += _match(spec.get("matchResources"), ("spec", "matchResources"))
    return [*found, *_param_ref(spec.get("paramRef"))]


def _param_ref(value: Any) -> list[Wrong]:
    if value is None:
        return []
    path: AttrPath = ("spec", "paramRef")
    if not isinstance(value, dict):
        return [Wrong(path, "a mapping is needed")]
    found: list[Wrong] = []
    if bool(value.get("name")) == (value.get("selector") is not None):
        found.append(Wrong(path, "either name or selector is needed, and not both"))
    if value.get("parameterNotFoundAction") not in ("Allow", "Deny"):
        where = (*path, "parameterNotFoundAction")
        found.append(Wrong(where, "Allow or Deny is needed"))
    found += _selector(value.get("selector"), (*path, "selector"))
    for field in ("name", "namespace"):
        if not isinstance(value.get(field, ""), str):
            found.append(Wrong((*path, field), "text is needed"))
    return found


def _validations(spec: Mapping[str, Any]) -> list[Wrong]:
    found: list[Wrong] = []
    for number, entry in enumerate(_entries(spec, "validations", found)):
        path: AttrPath = ("spec", "validations", number)
        found += _texts(entry, path, ("expression",))
        if not isinstance(entry, dict):
            continue
        for field in ("message", "messageExpression"):
            value = entry.get(field)
            if value is not None and not isinstance(value, str):
                found.append(Wrong((*path, field), "text is needed"))
        message = entry.get("message")
        if isinstance(message, str) and "\n" in message.strip():
            found.append(Wrong((*path, "message"), "it must be one line"))
        found += _choice(entry, (*path[1:], "reason"), REASONS)
    return found


def _named(spec: Mapping[str, Any], field: str, form: re.Pattern[str]) -> list[Wrong]:
    found: list[Wrong] = []
    names: set[str] = set()
    for number, entry in enumerate(_entries(spec, field, found)):
        path: AttrPath = ("spec", field, number)
        missing = _texts(entry, path, ("name", "expression"))
        found += missing
        if missing:
            continue
        name = entry["name"].rpartition("/")[2] if form is _KEY else entry["name"]
        if not form.match(name):
            found.append(Wrong((*path, "name"), f"{entry['name']!r} is no name"))
        if entry["name"] in names:
            found.append(Wrong((*path, "name"), f"{entry['name']!r} is there twice"))
        names.add(entry["name"])
    return found


def _entries(spec: Mapping[str, Any], field: str, found: list[Wrong]) -> list[Any]:
    value = spec.get(field)
    if value is not None and not isinstance(value, list):
        found.append(Wrong(("spec", field), "a list is needed"))
    return list(items(value))


def _match(value: Any, path: AttrPath, *, required: bool = False) -> list[Wrong]:
    if value is None and not required:
        return []
    if not isinstance(value, dict):
        return [Wrong(path, "a mapping is needed")]
    found: list[Wrong] = []
    rules = _lists(value, path, "resourceRules", found)
    if required and not rules:
        where = (*path, "resourceRules")
        found.append(Wrong(where, "at least one rule is needed", "name what the policy is about"))
    for field in ("resourceRules", "excludeResourceRules"):
        for number, rule in enumerate(_lists(value, path, field, [])):
            found += _rule(rule, (*path, field, number))
    for field in ("namespaceSelector", "objectSelector"):
        found += _selector(value.get(field), (*path, field))
    found += _choice(value, (*path[1:], "matchPolicy"), ("Exact", "Equivalent"))
    return found


def _lists(value: Mapping[str, Any], path: AttrPath, field: str, found: list[Wrong]) -> list[Any]:
    entries = value.get(field)
    if entries is not None and not isinstance(entries, list):
        found.append(Wrong((*path, field), "a list is needed"))
    return list(items(entries))


def _rule(rule: Any, path: AttrPath) -> Iterator[Wrong]:
    if not isinstance(rule, dict):
        yield Wrong(path, "a mapping is needed")
        return
    for field in ("apiGroups", "apiVersions", "operations", "resources"):
        given = rule.get(field)
        if not isinstance(given, list) or not given or not _all_text(given):
            yield Wrong((*path, field), "a list of texts is needed, and not an empty one")
    names = rule.get("resourceNames")
    if names is not None and not (isinstance(names, list) and _all_text(names)):
        yield Wrong((*path, "resourceNames"), "a list of texts is needed")
    for number, operation in enumerate(items(rule.get("operations"))):
        if operation not in OPERATIONS:
            do = f"one of {', '.join(OPERATIONS)}"
            yield Wrong((*path, "operations", number), f"{operation!r} is no operation", do)
    if rule.get("scope") not in (None, "*", "Cluster", "Namespaced"):
        yield Wrong((*path, "scope"), f"{rule['scope']!r} is no scope", "*, Cluster or Namespaced")


def _all_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _selector(value: Any, path: AttrPath) -> Iterator[Wrong]:
    if value is None:
        return
    try:
        selector_of(value)
    except Unreadable as error:
        yield Wrong(path, str(error))


def _texts(value: Any, path: AttrPath, fields: tuple[str, ...]) -> list[Wrong]:
    if not isinstance(value, dict):
        return [Wrong(path, "a mapping is needed")]
    return [
        Wrong((*path, field), "it is missing" if value.get(field) is None else "text is needed")
        for field in fields
        if not isinstance(value.get(field), str) or not value[field].strip()
    ]


def _choice(value: Mapping[str, Any], path: AttrPath, choices: tuple[str, ...]) -> Iterator[Wrong]:
    """``path`` is that below ``spec``."""
    given = value.get(str(path[-1]))
    if given is not None and given not in choices:
        yield Wrong(("spec", *path), f"{given!r} is not known", f"one of {', '.join(choices)}")


def _strays(value: Any, known: Any, path: AttrPath) -> Iterator[Wrong]:
    """Fields that no version of the API has."""
    if isinstance(known, list):
        for number, entry in enumerate(items(value)):
            yield from _strays(entry, known[0], (*path, number))
    elif isinstance(known, dict):
        for key, inner in mapping(value).items():
            if key in known:
                yield from _strays(inner, known[key], (*path, key))
            else:
                do = f"fields: {', '.join(sorted(known))}"
                where = (*path, str(key))
                yield Wrong(where, "there is no such field, so it does nothing", do, fatal=False)
