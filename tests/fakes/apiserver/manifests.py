"""Small objects for tests."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIGS = "/api/v1/namespaces/default/configmaps"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"


def pod(name: str, labels: Json | None = None, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name} if labels is None else labels},
        "spec": {"containers": [{"name": "c", "image": "registry/app:1"}]} | spec,
    }


def running(name: str, labels: Json | None = None) -> Json:
    conditions = [{"type": "Ready", "status": "True"}]
    body = pod(name, labels, nodeName="node-1")
    return body | {"status": {"phase": "Running", "conditions": conditions}}


def template(app: str) -> Json:
    containers = [{"name": "c", "image": "registry/app:1", "ports": [{"containerPort": 80}]}]
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers}}


def workload(kind: str, name: str, replicas: int = 2, **more: Any) -> Json:
    spec: Json = {"selector": {"matchLabels": {"app": name}}, "template": template(name)}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec | more,
    }


def config(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def policy(name: str, spec: Json | None = None) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec or {"podSelector": {}},
    }


def budget(name: str, app: str, **spec: Any) -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": app}}} | spec,
    }


def eviction(name: str, **more: Any) -> Json:
    head = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return head | more
