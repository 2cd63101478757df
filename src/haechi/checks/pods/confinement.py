"""Kernel confinement: seccomp, AppArmor, SELinux, /proc masks, sysctls, read-only root.

Missing seccomp and seccomp switched off are two rules, for the second is somebody's decision.
A privileged container runs unconfined whatever stands here and is left to its own rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.checks.pods.effective import each, says, setting
from haechi.checks.pods.privilege import is_privileged
from haechi.checks.pods.seccomp_annotations import covered_by_annotation
from haechi.checks.pods.view import Container, PodView, items, mapping, pod_of
from haechi.checks.pods.words import listed, named, quoted
from haechi.model.review import Hit, Review

APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_CONFINING = ("RuntimeDefault", "Localhost")
_SELINUX_TYPES = frozenset(
    {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_notsent_lowat",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_slow_start_after_idle",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
"""Pod Security's safe set in its newest version (1.37)."""


def seccomp_unconfined(review: Review) -> Iterator[Hit]:
    """The system call filter switched off by hand."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    for found, container in each(pod, "seccompProfile"):
        if mapping(found.value).get("type") == "Unconfined" and not is_privileged(container):
            yield Hit(
                f"{found.who} switches the system call filter off (seccomp Unconfined)",
                (*found.path, "type"),
            )


def seccomp_missing(review: Review) -> Iterator[Hit]:
    """No system call filter, unless the kubelet was told to default one."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    for container in pod.containers:
        if is_privileged(container):
            continue
        # A profile that is written but wrong is another rule's finding.
        if setting(pod, container, "seccompProfile") or covered_by_annotation(pod, container):
            continue
        yield Hit(
            f"{named(container)} has no seccomp profile",
            (*container.path, "securityContext", "seccompProfile"),
        )


def seccomp_invalid(review: Review) -> Iterator[Hit]:
    """A profile that the API server refuses: unknown type, or localhostProfile out of place."""
    for found, _ in each(pod_of(review), "seccompProfile"):
        kind = mapping(found.value).get("type")
        fault = _profile_fault(found.value, kind)
        if fault:
            yield Hit(f"{found.who} has a seccompProfile that {fault}", found.path)


def _profile_fault(profile: Any, kind: Any) -> str:
    if not isinstance(profile, dict):
        return "is not an object"
    local = profile.get("localhostProfile")
    if kind is None:
        return "names no type" if profile else ""
    if kind not in (*_CONFINING, "Unconfined"):
        return f"names the unknown type {quoted(kind)}"
    if kind == "Localhost" and not local:
        return "is Localhost without localhostProfile"
    if kind != "Localhost" and local is not None:
        return f"sets localhostProfile beside type {kind}"
    return ""


def apparmor_unconfined(review: Review) -> Iterator[Hit]:
    """AppArmor switched off, by field or by annotation."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    by_field = set()
    for found, container in each(pod, "appArmorProfile"):
        if mapping(found.value).get("type") == "Unconfined" and not is_privileged(container):
            by_field.add(container.name)
            yield Hit(f"{found.who} switches AppArmor off", (*found.path, "type"))
    for container, profile in _annotated(pod):
        if profile == "unconfined" and container.name not in by_field:
            if setting(pod, container, "appArmorProfile") or is_privileged(container):
                continue
            yield Hit(
                f"{named(container)} switches AppArmor off by annotation",
                (*pod.path, "metadata", "annotations", APPARMOR_PREFIX + container.name),
            )


def apparmor_annotation(review: Review) -> Iterator[Hit]:
    """The annotation where the field (1.30) would do: deprecated."""
    pod = pod_of(review)
    for container, profile in _annotated(pod):
        if profile != "unconfined" and not setting(pod, container, "appArmorProfile"):
            yield Hit(
                f"{named(container)} sets its AppArmor profile by the deprecated annotation",
                (*pod.path, "metadata", "annotations", APPARMOR_PREFIX + container.name),
            )


def _annotated(pod: PodView) -> Iterator[tuple[Container, Any]]:
    annotations = mapping(pod.metadata.get("annotations"))
    if not annotations:
        return
    for container in pod.containers:
        profile = annotations.get(APPARMOR_PREFIX + container.name)
        if profile is not None:
            yield container, profile


def apparmor_orphan(review: Review) -> Iterator[Hit]:
    """An AppArmor annotation for a container that does not exist."""
    pod = pod_of(review)
    names = {container.name for container in pod.containers}
    for key in map(str, mapping(pod.metadata.get("annotations"))):
        if not key.startswith(APPARMOR_PREFIX):
            continue
        name = key.removeprefix(APPARMOR_PREFIX)
        if name not in names:
            yield Hit(
                f"AppArmor annotation is for container {quoted(name)}, which the pod does not have",
                (*pod.path, "metadata", "annotations", key),
            )


def selinux(review: Review) -> Iterator[Hit]:
    """SELinux user, role, or a type outside those meant for containers.

    Pod Security looks at the pod's options even where every container has its own.
    """
    pod = pod_of(review)
    levels = [("pod", pod.security, pod.spec_path)]
    levels += [
        (named(c), c.security, c.path) for c in pod.containers if "seLinuxOptions" in c.security
    ]
    for who, security, path in levels:
        options = mapping(security.get("seLinuxOptions"))
        faults = [f"{key} {quoted(options[key])}" for key in ("user", "role") if options.get(key)]
        kind = options.get("type")
        if kind is not None and not (isinstance(kind, str) and kind in _SELINUX_TYPES):
            faults.append(f"type {quoted(kind)}")
        if faults:
            yield Hit(
                f"{who} sets the SELinux {listed(faults)}",
                (*path, "securityContext", "seLinuxOptions"),
            )


def proc_mount(review: Review) -> Iterator[Hit]:
    """/proc without its masks on the node's own user ids."""
    if pod_of(review).spec.get("hostUsers") is not False:
        yield from _unmasked(review)


def nested_proc_mount(review: Review) -> Iterator[Hit]:
    """/proc without its masks in a user namespace: baseline allows it, restricted does not."""
    if pod_of(review).spec.get("hostUsers") is False:
        yield from _unmasked(review)


def _unmasked(review: Review) -> Iterator[Hit]:
    for container in pod_of(review).containers:
        value = container.security.get("procMount")
        if value is not None and value != "Default":
            yield Hit(
                f"{named(container)} mounts /proc unmasked (procMount: {quoted(value)[1:-1]})",
                (*container.path, "securityContext", "procMount"),
            )


def sysctls(review: Review) -> Iterator[Hit]:
    """Kernel parameters outside the safe set."""
    pod = pod_of(review)
    for index, entry in enumerate(items(pod.security.get("sysctls"))):
        name = mapping(entry).get("name")
        # The kernel takes slashes for dots.
        if isinstance(name, str) and name.replace("/", ".") not in SAFE_SYSCTLS:
            yield Hit(
                f"pod sets the unsafe sysctl {quoted(name)}",
                (*pod.spec_path, "securityContext", "sysctls", index, "name"),
            )


def writable_root(review: Review) -> Iterator[Hit]:
    """The container can change its own files."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    for container in pod.containers:
        if not says(container.security.get("readOnlyRootFilesystem"), True):
            yield Hit(
                f"{named(container)} has a writable root filesystem",
                (*container.path, "securityContext", "readOnlyRootFilesystem"),
            )
