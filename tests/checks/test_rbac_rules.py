"""Which RBAC objects are reported, which are not, and how often."""

from __future__ import annotations

import inspect

import pytest

from haechi.checks.rbac import bindings, inert, roles
from tests.checks.object_reviews import messages

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata: {{name: r, namespace: shop}}
rules:
  - {{apiGroups: {groups}, resources: {resources}, verbs: {verbs}}}
"""


def _role(
    groups: str = '[""]', resources: str = "[pods]", verbs: str = "[get]", kind: str = "Role"
) -> str:
    return ROLE.format(kind=kind, groups=groups, resources=resources, verbs=verbs)


GUIDE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {namespace: production, name: deployment-manager}
rules:
  - {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch, create, update, patch]}
  - {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployment-manager-binding, namespace: production}
subjects:
  - {kind: ServiceAccount, name: ci-cd-deployer, namespace: production}
roleRef: {kind: Role, name: deployment-manager}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {namespace: production, name: secret-reader}
rules:
  - {apiGroups: [""], resources: [secrets], resourceNames: [app-config], verbs: [get]}
"""


def test_role_that_writes_deployments_is_named_with_its_verbs() -> None:
    (text,) = messages(roles.workload_write, GUIDE, "Role")
    assert text.startswith('Role "deployment-manager" can create/update/patch deployments')


def test_reading_a_secret_by_name_is_fine() -> None:
    assert messages(roles.secrets_in_namespace, GUIDE, "Role") == []
    assert messages(roles.secrets_cluster_wide, GUIDE, "Role") == []


def test_only_the_unbound_role_is_called_unused() -> None:
    assert messages(inert.unused_role, GUIDE, "Role") == [
        'Role "secret-reader" is bound to nobody in these files'
    ]


def test_a_rule_that_allows_everything_is_reported_once() -> None:
    text = _role('["*"]', '["*"]', '["*"]', "ClusterRole")
    judges = [
        value
        for name, value in vars(roles).items()
        if inspect.isgeneratorfunction(value)
        and value.__module__ == roles.__name__
        and not name.startswith("_")
    ]
    assert len(judges) > 15
    found = [message for judge in judges for message in messages(judge, text)]
    assert found == ['ClusterRole "r" allows every verb on every resource']


def test_read_only_star_is_reported_for_secrets_and_as_wildcard_only() -> None:
    text = _role('[""]', '["*"]', "[get, list]")
    assert len(messages(roles.secrets_in_namespace, text)) == 1
    assert len(messages(roles.wildcard_resources, text)) == 1
    for judge in (roles.pod_entry, roles.node_proxy, roles.workload_write, roles.node_write):
        assert messages(judge, text) == []


@pytest.mark.parametrize(
    ("groups", "built_in"),
    [
        ('[""]', True),
        ("[apps]", True),
        ('["*"]', True),
        ("[argoproj.io]", False),
        ("[metrics.k8s.io]", False),
    ],
)
def test_wildcards_of_custom_groups_are_a_lesser_finding(groups: str, built_in: bool) -> None:
    text = _role(groups, "[things]", '["*"]')
    assert bool(messages(roles.wildcard_verbs, text)) is built_in
    assert bool(messages(roles.wildcard_custom, text)) is not built_in


@pytest.mark.parametrize(
    ("resources", "groups", "dead"),
    [
        ("[deployments]", '[""]', True),
        ("[deployments]", "[extensions]", True),
        ("[deployments]", "[extensions, apps]", False),
        ('["pods/*"]', '[""]', True),
        ('["*/scale"]', "[apps]", False),
        ("[Pods]", '[""]', True),
        ("[pods]", "[metrics.k8s.io]", False),
        ("[services]", "[serving.knative.dev]", False),
        ("[jobs]", "[batch.volcano.sh]", False),
    ],
)
def test_rules_that_never_match_are_told(resources: str, groups: str, dead: bool) -> None:
    assert bool(messages(inert.unmatched_rule, _role(groups, resources))) is dead


