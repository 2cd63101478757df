"""Rules about who is given a role.

``cluster-admin`` to everyone is reported once, at its worst; the milder rules about the same
subject then keep silent.
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.rbac.grants import effective_rules, is_cluster_admin
from haechi.checks.rbac.subjects import Subject, referred_role, role_ref, subjects
from haechi.model.review import Hit, Review

CLUSTER_ADMIN = "cluster-admin"
_FOR_EVERYONE = frozenset(
    {
        "system:discovery",
        "system:basic-user",
        "system:public-info-viewer",
        "system:service-account-issuer-discovery",
        "system:image-puller",
        "kubeadm:bootstrap-signer-clusterinfo",
    }
)
"""Roles whose stock binding names everyone."""


def cluster_admin_for_everyone(review: Review) -> Iterator[Hit]:
    """Full power for anonymous users, all users, all accounts or the default account."""
    if not _is_cluster_wide(review) or not _gives_everything(review):
        return
    for subject in subjects(review.resource.data):
        if subject.is_anonymous or subject.is_everyone or subject.is_default_account:
            yield _hit(review, subject, f"gives full control of the cluster to {subject}")


def cluster_admin(review: Review) -> Iterator[Hit]:
    """cluster-admin for anyone else but the control plane itself."""
    if not _is_cluster_wide(review) or role_ref(review.resource.data).name != CLUSTER_ADMIN:
        return
    for subject in subjects(review.resource.data):
        broad = subject.is_anonymous or subject.is_everyone or subject.is_default_account
        if not broad and not subject.is_system:
            yield _hit(review, subject, f"gives cluster-admin to {subject}")


def cluster_admin_in_namespace(review: Review) -> Iterator[Hit]:
    """cluster-admin by a RoleBinding: everything in one namespace."""
    if _is_cluster_wide(review) or role_ref(review.resource.data).name != CLUSTER_ADMIN:
        return
    for subject in subjects(review.resource.data):
        if not subject.is_system:
            where = review.resource.namespace or "its namespace"
            yield _hit(review, subject, f"gives {subject} every right in {where}")


def anonymous(review: Review) -> Iterator[Hit]:
    """Any role for callers that did not log in."""
    ref = role_ref(review.resource.data)
    if ref.name in _FOR_EVERYONE or _reported_as_admin(review):
        return
    for subject in subjects(review.resource.data):
        if subject.is_anonymous:
            yield _hit(review, subject, f'gives {ref.kind} "{ref.name}" to callers without login')


def everyone(review: Review) -> Iterator[Hit]:
    """Any role for every user or every service account."""
    ref = role_ref(review.resource.data)
    if ref.name in _FOR_EVERYONE or _reported_as_admin(review):
        return
    for subject in subjects(review.resource.data):
        if subject.is_everyone:
            yield _hit(review, subject, f'gives {ref.kind} "{ref.name}" to all of {subject.name}')


def default_account(review: Review) -> Iterator[Hit]:
    """Rights for the account that pods get without asking."""
    if _reported_as_admin(review):
        return
    ref = role_ref(review.resource.data)
    for subject in subjects(review.resource.data):
        if subject.is_default_account:
            text = (
                f'gives {ref.kind} "{ref.name}" to the default service account, that is to every '
                "pod of the namespace without an account of its own"
            )
            yield _hit(review, subject, text)


def broad_role_cluster_wide(review: Review) -> Iterator[Hit]:
    """admin or edit by a ClusterRoleBinding: kube-system included."""
    ref = role_ref(review.resource.data)
    if _is_cluster_wide(review) and ref.name in ("admin", "edit"):
        for subject in subjects(review.resource.data):
            if not subject.is_system:
                text = f"gives {ref.name} in every namespace, kube-system included, to {subject}"
                yield _hit(review, subject, text)


def broad_role_for_workload(review: Review) -> Iterator[Hit]:
    """admin or edit for a service account: secrets and exec in reach of a compromised pod."""
    ref = role_ref(review.resource.data)
    if _is_cluster_wide(review) or ref.kind != "ClusterRole" or ref.name not in ("admin", "edit"):
        return
    for subject in subjects(review.resource.data):
        if subject.is_workload:
            text = f"gives ClusterRole {ref.name} to {subject}, with all secrets of the namespace"
            yield _hit(review, subject, text)


def masters(review: Review) -> Iterator[Hit]:
    """system:masters is not governed by RBAC; binding it hides that."""
    for subject in subjects(review.resource.data):
        if subject.kind == "Group" and subject.name == "system:masters":
            text = "names group system:masters, which passes every check with or without a binding"
            yield _hit(review, subject, text)


def account_as_user(review: Review) -> Iterator[Hit]:
    """A service account written as a user: it works, but inventories by kind do not see it."""
    for subject in subjects(review.resource.data):
        if subject.kind == "User" and subject.name.startswith("system:serviceaccount:"):
            text = f'names service account "{subject.name}" as a User'
            yield _hit(review, subject, text)


def _is_cluster_wide(review: Review) -> bool:
    return review.resource.kind == "ClusterRoleBinding"


def _gives_everything(review: Review) -> bool:
    if role_ref(review.resource.data).name == CLUSTER_ADMIN:
        return True
    role = referred_role(review, review.resource)
    if role is None:
        return False
    siblings = review.scope.of_type("rbac.authorization.k8s.io/ClusterRole")
    return is_cluster_admin(effective_rules(role, siblings))


def _reported_as_admin(review: Review) -> bool:
    if _is_cluster_wide(review):
        return _gives_everything(review)
    return role_ref(review.resource.data).name == CLUSTER_ADMIN


def _hit(review: Review, subject: Subject, text: str) -> Hit:
    who = f'{review.resource.kind} "{review.resource.name}"'
    return Hit(f"{who} {text}", ("subjects", subject.index, "name"))
