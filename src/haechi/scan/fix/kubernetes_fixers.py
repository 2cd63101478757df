"""Fixes of Kubernetes objects that steps cannot say: moves, conversions, conditions.

Each takes the object and the finding's place and answers with changes of values; how they get
into the text is not its business. What the API server would refuse, or what somebody must
decide, is Refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.checks.namespaces import KEYS, LEVELS
from haechi.checks.pods.confinement import APPARMOR_PREFIX
from haechi.checks.pods.fields import (
    ALL,
    CONTAINER,
    CONTAINER_WORDS,
    INNER,
    ONLY_CONTAINER,
    POD,
    POD_WORDS,
    RESOURCE_WORDS,
)
from haechi.checks.pods.seccomp_annotations import CONTAINER_PREFIX, POD_ANNOTATION
from haechi.checks.pods.view import items, mapping
from haechi.model.location import AttrPath, value_at
from haechi.scan.fix.changes import Change, Delete, Octal, Refused, Rename, Set, exists
from haechi.scan.fix.fixer import ROLES, Case, Function

_RBAC = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")

_SAME_SCHEMA: Mapping[tuple[str, str], str] = {
    **{("apps/v1beta1", kind): "apps/v1" for kind in _WORKLOADS},
    **{("apps/v1beta2", kind): "apps/v1" for kind in _WORKLOADS},
    **{("extensions/v1beta1", kind): "apps/v1" for kind in _WORKLOADS},
    ("extensions/v1beta1", "NetworkPolicy"): "networking.k8s.io/v1",
    **{
        ("rbac.authorization.k8s.io/v1beta1", kind): "rbac.authorization.k8s.io/v1"
        for kind in _RBAC
    },
    ("batch/v1beta1", "CronJob"): "batch/v1",
    ("policy/v1beta1", "PodDisruptionBudget"): "policy/v1",
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): "autoscaling/v2",
    ("scheduling.k8s.io/v1beta1", "PriorityClass"): "scheduling.k8s.io/v1",
    ("coordination.k8s.io/v1beta1", "Lease"): "coordination.k8s.io/v1",
    ("storage.k8s.io/v1beta1", "StorageClass"): "storage.k8s.io/v1",
    ("storage.k8s.io/v1beta1", "CSIDriver"): "storage.k8s.io/v1",
    ("storage.k8s.io/v1beta1", "CSINode"): "storage.k8s.io/v1",
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity"): "storage.k8s.io/v1",
    ("storage.k8s.io/v1beta1", "VolumeAttachment"): "storage.k8s.io/v1",
    **{
        ("admissionregistration.k8s.io/v1beta1", kind): "admissionregistration.k8s.io/v1"
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    },
    ("node.k8s.io/v1beta1", "RuntimeClass"): "node.k8s.io/v1",
    ("networking.k8s.io/v1beta1", "IngressClass"): "networking.k8s.io/v1",
    ("apiregistration.k8s.io/v1beta1", "APIService"): "apiregistration.k8s.io/v1",
}
"""Versions whose objects read the same in the new one. Source: the deprecated API migration
guide of Kubernetes; what it lists as changed is either not here or has a condition below."""
_SERVED_BY: Mapping[str, str] = {
    **dict.fromkeys(("Pod", "Service", "Secret", "ConfigMap", "Namespace"), "v1"),
    **dict.fromkeys(("ServiceAccount", "PersistentVolume", "PersistentVolumeClaim"), "v1"),
    **dict.fromkeys(_WORKLOADS, "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    **dict.fromkeys(_RBAC, "rbac.authorization.k8s.io/v1"),
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "StorageClass": "storage.k8s.io/v1",
}

_ANNOTATION_FIELDS: Mapping[str, tuple[str, Mapping[str, Any] | None]] = {
    "service.alpha.kubernetes.io/tolerate-unready-endpoints": (
        "publishNotReadyAddresses",
        {"true": True, "false": False},
    ),
    "service.beta.kubernetes.io/external-traffic": (
        "externalTrafficPolicy",
        {"OnlyLocal": "Local", "Global": "Cluster"},
    ),
    "service.alpha.kubernetes.io/external-traffic": (
        "externalTrafficPolicy",
        {"OnlyLocal": "Local", "Global": "Cluster"},
    ),
    "scheduler.alpha.kubernetes.io/critical-pod": (
        "priorityClassName",
        {"": "system-cluster-critical", "true": "system-cluster-critical"},
    ),
    "pod.beta.kubernetes.io/hostname": ("hostname", None),
    "pod.beta.kubernetes.io/subdomain": ("subdomain", None),
    "volume.alpha.kubernetes.io/storage-class": ("storageClassName", None),
}
"""Dead annotation → field of the spec beside its metadata, and how its values are written."""


def no_escalation(case: Case, _: str) -> Sequence[Change]:
    """``allowPrivilegeEscalation: false`` where the API server takes it."""
    path = (*case.anchor("container"), "securityContext")
    context = mapping(value_at(case.resource.data, path))
    added = items(mapping(context.get("capabilities")).get("add"))
    if context.get("privileged") is True:
        raise Refused("the container is privileged, and the API server refuses both together")
    if "CAP_SYS_ADMIN" in added:  # the API server compares with this spelling only
        raise Refused("the container adds CAP_SYS_ADMIN; the API server refuses both together")
    return [Set((*path, "allowPrivilegeEscalation"), False)]


def drop_all(case: Case, _: str) -> Sequence[Change]:
    """``drop: [ALL]``, kept short: ALL takes the place of single names."""
    path = (*case.anchor("container"), "securityContext", "capabilities", "drop")
    dropped = value_at(case.resource.data, path)
    if not dropped:
        return [Set(path, ["ALL"])]
    if not isinstance(dropped, list):
        raise Refused("capabilities.drop is not a list")
    return [Set((*path, len(dropped)), "ALL")]


def capability_names(case: Case, _: str) -> Sequence[Change]:
    """Names as the container runtime knows them: capitals, without CAP_."""
    value = value_at(case.resource.data, case.hit)
    places = (
        [((*case.hit, index), name) for index, name in enumerate(value)]
        if isinstance(value, list)
        else [(case.hit, value)]
    )
    return [
        Set(path, wanted)
        for path, name in places
        if isinstance(name, str) and (wanted := name.upper().removeprefix("CAP_")) != name
    ]


def seccomp_field(case: Case, _: str) -> Sequence[Change]:
    """The dead seccomp annotation as the field that replaced it."""
    return _annotation_to_field(case, "seccompProfile")


def apparmor_field(case: Case, _: str) -> Sequence[Change]:
    """The AppArmor annotation as the field that replaced it in 1.30."""
    return _annotation_to_field(case, "appArmorProfile")


def _annotation_to_field(case: Case, field: str) -> Sequence[Change]:
    key, value = case.hit[-1], value_at(case.resource.data, case.hit)
    if not isinstance(key, str) or not isinstance(value, str):
        raise Refused("the annotation's value is not text")
    target = (*_owner(case, key), "securityContext", field)
    changes: list[Change] = [Delete(case.hit, prune=True)]
    if not value_at(case.resource.data, target):
        changes.insert(0, Set(target, _profile(value)))
    return changes


def annotation_field(case: Case, _: str) -> Sequence[Change]:
    """An annotation that is no longer read, as the field that took its place."""
    key, value = str(case.hit[-1]), value_at(case.resource.data, case.hit)
    entry = _ANNOTATION_FIELDS.get(key)
    if entry is None or not isinstance(value, str):
        raise Refused(f"what takes the place of {key} is for a person to say")
    field, values = entry
    if values is not None and value not in values:
        raise Refused(f"there is no field for the value {value!r}")
    target = (*case.hit[:-3], "spec", field)
    if exists(case.resource.data, target):
        return [Delete(case.hit, prune=True)]
    new = value if values is None else values[value]
    return [Set(target, new), Delete(case.hit, prune=True, moving=True)]


def _owner(case: Case, key: str) -> AttrPath:
    """The pod's spec or the container that an annotation speaks of."""
    pod = case.anchor("pod")
    if key == POD_ANNOTATION:
        return pod
    name = key.removeprefix(CONTAINER_PREFIX).removeprefix(APPARMOR_PREFIX)
    names = {str(container.get("name")): path for path, container in _containers(case)}
    meant = [name] if name in names else difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    if not meant and len(names) == 1:
        meant = list(names)
    if not meant:
        raise Refused(f"the pod has no container {name!r}")
    return names[meant[0]]


