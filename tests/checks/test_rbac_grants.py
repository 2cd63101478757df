"""What policy rules allow: the authorizer's semantics, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.checks.rbac.grants import (
    covers_resource,
    effective_rules,
    grants,
    grants_url,
    is_cluster_admin,
    policy_rules,
)
from haechi.checks.rbac.subjects import bindings_of, referred_role, role_ref, subjects
from tests.checks.object_reviews import documents, resource_of, reviews


def _rules(*entries: dict[str, Any]) -> Any:
    return policy_rules({"rules": list(entries)})


def _rule(groups: str, resources: str, verbs: str, *names: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
    }
    return {**entry, "resourceNames": list(names)} if names else entry


@pytest.mark.parametrize(
    ("entry", "request_", "allowed"),
    [
        (_rule("core", "pods", "get"), ("", "pods", "get"), True),
        (_rule("core", "pods", "get"), ("", "pods", "list"), False),
        (_rule("core", "pods", "get"), ("apps", "pods", "get"), False),
        (_rule("*", "*", "*"), ("apps", "deployments/scale", "patch"), True),
        (_rule("core", "pods", "*"), ("", "pods/exec", "create"), False),
        (_rule("core", "*", "create"), ("", "pods/exec", "create"), True),
        (_rule("core", "pods/exec", "create"), ("", "pods/exec", "create"), True),
        (_rule("core", "pods/*", "create"), ("", "pods/exec", "create"), False),
        (_rule("apps", "*/scale", "patch"), ("apps", "deployments/scale", "patch"), True),
        (_rule("apps", "*/scale", "patch"), ("apps", "deployments", "patch"), False),
        (_rule("core", "secrets", "get", "a"), ("", "secrets", "get", "a"), True),
        (_rule("core", "secrets", "get", "a"), ("", "secrets", "get", "b"), False),
        (_rule("core", "secrets", "get", "a"), ("", "secrets", "get"), False),
        (_rule("core", "secrets", "create", "a"), ("", "secrets", "create", ""), False),
        (_rule("core", "secrets", "list", ""), ("", "secrets", "list", ""), True),
        (_rule("core", "secrets", "list", ""), ("", "secrets", "list"), True),
    ],
)
def test_request_is_allowed_as_the_authorizer_does(
    entry: dict[str, Any], request_: tuple[str, ...], allowed: bool
) -> None:
    assert grants(_rules(entry), *request_) is allowed


def test_star_covers_subresources() -> None:
    (rule,) = _rules(_rule("core", "*", "get"))
    assert covers_resource(rule, "pods/log")


@pytest.mark.parametrize(
    ("url", "verb", "allowed"),
    [
        ("/metrics", "get", True),
        ("/logs/a", "get", True),
        ("/api", "get", False),
        ("/metrics", "post", False),
    ],
)
def test_urls_match_exactly_or_by_trailing_star(url: str, verb: str, allowed: bool) -> None:
    rules = _rules({"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]})
    assert grants_url(rules, url, verb) is allowed


def test_cluster_admin_needs_every_group() -> None:
    assert is_cluster_admin(_rules(_rule("*", "*", "*")))
    assert not is_cluster_admin(_rules(_rule("core", "*", "*")))
    assert not is_cluster_admin(_rules(_rule("*", "*", "*", "one")))


AGGREGATED = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: all}}]}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {to: all}}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
"""


def test_aggregated_role_takes_the_rules_of_the_roles_it_selects() -> None:
    made = [resource_of(data) for data in documents(AGGREGATED)]
    rules = effective_rules(made[0], made)
    assert grants(rules, "", "secrets", "get")
    assert not grants(rules, "", "nodes", "get")
    assert grants(effective_rules(made[1], made), "", "secrets", "get")


BINDINGS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: read, namespace: shop}
subjects:
  - {kind: ServiceAccount, name: cart}
  - {kind: Group, name: "system:serviceaccounts:shop"}
  - {kind: User, name: "system:serviceaccount:shop:default"}
  - {kind: User, name: jane}
  - {kind: Group, name: "system:masters"}
  - not a subject
roleRef: {kind: Role, name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: other}
"""


def test_subjects_are_read_as_the_authorizer_sees_them() -> None:
    account, group, default, jane, masters = subjects(documents(BINDINGS)[0])
    assert account.identity == "system:serviceaccount:shop:cart"
    assert group.is_everyone and group.is_workload
    assert default.is_default_account and default.is_workload
    assert not (jane.is_workload or jane.is_everyone or jane.is_anonymous or jane.is_system)
    assert masters.is_system
    assert str(account) == "ServiceAccount shop/cart"


def test_binding_and_role_find_each_other_within_the_namespace() -> None:
    binding, role, stranger = reviews(documents(BINDINGS))
    assert role_ref(binding.resource.data).name == "reader"
    assert referred_role(binding, binding.resource) is role.resource
    assert bindings_of(role, role.resource) == [binding.resource]
    assert bindings_of(stranger, stranger.resource) == []
