"""What every cluster has from the start: namespaces, nodes, the default roles and bindings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io/v1"
_NAMES = ("default", "kube-node-lease", "kube-public", "kube-system")
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_READ = ["get", "list", "watch"]
_PLAIN = {
    "": [
        "configmaps",
        "endpoints",
        "events",
        "persistentvolumeclaims",
        "pods",
        "pods/log",
        "pods/status",
        "replicationcontrollers",
        "serviceaccounts",
        "services",
    ],
    "apps": [
        "daemonsets",
        "deployments",
        "deployments/scale",
        "replicasets",
        "replicasets/scale",
        "statefulsets",
        "statefulsets/scale",
    ],
    "batch": ["cronjobs", "jobs"],
    "networking.k8s.io": ["ingresses", "networkpolicies"],
    "policy": ["poddisruptionbudgets"],
    "autoscaling": ["horizontalpodautoscalers"],
}


def cluster(nodes: int) -> Iterator[Json]:
    for name in _NAMES:
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name},
            "status": {"phase": "Active"},
        }
    for number in range(1, nodes + 1):
        yield node(f"node-{number}", number)
    yield from _roles()


def node(name: str, number: int = 1) -> Json:
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "spec": {"podCIDR": f"10.244.{number}.0/24"},
        "status": {
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": f"192.168.0.{number + 1}"},
                {"type": "Hostname", "address": name},
            ],
            "capacity": amounts,
            "allocatable": amounts,
            "nodeInfo": {
                "kubeletVersion": "v1.32.0",
                "kernelVersion": "6.1.0",
                "osImage": "Debian GNU/Linux 12",
                "containerRuntimeVersion": "containerd://1.7.24",
                "operatingSystem": "linux",
                "architecture": "amd64",
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
                "kubeProxyVersion": "v1.32.0",
            },
        },
    }


def _role(name: str, rules: list[Json]) -> Json:
    meta = {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
    return {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": meta, "rules": rules}


def _bound(name: str, role: str, *groups: str) -> Json:
    return {
        "apiVersion": _RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "Group", "name": group} for group in groups],
    }


def _over(resources: dict[str, list[str]], verbs: list[str]) -> list[Json]:
    return [
        {"apiGroups": [group], "resources": names, "verbs": verbs}
        for group, names in resources.items()
    ]


def _roles() -> Iterator[Json]:
    whole: list[Json] = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    read = _over(_PLAIN | {"": [*_PLAIN[""], "namespaces"]}, _READ)
    secrets = _over({"": ["secrets"]}, _READ + _WRITE)
    write = _over(_PLAIN | {"": [*_PLAIN[""], "pods/eviction"]}, _WRITE)
    roles = _over({"rbac.authorization.k8s.io": ["roles", "rolebindings"]}, _READ + _WRITE)
    yield _role("cluster-admin", whole)
    yield _role("view", read)
    yield _role("edit", read + write + secrets)
    yield _role("admin", read + write + secrets + roles)
    urls = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/readyz", "/version"]
    urls += ["/version/", "/openapi", "/openapi/*"]
    yield _role("system:discovery", [{"nonResourceURLs": urls, "verbs": ["get"]}])
    own = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    basic = _over({"authorization.k8s.io": own}, ["create"])
    basic += _over({"authentication.k8s.io": ["selfsubjectreviews"]}, ["create"])
    yield _role("system:basic-user", basic)
    delegate = _over({"authentication.k8s.io": ["tokenreviews"]}, ["create"])
    delegate += _over({"authorization.k8s.io": ["subjectaccessreviews"]}, ["create"])
    yield _role("system:auth-delegator", delegate)
    yield _bound("cluster-admin", "cluster-admin", "system:masters")
    yield _bound("system:discovery", "system:discovery", "system:authenticated")
    yield _bound("system:basic-user", "system:basic-user", "system:authenticated")
