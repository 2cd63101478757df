"""Privileged containers, privilege escalation and Windows host processes.

A privileged container has every capability, all devices and no confinement, so the rules on
escalation and capabilities stay silent about it: one cause, one finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.pods.effective import says
from haechi.checks.pods.view import Container, mapping, pod_of
from haechi.checks.pods.words import named
from haechi.model.review import Hit, Review


def is_privileged(container: Container) -> bool:
    """True when the container asks for ``privileged``."""
    return container.security.get("privileged") is True


def privileged(review: Review) -> Iterator[Hit]:
    """Container with all capabilities, devices and no confinement."""
    for container in pod_of(review).containers:
        if is_privileged(container):
            path = (*container.path, "securityContext", "privileged")
            yield Hit(f"{named(container)} runs privileged", path)


def escalation(review: Review) -> Iterator[Hit]:
    """``no_new_privs`` is off: a setuid binary in the container can gain privileges."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    for container in pod.containers:
        security = container.security
        value = security.get("allowPrivilegeEscalation")
        if says(value, False) or security.get("privileged") is True:
            continue
        does = "allows" if value is True else "does not forbid"
        yield Hit(
            f"{named(container)} {does} privilege escalation",
            (*container.path, "securityContext", "allowPrivilegeEscalation"),
        )


def escalation_contradiction(review: Review) -> Iterator[Hit]:
    """``allowPrivilegeEscalation: false`` beside something that the API server forbids with it."""
    for container in pod_of(review).containers:
        security = container.security
        if security.get("allowPrivilegeEscalation") is not False:
            continue
        added = mapping(security.get("capabilities")).get("add")
        if is_privileged(container):
            other = "privileged: true"
        # The API server compares with this spelling only; plain SYS_ADMIN passes.
        elif isinstance(added, list) and "CAP_SYS_ADMIN" in added:
            other = "CAP_SYS_ADMIN"
        else:
            continue
        yield Hit(
            f"{named(container)} sets allowPrivilegeEscalation: false together with {other}, "
            "which the API server refuses",
            (*container.path, "securityContext", "allowPrivilegeEscalation"),
        )


def windows_host_process(review: Review) -> Iterator[Hit]:
    """Windows container that runs as a process of the node."""
    pod = pod_of(review)
    by_pod = mapping(pod.security.get("windowsOptions")).get("hostProcess")
    if by_pod is True:
        path = (*pod.spec_path, "securityContext", "windowsOptions", "hostProcess")
        yield Hit("pod runs its containers as processes of the Windows node", path)
    for container in pod.containers:
        if mapping(container.security.get("windowsOptions")).get("hostProcess") is not True:
            continue
        if by_pod is not True:
            yield Hit(
                f"{named(container)} runs as a process of the Windows node",
                (*container.path, "securityContext", "windowsOptions", "hostProcess"),
            )
