"""What confines a container: AppArmor, SELinux, seccomp, the mask over /proc, sysctls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from haechi.checks.pod_security.result import (
    CheckResult,
    Place,
    containers,
    escaped,
    plural,
    quoted,
    setters,
)
from haechi.checks.pod_security.subject import (
    Container,
    Subject,
    context_place,
    entries,
    fields,
    named,
    text,
)

Check = Callable[[Subject], CheckResult | None]
Said = tuple[Container | None, Any]
"""A field's value and who says it; None: the pod."""

APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
_PROFILES = frozenset({"RuntimeDefault", "Localhost"})
_SECCOMP_VALUES = frozenset({"runtime/default", "docker/default"})


def _said(pod: Subject, field: str) -> list[Said]:
    """Who sets a field of the security context, and to what."""
    own = pod.security.get(field)
    found: list[Said] = [] if own is None else [(None, own)]
    for container in pod.containers:
        value = container.security.get(field)
        if value is not None:
            found.append((container, value))
    return found


def _who(bad: list[Container | None]) -> str:
    return setters(None in bad, [container.name for container in bad if container is not None])


def _places(bad: list[Container | None], *path: str) -> tuple[Place, ...]:
    return tuple(
        context_place(*path) if container is None else container.context(*path) for container in bad
    )


def _bad_types(pod: Subject, field: str) -> list[tuple[Container | None, str]]:
    """Profiles of a type that is not allowed."""
    found = [(who, text(fields(value).get("type"))) for who, value in _said(pod, field)]
    return [(who, type_) for who, type_ in found if type_ not in _PROFILES]


# --- AppArmor ---------------------------------------------------------------------------------


def apparmor_profile(pod: Subject) -> CheckResult | None:
    """The default profile, or one that lies on the node; by field or by the old annotation."""
    annotated = "annotations" in pod.metadata
    said = "appArmorProfile" in pod.fields
    if not annotated and not said:
        return None
    bad = _bad_types(pod, "appArmorProfile") if said else []
    forbidden = sorted(_apparmor_annotations(pod)) if annotated else []
    if not bad and not forbidden:
        return None
    setters_ = [who for who, _ in bad]
    values = sorted({type_ for _, type_ in bad}) + [shown for shown, _ in forbidden]
    who = [_who(setters_)] if setters_ else []
    if forbidden:
        who.append(plural("annotation", "annotations", len(forbidden)))
    places = _places(setters_, "appArmorProfile", "type")
    places += tuple(_annotation_place(key, APPARMOR_PREFIX) for _, key in forbidden)
    reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", len(values))
    detail = f"{' and '.join(who)} must not set AppArmor profile type to {quoted(values)}"
    return CheckResult("appArmorProfile", False, reason, detail, places)


def _apparmor_annotations(pod: Subject) -> Iterator[tuple[str, str]]:
    for key, value in pod.annotations().items():
        if str(key).startswith(APPARMOR_PREFIX):
            profile = text(value)
            if profile and profile != "runtime/default" and not profile.startswith("localhost/"):
                yield f"{key}={escaped(profile)}", key


def _annotation_place(key: str, prefix: str) -> Place:
    return Place(("metadata", "annotations", key), key.removeprefix(prefix))


# --- SELinux ----------------------------------------------------------------------------------

_SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})


def selinux_options(types: frozenset[str]) -> Check:
    """A check that allows these types, and no user or role of one's own."""

    def check(pod: Subject) -> CheckResult | None:
        if "seLinuxOptions" not in pod.fields:
            return None
        return _selinux(pod, types)

    return check


selinux_options_1_0 = selinux_options(_SELINUX)
selinux_options_1_31 = selinux_options(_SELINUX | {"container_engine_t"})


def _selinux(pod: Subject, types: frozenset[str]) -> CheckResult | None:
    bad: list[Container | None] = []
    places: list[Place] = []
    forbidden: set[str] = set()
    words: dict[str, None] = {}
    for who, value in _said(pod, "seLinuxOptions"):
        options = fields(value)
        type_ = text(options.get("type"))
        faults = ["type"] if type_ not in types else []
        faults += [name for name in ("user", "role") if options.get(name)]
        if not isinstance(value, dict):
            faults, type_ = ["type"], text(value)
        if not faults:
            continue
        if "type" in faults:
            forbidden.add(type_)
        words.update(dict.fromkeys(faults))
        bad.append(who)
        for fault in faults:
            places += _places([who], "seLinuxOptions", fault)
    if not bad:
        return None
    said = [f"{plural('type', 'types', len(forbidden))} {quoted(sorted(forbidden))}"]
    said = (said if forbidden else []) + [
        f"{name} may not be set" for name in ("user", "role") if name in words
    ]
    detail = f"{_who(bad)} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}"
    return CheckResult("seLinuxOptions", False, "seLinuxOptions", detail, tuple(places))


# --- seccomp ----------------------------------------------------------------------------------


