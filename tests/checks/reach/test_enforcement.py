"""Plug-ins as they are deployed, and what is known of them."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.checks.reach import recognise
from tests.respond.clusters import Object, made, resource_of

CRDS = {
    "anp": "adminnetworkpolicies.policy.networking.k8s.io",
    "cnp": "clusternetworkpolicies.policy.networking.k8s.io",
    "cilium": "ciliumnetworkpolicies.cilium.io",
}


def daemon(name: str, *images: str, space: str = "kube-system", **more: Any) -> Object:
    containers = [
        {"name": f"c{number}", "image": image, "args": more.get("args", [])}
        for number, image in enumerate(images)
    ]
    spec = {"template": {"spec": {"containers": containers}}}
    found = made("apps/v1", "DaemonSet", name, space, spec=spec)
    if "status" in more:
        found["status"] = more["status"]
    return found


def crd(kind: str, **fields: Any) -> Object:
    schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": fields}}}}
    spec = {"versions": [{"schema": schema}]}
    return made("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRDS[kind], spec=spec)


PLUGINS: dict[str, tuple[Object, str, bool | None]] = {
    "calico": (daemon("calico-node", "docker.io/calico/node:v3.31.0"), "calico", True),
    "calico under another name": (daemon("net", "quay.io/calico/node:v3.27.0"), "calico", True),
    "cilium": (daemon("cilium", "quay.io/cilium/cilium:v1.18.2@sha256:ab"), "cilium", True),
    "dataplane v2": (daemon("anetd", "gke.gcr.io/cilium/cilium:v1.15"), "cilium", True),
    "canal": (daemon("canal", "calico/node:v3.28", "flannel/flannel:v0.25"), "calico", True),
    "flannel": (
        daemon("kube-flannel-ds", "docker.io/flannel/flannel:v0.26", space="kube-flannel"),
        "flannel",
        False,
    ),
    "kindnet of today": (
        daemon("kindnet", "docker.io/kindest/kindnetd:v20241212-9f82dd49"),
        "kindnet",
        True,
    ),
    "kindnet of yesterday": (
        daemon("kindnet", "docker.io/kindest/kindnetd:v20240202-8f1494ea"),
        "kindnet",
        False,
    ),
    "aws without the agent": (
        daemon("aws-node", "x.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.19.0"),
        "aws-vpc-cni",
        False,
    ),
    "aws with the agent off": (
        daemon(
            "aws-node",
            "x/amazon-k8s-cni:v1.19.0",
            "x/amazon/aws-network-policy-agent:v1.2.0",
            args=["--enable-network-policy=false"],
        ),
        "aws-vpc-cni",
        False,
    ),
    "aws with the agent on": (
        daemon(
            "aws-node",
            "x/amazon-k8s-cni:v1.19.0",
            "x/amazon/aws-network-policy-agent:v1.2.0",
            args=["--enable-network-policy=true"],
        ),
        "aws-vpc-cni",
        True,
    ),
    "kube-router as a proxy only": (
        daemon("kube-router", "cloudnativelabs/kube-router:v2", args=["--run-firewall=false"]),
        "kube-router",
        False,
    ),
    "something else": (daemon("fluentd", "fluentd:v1"), "", None),
    "not ready anywhere": (
        daemon(
            "calico-node",
            "calico/node:v3.31.0",
            status={"desiredNumberScheduled": 3, "numberReady": 0},
        ),
        "calico",
        False,
    ),
}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_is_known_by_what_runs(name: str) -> None:
    body, plugin, enforces = PLUGINS[name]
    found = recognise([resource_of(body)])
    assert (found.plugin, found.network_policy) == (plugin, enforces)


def test_a_plugin_that_is_not_ready_on_a_node_is_not_trusted_there() -> None:
    status = {"desiredNumberScheduled": 2, "numberReady": 1}
    agent = made("v1", "Pod", "calico-node-x", "kube-system", spec={"nodeName": "n1"})
    agent["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "calico-node"}]
    agent["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    nodes = [made("v1", "Node", name) for name in ("n1", "n2")]
    objects = [daemon("calico-node", "calico/node:v3.31.0", status=status), agent, *nodes]
    found = recognise([resource_of(one) for one in objects])
    assert (found.on_node("n1"), found.on_node("n2")) == (True, None)


def test_without_the_agents_pods_no_node_is_trusted_while_some_are_not_ready() -> None:
    status = {"desiredNumberScheduled": 2, "numberReady": 1}
    found = recognise([resource_of(daemon("calico-node", "calico/node:v3", status=status))])
    assert found.silent == ("*",)
    assert found.on_node("n1") is None


@pytest.mark.parametrize(
    ("data", "enforces", "doubts"),
    [
        ({"enable-policy": "default"}, True, 0),
        ({"enable-policy": "never"}, False, 0),
        ({"policy-audit-mode": "true"}, False, 0),
        ({"labels": "k8s:app"}, True, 1),
    ],
    ids=["default", "never", "audit", "labels"],
)
def test_settings_of_cilium_count(data: dict[str, str], enforces: bool, doubts: int) -> None:
    settings = {**made("v1", "ConfigMap", "cilium-config", "kube-system"), "data": data}
    objects = [daemon("cilium", "quay.io/cilium/cilium:v1.18.2"), settings, crd("cilium")]
    found = recognise([resource_of(one) for one in objects])
    assert (found.network_policy, found.cilium, len(found.doubts)) == (enforces, enforces, doubts)


def test_a_tier_counts_where_its_definition_is_there_and_the_plugin_obeys_it() -> None:
    networks = {"networks": {"type": "array"}}
    to = {"items": {"properties": {"to": {"items": {"properties": networks}}}}}
    plugin = daemon("ovnkube-node", "ovn-kube:master")
    found = recognise([resource_of(one) for one in (plugin, crd("anp", egress=to))])
    assert (found.anp, found.networks, found.cnp) == (True, True, False)
    plain = recognise([resource_of(one) for one in (plugin, crd("anp"), crd("cnp"))])
    assert (plain.anp, plain.networks, plain.cnp) == (True, False, None)
    assert recognise([resource_of(plugin)]).anp is False


def test_no_objects_are_no_knowledge() -> None:
    found = recognise([])
    assert found.network_policy is None
    assert "no network plug-in" in found.because
