"""Label and field selectors, parsed and matched as apimachinery does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.fakes.apiserver.status import bad_request

Json = dict[str, Any]
Labels = dict[str, str]
Match = Callable[[Labels], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s=!,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()<>]+)\s*$")
_COMPARE = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<how>[<>])\s*(?P<value>-?\d+)\s*$")
_SPLIT = re.compile(r",(?![^(]*\))")


def label_match(text: str) -> Match:
    """A matcher of `labelSelector`; raises 400 on what cannot be parsed."""
    parts = [_requirement(part, text) for part in _SPLIT.split(text)] if text.strip() else []
    return lambda labels: all(part(labels) for part in parts)


def _requirement(part: str, whole: str) -> Match:
    if found := _SET.match(part):
        values = {word.strip() for word in found["values"].split(",")}
        return _one_of(found["key"], values, found["how"] == "in")
    if found := _EQUAL.match(part):
        return _one_of(found["key"], {found["value"]}, found["how"] != "!=")
    if found := _COMPARE.match(part):
        return _compared(found["key"], int(found["value"]), found["how"] == ">")
    if found := _EXISTS.match(part):
        key, wanted = found["key"], not found["not"]
        return lambda labels: (key in labels) is wanted
    raise bad_request(f"unable to parse requirement: found {part.strip()!r} in {whole!r}")


def _one_of(key: str, values: set[str], wanted: bool) -> Match:
    if wanted:
        return lambda labels: key in labels and labels[key] in values
    return lambda labels: labels.get(key) is None or labels[key] not in values


def _compared(key: str, bound: int, greater: bool) -> Match:
    def match(labels: Labels) -> bool:
        try:
            number = int(labels[key])
        except (KeyError, ValueError):
            return False
        return number > bound if greater else number < bound

    return match


def selects(selector: Json | None, labels: Labels | None) -> bool:
    """A LabelSelector of a spec: nothing selects nothing, `{}` selects everything."""
    if selector is None:
        return False
    have = labels or {}
    if any(have.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(each, have) for each in selector.get("matchExpressions") or ())


def _expression(each: Json, labels: Labels) -> bool:
    key, values = each.get("key", ""), set(each.get("values") or ())
    match each.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


# what each kind's field selector may name besides metadata.name and metadata.namespace
_FIELDS: dict[str, dict[str, str]] = {
    "pods": {
        "spec.nodeName": "",
        "spec.restartPolicy": "",
        "spec.schedulerName": "",
        "spec.serviceAccountName": "",
        "spec.hostNetwork": "false",
        "status.phase": "",
        "status.podIP": "",
        "status.nominatedNodeName": "",
    },
    "events": {
        "involvedObject.kind": "",
        "involvedObject.namespace": "",
        "involvedObject.name": "",
        "involvedObject.uid": "",
        "involvedObject.apiVersion": "",
        "involvedObject.resourceVersion": "",
        "involvedObject.fieldPath": "",
        "reason": "",
        "reportingComponent": "",
        "source": "",
        "type": "",
    },
    "nodes": {"spec.unschedulable": "false"},
    "namespaces": {"status.phase": ""},
    "secrets": {"type": ""},
    "services": {"spec.clusterIP": "", "spec.type": ""},
    "replicasets": {"status.replicas": "0"},
    "replicationcontrollers": {"status.replicas": "0"},
    "jobs": {"status.successful": "0"},
    "certificatesigningrequests": {"spec.signerName": ""},
}
_FIELD_TERM = re.compile(r"^\s*([^=!,\s]+)\s*(==|=|!=)\s*(.*?)\s*$")


def field_match(text: str, plural: str) -> Callable[[Json], bool]:
    terms = []
    allowed = _FIELDS.get(plural, {})
    for part in text.split(",") if text.strip() else ():
        found = _FIELD_TERM.match(part)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        name, how, value = found.groups()
        if name not in ("metadata.name", "metadata.namespace") and name not in allowed:
            raise bad_request(f"field label not supported: {name}")
        terms.append((name, how != "!=", value))

    def match(body: Json) -> bool:
        return all(
            (_field(body, name, allowed.get(name, "")) == value) is wanted
            for name, wanted, value in terms
        )

    return match


def _field(body: Json, name: str, default: str) -> str:
    here: Any = body
    for part in name.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    if here is None:
        return default
    return str(here).lower() if isinstance(here, bool) else str(here)
