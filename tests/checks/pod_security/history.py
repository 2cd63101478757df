"""What each check forbids in which versions, from the specification and the release history.

A row is one thing that a pod may say. ``forbids`` are the minor versions in which its check
answers "forbidden" at the check's own level, as ``first-last`` (an open end is the newest);
``windows`` the same for a pod that says it runs on Windows, where that differs. ``at`` says where
the value stands: in each kind of container in turn, or in the pod.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.checks.pod_security.pods import GONE

NEWEST = 37
ALWAYS, NEVER = "0-", ""
REPLACED = {
    "capabilities_baseline": 22,
    "hostPathVolumes": 0,
    "procMount": 35,
    "seccompProfile_baseline": 19,
}
"""Baseline checks that a stricter one stands for at ``restricted``, from that version on."""
SINCE = {
    "appArmorProfile": 0,
    "capabilities_baseline": 0,
    "hostNamespaces": 0,
    "hostPathVolumes": 0,
    "hostPorts": 0,
    "hostProbesAndHostLifecycle": 34,
    "privileged": 0,
    "procMount": 0,
    "seLinuxOptions": 0,
    "seccompProfile_baseline": 0,
    "sysctls": 0,
    "windowsHostProcess": 0,
    "allowPrivilegeEscalation": 8,
    "capabilities_restricted": 22,
    "procMount_restricted": 35,
    "restrictedVolumes": 0,
    "runAsNonRoot": 0,
    "runAsUser": 23,
    "seccompProfile_restricted": 19,
}
"""Every check with the minor version that introduced it."""
RESTRICTED = tuple(SINCE)[12:]


class Row(NamedTuple):
    check: str
    says: str
    forbids: str
    change: dict[str, Any]
    path: tuple[str | int, ...] = ()
    at: str = "container"
    windows: str | None = None


def minors(spans: str) -> set[int]:
    """The versions of ``0-24,30-``."""
    found: set[int] = set()
    for span in filter(None, spans.split(",")):
        first, _, last = span.partition("-")
        found.update(range(int(first), int(last or NEWEST) + 1))
    return found


def _security(check: str, says: str, forbids: str, windows: str | None = None, **set_: Any) -> Row:
    """A field of a container's security context."""
    (field,) = set_
    path: tuple[str | int, ...] = (field,)
    value = set_[field]
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        path = (*path, key)
    path = ("securityContext", *path)
    return Row(check, says, forbids, {"securityContext": set_}, path, "container", windows)


def _pod_security(
    check: str, says: str, forbids: str, windows: str | None = None, **set_: Any
) -> Row:
    """A field of the pod's security context."""
    row = _security(check, says, forbids, windows, **set_)
    return row._replace(at="pod")


def _capability(check: str, name: str, forbids: str, windows: str | None = None) -> Row:
    change = {"securityContext": {"capabilities": {"add": [name], "drop": ["ALL"]}}}
    path = ("securityContext", "capabilities", "add", 0)
    return Row(check, f"adds {name}", forbids, change, path, "container", windows)


def _volume(check: str, source: str, forbids: str, body: Any = None) -> Row:
    change = {"volumes": [{"name": "v", source: {} if body is None else body}]}
    return Row(check, source, forbids, change, ("volumes", 0, source), "pod")


def _sysctl(name: str, forbids: str) -> Row:
    change = {"securityContext": {"sysctls": [{"name": name, "value": "1"}]}}
    return Row("sysctls", name, forbids, change, ("securityContext", "sysctls", 0, "name"), "pod")


def _user_namespace(row: Row, forbids: str) -> Row:
    """The same in a pod with a user namespace of its own."""
    return row._replace(says=f"{row.says}, own users", forbids=forbids, at=f"{row.at}+users")


_DEFAULTS = [
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
]
_BEYOND = ["SYS_ADMIN", "NET_RAW", "NET_ADMIN", "SYS_PTRACE", "ALL", "CAP_CHOWN", "chown"]
_CAPABILITIES = [
    *[_capability("capabilities_baseline", name, NEVER) for name in _DEFAULTS],
    *[_capability("capabilities_baseline", name, ALWAYS) for name in _BEYOND],
    _capability("capabilities_restricted", "NET_BIND_SERVICE", NEVER),
    _capability("capabilities_restricted", "CHOWN", "22-", "22-24"),
    _capability("capabilities_restricted", "SYS_ADMIN", "22-", "22-24"),
    Row(
        "capabilities_restricted",
        "drops all",
        NEVER,
        {"securityContext": {"capabilities": {"drop": ["NET_RAW", "ALL"]}}},
    ),
    *[
        Row(
            "capabilities_restricted",
            f"drops {words}",
            "22-",
            {"securityContext": {"capabilities": capabilities}},
            ("securityContext", "capabilities", "drop"),
            "container",
            "22-24",
        )
        for words, capabilities in (
            ("nothing", {"drop": []}),
            ("some", {"drop": ["NET_RAW"]}),
            ("all in small letters", {"drop": ["all"]}),
            ("nothing said", GONE),
        )
    ],
]

