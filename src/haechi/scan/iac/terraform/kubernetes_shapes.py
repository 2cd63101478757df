"""How the Kubernetes provider's blocks are called in manifests.

The provider writes snake_case, a block for each object and a block for each item of a list under
a singular name. The tables name what cannot be told from the name alone.
https://registry.terraform.io/providers/hashicorp/kubernetes/latest/docs
"""

from __future__ import annotations

import re

_CORE = ("", "v1")
_APPS = ("apps", "v1")
_BATCH = ("batch", "v1")
_RBAC = ("rbac.authorization.k8s.io", "v1")
_NETWORK = ("networking.k8s.io", "v1")
_ADMISSION = ("admissionregistration.k8s.io", "v1")
KINDS: dict[str, tuple[tuple[str, str], str]] = {
    "api_service": (("apiregistration.k8s.io", "v1"), "APIService"),
    "cluster_role": (_RBAC, "ClusterRole"),
    "cluster_role_binding": (_RBAC, "ClusterRoleBinding"),
    "config_map": (_CORE, "ConfigMap"),
    "cron_job": (_BATCH, "CronJob"),
    "csi_driver": (("storage.k8s.io", "v1"), "CSIDriver"),
    "daemon_set": (_APPS, "DaemonSet"),
    "daemonset": (_APPS, "DaemonSet"),
    "default_service_account": (_CORE, "ServiceAccount"),
    "deployment": (_APPS, "Deployment"),
    "endpoints": (_CORE, "Endpoints"),
    "horizontal_pod_autoscaler": (("autoscaling", "v2"), "HorizontalPodAutoscaler"),
    "ingress": (_NETWORK, "Ingress"),
    "ingress_class": (_NETWORK, "IngressClass"),
    "job": (_BATCH, "Job"),
    "limit_range": (_CORE, "LimitRange"),
    "mutating_webhook_configuration": (_ADMISSION, "MutatingWebhookConfiguration"),
    "namespace": (_CORE, "Namespace"),
    "network_policy": (_NETWORK, "NetworkPolicy"),
    "persistent_volume": (_CORE, "PersistentVolume"),
    "persistent_volume_claim": (_CORE, "PersistentVolumeClaim"),
    "pod": (_CORE, "Pod"),
    "pod_disruption_budget": (("policy", "v1"), "PodDisruptionBudget"),
    "pod_security_policy": (("policy", "v1beta1"), "PodSecurityPolicy"),
    "priority_class": (("scheduling.k8s.io", "v1"), "PriorityClass"),
    "replication_controller": (_CORE, "ReplicationController"),
    "resource_quota": (_CORE, "ResourceQuota"),
    "role": (_RBAC, "Role"),
    "role_binding": (_RBAC, "RoleBinding"),
    "runtime_class": (("node.k8s.io", "v1"), "RuntimeClass"),
    "secret": (_CORE, "Secret"),
    "service": (_CORE, "Service"),
    "service_account": (_CORE, "ServiceAccount"),
    "stateful_set": (_APPS, "StatefulSet"),
    "storage_class": (("storage.k8s.io", "v1"), "StorageClass"),
    "token_request": (("authentication.k8s.io", "v1"), "TokenRequest"),
    "validating_webhook_configuration": (_ADMISSION, "ValidatingWebhookConfiguration"),
}
_VERSION = re.compile(r"_v\d+(?:(?:alpha|beta)\d+)?\Z")
SPECLESS = frozenset({"Secret", "ConfigMap", "ServiceAccount", "StorageClass"})
MAPS = frozenset(
    {
        "annotations",
        "binary_data",
        "csi_volume_attributes",
        "data",
        "default",
        "default_request",
        "hard",
        "labels",
        "limits",
        "match_labels",
        "max",
        "max_limit_request_ratio",
        "min",
        "node_selector",
        "parameters",
        "requests",
        "string_data",
        "volume_attributes",
    }
)
"""Attributes whose keys are people's, not fields."""
LISTS = {
    "allowed_host_paths": "allowedHostPaths",
    "api_groups": "apiGroups",
    "container": "containers",
    "downward_api_items": "items",
    "egress": "egress",
    "env": "env",
    "env_from": "envFrom",
    "from": "from",
    "host_aliases": "hostAliases",
    "http_header": "httpHeaders",
    "image_pull_secret": "imagePullSecrets",
    "image_pull_secrets": "imagePullSecrets",
    "ingress": "ingress",
    "init_container": "initContainers",
    "items": "items",
    "limit": "limits",
    "match_expressions": "matchExpressions",
    "match_fields": "matchFields",
    "metric": "metrics",
    "node_selector_term": "nodeSelectorTerms",
    "option": "options",
    "path": "paths",
    "port": "ports",
    "ports": "ports",
    "readiness_gate": "readinessGates",
    "rule": "rules",
    "sources": "sources",
    "subject": "subjects",
    "subset": "subsets",
    "sysctl": "sysctls",
    "tls": "tls",
    "to": "to",
    "toleration": "tolerations",
    "topology_spread_constraint": "topologySpreadConstraints",
    "volume": "volumes",
    "volume_claim_template": "volumeClaimTemplates",
    "volume_device": "volumeDevices",
    "volume_mount": "volumeMounts",
    "webhook": "webhooks",
}
"""Blocks of which there may be several, and what the list of them is called."""
AFFINITY_LISTS = frozenset(
    {
        "preferred_during_scheduling_ignored_during_execution",
        "required_during_scheduling_ignored_during_execution",
    }
)
NUMBERS = frozenset({"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "targetPort"})
_WORDS = {
    "ip": "IP",
    "ips": "IPs",
    "ipc": "IPC",
    "pid": "PID",
    "id": "ID",
    "urls": "URLs",
    "cidr": "CIDR",
    "tls": "TLS",
    "url": "URL",
    "wwn": "WWN",
    "wwns": "WWNs",
}
_NAMES = {
    "cluster_ip": "clusterIP",
    "cluster_ips": "clusterIPs",
    "default_action": "defaultAction",
    "field_ref": "fieldRef",
    "fs_type": "fsType",
    "host_ip": "hostIP",
    "non_resource_urls": "nonResourceURLs",
    "pdb_name": "pdbName",
    "persistent_volume_source": "",
    "readonly": "readOnly",
    "se_linux_options": "seLinuxOptions",
    "strategy": "strategy",
    "tls_secret": "tlsSecret",
}


def kind_of(type_: str) -> tuple[str, str, str] | None:
    """Group, version and kind of ``kubernetes_deployment_v1``; None for what is no object."""
    name = type_.removeprefix("kubernetes_")
    found = KINDS.get(_VERSION.sub("", name))
    if found is None:
        return None
    (group, version), kind = found
    return group, version, kind


def camel(name: str) -> str:
    """``host_ipc`` → ``hostIPC``."""
    known = _NAMES.get(name)
    if known:
        return known
    first, *rest = name.split("_")
    return first + "".join(_WORDS.get(word) or word.capitalize() for word in rest)