def _profile(value: str) -> dict[str, Any]:
    if value in ("runtime/default", "docker/default"):
        return {"type": "RuntimeDefault"}
    if value == "unconfined":
        return {"type": "Unconfined"}
    if value.startswith("localhost/") and value != "localhost/":
        return {"type": "Localhost", "localhostProfile": value.removeprefix("localhost/")}
    raise Refused(f"there is no field for the profile {value!r}")


def _containers(case: Case) -> Iterator[tuple[AttrPath, Mapping[str, Any]]]:
    pod = case.anchor("pod")
    for role in ROLES:
        for index, container in enumerate(items(value_at(case.resource.data, (*pod, role)))):
            yield (*pod, role, index), mapping(container)


def respell(case: Case, _: str) -> Sequence[Change]:
    """A misspelt key gets the name that was meant, if there is exactly one."""
    key = str(case.hit[-1])
    bare = key.lower().replace("_", "").replace("-", "")
    words = {word.lower(): word for word in _words_at(case)}
    meant = [words[bare]] if bare in words else []
    meant = meant or [words[w] for w in difflib.get_close_matches(bare, words, n=2, cutoff=0.8)]
    if not meant:
        raise Refused(f"nobody can tell what {key} was meant to be")
    siblings = mapping(value_at(case.resource.data, case.hit[:-1]))
    if meant[0] in siblings:
        raise Refused(f"{meant[0]} is there already; one of the two is to be deleted by hand")
    return [Rename(case.hit, meant[0])]


