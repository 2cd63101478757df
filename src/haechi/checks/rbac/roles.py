"""Rules about what a Role or ClusterRole allows: wildcards and the ways up to more power.

Each way up is a table of permissions and one sentence of consequence. A rule that allows
everything is reported once, as a wildcard, not again for every way up that it contains; the
same goes for a read-only ``*``, whose worst part is the secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from haechi.checks.neighbours import labels_of
from haechi.checks.rbac.grants import (
    ANY,
    RBAC,
    PolicyRule,
    allows,
    granting,
    grants,
    policy_rules,
)
from haechi.checks.rbac.subjects import bindings_of
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch")
_READ_ONLY = frozenset(READ)


class Permission(msgspec.Struct, frozen=True):
    """Verbs on a resource; ``resource`` may be ``pods/exec``."""

    group: str
    resource: str
    verbs: tuple[str, ...]


SECRETS = (Permission("", "secrets", READ),)
WORKLOADS = (
    Permission("", "pods", ("create",)),
    Permission("", "replicationcontrollers", WRITE),
    *(Permission("apps", r, WRITE) for r in ("deployments", "daemonsets", "statefulsets")),
    Permission("apps", "replicasets", WRITE),
    *(Permission("batch", r, WRITE) for r in ("jobs", "cronjobs")),
)
INTO_PODS = (
    *(Permission("", f"pods/{s}", ("create", "get")) for s in ("exec", "attach", "portforward")),
    Permission("", "pods/ephemeralcontainers", ("update", "patch")),
)
ROLE_POWER = tuple(Permission(RBAC, r, ("escalate", "bind")) for r in ("roles", "clusterroles"))
IMPERSONATION = (
    *(Permission("", r, ("impersonate",)) for r in ("users", "groups", "serviceaccounts")),
    Permission("authentication.k8s.io", "uids", ("impersonate",)),
)
TOKENS = (Permission("", "serviceaccounts/token", ("create",)),)
NODE_PROXY = (Permission("", "nodes/proxy", ("get", *WRITE, "delete")),)
ADMISSION = tuple(
    Permission("admissionregistration.k8s.io", r, (*WRITE, "delete", "deletecollection"))
    for r in (
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    )
)
NODES = (Permission("", "nodes", ("update", "patch")),)
NAMESPACES = (Permission("", "namespaces", ("update", "patch")),)
VOLUMES = (Permission("", "persistentvolumes", ("create",)),)
ROLE_OBJECTS = tuple(
    Permission(RBAC, r, WRITE)
    for r in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
)
TRACES = (
    Permission("", "events", ("delete", "deletecollection")),
    Permission("events.k8s.io", "events", ("delete", "deletecollection")),
    Permission("", "pods/log", ("delete", "deletecollection")),
)
ENDPOINTS = (
    Permission("", "endpoints", WRITE),
    Permission("discovery.k8s.io", "endpointslices", WRITE),
    Permission("", "services/status", ("update", "patch")),
)
_APPROVAL = "certificatesigningrequests/approval"
_LOGIN_SIGNERS = (
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/*",
    "*",
)


def wildcard_everything(review: Review) -> Iterator[Hit]:
    """A ClusterRole that is cluster-admin by another name."""
    if review.resource.kind == "ClusterRole":
        for rule in policy_rules(review.resource.data):
            if rule.is_total:
                yield Hit(f"{_who(review)} allows every verb on every resource", _at(rule, "verbs"))


def wildcard_namespace(review: Review) -> Iterator[Hit]:
    """A Role that allows everything in its namespace."""
    if review.resource.kind == "Role":
        for rule in policy_rules(review.resource.data):
            if rule.is_total:
                text = f"{_who(review)} allows every verb on every resource of its namespace"
                yield Hit(text, _at(rule, "verbs"))


def wildcard_verbs(review: Review) -> Iterator[Hit]:
    """``*`` as verb on resources of Kubernetes itself."""
    for rule in policy_rules(review.resource.data):
        if ANY in rule.verbs and rule.resources and not rule.is_total and rule.is_built_in:
            what = ", ".join(sorted(rule.resources)[:4])
            yield Hit(f"{_who(review)} allows every verb on {what}", _at(rule, "verbs"))


def wildcard_resources(review: Review) -> Iterator[Hit]:
    """``*`` as resource in groups of Kubernetes itself."""
    for rule in policy_rules(review.resource.data):
        if ANY in rule.resources and not rule.is_total and rule.is_built_in:
            verbs = "/".join(rule.verbs)
            where = ", ".join(sorted(group or "core" for group in rule.groups))
            text = f"{_who(review)} allows {verbs} on every resource of group {where}"
            yield Hit(text, _at(rule, "resources"))


def wildcard_custom(review: Review) -> Iterator[Hit]:
    """Wildcards in groups of custom resources only."""
    for rule in policy_rules(review.resource.data):
        if rule.groups and not rule.is_built_in and (ANY in rule.verbs or ANY in rule.resources):
            where = ", ".join(sorted(rule.groups))
            part = "verbs" if ANY in rule.verbs else "resources"
            yield Hit(f"{_who(review)} uses * for {part} of group {where}", _at(rule, part))


def secrets_cluster_wide(review: Review) -> Iterator[Hit]:
    """Every secret of every namespace: a ClusterRole bound by a ClusterRoleBinding in scope."""
    if _bound_cluster_wide(review):
        tail = " in every namespace, so it holds every credential in the cluster"
        yield from _ways(review, SECRETS, tail, through_star=True)


def secrets_in_namespace(review: Review) -> Iterator[Hit]:
    """Every secret of a namespace."""
    if not _bound_cluster_wide(review):
        where = (
            "its namespace" if review.resource.kind == "Role" else "each namespace it is bound in"
        )
        tail = f" in {where}, not only those it needs"
        yield from _ways(review, SECRETS, tail, through_star=True)


def workload_write(review: Review) -> Iterator[Hit]:
    """Whoever makes pods picks their service account, secrets and volumes."""
    tail = ": a pod made so can use any service account and secret of the namespace"
    yield from _ways(review, WORKLOADS, tail)


def pod_entry(review: Review) -> Iterator[Hit]:
    """exec, attach, port-forward and debug containers."""
    yield from _ways(review, INTO_PODS, ", which means acting with the identity of any pod there")


def escalate_or_bind(review: Review) -> Iterator[Hit]:
    """The verbs that switch off RBAC's own protection."""
    tail = ", which lifts RBAC's check against giving oneself rights"
    yield from _ways(review, ROLE_POWER, tail, through_star=True)


