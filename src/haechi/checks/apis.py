"""Rules about API versions that a cluster no longer serves, and annotations nobody reads.

The facts are tables (``rules/data/tables``). The target release comes from haechi.yaml
(``kubernetes_version``) through the review's memo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.neighbours import annotations_of
from haechi.checks.pods.view import mapping, template_path
from haechi.checks.rbac.inert import GROUP_OF
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review
from haechi.rules.api_table import DeadAnnotation, RetiredApi, dead_annotations, retired_apis

DEFAULT_VERSION = "1.33"
_VERSION = re.compile(r"v?1\.(\d{1,3})\b")
_POLICY = "PodSecurityPolicy"


def target_minor(review: Review) -> int:
    """The minor release that manifests are judged for."""
    found = _VERSION.match(str(review.memo.get("kubernetes_version") or DEFAULT_VERSION))
    return int(found[1]) if found else int(DEFAULT_VERSION.partition(".")[2])


def removed(review: Review) -> Iterator[Hit]:
    """An API version that the target release does not serve."""
    entry, minor = _retired(review), target_minor(review)
    if entry and entry.removed_minor <= minor and review.resource.kind != _POLICY:
        text = (
            f'{review.resource.kind} "{review.resource.name}" uses {_version(review)}, which '
            f"Kubernetes stopped serving in {entry.removed}{_instead(entry)}"
        )
        yield Hit(text, ("apiVersion",))


def deprecated(review: Review) -> Iterator[Hit]:
    """An API version that goes away in a later release."""
    entry, minor = _retired(review), target_minor(review)
    if entry and entry.deprecated_minor <= minor < entry.removed_minor:
        text = (
            f'{review.resource.kind} "{review.resource.name}" uses {_version(review)}, which goes '
            f"away in {entry.removed}{_instead(entry)}"
        )
        yield Hit(text, ("apiVersion",))


def wrong_group(review: Review) -> Iterator[Hit]:
    """A built-in kind under a group of Kubernetes that has never served it."""
    resource = review.resource
    group = _KIND_GROUP.get(resource.kind)
    ours = "." not in resource.group or resource.group.endswith(".k8s.io")
    if group is None or not ours or resource.group == group or _retired(review):
        return
    if resource.kind == "Event" or resource.group in ("metrics.k8s.io", "meta.k8s.io"):
        return
    text = (
        f'{resource.kind} "{resource.name}" is written under {_version(review)}; that kind belongs '
        f"to group {group or 'core (v1)'}"
    )
    yield Hit(text, ("apiVersion",))


def dead_protection(review: Review) -> Iterator[Hit]:
    """An annotation that once protected and is no longer read."""
    for path, key, entry in _dead(review):
        if entry.protects:
            yield Hit(_sentence(review, key, entry), path)


def dead_annotation(review: Review) -> Iterator[Hit]:
    """Any other annotation that is no longer read."""
    for path, key, entry in _dead(review):
        if not entry.protects:
            yield Hit(_sentence(review, key, entry), path)


def _dead(review: Review) -> Iterator[tuple[AttrPath, str, DeadAnnotation]]:
    if review.resource.kind == _POLICY:
        return
    table = dead_annotations()
    for path, notes in _annotated(review):
        for key in notes:
            entry = table.get(key)
            if entry is not None:
                yield (*path, "metadata", "annotations", key), key, entry


def _annotated(review: Review) -> Iterator[tuple[AttrPath, Any]]:
    """The annotations of the object and of its pod template."""
    yield (), annotations_of(review.resource.data)
    path = template_path(review.resource, review.memo.get("templates"))
    if path:
        template: Any = review.resource.data
        for part in path:
            template = mapping(template).get(str(part))
        yield path, annotations_of(template)


def _sentence(review: Review, key: str, entry: DeadAnnotation) -> str:
    since = f" since {entry.since}" if entry.since else ""
    return (
        f'{review.resource.kind} "{review.resource.name}" relies on annotation {key}, which '
        f"{entry.reader} does not read{since}; use {entry.instead}"
    )


def _retired(review: Review) -> RetiredApi | None:
    resource = review.resource
    return retired_apis().get((resource.group, resource.version, resource.kind))


def _version(review: Review) -> str:
    resource = review.resource
    return f"{resource.group}/{resource.version}" if resource.group else resource.version


def _instead(entry: RetiredApi) -> str:
    return f"; use {entry.replacement}" if entry.replacement else ""


_SINGULAR = {
    "pods": "Pod", "services": "Service", "secrets": "Secret", "configmaps": "ConfigMap",
    "namespaces": "Namespace", "serviceaccounts": "ServiceAccount",
    "persistentvolumes": "PersistentVolume", "persistentvolumeclaims": "PersistentVolumeClaim",
    "deployments": "Deployment", "daemonsets": "DaemonSet", "statefulsets": "StatefulSet",
    "replicasets": "ReplicaSet", "jobs": "Job", "cronjobs": "CronJob",
    "ingresses": "Ingress", "networkpolicies": "NetworkPolicy", "roles": "Role",
    "rolebindings": "RoleBinding", "clusterroles": "ClusterRole",
    "clusterrolebindings": "ClusterRoleBinding", "poddisruptionbudgets": "PodDisruptionBudget",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler", "storageclasses": "StorageClass",
    "customresourcedefinitions": "CustomResourceDefinition",
}  # fmt: skip
_KIND_GROUP = {kind: GROUP_OF[plural] for plural, kind in _SINGULAR.items()}