def _words_at(case: Case) -> frozenset[str]:
    """The fields that stand beside a key."""
    parent = case.hit[-2] if len(case.hit) > 1 else ""
    pod = case.anchor("pod")
    if parent == "securityContext":
        return POD if case.hit[:-2] == pod else CONTAINER
    if parent == "resources":
        return RESOURCE_WORDS
    if isinstance(parent, str) and parent in INNER:
        return INNER[parent]
    return POD_WORDS if case.hit[:-1] == pod else CONTAINER_WORDS


def relocate(case: Case, _: str) -> Sequence[Change]:
    """A field at the wrong level goes where it counts."""
    key, value = str(case.hit[-1]), value_at(case.resource.data, case.hit)
    targets = [path for path in _levels(case, key) if not exists(case.resource.data, path)]
    if not targets:
        raise Refused(f"{key} is set where it counts, too; which one holds is for a person to say")
    return [*(Set(path, value) for path in targets), Delete(case.hit, prune=True, moving=True)]


def _levels(case: Case, key: str) -> list[AttrPath]:
    pod = case.anchor("pod")
    inside = [path for path, _ in _containers(case) if case.hit[: len(path)] == path]
    if key in POD_WORDS:
        context = mapping(value_at(case.resource.data, case.hit))
        if key == "securityContext" and not context.keys() <= POD:
            raise Refused("the pod's securityContext does not know all of its settings")
        return [(*pod, key)]
    if key in ONLY_CONTAINER or (inside and key in CONTAINER):
        every = inside or [path for path, _ in _containers(case)]
        return [(*path, "securityContext", key) for path in every]
    if key in ALL:
        return [(*pod, "securityContext", key)]
    raise Refused(f"where {key} belongs is for a person to say")