def impersonation(review: Review) -> Iterator[Hit]:
    """Acting as anyone, also as a member of system:masters."""
    if review.resource.kind == "Role":
        yield from _account_impersonation(review)
        return
    tail = " without naming whom, so it can act as cluster-admin"
    yield from _ways(review, IMPERSONATION, tail, through_star=True)
    for rule in policy_rules(review.resource.data):
        if "system:masters" in rule.names and allows(
            rule, "", "groups", "impersonate", "system:masters"
        ):
            text = f"{_who(review)} can impersonate group system:masters"
            yield Hit(text, _at(rule, "resourceNames"))


def _account_impersonation(review: Review) -> Iterator[Hit]:
    """Users and groups lie outside of every namespace, so a Role gives only accounts; its verb *
    on those is the wildcard rules' to tell."""
    for rule in policy_rules(review.resource.data):
        if "impersonate" in rule.verbs and allows(rule, "", "serviceaccounts", "impersonate"):
            text = (
                f"{_who(review)} can impersonate serviceaccounts without naming whom, so it can "
                "act as any service account of its namespace"
            )
            yield Hit(text, _resource_at(rule, IMPERSONATION))


def token_requests(review: Review) -> Iterator[Hit]:
    """Minting tokens for any service account."""
    yield from _ways(review, TOKENS, ": it can mint a token of any service account it reaches")


def node_proxy(review: Review) -> Iterator[Hit]:
    """The kubelet's API, where even GET runs commands in pods."""
    tail = ": the kubelet's API runs commands in any pod of the node, unseen by the audit log"
    yield from _ways(review, NODE_PROXY, tail, through_star=True)


def admission_write(review: Review) -> Iterator[Hit]:
    """Changing what guards the cluster's door."""
    yield from _ways(review, ADMISSION, ", so it can switch off or rewrite admission control")


def node_write(review: Review) -> Iterator[Hit]:
    """Labels and taints decide where pods run."""
    yield from _ways(review, NODES, ", so it can steer pods onto a node of its choice")


def namespace_write(review: Review) -> Iterator[Hit]:
    """Pod Security and policy selection hang on namespace labels."""
    tail = ", so it can remove Pod Security labels and slip into policies that select by label"
    yield from _ways(review, NAMESPACES, tail)


def volume_create(review: Review) -> Iterator[Hit]:
    """A hostPath PersistentVolume goes around Pod Security."""
    yield from _ways(review, VOLUMES, ": a volume of type hostPath opens any file of a node")


def role_write(review: Review) -> Iterator[Hit]:
    """Writing roles and bindings."""
    yield from _ways(review, ROLE_OBJECTS, ", so it can hand out every right that it holds")


def trace_removal(review: Review) -> Iterator[Hit]:
    """Deleting events or logs."""
    yield from _ways(review, TRACES, ", which covers an intruder's tracks")


