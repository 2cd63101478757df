"""What a process may become: capabilities, escalation, root; and what it may mount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haechi.checks.pod_security.result import (
    CheckResult,
    Place,
    containers,
    plural,
    quoted,
    setters,
)
from haechi.checks.pod_security.subject import (
    Container,
    Subject,
    attribute,
    context_place,
    entries,
    fields,
    named,
    text,
)

_DEFAULT_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_BINDING = frozenset({"NET_BIND_SERVICE"})


def _added(pod: Subject, allowed: frozenset[str]) -> tuple[str, tuple[Place, ...]]:
    """What is wrong about capabilities that containers add beyond those allowed, and where."""
    names: list[str] = []
    capabilities: set[str] = set()
    places: list[Place] = []
    for container in pod.containers:
        added = fields(container.security.get("capabilities")).get("add")
        if not added:
            continue
        named_ = [(index, text(one)) for index, one in enumerate(entries(added))]
        bad = [(index, name) for index, name in named_ if name not in allowed]
        if bad:
            names.append(container.name)
            capabilities.update(name for _, name in bad)
            places += [container.context("capabilities", "add", index) for index, _ in bad]
    if not names:
        return "", ()
    detail = (
        f"{containers(names)} must not include {quoted(sorted(capabilities))} "
        "in securityContext.capabilities.add"
    )
    return detail, tuple(places)


def capabilities_baseline(pod: Subject) -> CheckResult | None:
    """Nothing beyond what container runtimes give by default."""
    if "capabilities" not in pod.fields:
        return None
    detail, places = _added(pod, _DEFAULT_CAPABILITIES)
    if not places:
        return None
    return CheckResult("capabilities_baseline", False, "non-default capabilities", detail, places)


def capabilities_restricted_1_22(pod: Subject) -> CheckResult | None:
    """All are dropped; only NET_BIND_SERVICE may come back."""
    keeping = [container for container in pod.containers if not _drops_all(container)]
    details: list[str] = []
    places: list[Place] = []
    if keeping:
        names = containers([container.name for container in keeping])
        details.append(f'{names} must set securityContext.capabilities.drop=["ALL"]')
        places += [container.context("capabilities", "drop") for container in keeping]
    if "capabilities" in pod.fields:
        detail, added = _added(pod, _BINDING)
        if added:
            details.append(detail)
            places += added
    if not details:
        return None
    reason = "unrestricted capabilities"
    return CheckResult("capabilities_restricted", False, reason, "; ".join(details), tuple(places))


def _drops_all(container: Container) -> bool:
    capabilities = container.security.get("capabilities")
    dropped = capabilities.get("drop") if type(capabilities) is dict else None
    return type(dropped) is list and "ALL" in dropped


def capabilities_restricted_1_25(pod: Subject) -> CheckResult | None:
    """As before; Windows has no capabilities."""
    return None if pod.is_windows else capabilities_restricted_1_22(pod)


def privilege_escalation_1_8(pod: Subject) -> CheckResult | None:
    """Every container says that a process may gain nothing beyond its parent."""
    bad = [
        container
        for container in pod.containers
        if container.security.get("allowPrivilegeEscalation") is not False
    ]
    if not bad:
        return None
    names = containers([container.name for container in bad])
    detail = f"{names} must set securityContext.allowPrivilegeEscalation=false"
    places = tuple(container.context("allowPrivilegeEscalation") for container in bad)
    reason = "allowPrivilegeEscalation != false"
    return CheckResult("allowPrivilegeEscalation", False, reason, detail, places)


def privilege_escalation_1_25(pod: Subject) -> CheckResult | None:
    """As before; Windows has nothing of the kind."""
    return None if pod.is_windows else privilege_escalation_1_8(pod)


def run_as_non_root_1_0(pod: Subject) -> CheckResult | None:
    """Every container refuses to start as root, by itself or by its pod."""
    own = pod.security.get("runAsNonRoot")
    unset: list[Container] = []
    wrong: list[Container] = []
    for container in pod.containers:
        said = container.security.get("runAsNonRoot")
        if said is None:
            unset.append(container)
        elif said is not True:
            wrong.append(container)
    if wrong or (own is not None and own is not True):
        return _root_allowed(own is not None and own is not True, wrong)
    if own is True or not unset:
        return None
    names = containers([container.name for container in unset])
    detail = f"pod or {names} must set securityContext.runAsNonRoot=true"
    places = tuple(container.context("runAsNonRoot") for container in unset)
    return CheckResult("runAsNonRoot", False, "runAsNonRoot != true", detail, places)


def _root_allowed(pod: bool, bad: list[Container]) -> CheckResult:
    who = setters(pod, [container.name for container in bad])
    places = [context_place("runAsNonRoot")] if pod else []
    places += [container.context("runAsNonRoot") for container in bad]
    detail = f"{who} must not set securityContext.runAsNonRoot=false"
    return CheckResult("runAsNonRoot", False, "runAsNonRoot != true", detail, tuple(places))


def run_as_non_root_1_35(pod: Subject) -> CheckResult | None:
    """As before; root of a user namespace is nobody outside of it."""
    return None if pod.has_own_users else run_as_non_root_1_0(pod)


def run_as_user_1_23(pod: Subject) -> CheckResult | None:
    """Nobody asks for user 0."""
    if "runAsUser" not in pod.fields:
        return None
    own = _is_root(pod.security)
    bad = [container for container in pod.containers if _is_root(container.security)]
    if not own and not bad:
        return None
    who = setters(own, [container.name for container in bad])
    places = [context_place("runAsUser")] if own else []
    places += [container.context("runAsUser") for container in bad]
    detail = f"{who} must not set runAsUser=0"
    return CheckResult("runAsUser", False, "runAsUser=0", detail, tuple(places))


def _is_root(security: Mapping[str, Any]) -> bool:
    """User 0; what is no number at all is nobody's id and counts as it, too."""
    user = security.get("runAsUser")
    return user is not None and (type(user) is not int or user == 0)


def run_as_user_1_35(pod: Subject) -> CheckResult | None:
    """As before; root of a user namespace is nobody outside of it."""
    return None if pod.has_own_users else run_as_user_1_23(pod)


_ALLOWED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_OTHER_VOLUMES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
)
"""In upstream's order: the first that is set names the volume's type; the rest is "unknown"."""


def restricted_volumes(pod: Subject) -> CheckResult | None:
    """Only volumes that need no trust in what they name."""
    volumes = pod.spec.get("volumes")
    if not volumes:
        return None
    names: list[str] = []
    types: set[str] = set()
    places: list[Place] = []
    for index, item in enumerate(entries(volumes)):
        volume = fields(item)
        sources = [key for key, value in volume.items() if value is not None and key != "name"]
        # without any source the API server makes an emptyDir of it
        if not sources or not _ALLOWED_VOLUMES.isdisjoint(sources):
            continue
        known = [type_ for type_ in _OTHER_VOLUMES if type_ in sources]
        names.append(named(volume))
        types.add(known[0] if known else "unknown")
        places.append(Place(attribute("volumes", index, *known[:1])))
    if not names:
        return None
    detail = (
        f"{plural('volume', 'volumes', len(names))} {quoted(names)} "
        f"{plural('uses', 'use', len(names))} "
        f"{plural('restricted volume type', 'restricted volume types', len(types))} "
        f"{quoted(sorted(types))}"
    )
    return CheckResult("restrictedVolumes", False, "restricted volume types", detail, tuple(places))