def retype(case: Case, _: str) -> Sequence[Change]:
    """Text where the API takes a boolean, a number or a list."""
    value = value_at(case.resource.data, case.hit)
    if case.hit[-1] in ("add", "drop"):
        if isinstance(value, str) and re.fullmatch("[A-Za-z_]+", value):
            return [Set(case.hit, [value])]
        raise Refused("which capabilities were meant is for a person to say")
    if isinstance(value, str):
        plain = value.strip().lower()
        if plain in ("true", "false"):
            return [Set(case.hit, plain == "true")]
        if plain.isdecimal() and plain.isascii() and (plain == "0" or plain[0] != "0"):
            return [Set(case.hit, int(plain))]
    raise Refused(f"{value!r} does not say what was meant")


def octal_mode(case: Case, _: str) -> Sequence[Change]:
    """Decimal digits that were meant in octal: 644 → 0644."""
    value = value_at(case.resource.data, case.hit)
    digits = str(value)
    if type(value) is not int or not re.fullmatch("[0-7]{3}", digits):
        raise Refused(f"{value!r} does not say which mode was meant")
    return [Set(case.hit, Octal(digits, 8))]


def secret_mode(case: Case, _: str) -> Sequence[Change]:
    """The same mode without the rights of everybody."""
    value = value_at(case.resource.data, case.hit)
    if type(value) is not int or not 0 <= value <= 0o777:
        raise Refused("the mode is not one of files")
    return [Set(case.hit, Octal(value & 0o770))]


def api_version(case: Case, _: str) -> Sequence[Change]:
    """The version that replaced a removed one, where the object's schema is the same."""
    data, kind = case.resource.data, case.resource.kind
    old = data.get("apiVersion")
    new = _SAME_SCHEMA.get((old, kind)) if isinstance(old, str) else None
    if new is None:
        raise Refused(f"{kind} of {old} reads differently in its new version; migrate it by hand")
    spec = mapping(data.get("spec"))
    if new == "apps/v1" and not mapping(spec.get("selector")):
        raise Refused("apps/v1 requires spec.selector, which the older versions made up")
    if new == "policy/v1" and not mapping(spec.get("selector")):
        raise Refused("an empty selector means all pods in policy/v1, and no pod before")
    if "rollbackTo" in spec or "templateGeneration" in spec:
        raise Refused("apps/v1 has neither rollbackTo nor templateGeneration")
    return [Set(("apiVersion",), new)]


def label_name(case: Case, _: str) -> Sequence[Change]:
    """A Pod Security label's key as the admission plugin reads it."""
    key = str(case.hit[-1])
    meant = difflib.get_close_matches(key, sorted(KEYS), n=1, cutoff=0.85)
    if not meant or meant[0] in mapping(value_at(case.resource.data, case.hit[:-1])):
        raise Refused(f"nobody can tell what {key} was meant to be")
    return [Rename(case.hit, meant[0])]


def label_level(case: Case, _: str) -> Sequence[Change]:
    """A Pod Security level as it is spelt."""
    value = value_at(case.resource.data, case.hit)
    if str(case.hit[-1]).endswith("-version"):
        text = str(value).strip()
        if text[:1].isdigit() and text.count(".") == 1 and isinstance(value, str):
            return [Set(case.hit, f"v{text}")]
        raise Refused(f"{value!r} does not say which version was meant")
    meant = difflib.get_close_matches(str(value).strip().lower(), LEVELS, n=1, cutoff=0.75)
    if not meant:
        raise Refused(f"{value!r} does not say which level was meant")
    return [Set(case.hit, meant[0])]


def rename_prefix(case: Case, argument: str) -> Sequence[Change]:
    """``old new``: the key keeps what follows the prefix."""
    old, _, new = argument.partition(" ")
    key = str(case.hit[-1])
    if not key.startswith(old):
        raise Refused(f"{key} does not begin with {old}")
    return [Rename(case.hit, new + key.removeprefix(old))]