def endpoint_write(review: Review) -> Iterator[Hit]:
    """Redirecting the traffic of services (CVE-2021-25740, CVE-2020-8554)."""
    yield from _ways(review, ENDPOINTS, ", so it can send a service's traffic elsewhere")


def certificate_approval(review: Review) -> Iterator[Hit]:
    """Approving client certificates: both parts are needed, so both are looked for."""
    rules = policy_rules(review.resource.data)
    group = "certificates.k8s.io"
    signs = any(
        grants(rules, group, "signers", "approve", name) for name in (None, *_LOGIN_SIGNERS)
    )
    if not signs:
        return
    for rule in rules:
        if not rule.is_total and any(
            allows(rule, group, _APPROVAL, verb) for verb in ("update", "patch")
        ):
            text = f"{_who(review)} can approve client certificates, so it can log in as anyone"
            yield Hit(text, _at(rule, "resources"))


def aws_auth(review: Review) -> Iterator[Hit]:
    """On EKS the ConfigMap kube-system/aws-auth says which IAM role is cluster-admin."""
    if review.resource.kind == "Role" and review.resource.namespace != "kube-system":
        return
    for rule in policy_rules(review.resource.data):
        if "aws-auth" in rule.names and any(
            allows(rule, "", "configmaps", verb, "aws-auth") for verb in ("update", "patch")
        ):
            text = f"{_who(review)} can change aws-auth, which maps IAM roles to cluster-admin"
            yield Hit(text, _at(rule, "resourceNames"))


def aggregated_power(review: Review) -> Iterator[Hit]:
    """A ClusterRole that pours secrets or escalation into view or edit."""
    rules = policy_rules(review.resource.data)
    own = labels_of(review.resource.data)
    for target in ("view", "edit"):
        if own.get(f"rbac.authorization.k8s.io/aggregate-to-{target}") != "true":
            continue
        dangerous = (*ROLE_POWER, *IMPERSONATION, *ROLE_OBJECTS, *ADMISSION, *NODE_PROXY)
        if target == "view":
            dangerous += (*SECRETS, *WORKLOADS, *INTO_PODS)
        for permission in dangerous:
            rule = _first(rules, permission)
            if rule is not None:
                text = (
                    f"{_who(review)} adds {permission.resource} "
                    f"({'/'.join(_verbs(rule, permission))}) to the built-in role {target}"
                )
                yield Hit(text, _at(rule, "resources"))
                break


def _ways(
    review: Review, wanted: Sequence[Permission], tail: str, *, through_star: bool = False
) -> Iterator[Hit]:
    for rule in policy_rules(review.resource.data):
        if rule.is_total or not rule.resources:
            continue
        if ANY in rule.resources and not (through_star and _worth_telling(rule, wanted)):
            continue
        found = list(
            dict.fromkeys(
                f"{'/'.join(verbs)} {one.resource}"
                for one in wanted
                if (verbs := _verbs(rule, one))
            )
        )
        if found:
            listed = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if found[3:] else "")
            yield Hit(f"{_who(review)} can {listed}{tail}", _resource_at(rule, wanted))


def _worth_telling(rule: PolicyRule, wanted: Sequence[Permission]) -> bool:
    """Reading everything means first of all reading secrets: the rest would only repeat it."""
    return wanted is SECRETS or not _READ_ONLY.issuperset(rule.verbs)


def _verbs(rule: PolicyRule, wanted: Permission) -> tuple[str, ...]:
    return tuple(v for v in wanted.verbs if allows(rule, wanted.group, wanted.resource, v))


def _first(rules: Sequence[PolicyRule], wanted: Permission) -> PolicyRule | None:
    for verb in wanted.verbs:
        for rule in granting(rules, wanted.group, wanted.resource, verb):
            return rule
    return None


def _bound_cluster_wide(review: Review) -> bool:
    return review.resource.kind == "ClusterRole" and any(
        binding.kind == "ClusterRoleBinding" for binding in bindings_of(review, review.resource)
    )


def _who(review: Review) -> str:
    return f'{review.resource.kind} "{review.resource.name}"'


def _at(rule: PolicyRule, part: str) -> AttrPath:
    return ("rules", rule.index, part)


def _resource_at(rule: PolicyRule, wanted: Sequence[Permission]) -> AttrPath:
    """The first resource of the rule that matters. Only strings were kept, so look it up by name
    in order; the place is approximate when the list holds other types."""
    names = {one.resource for one in wanted} | {ANY}
    for place, resource in enumerate(rule.resources):
        if resource in names:
            return ("rules", rule.index, "resources", place)
    return ("rules", rule.index, "resources")
