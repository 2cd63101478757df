"""What a role allows, by the semantics of the API server's RBAC authorizer.

Later rooms (trust, graph, admission) ask the same questions, so this module knows nothing of
findings: it normalises policy rules and answers ``allows``. Source: kubernetes
``pkg/apis/rbac/v1/evaluation_helpers.go`` and the RBAC reference page.

* ``*`` in verbs, groups or resources is everything; no other pattern exists, except
  ``*/subresource``. ``pods`` does not include ``pods/exec``; ``*`` does.
* A rule with resourceNames never allows a request that carries no name: create of a top-level
  resource and deletecollection; list and watch only with a field selector on metadata.name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from haechi.checks.labels import selects
from haechi.checks.neighbours import labels_of, texts
from haechi.checks.pods.view import items, mapping
from haechi.model.resource import Resource

RBAC = "rbac.authorization.k8s.io"
ANY = "*"
BUILT_IN_GROUPS = frozenset(
    {"", "apps", "autoscaling", "batch", "extensions", "policy"}
    | {
        f"{name}.k8s.io"
        for name in (
            "admissionregistration",
            "apiextensions",
            "apiregistration",
            "authentication",
            "authorization",
            "certificates",
            "coordination",
            "discovery",
            "events",
            "flowcontrol.apiserver",
            "networking",
            "node",
            "rbac.authorization",
            "resource",
            "scheduling",
            "storage",
            "storagemigration",
        )
    }
)
"""The groups that the API server itself serves."""


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a role's ``rules``; ``index`` is its place there."""

    groups: frozenset[str]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: frozenset[str]
    urls: tuple[str, ...]
    index: int

    @property
    def is_total(self) -> bool:
        """Every verb on every resource of every group (or of the core group)."""
        return (
            ANY in self.verbs
            and ANY in self.resources
            and not self.names
            and not self.groups.isdisjoint((ANY, ""))
        )

    @property
    def is_built_in(self) -> bool:
        """Touches a group of Kubernetes itself, not only custom resources."""
        return ANY in self.groups or not self.groups.isdisjoint(BUILT_IN_GROUPS)

    @property
    def is_named(self) -> bool:
        """Limited to objects by name. A ``""`` among the names lifts the limit for nameless
        requests and counts as not limited."""
        return bool(self.names) and "" not in self.names


def policy_rules(data: Any) -> tuple[PolicyRule, ...]:
    """The rules of a Role or ClusterRole; entries of the wrong type are left out."""
    return tuple(
        PolicyRule(
            groups=frozenset(texts(entry.get("apiGroups"))),
            resources=tuple(texts(entry.get("resources"))),
            verbs=tuple(texts(entry.get("verbs"))),
            names=frozenset(texts(entry.get("resourceNames"))),
            urls=tuple(texts(entry.get("nonResourceURLs"))),
            index=index,
        )
        for index, entry in enumerate(items(mapping(data).get("rules")))
        if isinstance(entry, dict)
    )


def effective_rules(role: Resource, cluster_roles: Iterable[Resource]) -> tuple[PolicyRule, ...]:
    """The rules of a role with its ``aggregationRule`` carried out over ``cluster_roles``.

    The controller overwrites ``rules`` of an aggregated ClusterRole with the union of those
    that any selector matches; indexes then count within that union.
    """
    aggregation = mapping(mapping(role.data).get("aggregationRule"))
    selectors = items(aggregation.get("clusterRoleSelectors"))
    if role.kind != "ClusterRole" or not selectors:
        return policy_rules(role.data)
    return tuple(
        rule
        for other in cluster_roles
        if other is not role and any(selects(one, labels_of(other.data)) for one in selectors)
        for rule in policy_rules(other.data)
    )


def covers_resource(rule: PolicyRule, resource: str) -> bool:
    """``resource`` is ``pods`` or ``pods/exec``."""
    if ANY in rule.resources or resource in rule.resources:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"{ANY}/{subresource}" in rule.resources


def allows(rule: PolicyRule, group: str, resource: str, verb: str, name: str | None = None) -> bool:
    """Whether one rule allows a request. ``group`` is ``""`` for the core group.

    ``name=None`` asks for *every* object, so a rule with resourceNames does not count;
    ``name=""`` is a request that carries no name (create, deletecollection).
    """
    if ANY not in rule.verbs and verb not in rule.verbs:
        return False
    if ANY not in rule.groups and group not in rule.groups:
        return False
    if not covers_resource(rule, resource):
        return False
    return not rule.names or (name in rule.names if name is not None else not rule.is_named)


def granting(
    rules: Iterable[PolicyRule], group: str, resource: str, verb: str, name: str | None = None
) -> Iterator[PolicyRule]:
    """The rules that allow a request."""
    return (rule for rule in rules if allows(rule, group, resource, verb, name))


def grants(
    rules: Iterable[PolicyRule], group: str, resource: str, verb: str, name: str | None = None
) -> bool:
    """Whether any of the rules allows a request."""
    return any(True for _ in granting(rules, group, resource, verb, name))


def grants_url(rules: Iterable[PolicyRule], url: str, verb: str) -> bool:
    """Whether a path outside the resources (``/metrics``) is allowed; ``/logs/*`` is a prefix."""
    return any(
        (ANY in rule.verbs or verb in rule.verbs)
        and any(one == url or (one.endswith(ANY) and url.startswith(one[:-1])) for one in rule.urls)
        for rule in rules
    )


def is_cluster_admin(rules: Sequence[PolicyRule]) -> bool:
    """Whether the rules amount to ``cluster-admin`` for resources."""
    return any(rule.is_total and ANY in rule.groups for rule in rules)