def seccomp_baseline_1_0(pod: Subject) -> CheckResult | None:
    """The alpha annotations, by which profiles were chosen until 1.18."""
    annotations = pod.annotations()
    if not annotations:
        return None
    keys = [(SECCOMP_POD, "")]
    keys += [(SECCOMP_PREFIX + container.name, container.name) for container in pod.containers]
    forbidden: dict[str, Place] = {}
    for key, name in keys:
        value = annotations.get(key, "runtime/default")
        profile = text(value)
        if profile not in _SECCOMP_VALUES and not profile.startswith("localhost/"):
            shown = f"{key}={escaped(profile)}"
            forbidden.setdefault(shown, Place(("metadata", "annotations", key), name))
    if not forbidden:
        return None
    words = sorted(forbidden)
    detail = f"forbidden {plural('annotation', 'annotations', len(words))} {', '.join(words)}"
    places = tuple(forbidden[word] for word in words)
    return CheckResult("seccompProfile_baseline", False, "seccompProfile", detail, places)


def seccomp_baseline_1_19(pod: Subject) -> CheckResult | None:
    """The default profile, one on the node, or none said."""
    if "seccompProfile" not in pod.fields:
        return None
    return _seccomp_set_wrong(pod, "seccompProfile_baseline")


def _seccomp_set_wrong(pod: Subject, check: str) -> CheckResult | None:
    bad = _bad_types(pod, "seccompProfile")
    if not bad:
        return None
    who = [container for container, _ in bad]
    values = quoted(sorted({type_ for _, type_ in bad}))
    detail = f"{_who(who)} must not set securityContext.seccompProfile.type to {values}"
    places = _places(who, "seccompProfile", "type")
    return CheckResult(check, False, "seccompProfile", detail, places)


def seccomp_restricted_1_19(pod: Subject) -> CheckResult | None:
    """Every container has the default profile or one on the node, by itself or by its pod."""
    if "seccompProfile" in pod.fields:
        wrong = _seccomp_set_wrong(pod, "seccompProfile_restricted")
        if wrong is not None or pod.security.get("seccompProfile") is not None:
            return wrong
    bare = [c for c in pod.containers if c.security.get("seccompProfile") is None]
    if not bare:
        return None
    detail = (
        f"pod or {containers([c.name for c in bare])} must set securityContext.seccompProfile.type "
        'to "RuntimeDefault" or "Localhost"'
    )
    places = tuple(container.context("seccompProfile", "type") for container in bare)
    return CheckResult("seccompProfile_restricted", False, "seccompProfile", detail, places)


def seccomp_restricted_1_25(pod: Subject) -> CheckResult | None:
    """As before; Windows has no seccomp."""
    return None if pod.is_windows else seccomp_restricted_1_19(pod)


# --- /proc ------------------------------------------------------------------------------------


def _proc_mount(check: str) -> Check:
    def judge(pod: Subject) -> CheckResult | None:
        if "procMount" not in pod.fields:
            return None
        bad = [c for c in pod.containers if c.security.get("procMount", "Default") is not None]
        bad = [c for c in bad if c.security.get("procMount", "Default") != "Default"]
        if not bad:
            return None
        values = quoted(sorted({text(c.security["procMount"]) for c in bad}))
        detail = (
            f"{containers([c.name for c in bad])} must not set securityContext.procMount "
            f"to {values}"
        )
        places = tuple(container.context("procMount") for container in bad)
        return CheckResult(check, False, "procMount", detail, places)

    return judge


proc_mount_1_0 = _proc_mount("procMount")
proc_mount_restricted = _proc_mount("procMount_restricted")


def proc_mount_1_35(pod: Subject) -> CheckResult | None:
    """As before; in a user namespace an unmasked /proc is that of nobody else."""
    return None if pod.has_own_users else proc_mount_1_0(pod)


# --- sysctls ----------------------------------------------------------------------------------

_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
    }
)
_SYSCTLS_1_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_1_29 = _SYSCTLS_1_27 | {
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
}
_SYSCTLS_1_32 = _SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SYSCTLS_1_37 = _SYSCTLS_1_32 | {
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_slow_start_after_idle",
}


def _sysctls(allowed: frozenset[str]) -> Check:
    """A check that allows these kernel parameters only: namespaced, and harmless to others."""

    def check(pod: Subject) -> CheckResult | None:
        if "sysctls" not in pod.security:
            return None
        named_ = [(i, named(one)) for i, one in enumerate(entries(pod.security["sysctls"]))]
        bad = [(index, name) for index, name in named_ if name not in allowed]
        if not bad:
            return None
        places = tuple(context_place("sysctls", index, "name") for index, _ in bad)
        detail = ", ".join(name for _, name in bad)
        return CheckResult("sysctls", False, "forbidden sysctls", detail, places)

    return check


sysctls_1_0 = _sysctls(_SYSCTLS)
sysctls_1_27 = _sysctls(_SYSCTLS_1_27)
sysctls_1_29 = _sysctls(_SYSCTLS_1_29)
sysctls_1_32 = _sysctls(_SYSCTLS_1_32)
sysctls_1_37 = _sysctls(_SYSCTLS_1_37)
