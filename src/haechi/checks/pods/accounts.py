"""Service accounts: tokens that nobody needs and the account that everybody shares.

Whether a token is needed shows in the bindings that lie beside the pod. Files may hold only part
of a system, so an account that is named on purpose counts as needed unless it is defined here
and nothing here gives it a permission.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.lookup import grouped, named
from haechi.checks.neighbours import lie_close
from haechi.checks.pods.view import PodView, items, mapping, pod_of
from haechi.checks.pods.words import quoted
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review

_BINDINGS = (
    "rbac.authorization.k8s.io/RoleBinding",
    "rbac.authorization.k8s.io/ClusterRoleBinding",
)


def account_of(pod: PodView) -> str:
    """The service account the pod runs as. The old alias counts where the field is absent."""
    for key in ("serviceAccountName", "serviceAccount"):
        name = pod.spec.get(key)
        if isinstance(name, str) and name:
            return name
    return "default"


def _defined(review: Review, name: str) -> Mapping[str, Any] | None:
    """The ServiceAccount object of that name that is visible in the pod's namespace."""
    namespace = review.resource.namespace
    for account in named(review, "core/ServiceAccount", name):
        if account.namespace == namespace:
            return mapping(account.data)
    return None


def _binding_of(review: Review, name: str) -> Resource | None:
    """A visible binding that gives the account (or all accounts of its namespace) a role.

    A pod without a namespace may land in any, so an account with a name of its own may be that of
    any namespace. The account ``default`` is in every sample: where the namespace is silent or
    ``default`` too, a binding counts only in the same folder, or in the one above or below.
    """
    own = name != "default"
    namespace = review.resource.namespace or ("" if own else "default")
    anywhere = own or namespace != "default"
    groups = {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }
    known = grouped(review, "bindings by subject", lambda: _by_subject(review))
    for binding in (one for called in (name, *sorted(groups)) for one in known.get(called, ())):
        if not anywhere and not lie_close(review.resource, binding, 1):
            continue
        for subject in items(mapping(binding.data).get("subjects")):
            if _names(mapping(subject), name, namespace, binding.namespace, groups):
                return binding
    return None


def _by_subject(review: Review) -> Iterator[tuple[str, Resource]]:
    """Bindings by the bare names of their subjects: of a service account written as a user the
    last part."""
    for type_ in _BINDINGS:
        for binding in review.scope.of_type(type_):
            for subject in map(mapping, items(mapping(binding.data).get("subjects"))):
                called = subject.get("name")
                if isinstance(called, str):
                    is_user = subject.get("kind") == "User"
                    yield called.rpartition(":")[2] if is_user else called, binding


def _names(
    subject: Mapping[str, Any],
    name: str,
    namespace: str,
    binding_namespace: str | None,
    groups: set[str],
) -> bool:
    kind, called = subject.get("kind"), subject.get("name")
    if not isinstance(called, str):
        return False
    if kind == "Group":
        return called in groups
    if kind == "User":
        prefix, _, rest = called.partition("system:serviceaccount:")
        home, _, user = rest.partition(":")
        return not prefix and user == name and namespace in ("", home)
    where = subject.get("namespace") or binding_namespace or "default"
    return kind == "ServiceAccount" and called == name and namespace in ("", where)


def _mounts_token(review: Review, pod: PodView, account: str) -> bool:
    """The pod's own word counts, then the account's; silence means yes."""
    said = pod.spec.get("automountServiceAccountToken")
    if said is None:
        said = (_defined(review, account) or {}).get("automountServiceAccountToken")
    return said is not False and said != "false"


def default_token(review: Review) -> Iterator[Hit]:
    """A token of the default account, which an application never chose."""
    pod = pod_of(review)
    if account_of(pod) != "default" or not _mounts_token(review, pod, "default"):
        return
    if _binding_of(review, "default") is not None:
        return  # default_bound says more
    yield Hit(
        "pod mounts the token of the default service account",
        (*pod.spec_path, "automountServiceAccountToken"),
    )


def default_bound(review: Review) -> Iterator[Hit]:
    """The default account has been given permissions: every pod of the namespace has them."""
    pod = pod_of(review)
    if account_of(pod) != "default" or not _mounts_token(review, pod, "default"):
        return
    binding = _binding_of(review, "default")
    if binding is not None:
        yield Hit(
            f"pod runs as the default service account, to which {binding.kind} "
            f"{quoted(binding.name)} gives permissions",
            (*pod.spec_path, "serviceAccountName"),
        )


def idle_token(review: Review) -> Iterator[Hit]:
    """An account defined here, with a token mounted and no permission given here."""
    pod = pod_of(review)
    account = account_of(pod)
    if account == "default" or _defined(review, account) is None:
        return
    if _uses_cloud_identity(review, account) or not _mounts_token(review, pod, account):
        return
    if _binding_of(review, account) is None:
        yield Hit(
            f"pod mounts the token of service account {quoted(account)}, which no role binding "
            "in these files mentions",
            (*pod.spec_path, "automountServiceAccountToken"),
        )


def _uses_cloud_identity(review: Review, account: str) -> bool:
    """Annotations of EKS, GKE and Azure: the account matters outside the cluster."""
    metadata = mapping((_defined(review, account) or {}).get("metadata"))
    return any(
        key.startswith(("eks.amazonaws.com/", "iam.gke.io/", "azure.workload.identity/"))
        for key in map(str, mapping(metadata.get("annotations")))
    )


def deprecated_field(review: Review) -> Iterator[Hit]:
    """``serviceAccount`` where ``serviceAccountName`` is meant."""
    spec = pod_of(review).spec
    old, new = spec.get("serviceAccount"), spec.get("serviceAccountName")
    if not old or old == new:
        return  # the API server itself writes both
    said = f"ignored beside serviceAccountName {quoted(new)}" if new else "deprecated"
    yield Hit(
        f"pod names its service account by the field serviceAccount, which is {said}",
        (*pod_of(review).spec_path, "serviceAccount"),
    )