def test_old_group_beside_the_right_one_is_no_finding() -> None:
    text = _role("[extensions]", "[deployments]") + (
        "  - {apiGroups: [apps], resources: [deployments], verbs: [get]}\n"
    )
    assert messages(inert.unmatched_rule, text) == []


BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata: {{name: b, namespace: shop}}
subjects: [{subject}]
roleRef: {{kind: ClusterRole, name: {role}}}
"""
JUDGES = {
    name: getattr(bindings, name)
    for name in (
        "cluster_admin_for_everyone",
        "cluster_admin",
        "cluster_admin_in_namespace",
        "anonymous",
        "everyone",
        "default_account",
        "broad_role_cluster_wide",
        "broad_role_for_workload",
    )
}
ANONYMOUS = '{kind: User, name: "system:anonymous"}'
USERS = '{kind: Group, name: "system:authenticated"}'
DEFAULT = "{kind: ServiceAccount, name: default, namespace: shop}"
ACCOUNT = "{kind: ServiceAccount, name: cart, namespace: shop}"
TEAM = "{kind: Group, name: team}"
MASTERS = '{kind: Group, name: "system:masters"}'
CLUSTER, LOCAL = "ClusterRoleBinding", "RoleBinding"


@pytest.mark.parametrize(
    ("kind", "subject", "role", "expected"),
    [
        (CLUSTER, ANONYMOUS, "cluster-admin", {"cluster_admin_for_everyone"}),
        (CLUSTER, USERS, "cluster-admin", {"cluster_admin_for_everyone"}),
        (CLUSTER, DEFAULT, "cluster-admin", {"cluster_admin_for_everyone"}),
        (CLUSTER, ACCOUNT, "cluster-admin", {"cluster_admin"}),
        (CLUSTER, TEAM, "cluster-admin", {"cluster_admin"}),
        (CLUSTER, MASTERS, "cluster-admin", set()),
        (LOCAL, TEAM, "cluster-admin", {"cluster_admin_in_namespace"}),
        (CLUSTER, ANONYMOUS, "view", {"anonymous"}),
        (CLUSTER, ANONYMOUS, "system:public-info-viewer", set()),
        (CLUSTER, USERS, "view", {"everyone"}),
        (CLUSTER, USERS, "system:discovery", set()),
        (LOCAL, DEFAULT, "view", {"default_account"}),
        (LOCAL, DEFAULT, "edit", {"default_account", "broad_role_for_workload"}),
        (CLUSTER, TEAM, "edit", {"broad_role_cluster_wide"}),
        (LOCAL, TEAM, "edit", set()),
        (LOCAL, ACCOUNT, "edit", {"broad_role_for_workload"}),
        (LOCAL, ACCOUNT, "view", set()),
    ],
)
def test_binding_is_reported_once_at_its_worst(
    kind: str, subject: str, role: str, expected: set[str]
) -> None:
    text = BINDING.format(kind=kind, subject=subject, role=role)
    assert {name for name, judge in JUDGES.items() if messages(judge, text)} == expected


def test_account_without_namespace_is_a_fault_of_cluster_role_bindings_only() -> None:
    nameless = "{kind: ServiceAccount, name: cart}"
    for kind, count in ((CLUSTER, 1), (LOCAL, 0)):
        text = BINDING.format(kind=kind, subject=nameless, role="view")
        assert len(messages(inert.subject_namespace, text)) == count


def test_role_of_another_namespace_does_not_answer() -> None:
    text = BINDING.format(kind=LOCAL, subject=TEAM, role="reader").replace("ClusterRole,", "Role,")
    role = _role().replace("name: r,", "name: reader,")
    assert messages(inert.dangling_role, f"{text}---{role}", LOCAL) == []
    elsewhere = role.replace("namespace: shop", "namespace: other")
    (found,) = messages(inert.dangling_role, f"{text}---{elsewhere}", LOCAL)
    assert found.endswith("which exists only in namespace other")
