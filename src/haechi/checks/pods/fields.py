"""Names of the API's fields around securityContext (core/v1 of Kubernetes 1.35).

Which level knows which field; ``misplaced`` judges what stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

BOTH = frozenset(
    [
        "appArmorProfile",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seLinuxOptions",
        "seccompProfile",
        "windowsOptions",
    ]
)
ONLY_POD = frozenset(
    [
        "fsGroup",
        "fsGroupChangePolicy",
        "seLinuxChangePolicy",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "sysctls",
    ]
)
ONLY_CONTAINER = frozenset(
    [
        "allowPrivilegeEscalation",
        "capabilities",
        "privileged",
        "procMount",
        "readOnlyRootFilesystem",
    ]
)
POD = BOTH | ONLY_POD
CONTAINER = BOTH | ONLY_CONTAINER
ALL = POD | CONTAINER
POD_WORDS = frozenset(
    [
        "automountServiceAccountToken",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostUsers",
        "securityContext",
        "serviceAccountName",
        "shareProcessNamespace",
    ]
)
CONTAINER_WORDS = frozenset(
    [
        "imagePullPolicy",
        "livenessProbe",
        "readinessProbe",
        "resources",
        "securityContext",
        "startupProbe",
    ]
)
INNER: Mapping[str, frozenset[str]] = {
    "capabilities": frozenset({"add", "drop"}),
    "seccompProfile": frozenset({"type", "localhostProfile"}),
    "appArmorProfile": frozenset({"type", "localhostProfile"}),
}
RESOURCE_WORDS = frozenset({"limits", "requests", "claims"})
BOOLEANS = frozenset(
    ["allowPrivilegeEscalation", "privileged", "readOnlyRootFilesystem", "runAsNonRoot"]
)
INTEGERS = frozenset(["fsGroup", "runAsGroup", "runAsUser"])
POD_BOOLEANS = (
    *("automountServiceAccountToken", "hostIPC", "hostNetwork", "hostPID", "hostUsers"),
    "shareProcessNamespace",
)


REAL = (
    ALL
    | POD_WORDS
    | CONTAINER_WORDS
    | frozenset(
        # PodSpec
        [
            "activeDeadlineSeconds",
            "affinity",
            "containers",
            "dnsConfig",
            "dnsPolicy",
            "enableServiceLinks",
            "ephemeralContainers",
            "hostAliases",
            "hostname",
            "hostnameOverride",
            "imagePullSecrets",
            "initContainers",
            "nodeName",
            "nodeSelector",
            "os",
            "overhead",
            "preemptionPolicy",
            "priority",
            "priorityClassName",
            "readinessGates",
            "resourceClaims",
            "restartPolicy",
            "runtimeClassName",
            "schedulerName",
            "schedulingGates",
            "serviceAccount",
            "setHostnameAsFQDN",
            "subdomain",
            "terminationGracePeriodSeconds",
            "tolerations",
            "topologySpreadConstraints",
            "volumes",
            "args",
            "command",
            "env",
            "envFrom",
            "image",
            "lifecycle",
            "name",
            "ports",
            "resizePolicy",
            "restartPolicyRules",
            "stdin",
            "stdinOnce",
            "targetContainerName",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "tty",
            "volumeDevices",
            "volumeMounts",
            "workingDir",
        ]
    )
)
