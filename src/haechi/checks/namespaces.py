"""Rules about Namespaces and about where workloads are put."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from haechi.checks.lookup import by_namespace, workloads_by_namespace
from haechi.checks.neighbours import labels_of
from haechi.model.review import Hit, Review

POD_SECURITY = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
_MODES = ("enforce", "audit", "warn")
KEYS = frozenset(f"{POD_SECURITY}{mode}{end}" for mode in _MODES for end in ("", "-version"))
SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})
_VERSION = re.compile(r"latest|v1\.(?:0|[1-9]\d?)")
_CONTROL_PLANE = ("kube-", "etcd", "coredns", "cloud-controller-manager")
_SYSTEM_LABELS = frozenset({"k8s-app", "kubernetes.io/cluster-service", "tier"})


def misspelt_pod_security(review: Review) -> Iterator[Hit]:
    """A label that means to be a Pod Security label and is not: nothing reads it."""
    for key in labels_of(review.resource.data):
        looks = "pod-security" in key or "podsecurity" in key.lower()
        if looks and key not in KEYS:
            meant = difflib.get_close_matches(key, sorted(KEYS), n=1)
            hint = f"; {meant[0]} is meant" if meant else ""
            text = (
                f'Namespace "{review.resource.name}" carries {key}, which Pod Security '
                f"admission does not read{hint}"
            )
            yield Hit(text, ("metadata", "labels", key))


def invalid_pod_security(review: Review) -> Iterator[Hit]:
    """A Pod Security label whose value is no level or no version."""
    for key, value in labels_of(review.resource.data).items():
        if key not in KEYS:
            continue
        if key.endswith("-version"):
            fine = isinstance(value, str) and bool(_VERSION.fullmatch(value))
            form = "latest or a version such as v1.33"
        else:
            fine, form = value in LEVELS, ", ".join(LEVELS)
        if not fine:
            text = f'Namespace "{review.resource.name}" sets {key} to {value!r}; it takes {form}'
            yield Hit(text, ("metadata", "labels", key))


def unused_quota(review: Review) -> Iterator[Hit]:
    """A namespace of this scope with workloads and no ResourceQuota."""
    name = review.resource.name
    if name in SYSTEM or not workloads_by_namespace(review).get(name):
        return
    if not by_namespace(review, "core/ResourceQuota").get(name):
        text = f'Namespace "{name}" has workloads and no ResourceQuota in these files'
        yield Hit(text, ("metadata", "name"))


def default_namespace(review: Review) -> Iterator[Hit]:
    """A workload that is put into ``default`` by name."""
    if review.resource.namespace == "default":
        text = f'{review.resource.kind} "{review.resource.name}" is put into namespace default'
        yield Hit(text, ("metadata", "namespace"))


def system_namespace(review: Review) -> Iterator[Hit]:
    """A workload beside the control plane that does not look like an add-on of it."""
    if review.resource.namespace != "kube-system":
        return
    if review.resource.name.startswith(_CONTROL_PLANE):
        return
    if _SYSTEM_LABELS.isdisjoint(labels_of(review.resource.data)):
        text = f'{review.resource.kind} "{review.resource.name}" is put into namespace kube-system'
        yield Hit(text, ("metadata", "namespace"))
