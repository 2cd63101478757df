"""What enforces policies in a cluster, recognised by what runs there, never assumed.

A NetworkPolicy is an object that anyone may write and nobody need obey: without a plug-in that
enforces it, a perfect plan closes nothing. Three answers everywhere: yes, no, not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from haechi.checks.pods.view import items, mapping, view_of
from haechi.model.resource import Resource

_ANP = "adminnetworkpolicies.policy.networking.k8s.io"
_CNP = "clusternetworkpolicies.policy.networking.k8s.io"
_CILIUM = "ciliumnetworkpolicies.cilium.io"
_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})")


class Enforcement(msgspec.Struct, frozen=True, kw_only=True):
    """Which policies are obeyed here: True, False, or None where that is not known.

    ``networks``: whether AdminNetworkPolicy has the field ``networks`` (part of its experimental
    channel only). ``silent`` are nodes on which the plug-in does not run (``*`` for a number of
    nodes that are not told). ``because`` and ``doubts`` are for people.
    """

    plugin: str = ""
    network_policy: bool | None = None
    anp: bool | None = False
    networks: bool = False
    cnp: bool | None = False
    cilium: bool | None = False
    silent: tuple[str, ...] = ()
    because: str = ""
    doubts: tuple[str, ...] = ()

    def on_node(self, node: str) -> bool | None:
        """Whether NetworkPolicy is enforced on a node."""
        if self.network_policy and ("*" in self.silent or node in self.silent):
            return None
        return self.network_policy


class _Plugin(msgspec.Struct, frozen=True):
    """A plug-in by its DaemonSet's name or a container's image."""

    name: str
    daemon: str
    image: str
    enforces: bool = True


_PLUGINS = (
    _Plugin("cilium", r"cilium|anetd", r"/cilium(-ci|-dev)?[:@]"),
    _Plugin("calico", r"calico-node|canal|rke2-canal", r"calico[/-]node(:|@|$)"),
    _Plugin("antrea", r"antrea-agent", r"antrea/antrea-(agent|ubuntu)"),
    _Plugin("ovn-kubernetes", r"ovnkube-node", r"ovn-kube|ovnkube"),
    _Plugin("weave", r"weave-net", r"weave-npc"),
    _Plugin("kube-router", r"kube-router", r"kube-router[:@]"),
    _Plugin("kube-network-policies", r"kube-network-policies", r"kube-network-policies[:@]"),
    _Plugin("azure-npm", r"azure-npm", r"azure-npm[:@]"),
    _Plugin("kindnet", r"kindnet", r"kindnetd[:@]"),
    _Plugin("aws-vpc-cni", r"aws-node", r"amazon-k8s-cni[:@]"),
    _Plugin("flannel", r"kube-flannel(-ds)?", r"flannel[:@]", enforces=False),
)


def recognise(objects: Sequence[Resource]) -> Enforcement:
    """What enforces policies, by the DaemonSets, CRDs and settings among the objects."""
    daemons = [one for one in objects if one.type == "apps/DaemonSet"]
    found = [(plugin, one) for plugin in _PLUGINS for one in daemons if _is(plugin, one)]
    enforcing = [(plugin, one) for plugin, one in found if _enforces(plugin, one)]
    if not enforcing:
        return _nobody(found)
    plugin, daemon = enforcing[0]
    crds = {one.name: one for one in objects if one.kind == "CustomResourceDefinition"}
    off, doubts = _settings(plugin.name, objects)
    anp, cnp = _tiers(plugin.name, _version(plugin, daemon))
    if off:
        why = f"DaemonSet {daemon.namespace}/{daemon.name}, by its settings"
        return Enforcement(plugin=plugin.name, network_policy=False, because=why)
    return Enforcement(
        plugin=plugin.name,
        network_policy=True,
        anp=anp if _ANP in crds else False,
        networks=_ANP in crds and _has_networks(crds[_ANP]),
        cnp=cnp if _CNP in crds else False,
        cilium=_obeys_cilium(daemon) if plugin.name == "cilium" and _CILIUM in crds else False,
        silent=_silent(daemon, objects),
        because=f"DaemonSet {daemon.namespace}/{daemon.name}",
        doubts=tuple(doubts),
    )


def _obeys_cilium(daemon: Resource) -> bool | None:
    """Whether Cilium's own policies are for users here: in GKE's Dataplane V2 they are not all."""
    return None if daemon.name == "anetd" else True


def _nobody(found: list[tuple[_Plugin, Resource]]) -> Enforcement:
    if not found:
        return Enforcement(because="no network plug-in was recognised among the DaemonSets")
    plugin, daemon = found[0]
    why = f"DaemonSet {daemon.namespace}/{daemon.name}, and nothing beside it that enforces"
    return Enforcement(plugin=plugin.name, network_policy=False, because=why)


def _is(plugin: _Plugin, daemon: Resource) -> bool:
    if re.fullmatch(plugin.daemon, daemon.name):
        return True
    return any(re.search(plugin.image, image) for image in _images(daemon))


def _images(daemon: Resource) -> Iterator[str]:
    view = view_of(daemon)
    for container in view.containers if view else ():
        if container.role == "containers" and isinstance(container.data.get("image"), str):
            yield container.data["image"]


def _enforces(plugin: _Plugin, daemon: Resource) -> bool:
    if not plugin.enforces or _nowhere_ready(daemon):
        return False
    if plugin.name == "kindnet":  # since kind 0.24 (kindnetd of August 2024)
        return any(_kindnet(image) for image in _images(daemon))
    if plugin.name == "aws-vpc-cni":
        return _aws_agent(daemon)
    if plugin.name == "kube-router":
        return not any("--run-firewall=false" in str(one) for one in _arguments(daemon))
    return True


def _kindnet(image: str) -> bool:
    dated = re.search(r"kindnetd:v?(\d{8})", image)
    if dated:
        return dated.group(1) >= "20240813"
    version = re.search(r"kindnet[a-z]*:v(\d+)\.(\d+)", image)
    return bool(version) and (int(version[1]), int(version[2])) >= (1, 0) if version else False


def _aws_agent(daemon: Resource) -> bool:
    agent = any("network-policy-agent" in image for image in _images(daemon))
    return agent and any("--enable-network-policy=true" in str(a) for a in _arguments(daemon))


def _arguments(daemon: Resource) -> Iterator[Any]:
    view = view_of(daemon)
    for container in view.containers if view else ():
        yield from (*items(container.data.get("command")), *items(container.data.get("args")))


def _nowhere_ready(daemon: Resource) -> bool:
    status = mapping(mapping(daemon.data).get("status"))
    return bool(status) and status.get("numberReady", 0) == 0


def _silent(daemon: Resource, objects: Sequence[Resource]) -> tuple[str, ...]:
    """Nodes without a ready pod of the plug-in, as far as its status says that there are any."""
    status = mapping(mapping(daemon.data).get("status"))
    wanted, ready = status.get("desiredNumberScheduled"), status.get("numberReady")
    nodes = {one.name for one in objects if one.type == "core/Node"}
    if not isinstance(wanted, int) or not isinstance(ready, int):
        return ()
    if ready >= wanted and wanted >= len(nodes):
        return ()
    running = set(_ready_nodes(daemon, objects))
    return tuple(sorted(nodes - running)) if nodes and running else ("*",)


def _ready_nodes(daemon: Resource, objects: Sequence[Resource]) -> Iterator[str]:
    for one in objects:
        if one.type != "core/Pod" or one.namespace != daemon.namespace:
            continue
        data = mapping(one.data)
        owners = items(mapping(data.get("metadata")).get("ownerReferences"))
        if not any(mapping(owner).get("name") == daemon.name for owner in owners):
            continue
        conditions = items(mapping(data.get("status")).get("conditions"))
        if any(mapping(c).get("type") == "Ready" and c.get("status") == "True" for c in conditions):
            yield str(mapping(data.get("spec")).get("nodeName"))


def _settings(plugin: str, objects: Sequence[Resource]) -> tuple[bool, list[str]]:
    """Whether the plug-in's settings switch enforcement off, and what in them makes it doubtful."""
    if plugin != "cilium":
        return False, []
    off, doubts = False, []
    for one in objects:
        if one.type != "core/ConfigMap" or one.name != "cilium-config":
            continue
        data = mapping(mapping(one.data).get("data"))
        off = data.get("enable-policy") == "never" or data.get("policy-audit-mode") == "true"
        off = off or data.get("enable-k8s-networkpolicy") == "false"
        if str(data.get("labels", "")).strip():
            doubts.append("Cilium is told which labels count (cilium-config, labels)")
    return off, doubts


def _version(plugin: _Plugin, daemon: Resource) -> tuple[int, int]:
    for image in _images(daemon):
        if re.search(plugin.image, image):
            found = _VERSION.match(image.rpartition(":")[2])
            if found:
                return int(found[1]), int(found[2])
    return 0, 0


def _tiers(plugin: str, version: tuple[int, int]) -> tuple[bool | None, bool | None]:
    """Whether a plug-in obeys AdminNetworkPolicy and ClusterNetworkPolicy."""
    match plugin:
        case "ovn-kubernetes":
            return True, None
        case "calico":
            return version >= (3, 30) or None, None
        case "antrea" | "kube-network-policies" | "cilium":
            return None, None  # by a switch, or by version
        case _:
            return False, False


def _has_networks(crd: Resource) -> bool:
    """Whether the definition that is served knows ``egress[].to[].networks``."""
    for version in items(mapping(mapping(crd.data).get("spec")).get("versions")):
        found: Any = mapping(mapping(version).get("schema")).get("openAPIV3Schema")
        for step in ("spec", "egress", "to", "networks"):
            found = mapping(mapping(found).get("properties")).get(step)
            if step in ("egress", "to"):
                found = mapping(found).get("items")
        if found is not None:
            return True
    return False
