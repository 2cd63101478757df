"""The objects that run the webhook in a cluster: as few rights as it can work with.

It may change the ``caBundle`` of its own two configurations, and nothing else; it may read
Namespaces, what the policies ask for, and policies where they are objects of the cluster. It never
reads Secrets: each replica makes its own key in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.own import GROUP as GROUP_OF_OWN
from haechi.admit.plurals import plural_of
from haechi.server.webhook.certificates.bundle import GROUP
from haechi.server.webhook.registration import Json, Registration, labels
from haechi.server.webhook.reporting import KINDS
from haechi.server.webhook.sources.cluster import POLICY_GROUPS

PORT = 8443
FOLDER, KEYS = "/policies", "/var/lib/haechi"
MOST_CONFIG = 900_000
"""Bytes of policies in a ConfigMap, of which etcd takes 1 MiB."""
USER = 65532
_NEVER = (("", "secrets"), ("", "configmaps"))
"""What is never read (``world/kube``): no right for it is asked."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """How it runs. ``files``: policies (name → text) for a ConfigMap; empty when policies come from
    the cluster, where ``reads`` are the (group, plural) that policies ask for."""

    image: str
    replicas: int = 3
    files: Mapping[str, str] = {}
    packs: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    priority_class: str = ""
    server: str = ""
    memory: str = "1Gi"


def objects(options: Registration, deploy: Deployment) -> list[Json]:
    """Everything but the webhook configurations, in the order in which it is to be applied."""
    found = [
        _namespace(options),
        _named("v1", "ServiceAccount", options, automountServiceAccountToken=False),
        _cluster_role(options, deploy),
        _binding(options),
    ]
    if deploy.files:
        found.append(_named("v1", "ConfigMap", options, data=dict(deploy.files)))
    return [*found, service(options), _deployment(options, deploy), _budget(options), _net(options)]


def service(options: Registration) -> Json:
    """What API servers call."""
    return _named(
        "v1",
        "Service",
        options,
        spec={
            "selector": labels(options),
            "ports": [{"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP"}],
        },
    )


def _named(api: str, kind: str, options: Registration, **more: Any) -> Json:
    metadata = {"name": options.service, "namespace": options.namespace, "labels": labels(options)}
    if kind == "ServiceAccount":
        metadata["name"] = options.account
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def _namespace(options: Registration) -> Json:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": options.namespace, "labels": labels(options) | level}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _cluster_role(options: Registration, deploy: Deployment) -> Json:
    rules: list[Json] = [
        {
            "apiGroups": [GROUP],
            "resources": ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
            "resourceNames": [options.configuration],
            "verbs": ["get", "patch"],
        }
    ]
    rules += _reading(deploy)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": options.service, "labels": labels(options)},
        "rules": rules,
    }


def _reading(deploy: Deployment) -> list[Json]:
    kinds: dict[str, set[str]] = {"": {"namespaces"}}
    for group, plural in deploy.reads:
        if (group, plural) not in _NEVER:
            kinds.setdefault(group, set()).add(plural)
    if not deploy.files:
        own = {"validatingadmissionpolicies", "validatingadmissionpolicybindings"}
        kinds.setdefault(GROUP, set()).update(own)
    verbs = ["get", "list", "watch"]
    found: list[Json] = [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": verbs}
        for group, resources in sorted(kinds.items())
    ]
    if not deploy.files:
        # Constraints are kinds that templates make: their names are not known before.
        found.append({"apiGroups": list(POLICY_GROUPS), "resources": ["*"], "verbs": verbs})
        statuses = [f"{plural_of(GROUP_OF_OWN, kind)}/status" for kind in KINDS]
        found.append({"apiGroups": [GROUP_OF_OWN], "resources": statuses, "verbs": ["patch"]})
    return found


def _binding(options: Registration) -> Json:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": options.service, "labels": labels(options)},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": options.service,
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": options.account, "namespace": options.namespace}
        ],
    }


def _deployment(options: Registration, deploy: Deployment) -> Json:
    selector = {"matchLabels": labels(options)}
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": selector,
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
    spec: Json = {
        "serviceAccountName": options.account,
        "automountServiceAccountToken": True,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": spread,
        "containers": [_container(options, deploy)],
        "volumes": _volumes(options, deploy),
    }
    if deploy.priority_class:
        spec["priorityClassName"] = deploy.priority_class
    return _named(
        "apps/v1",
        "Deployment",
        options,
        spec={
            "replicas": deploy.replicas,
            "selector": selector,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels(options)}, "spec": spec},
        },
    )


def _container(options: Registration, deploy: Deployment) -> Json:
    probe = {"port": "https", "scheme": "HTTPS"}
    mounts = [{"name": "keys", "mountPath": KEYS}, {"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    if deploy.files:
        mounts.append({"name": "policies", "mountPath": FOLDER})
    return {
        "name": "webhook",
        "image": deploy.image,
        "imagePullPolicy": "IfNotPresent",
        "args": _arguments(options, deploy),
        "ports": [{"name": "https", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", **probe},
            "periodSeconds": 5,
            "failureThreshold": 2,
        },
        "livenessProbe": {
            "httpGet": {"path": "/healthz", **probe},
            "periodSeconds": 10,
            "failureThreshold": 3,
            "initialDelaySeconds": 10,
        },
        # No limit of processor time: a throttled webhook is late for the whole cluster.
        "resources": {
            "requests": {"cpu": "200m", "memory": "256Mi"},
            "limits": {"memory": deploy.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _arguments(options: Registration, deploy: Deployment) -> list[str]:
    found = ["webhook", "serve", "--in-cluster", f"--certificates={KEYS}"]
    found += [f"--policies={FOLDER}"] if deploy.files else ["--cluster"]
    found += [f"--pack={pack}" for pack in deploy.packs]
    found += [
        f"--namespace={options.namespace}",
        f"--service={options.service}",
        f"--configuration={options.configuration}",
        f"--listen=0.0.0.0:{PORT}",
    ]
    return [*found, f"--server={deploy.server}"] if deploy.server else found


def _volumes(options: Registration, deploy: Deployment) -> Sequence[Json]:
    found: list[Json] = [
        {"name": "keys", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if deploy.files:
        found.append({"name": "policies", "configMap": {"name": options.service}})
    return found


def _budget(options: Registration) -> Json:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": labels(options)}}
    return _named("policy/v1", "PodDisruptionBudget", options, spec=spec)


def _net(options: Registration) -> Json:
    """API servers have no labels, so they cannot be named: the port is open, nothing else is."""
    ports = [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return _named(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        options,
        spec={
            "podSelector": {"matchLabels": labels(options)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"protocol": "TCP", "port": PORT}]}],
            "egress": [{"ports": [*dns, *ports]}],
        },
    )