_SANE = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
]
_SYSCTLS = [
    *[_sysctl(name, NEVER) for name in _SANE],
    _sysctl("net.ipv4.ip_local_reserved_ports", "0-26"),
    *[
        _sysctl(f"net.ipv4.tcp_{name}", "0-28")
        for name in ("keepalive_time", "fin_timeout", "keepalive_intvl", "keepalive_probes")
    ],
    _sysctl("net.ipv4.tcp_rmem", "0-31"),
    _sysctl("net.ipv4.tcp_wmem", "0-31"),
    _sysctl("net.ipv4.tcp_slow_start_after_idle", "0-36"),
    _sysctl("net.ipv4.tcp_notsent_lowat", "0-36"),
    _sysctl("kernel.msgmax", ALWAYS),
    _sysctl("net.core.somaxconn", ALWAYS),
]

_PROFILES = [
    make(check, f"{where} {type_}", forbids, windows if forbids else None, **{field: value})
    for check, field, since, windows in (
        ("appArmorProfile", "appArmorProfile", 0, None),
        ("seccompProfile_baseline", "seccompProfile", 19, None),
        ("seccompProfile_restricted", "seccompProfile", 19, "19-24"),
    )
    for where, make in (("container", _security), ("pod", _pod_security))
    for type_, forbids in (
        ("RuntimeDefault", NEVER),
        ("Localhost", NEVER),
        ("Unconfined", f"{since}-"),
        ("", f"{since}-"),
        ("runtimeDefault", f"{since}-"),
    )
    for value in [{"type": type_}]
]
_NO_SECCOMP = Row(
    "seccompProfile_restricted",
    "nowhere said",
    "19-",
    {"securityContext": {"seccompProfile": GONE}},
    ("initContainers", 0, "securityContext", "seccompProfile", "type"),
    "pod",
    "19-24",
)

_MODES = [
    _security("seLinuxOptions", "type container_t", NEVER, seLinuxOptions={"type": "container_t"}),
    _security("seLinuxOptions", "no type", NEVER, seLinuxOptions={"type": ""}),
    _security("seLinuxOptions", "level", NEVER, seLinuxOptions={"level": "s0:c1"}),
    _security("seLinuxOptions", "init", NEVER, seLinuxOptions={"type": "container_init_t"}),
    _security("seLinuxOptions", "kvm", NEVER, seLinuxOptions={"type": "container_kvm_t"}),
    _security("seLinuxOptions", "engine", "0-30", seLinuxOptions={"type": "container_engine_t"}),
    _security("seLinuxOptions", "spc_t", ALWAYS, seLinuxOptions={"type": "spc_t"}),
    _security("seLinuxOptions", "user", ALWAYS, seLinuxOptions={"user": "sysadm_u"}),
    _security("seLinuxOptions", "role", ALWAYS, seLinuxOptions={"role": "sysadm_r"}),
    _pod_security("seLinuxOptions", "pod ok", NEVER, seLinuxOptions={"type": "container_t"}),
    _pod_security(
        "seLinuxOptions", "pod engine", "0-30", seLinuxOptions={"type": "container_engine_t"}
    ),
    _pod_security("seLinuxOptions", "pod spc_t", ALWAYS, seLinuxOptions={"type": "spc_t"}),
    _pod_security("seLinuxOptions", "pod user", ALWAYS, seLinuxOptions={"user": "u"}),
    _pod_security("seLinuxOptions", "pod role", ALWAYS, seLinuxOptions={"role": "r"}),
]

_UNMASKED = _security("procMount", "unmasked", ALWAYS, procMount="Unmasked")
_UNMASKED_R = _security("procMount_restricted", "unmasked", "35-", procMount="Unmasked")
_PROC = [
    _security("procMount", "default", NEVER, procMount="Default"),
    _security("procMount", "nothing", NEVER, procMount=None),
    _UNMASKED,
    _user_namespace(_UNMASKED, "0-34"),
    _security("procMount_restricted", "default", NEVER, procMount="Default"),
    _UNMASKED_R,
    _user_namespace(_UNMASKED_R, "35-"),
]

