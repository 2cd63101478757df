"""Parts of RBAC objects that look like a permission or a limit and never take effect.

They are harmless by themselves, but someone relied on them: the pod that was meant to work
gets a wider role later, and the limit that was meant to hold was never tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from haechi.checks.lookup import by_namespace, named
from haechi.checks.neighbours import beside, labels_of, may_share_namespace
from haechi.checks.rbac.grants import ANY, RBAC, PolicyRule, covers_resource, policy_rules
from haechi.checks.rbac.subjects import (
    BOOTSTRAP_ROLES,
    SERVICE_ACCOUNT_USER,
    Subject,
    bindings_of,
    referred_role,
    role_ref,
    subjects,
)
from haechi.model.review import Hit, Review

_SERVED = {
    "": "pods services secrets configmaps namespaces nodes events endpoints serviceaccounts "
    "persistentvolumes persistentvolumeclaims replicationcontrollers resourcequotas limitranges",
    "apps": "deployments daemonsets statefulsets replicasets controllerrevisions",
    "batch": "jobs cronjobs",
    "networking.k8s.io": "ingresses networkpolicies ingressclasses",
    RBAC: "roles rolebindings clusterroles clusterrolebindings",
    "policy": "poddisruptionbudgets",
    "autoscaling": "horizontalpodautoscalers",
    "storage.k8s.io": "storageclasses volumeattachments csidrivers csinodes",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "coordination.k8s.io": "leases",
    "discovery.k8s.io": "endpointslices",
    "admissionregistration.k8s.io": "validatingwebhookconfigurations mutatingwebhookconfigurations",
    "certificates.k8s.io": "certificatesigningrequests",
    "authentication.k8s.io": "tokenreviews",
    "authorization.k8s.io": "subjectaccessreviews",
}
"""Well-known resources and the group that serves them today."""
GROUP_OF = {resource: group for group, names in _SERVED.items() for resource in names.split()}
_OTHER_GROUPS = {
    "events": {"events.k8s.io"},
    "pods": {"metrics.k8s.io"},
    "nodes": {"metrics.k8s.io"},
    "services": {"serving.knative.dev"},
}
_NAMELESS = ("create", "deletecollection")


def unmatched_rule(review: Review) -> Iterator[Hit]:
    """Spellings that RBAC takes literally, and resources in a group that does not serve them."""
    who = f'{review.resource.kind} "{review.resource.name}"'
    rules = policy_rules(review.resource.data)
    for rule in rules:
        for part, reason in _misspelt(rule, rules):
            yield Hit(f"{who} has {reason}", ("rules", rule.index, part))


def names_on_nameless_verbs(review: Review) -> Iterator[Hit]:
    """resourceNames with create or deletecollection: these requests carry no name."""
    for rule in policy_rules(review.resource.data):
        if not rule.is_named:
            continue
        verbs = [verb for verb in _NAMELESS if verb in rule.verbs]
        top_level = [r for r in rule.resources if "/" not in r and r != ANY]
        if verbs and top_level:
            text = (
                f'{review.resource.kind} "{review.resource.name}" lists {"/".join(verbs)} on '
                f"{', '.join(top_level[:3])} with resourceNames; such a request carries no name, "
                "so it is never allowed"
            )
            yield Hit(text, ("rules", rule.index, "resourceNames"))


def dangling_role(review: Review) -> Iterator[Hit]:
    """A roleRef that nothing in the scope answers to, while sibling roles are there."""
    binding, ref = review.resource, role_ref(review.resource.data)
    if not ref.name or ref.kind not in ("Role", "ClusterRole"):
        return
    if ref.kind == "ClusterRole" and (
        ref.name in BOOTSTRAP_ROLES or ref.name.startswith("system:")
    ):
        return
    if referred_role(review, binding) is not None:
        return
    other = "ClusterRole" if ref.kind == "Role" else "Role"
    swapped = any(
        may_share_namespace(binding, role) for role in named(review, f"{RBAC}/{other}", ref.name)
    )
    elsewhere = named(review, f"{RBAC}/{ref.kind}", ref.name)
    what = f'{binding.kind} "{binding.name}" refers to {ref.kind} "{ref.name}"'
    if swapped:
        reason = f"but that name is a {other} here"
    elif elsewhere:
        reason = f"which exists only in namespace {elsewhere[0].namespace}"
    elif beside(review, f"{RBAC}/{ref.kind}") and binding.namespace != "kube-system":
        reason = f"which is not among the {ref.kind}s in these files"
    else:
        return
    yield Hit(f"{what}, {reason}", ("roleRef", "name"))


def unused_role(review: Review) -> Iterator[Hit]:
    """A role that no binding in the scope gives to anyone."""
    role = review.resource
    if any("aggregate-to-" in key for key in labels_of(role.data)) or bindings_of(review, role):
        return
    kinds = [f"{RBAC}/RoleBinding"]
    if role.kind == "ClusterRole":
        kinds.append(f"{RBAC}/ClusterRoleBinding")
    if any(beside(review, kind) for kind in kinds):
        text = f'{role.kind} "{role.name}" is bound to nobody in these files'
        yield Hit(text, ("metadata", "name"))


def subject_form(review: Review) -> Iterator[Hit]:
    """Subjects in a form that matches no one."""
    for subject in subjects(review.resource.data):
        reason = _no_match(subject)
        if reason:
            text = f'{review.resource.kind} "{review.resource.name}" names {subject}: {reason}'
            yield Hit(text, ("subjects", subject.index, "name"))


def subject_namespace(review: Review) -> Iterator[Hit]:
    """A ClusterRoleBinding must say the namespace; a RoleBinding defaults to its own."""
    if review.resource.kind != "ClusterRoleBinding":
        return
    for subject in subjects(review.resource.data):
        # A subject without a name is a template's gap, not a forgotten namespace.
        if subject.kind == "ServiceAccount" and subject.name and not subject.namespace:
            text = (
                f'{review.resource.kind} "{review.resource.name}" names ServiceAccount '
                f'"{subject.name}" without its namespace'
            )
            yield Hit(text, ("subjects", subject.index, "namespace"))


def missing_account(review: Review) -> Iterator[Hit]:
    """A ServiceAccount subject that is not in the scope, though others of its namespace are."""
    accounts = by_namespace(review, "core/ServiceAccount")
    for subject in subjects(review.resource.data):
        if subject.kind != "ServiceAccount" or subject.name in ("", "default"):
            continue
        siblings = accounts.get(subject.namespace or None)
        if siblings and not named(review, "core/ServiceAccount", subject.name):
            text = (
                f'{review.resource.kind} "{review.resource.name}" names {subject}, which is not '
                "among the service accounts in these files"
            )
            yield Hit(text, ("subjects", subject.index, "name"))


def _misspelt(rule: PolicyRule, rules: Sequence[PolicyRule]) -> Iterator[tuple[str, str]]:
    for verb in rule.verbs:
        if verb != ANY and ("*" in verb or verb != verb.lower()):
            yield "verbs", f'verb "{verb}", which matches no request'
    for resource in rule.resources:
        if resource == ANY:
            continue
        plain = resource.removeprefix("*/")
        if "*" in plain:
            yield (
                "resources",
                f'resource "{resource}": RBAC knows no such pattern, it never matches',
            )
        elif resource != resource.lower():
            yield "resources", f'resource "{resource}": names are plural and lower case'
        elif reason := _wrong_group(rule, resource, rules):
            yield "resources", reason


def _wrong_group(rule: PolicyRule, resource: str, rules: Sequence[PolicyRule]) -> str:
    name = resource.partition("/")[0]
    group = GROUP_OF.get(name)
    if group is None or ANY in rule.groups or not rule.groups:
        return ""
    if group in rule.groups or not _OTHER_GROUPS.get(name, set()).isdisjoint(rule.groups):
        return ""
    if any(one.count(".") and not one.endswith(".k8s.io") for one in rule.groups):
        return ""  # a custom resource may carry the same plural
    if any(group in one.groups and covers_resource(one, resource) for one in rules):
        return ""  # kept for old clusters beside the rule that works
    listed = ", ".join(f'"{one}"' for one in sorted(rule.groups))
    return f'resource "{resource}" in group {listed}; it is served by group "{group}"'


def _no_match(subject: Subject) -> str:
    name = subject.name
    match subject.kind:
        case "ServiceAccount" if ":" in name or "/" in name:
            return "a service account is written by its bare name and namespace"
        case "Group" if name.startswith(SERVICE_ACCOUNT_USER):
            return "that is a user name, not a group; use kind ServiceAccount"
        case "User" if name.startswith("system:serviceaccounts"):
            return "that is a group name, not a user"
        case "User" if name in ("system:authenticated", "system:unauthenticated", "system:masters"):
            return "that is a group name, not a user"
        case "Group" if name == "system:anonymous":
            return "that is a user name; the group is system:unauthenticated"
        case "User" | "Group" | "ServiceAccount":
            return ""
        case _:
            return "the kind must be User, Group or ServiceAccount"