def ingress_class(case: Case, _: str) -> Sequence[Change]:
    """``kubernetes.io/ingress.class`` → ``spec.ingressClassName``."""
    annotation = ("metadata", "annotations", "kubernetes.io/ingress.class")
    value = value_at(case.resource.data, annotation)
    if not isinstance(value, str) or not value:
        raise Refused("the annotation's value is not a name")
    named = value_at(case.resource.data, ("spec", "ingressClassName"))
    if named not in (None, value):
        raise Refused("the annotation and spec.ingressClassName name different classes")
    changes: list[Change] = [Delete(annotation, prune=True)]
    if named is None:
        changes.insert(0, Set(("spec", "ingressClassName"), value))
    return changes


def policy_types(case: Case, _: str) -> Sequence[Change]:
    """``policyTypes`` that names every direction with rules."""
    spec = mapping(case.resource.data.get("spec"))
    wanted = [name for name in ("Ingress", "Egress") if isinstance(spec.get(name.lower()), list)]
    if "policyTypes" not in spec:
        # The API server adds Ingress in any case; to leave it out would open what was closed.
        return [Set(("spec", "policyTypes"), ["Ingress", *(n for n in wanted if n != "Ingress")])]
    types = items(spec["policyTypes"])
    missing = [name for name in wanted if name not in types]
    return [
        Set(("spec", "policyTypes", len(types) + number), name)
        for number, name in enumerate(missing)
    ]


def merge_peers(case: Case, _: str) -> Sequence[Change]:
    """Two items, a namespaceSelector and a podSelector, become one that demands both."""
    place, parent = case.hit[-1], case.hit[:-1]
    peers = items(value_at(case.resource.data, parent))
    pods = [
        index
        for index, peer in enumerate(peers)
        if isinstance(peer, dict) and set(peer) == {"podSelector"}
    ]
    if not isinstance(place, int) or len(pods) != 1 or len(peers) != 2:
        raise Refused("which of the items belong together is for a person to say")
    selector = peers[pods[0]]["podSelector"]
    return [
        Set((*case.hit, "podSelector"), selector),
        Delete((*parent, pods[0]), moving=True),
    ]


def account_subject(case: Case, _: str) -> Sequence[Change]:
    """A service account named as User, in the form that says so: the same identity."""
    path = case.hit[:2]
    subject = mapping(value_at(case.resource.data, path))
    parts = str(subject.get("name")).split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"] or not all(parts):
        raise Refused("the name is not that of one service account")
    changes: list[Change] = [
        Set((*path, "kind"), "ServiceAccount"),
        Set((*path, "name"), parts[3]),
        Set((*path, "namespace"), parts[2]),
    ]
    if "apiGroup" in subject:
        changes.append(Delete((*path, "apiGroup")))
    return changes


def subject_namespace(case: Case, _: str) -> Sequence[Change]:
    """A subject without namespace gets that of its RoleBinding."""
    namespace = case.resource.namespace
    if case.resource.kind != "RoleBinding" or not namespace:
        raise Refused("the namespace of the account is not known here")
    return [Set(case.hit, namespace)]


def api_group(case: Case, _: str) -> Sequence[Change]:
    """A built-in kind under the one API version that serves it."""
    kind = case.resource.kind
    if kind not in _SERVED_BY:
        raise Refused(f"which API version {kind} needs is for a person to say")
    return [Set(("apiVersion",), _SERVED_BY[kind])]


KUBERNETES: Mapping[str, Function] = {
    "no-escalation": no_escalation,
    "drop-all": drop_all,
    "capability-names": capability_names,
    "seccomp-field": seccomp_field,
    "apparmor-field": apparmor_field,
    "annotation-field": annotation_field,
    "respell": respell,
    "relocate": relocate,
    "retype": retype,
    "octal-mode": octal_mode,
    "secret-mode": secret_mode,
    "api-version": api_version,
    "label-name": label_name,
    "label-level": label_level,
    "rename-prefix": rename_prefix,
    "ingress-class": ingress_class,
    "policy-types": policy_types,
    "merge-peers": merge_peers,
    "account-subject": account_subject,
    "subject-namespace": subject_namespace,
    "api-group": api_group,
}
