"""Who a binding names, and which role it refers to.

A ServiceAccount is a user (``system:serviceaccount:ns:name``) in three groups; that is how the
authorizer sees it, and so do later rooms through ``identity``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import msgspec

from haechi.checks.lookup import grouped, named
from haechi.checks.neighbours import may_share_namespace, metadata_of
from haechi.checks.pods.view import items, mapping
from haechi.model.resource import Resource, nearest
from haechi.model.review import Review

SERVICE_ACCOUNT_USER = "system:serviceaccount:"
ANONYMOUS = frozenset({("User", "system:anonymous"), ("Group", "system:unauthenticated")})
EVERYONE = frozenset({("Group", "system:authenticated"), ("Group", "system:serviceaccounts")})
BOOTSTRAP_ROLES = frozenset({"admin", "edit", "view", "cluster-admin"})
"""Roles that every cluster has besides those that begin with ``system:``."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``subjects``; ``index`` is its place."""

    kind: str
    name: str
    namespace: str
    group: str
    index: int

    @property
    def is_anonymous(self) -> bool:
        return (self.kind, self.name) in ANONYMOUS

    @property
    def is_everyone(self) -> bool:
        """Every logged-in user, or every service account of the cluster or of a namespace."""
        return (self.kind, self.name) in EVERYONE or (
            self.kind == "Group" and self.name.startswith("system:serviceaccounts:")
        )

    @property
    def is_default_account(self) -> bool:
        """The account that every pod without one of its own runs as."""
        if self.kind == "ServiceAccount":
            return self.name == "default"
        return (
            self.kind == "User"
            and self.name.startswith(SERVICE_ACCOUNT_USER)
            and self.name.endswith(":default")
        )

    @property
    def is_workload(self) -> bool:
        """A service account in either spelling, or a group of them."""
        return self.kind == "ServiceAccount" or self.name.startswith(
            (SERVICE_ACCOUNT_USER, "system:serviceaccounts")
        )

    @property
    def is_system(self) -> bool:
        """A user or group of the control plane (``system:masters``, ``system:kube-scheduler``)."""
        return (
            self.kind in ("User", "Group")
            and self.name.startswith("system:")
            and not (self.is_anonymous or self.is_everyone or self.is_workload)
        )

    @property
    def identity(self) -> str:
        """The user or group name that the authorizer compares."""
        if self.kind == "ServiceAccount":
            return f"{SERVICE_ACCOUNT_USER}{self.namespace}:{self.name}"
        return self.name

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


class RoleRef(msgspec.Struct, frozen=True, kw_only=True):
    """The role that a binding gives."""

    kind: str
    name: str


def subjects(data: Any) -> Iterator[Subject]:
    """The subjects of a binding; entries of the wrong type are left out.

    In a RoleBinding a ServiceAccount without a namespace is one of the binding's own; in a
    ClusterRoleBinding the API server refuses it.
    """
    own = namespace_of(data) if mapping(data).get("kind") == "RoleBinding" else ""
    for index, entry in enumerate(items(mapping(data).get("subjects"))):
        if isinstance(entry, dict):
            yield Subject(
                kind=_text(entry.get("kind")),
                name=_text(entry.get("name")),
                namespace=_text(entry.get("namespace"))
                or (own if entry.get("kind") == "ServiceAccount" else ""),
                group=_text(entry.get("apiGroup")),
                index=index,
            )


def namespace_of(data: Any) -> str:
    """The namespace an object says it is in."""
    return _text(metadata_of(data).get("namespace"))


def role_ref(data: Any) -> RoleRef:
    """What ``roleRef`` names; empty parts when absent."""
    ref = mapping(mapping(data).get("roleRef"))
    return RoleRef(kind=_text(ref.get("kind")), name=_text(ref.get("name")))


def referred_role(review: Review, binding: Resource) -> Resource | None:
    """The role of a binding, when it is in the scope."""
    ref = role_ref(binding.data)
    if ref.kind not in ("Role", "ClusterRole"):
        return None
    found = [
        role
        for role in named(review, f"rbac.authorization.k8s.io/{ref.kind}", ref.name)
        if ref.kind == "ClusterRole" or may_share_namespace(binding, role)
    ]
    return nearest(binding, found)[0] if found else None


def bindings_of(review: Review, role: Resource) -> Sequence[Resource]:
    """The bindings in the scope that refer to a role."""
    by_role = grouped(review, "bindings by role", lambda: _by_role(review))
    found = [
        binding
        for binding in by_role.get(("RoleBinding", role.kind, role.name), ())
        if role.kind == "ClusterRole" or may_share_namespace(binding, role)
    ]
    if role.kind == "ClusterRole":
        found += by_role.get(("ClusterRoleBinding", "", role.name), ())
    return found


def _by_role(review: Review) -> Iterator[tuple[Hashable, Resource]]:
    """By the kind and name of the role; a ClusterRoleBinding can mean a ClusterRole only."""
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for binding in review.scope.of_type(f"rbac.authorization.k8s.io/{kind}"):
            ref = role_ref(binding.data)
            yield (kind, ref.kind if kind == "RoleBinding" else "", ref.name), binding


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