_ROOT_OK = _security("runAsNonRoot", "false", ALWAYS, runAsNonRoot=False)
_POD_ROOT_OK = _pod_security("runAsNonRoot", "pod false", ALWAYS, runAsNonRoot=False)
_ROOT = _security("runAsUser", "0", "23-", runAsUser=0)
_POD_ROOT = _pod_security("runAsUser", "pod 0", "23-", runAsUser=0)
_USERS = [
    _security("runAsNonRoot", "true", NEVER, runAsNonRoot=True),
    _security("runAsNonRoot", "left to the pod", NEVER, runAsNonRoot=None),
    _ROOT_OK,
    _user_namespace(_ROOT_OK, "0-34"),
    _POD_ROOT_OK,
    _user_namespace(_POD_ROOT_OK, "0-34"),
    Row(
        "runAsNonRoot",
        "nowhere said",
        ALWAYS,
        {"securityContext": {"runAsNonRoot": GONE}},
        ("initContainers", 0, "securityContext", "runAsNonRoot"),
        "pod",
    ),
    _security("runAsUser", "1000", NEVER, runAsUser=1000),
    _security("runAsUser", "nothing", NEVER, runAsUser=None),
    _ROOT,
    _user_namespace(_ROOT, "23-34"),
    _pod_security("runAsUser", "pod 1000", NEVER, runAsUser=1000),
    _POD_ROOT,
    _user_namespace(_POD_ROOT, "23-34"),
    _security("allowPrivilegeEscalation", "false", NEVER, allowPrivilegeEscalation=False),
    _security("allowPrivilegeEscalation", "true", "8-", "8-24", allowPrivilegeEscalation=True),
    _security("allowPrivilegeEscalation", "unsaid", "8-", "8-24", allowPrivilegeEscalation=GONE),
]

_HOST = [
    *[
        Row(
            "hostNamespaces",
            f"{field} {value}",
            ALWAYS if value else NEVER,
            {field: value},
            (field,),
            "pod",
        )
        for field in ("hostNetwork", "hostPID", "hostIPC")
        for value in (True, False)
    ],
    _security("privileged", "true", ALWAYS, privileged=True),
    _security("privileged", "false", NEVER, privileged=False),
    _security("windowsHostProcess", "true", ALWAYS, windowsOptions={"hostProcess": True}),
    _security("windowsHostProcess", "false", NEVER, windowsOptions={"hostProcess": False}),
    _pod_security("windowsHostProcess", "pod", ALWAYS, windowsOptions={"hostProcess": True}),
    _pod_security("windowsHostProcess", "pod no", NEVER, windowsOptions={"hostProcess": False}),
    Row("hostPorts", "8080", ALWAYS, {"ports": [{"hostPort": 8080}]}, ("ports", 0, "hostPort")),
    Row("hostPorts", "0", NEVER, {"ports": [{"hostPort": 0, "containerPort": 1}]}),
    Row("hostPorts", "none", NEVER, {"ports": [{"containerPort": 80}]}),
]

_CALLED = [
    Row(
        "hostProbesAndHostLifecycle",
        f"{'.'.join(where)} {way} {host or 'none'}",
        forbids,
        {where[0]: {where[1]: body}} if len(where) > 1 else {where[0]: body},
        (*where, way, "host"),
    )
    for where in (
        ("livenessProbe",),
        ("readinessProbe",),
        ("startupProbe",),
        ("lifecycle", "postStart"),
        ("lifecycle", "preStop"),
    )
    for way in ("httpGet", "tcpSocket")
    for host, forbids in (("169.254.169.254", "34-"), ("", NEVER))
    for body in [{way: {"port": 80, "host": host}}]
]

_VOLUMES = [
    _volume("hostPathVolumes", "hostPath", ALWAYS, {"path": "/"}),
    _volume("hostPathVolumes", "emptyDir", NEVER),
    *[
        _volume("restrictedVolumes", source, NEVER)
        for source in [
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "image",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ]
    ],
    *[
        _volume("restrictedVolumes", source, ALWAYS)
        for source in [
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
            "portworxVolume",
            "photonPersistentDisk",
            "scaleIO",
            "storageos",
        ]
    ],
]


def _annotation(check: str, says: str, forbids: str, key: str, value: str) -> Row:
    return Row(check, says, forbids, {"annotations": {key: value}}, (key,), "metadata")


_APPARMOR = "container.apparmor.security.beta.kubernetes.io/app"
_SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
_ANNOTATIONS = [
    *[
        _annotation("appArmorProfile", f"annotation {value or 'empty'}", forbids, _APPARMOR, value)
        for value, forbids in (
            ("runtime/default", NEVER),
            ("localhost/mine", NEVER),
            ("", NEVER),
            ("unconfined", ALWAYS),
            ("runtime/other", ALWAYS),
        )
    ],
    *[
        _annotation("seccompProfile_baseline", f"{key} {value}", forbids, key, value)
        for key in (
            _SECCOMP,
            *[f"container.{_SECCOMP[:-3]}{name}" for name in ("init", "app", "debug")],
        )
        for value, forbids in (
            ("runtime/default", NEVER),
            ("docker/default", NEVER),
            ("localhost/mine", NEVER),
            ("unconfined", "0-18"),
        )
    ],
    _annotation(
        "seccompProfile_baseline",
        "annotation of no container",
        NEVER,
        f"container.{_SECCOMP[:-3]}other",
        "unconfined",
    ),
]

ROWS: tuple[Row, ...] = (
    *_ANNOTATIONS,
    *_CAPABILITIES,
    *_CALLED,
    *_HOST,
    *_MODES,
    *_PROC,
    *_PROFILES,
    _NO_SECCOMP,
    *_SYSCTLS,
    *_USERS,
    *_VOLUMES,
)
