"""Kinds and their plurals, as far as they are known without a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from haechi.admit.match import lies_in_namespaces
from haechi.admit.plurals import plural_of

_BY_GROUP = {
    "": (
        "ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume"
        " PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service"
        " ServiceAccount"
    ),
    "apps": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "batch": "CronJob Job",
    "autoscaling": "HorizontalPodAutoscaler",
    "policy": "PodDisruptionBudget",
    "networking.k8s.io": "Ingress IngressClass NetworkPolicy",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment",
    "scheduling.k8s.io": "PriorityClass",
    "node.k8s.io": "RuntimeClass",
    "coordination.k8s.io": "Lease",
    "discovery.k8s.io": "EndpointSlice",
    "events.k8s.io": "Event",
    "certificates.k8s.io": "CertificateSigningRequest",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "admissionregistration.k8s.io": (
        "MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding"
        " ValidatingWebhookConfiguration"
    ),
}
"""What every API server of today has."""
_SERVED_AS = {"autoscaling": ("v1", "v2")}
"""Groups with more than one version in use; the others have v1 alone."""


class Known(msgspec.Struct, frozen=True):
    """A kind."""

    group: str
    kind: str
    plural: str
    versions: tuple[str, ...]
    namespaced: bool


@lru_cache(maxsize=1)
def known() -> Mapping[tuple[str, str], Known]:
    """By (group, kind)."""
    return {
        (group, kind): Known(
            group,
            kind,
            plural_of(group, kind),
            _SERVED_AS.get(group, ("v1",)),
            lies_in_namespaces(group, kind),
        )
        for group, kinds in _BY_GROUP.items()
        for kind in kinds.split()
    }


def of_plural(group: str, plural: str) -> Known | None:
    """The kind of a plural."""
    return next((k for k in known().values() if (k.group, k.plural) == (group, plural)), None)
