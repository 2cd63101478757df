"""Users and groups: root by choice, root by default, low ids, user namespaces.

``hostUsers: false`` maps root in the container to an unprivileged user of the node, which is
why Pod Security (since 1.35) and the rules here accept root there.
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.pods.effective import each, is_number, says, setting, source
from haechi.checks.pods.view import Container, PodView, items, mapping, pod_of
from haechi.checks.pods.words import named
from haechi.model.review import Hit, Review

_LOWEST_FREE_UID = 10_000
_ADMINISTRATOR = "containeradministrator"


def _maps_users(pod: PodView) -> bool:
    return pod.spec.get("hostUsers") is False


def run_as_root(review: Review) -> Iterator[Hit]:
    """UID 0 asked for, and nothing that keeps the container from starting so."""
    pod = pod_of(review)
    if pod.is_windows or _maps_users(pod):
        return
    for found, container in each(pod, "runAsUser"):
        refused = says(setting(pod, container, "runAsNonRoot"), True)
        if is_number(found.value) and found.value == 0 and not refused:
            yield Hit(f"{found.who} runs as root (runAsUser: 0)", found.path)


def run_as_non_root(review: Review) -> Iterator[Hit]:
    """Neither a user nor ``runAsNonRoot``: the image decides, and most images say root."""
    pod = pod_of(review)
    if _maps_users(pod):
        return
    for container in pod.containers:
        if says(setting(pod, container, "runAsNonRoot"), True):
            continue
        if pod.is_windows:
            if _windows_user(pod, container) not in ("", _ADMINISTRATOR):
                continue
        elif setting(pod, container, "runAsUser") is not None:
            continue  # root is run_as_root's finding; another user is not root
        yield Hit(
            f"{named(container)} may run as root: neither runAsNonRoot nor runAsUser is set",
            (*container.path, "securityContext", "runAsNonRoot"),
        )


def _windows_user(pod: PodView, container: Container) -> str:
    own = mapping(container.security.get("windowsOptions")).get("runAsUserName")
    name = own or mapping(pod.security.get("windowsOptions")).get("runAsUserName")
    return name.lower() if isinstance(name, str) else ""


def non_root_not_enforced(review: Review) -> Iterator[Hit]:
    """A user other than root without ``runAsNonRoot``: true today, guarded by nothing."""
    pod = pod_of(review)
    if pod.is_windows or _maps_users(pod):
        return
    for container in pod.containers:
        uid = setting(pod, container, "runAsUser")
        if not is_number(uid) or uid == 0 or says(setting(pod, container, "runAsNonRoot"), True):
            continue
        yield Hit(
            f"{named(container)} runs as UID {uid}, but runAsNonRoot does not enforce it",
            (*container.path, "securityContext", "runAsNonRoot"),
        )


def non_root_contradiction(review: Review) -> Iterator[Hit]:
    """``runAsNonRoot: true`` with UID 0: the kubelet refuses to start the container."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    for container in pod.containers:
        user = source(pod, container, "runAsUser")
        if is_number(user.value) and user.value == 0:
            if setting(pod, container, "runAsNonRoot") is not True:
                continue
            yield Hit(
                f"{named(container)} demands runAsNonRoot and gets runAsUser: 0: it never starts",
                user.path,
            )


def root_group(review: Review) -> Iterator[Hit]:
    """Group 0 asked for: files that belong to root's group are readable or writable."""
    pod = pod_of(review)
    if pod.is_windows or _maps_users(pod):
        return
    for found, _ in each(pod, "runAsGroup"):
        if is_number(found.value) and found.value == 0:
            yield Hit(f"{found.who} runs with the root group (runAsGroup: 0)", found.path)
    base = (*pod.spec_path, "securityContext")
    group = pod.security.get("fsGroup")
    if is_number(group) and group == 0:
        yield Hit("pod gives its volumes to the root group (fsGroup: 0)", (*base, "fsGroup"))
    for index, group in enumerate(items(pod.security.get("supplementalGroups"))):
        if is_number(group) and group == 0:
            yield Hit(
                "pod adds the root group (supplementalGroups: 0)",
                (*base, "supplementalGroups", index),
            )


def low_uid(review: Review) -> Iterator[Hit]:
    """A UID below 10000 may be a real user of the node."""
    pod = pod_of(review)
    if pod.is_windows or _maps_users(pod):
        return
    for found, _ in each(pod, "runAsUser"):
        if is_number(found.value) and 0 < found.value < _LOWEST_FREE_UID:
            yield Hit(f"{found.who} runs as UID {found.value}, below 10000", found.path)


def user_namespace(review: Review) -> Iterator[Hit]:
    """Root that somebody asked for, in the node's own user namespace."""
    pod = pod_of(review)
    spec = pod.spec
    if pod.is_windows or _maps_users(pod):
        return
    if any(spec.get(key) is True for key in ("hostNetwork", "hostPID", "hostIPC")):
        return  # cannot be combined with a user namespace
    if any(c.security.get("privileged") is True for c in pod.containers):
        return
    for found, container in each(pod, "runAsUser"):
        refused = says(setting(pod, container, "runAsNonRoot"), True)
        if is_number(found.value) and found.value == 0 and not refused:
            yield Hit(
                f"{found.who} needs root and shares the node's user ids",
                (*pod.spec_path, "hostUsers"),
            )
            return


def user_namespace_contradiction(review: Review) -> Iterator[Hit]:
    """``hostUsers: false`` beside a host namespace: the API server refuses the pod."""
    pod = pod_of(review)
    if not _maps_users(pod):
        return
    for key in ("hostPID", "hostIPC"):
        if pod.spec.get(key) is True:
            yield Hit(
                f"pod sets hostUsers: false and {key}: true, which the API server refuses",
                (*pod.spec_path, "hostUsers"),
            )
            return
