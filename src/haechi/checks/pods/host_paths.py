"""hostPath volumes, each with exactly one finding: the worst that its path and use allow.

A container runtime's socket or a directory that holds it gives the node. So does a writable
directory from which the node runs code or reads its configuration. The same directory read-only
gives away credentials, or little. Everything else is a hostPath, which baseline forbids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from haechi.checks.pods.view import PodView, items, mapping, pod_of
from haechi.checks.pods.words import quoted
from haechi.model.review import Hit, Review

_SOCKETS = (
    "docker.sock",
    "containerd.sock",
    "crio.sock",
    "dockershim.sock",
    "cri-dockerd.sock",
    "podman.sock",
    "buildkitd.sock",
)
_SOCKET_DIRECTORIES = frozenset(
    {
        "/run",
        "/run/containerd",
        "/run/crio",
        "/run/docker",
        "/run/k3s",
        "/run/k3s/containerd",
        "/run/podman",
    }
)
_TAKEN_OVER_BY_WRITING = (
    "/bin",
    "/boot",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/opt/cni",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/rancher",
    "/var/spool/cron",
)
_HOLDS_SECRETS = (
    "/etc/cni",
    "/etc/docker",
    "/etc/kubernetes",
    "/etc/rancher",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/home",
    "/proc",
    "/root",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/rancher",
)
_PARENTS = frozenset({"/", "/var", "/var/lib", "/opt"})
_HOLD_SECRETS_BELOW = frozenset({"/", "/dev", "/etc", "/etc/ssl", "/var", "/var/lib"})
_HARMLESS = (
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/lsb-release",
    "/etc/machine-id",
    "/etc/os-release",
    "/etc/pki/ca-trust",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
    "/etc/timezone",
    "/dev/shm",  # noqa: S108 - a path that manifests name, not one that is used here
    "/usr/share/zoneinfo",
    "/var/lib/docker/containers",
    "/var/lib/kubelet/plugins",
    "/var/lib/kubelet/plugins_registry",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet/pod-resources",
)
"""Below a sensitive path, yet by themselves without secrets or code that the node runs."""


class Reach(StrEnum):
    """What the path gives an attacker in the container."""

    RUNTIME = "runtime"
    TAKEOVER = "takeover"
    SECRETS = "secrets"
    OTHER = "other"


def normal(path: str) -> str:
    """The path without doubled and trailing slashes, ``/var/run`` written ``/run``."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if parts[:2] == ["var", "run"]:
        parts = parts[1:]
    return "/" + "/".join(parts)


def _within(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)


def reach(path: str, *, writable: bool) -> Reach:
    """How far a hostPath of this path leads."""
    path = normal(path)
    if path.endswith(_SOCKETS) or path in _SOCKET_DIRECTORIES:
        return Reach.RUNTIME
    if _within(path, _HARMLESS):
        return Reach.OTHER
    if writable and (path in _PARENTS or _within(path, _TAKEN_OVER_BY_WRITING)):
        return Reach.TAKEOVER
    if path in _HOLD_SECRETS_BELOW or _within(path, _HOLDS_SECRETS):
        return Reach.SECRETS
    return Reach.OTHER


def _mounts(pod: PodView) -> Mapping[str, bool]:
    """Mounted volumes, and whether some container may write to them."""
    writable: dict[str, bool] = {}
    for container in pod.containers:
        for mount in items(container.data.get("volumeMounts")):
            name = mapping(mount).get("name")
            if isinstance(name, str):
                may_write = mount.get("readOnly") is not True
                writable[name] = writable.get(name, False) or may_write
    return writable


class _HostPath(msgspec.Struct, frozen=True):
    index: int
    volume: str
    path: str
    how: str  # writable | read-only | unmounted
    reach: Reach


def _judged(review: Review) -> list[_HostPath]:
    """Every hostPath volume, judged once per review."""
    known: list[_HostPath] | None = review.memo.get("pods.host_paths")
    if known is None:
        known = review.memo["pods.host_paths"] = list(_judge(pod_of(review)))
    return known


def _judge(pod: PodView) -> Iterator[_HostPath]:
    mounts: Mapping[str, bool] | None = None
    for index, volume in enumerate(items(pod.spec.get("volumes"))):
        path = mapping(mapping(volume).get("hostPath")).get("path")
        if not isinstance(path, str):
            continue
        mounts = _mounts(pod) if mounts is None else mounts
        name = str(volume.get("name", index))
        writable = mounts.get(name)
        how = "unmounted" if writable is None else "writable" if writable else "read-only"
        yield _HostPath(index, name, path, how, reach(path, writable=bool(writable)))


def _hits(review: Review, wanted: Reach, gives: str) -> Iterator[Hit]:
    for found in _judged(review):
        if found.reach is wanted:
            yield Hit(
                f"volume {quoted(found.volume)} is {quoted(found.path)[1:-1]} of the node"
                f" ({found.how}){gives}",
                (*pod_of(review).spec_path, "volumes", found.index, "hostPath", "path"),
            )


def runtime_socket(review: Review) -> Iterator[Hit]:
    """The container runtime's socket: whoever reaches it starts privileged containers."""
    return _hits(review, Reach.RUNTIME, ", which reaches the container runtime")


def takeover(review: Review) -> Iterator[Hit]:
    """Writable place from which the node runs code or takes its configuration."""
    return _hits(review, Reach.TAKEOVER, "")


def sensitive(review: Review) -> Iterator[Hit]:
    """Readable place where the node keeps credentials."""
    return _hits(review, Reach.SECRETS, ", which shows the node's credentials, disks or processes")


def other(review: Review) -> Iterator[Hit]:
    """Any other path of the node."""
    return _hits(review, Reach.OTHER, "")
