"""Workloads that make pods themselves: what those pods carry, no file shows.

An operator is known by its rights: its service account may create pods or what makes them.
Beside one, "no workload in these files makes such pods" proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.checks.pods.view import items, mapping, shared_view
from haechi.model.resource import Resource
from haechi.model.review import Review

_RBAC = "rbac.authorization.k8s.io"
_MAKES_PODS = frozenset(
    {"*", "pods", "replicasets", "deployments", "daemonsets", "statefulsets", "jobs"}
)


def operators(review: Review) -> list[Resource]:
    """The workloads of the scope whose service account may create pods."""
    known: list[Resource] | None = review.shared.get("operators")
    if known is None:
        accounts = _accounts(review)
        known = review.shared["operators"] = [
            workload
            for workload in (review.scope.workloads() if accounts else ())
            if (pod := shared_view(review, workload)) is not None
            and str(pod.spec.get("serviceAccountName")) in accounts
        ]
    return known


def _accounts(review: Review) -> set[str]:
    """Names of the service accounts that some binding gives a role that may create pods."""
    roles = {
        (role.kind, role.name)
        for role in _all(review, "Role", "ClusterRole")
        if any(map(_lets_make_pods, items(mapping(role.data).get("rules"))))
    }
    accounts: set[str] = set()
    for binding in _all(review, "RoleBinding", "ClusterRoleBinding") if roles else ():
        ref = mapping(mapping(binding.data).get("roleRef"))
        if (str(ref.get("kind")), str(ref.get("name"))) in roles:
            for subject in map(mapping, items(mapping(binding.data).get("subjects"))):
                if subject.get("kind") == "ServiceAccount":
                    accounts.add(str(subject.get("name")))
    return accounts


def _all(review: Review, *kinds: str) -> Iterator[Resource]:
    for kind in kinds:
        yield from review.scope.of_type(f"{_RBAC}/{kind}")


def _lets_make_pods(rule: Any) -> bool:
    verbs, resources = (
        {one for one in items(mapping(rule).get(key)) if isinstance(one, str)}
        for key in ("verbs", "resources")
    )
    return not verbs.isdisjoint(("*", "create")) and not resources.isdisjoint(_MAKES_PODS)
