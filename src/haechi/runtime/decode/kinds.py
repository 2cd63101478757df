"""What kind of object an audit event's ``objectRef.resource`` (a plural) means."""

from __future__ import annotations

_KINDS = (
    "Pod", "Service", "Secret", "ConfigMap", "Namespace", "ServiceAccount", "PersistentVolume",
    "PersistentVolumeClaim", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet",
    "ReplicationController", "Job", "CronJob", "Role", "RoleBinding", "ClusterRole",
    "ClusterRoleBinding", "PodDisruptionBudget", "HorizontalPodAutoscaler",
    "CustomResourceDefinition", "Node", "Event", "Lease", "EndpointSlice", "LimitRange",
    "ResourceQuota", "PodTemplate", "ControllerRevision", "VolumeAttachment", "RuntimeClass",
    "Binding", "APIService", "CertificateSigningRequest", "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicyBinding", "TokenReview",
    "TokenRequest", "SubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview",
    "LocalSubjectAccessReview", "SelfSubjectReview", "FlowSchema", "PriorityLevelConfiguration",
    "CSINode", "CSIDriver", "CSIStorageCapacity", "ComponentStatus",
)  # fmt: skip
_KIND_OF = {kind.lower() + "s": kind for kind in _KINDS} | {
    "endpoints": "Endpoints",
    "ingresses": "Ingress",
    "ingressclasses": "IngressClass",
    "networkpolicies": "NetworkPolicy",
    "podsecuritypolicies": "PodSecurityPolicy",
    "priorityclasses": "PriorityClass",
    "storageclasses": "StorageClass",
    "runtimeclasses": "RuntimeClass",
    "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
    "componentstatuses": "ComponentStatus",
    "csistoragecapacities": "CSIStorageCapacity",
}


def kind_of(plural: str, *said: str) -> str:
    """The kind of a resource: one that is known, else the one that an object of the event says
    (when it fits the plural), else a guess."""
    known = _KIND_OF.get(plural)
    if known:
        return known
    for kind in said:
        stem = kind.lower().rstrip("s")
        if len(stem) > 2 and plural.startswith(stem[:-1]) and not kind.endswith("List"):
            return kind
    if plural.endswith("ies"):
        plural = plural[:-3] + "y"
    return plural.removesuffix("s").capitalize()
