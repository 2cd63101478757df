"""What a pod shares with its node: namespaces, ports, aliases, and probes aimed elsewhere.

Paths of the node are in ``host_paths``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.pods.effective import is_number
from haechi.checks.pods.view import items, mapping, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _shares(review: Review, key: str, what: str) -> Iterator[Hit]:
    pod = pod_of(review)
    if pod.spec.get(key) is True:
        yield Hit(f"pod shares the node's {what} ({key}: true)", (*pod.spec_path, key))


def host_pid(review: Review) -> Iterator[Hit]:
    """The pod sees and may signal every process of the node."""
    return _shares(review, "hostPID", "process namespace")


def host_ipc(review: Review) -> Iterator[Hit]:
    """The pod reads shared memory of the node's processes."""
    return _shares(review, "hostIPC", "IPC namespace")


def host_network(review: Review) -> Iterator[Hit]:
    """The pod uses the node's interfaces, loopback included; network policies do not hold."""
    return _shares(review, "hostNetwork", "network")


def host_port(review: Review) -> Iterator[Hit]:
    """A port of the node, unless the whole network is shared anyway."""
    pod = pod_of(review)
    if pod.spec.get("hostNetwork") is True:
        return
    for container in pod.containers:
        for index, port in enumerate(items(container.data.get("ports"))):
            number = mapping(port).get("hostPort")
            if is_number(number) and number > 0:
                yield Hit(
                    f"{named(container)} opens port {number} of the node",
                    (*container.path, "ports", index, "hostPort"),
                )


def probe_host(review: Review) -> Iterator[Hit]:
    """A probe or hook that makes the kubelet connect to a host of the author's choice.

    In the node's own network the pod listens at the node's loopback address: there the probe
    asks nobody but the pod itself.
    """
    shares_network = pod_of(review).spec.get("hostNetwork") is True
    for container in pod_of(review).containers:
        for path, handler in handlers_of(container.data):
            for kind in ("httpGet", "tcpSocket"):
                host = mapping(handler[kind]).get("host") if kind in handler else None
                if shares_network and host in _LOOPBACK:
                    continue
                if isinstance(host, str) and host:
                    yield Hit(
                        f"{named(container)} has a {path[-1]} that makes the kubelet connect to "
                        f"{quoted(host)}",
                        (*container.path, *path, kind, "host"),
                    )


def handlers_of(data: Mapping[str, Any]) -> Iterator[tuple[AttrPath, Mapping[str, Any]]]:
    """Probes and lifecycle hooks of a container, with their paths in it."""
    for key in PROBES:
        if key in data:
            yield (key,), mapping(data[key])
    if "lifecycle" in data:
        lifecycle = mapping(data["lifecycle"])
        for key in ("postStart", "preStop"):
            if key in lifecycle:
                yield ("lifecycle", key), mapping(lifecycle[key])


def host_aliases(review: Review) -> Iterator[Hit]:
    """/etc/hosts entries that outvote DNS."""
    pod = pod_of(review)
    if items(pod.spec.get("hostAliases")):
        yield Hit("pod overrides name resolution with hostAliases", (*pod.spec_path, "hostAliases"))


def host_network_dns(review: Review) -> Iterator[Hit]:
    """ClusterFirst does not hold on the node's network: cluster names do not resolve."""
    pod = pod_of(review)
    if pod.spec.get("hostNetwork") is not True or pod.is_windows:
        return
    if pod.spec.get("dnsPolicy") in (None, "ClusterFirst"):
        yield Hit(
            "pod uses the node's network with dnsPolicy ClusterFirst, which falls back to the "
            "node's DNS",
            (*pod.spec_path, "dnsPolicy"),
        )


def shared_processes(review: Review) -> Iterator[Hit]:
    """Containers of the pod see each other's processes, environments and files."""
    pod = pod_of(review)
    if pod.spec.get("shareProcessNamespace") is True:
        yield Hit(
            "pod shares one process namespace among its containers",
            (*pod.spec_path, "shareProcessNamespace"),
        )
