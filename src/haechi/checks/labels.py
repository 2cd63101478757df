"""Label selectors, as the API server evaluates them on objects of any shape.

Services select by a plain map, everything else by a LabelSelector; both are needed by network,
availability and mesh rules, so they live apart from those. Hostile input never raises: a
selector of the wrong type selects nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haechi.checks.pods.view import items, mapping

AUTOMATIC_POD_LABELS = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Labels that controllers add to pods: no template shows them, so they are taken to match."""
AUTOMATIC_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Set by the API server on every Namespace since 1.21; it cannot be changed."""


def map_selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """A Service's selector: every pair must be there. An empty one selects nothing."""
    wanted = mapping(selector)
    return bool(wanted) and all(_has(labels, key, value) for key, value in wanted.items())


def selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """A LabelSelector (matchLabels and matchExpressions). An empty one selects everything."""
    if not isinstance(selector, dict):
        return False
    wanted = mapping(selector.get("matchLabels"))
    if not all(_has(labels, key, value) for key, value in wanted.items()):
        return False
    return all(
        _requirement(mapping(entry), labels) for entry in items(selector.get("matchExpressions"))
    )


def is_empty(selector: Any) -> bool:
    """True for a selector that selects everything: ``{}`` or one without any requirement."""
    return isinstance(selector, dict) and not (
        mapping(selector.get("matchLabels")) or items(selector.get("matchExpressions"))
    )


def wording(selector: Any) -> str:
    """A selector as kubectl writes it: ``app=web,tier in (a,b)``."""
    entry = mapping(selector)
    parts = [f"{key}={value}" for key, value in mapping(entry.get("matchLabels")).items()]
    for requirement in items(entry.get("matchExpressions")):
        wish = mapping(requirement)
        values = ",".join(str(value) for value in items(wish.get("values")))
        parts.append(f"{wish.get('key')} {wish.get('operator')} ({values})".removesuffix(" ()"))
    return ",".join(parts)


def _has(labels: Mapping[str, Any], key: str, value: Any) -> bool:
    return key in AUTOMATIC_POD_LABELS or (key in labels and labels[key] == value)


def _requirement(entry: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = entry.get("key"), items(entry.get("values"))
    if not isinstance(key, str):
        return False
    if key in AUTOMATIC_POD_LABELS:
        return True
    match entry.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
