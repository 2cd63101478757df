"""What a workload may do with its token, by the roles that the files bind to its account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.graph.rights import Right, Rights
from haechi.scan.iac.kubernetes import Inventory
from tests.trees import scope

RBAC = "rbac.authorization.k8s.io"


def pod(spec: str = "serviceAccountName: cart", namespace: str = "shop") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: cart, namespace: {namespace}}}\n"
        f"spec: {{containers: [{{name: a}}], {spec}}}\n"
    )


def role(rules: str, kind: str = "ClusterRole", name: str = "r", more: str = "") -> str:
    where = ", namespace: shop" if kind == "Role" else ""
    return (
        f"apiVersion: {RBAC}/v1\nkind: {kind}\nmetadata: {{name: {name}{where}{more}}}\n"
        f"rules: [{rules}]\n"
    )


CART = "{kind: ServiceAccount, name: cart, namespace: shop}"


def binding(
    kind: str = "ClusterRoleBinding",
    subject: str = CART,
    ref: str = "{kind: ClusterRole, name: r}",
    namespace: str = "shop",
    name: str = "b",
) -> str:
    where = f", namespace: {namespace}" if kind == "RoleBinding" else ""
    return (
        f"apiVersion: {RBAC}/v1\nkind: {kind}\nmetadata: {{name: {name}{where}}}\n"
        f"subjects: [{subject}]\nroleRef: {ref}\n"
    )


def rule(resources: str, verbs: str, groups: str = '""', more: str = "") -> str:
    return f"{{apiGroups: [{groups}], resources: [{resources}], verbs: [{verbs}]{more}}}"


SECRETS = rule("secrets", "get")


def rights_in(found: Inventory) -> list[Right]:
    held = Rights(found)
    (workload,) = found.workloads()
    return held.of(workload)


def said(*texts: str) -> list[str]:
    return [right.what for right in rights_in(scope(*texts))]


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        (SECRETS, ["read every Secret"]),
        (rule("secrets", "list"), ["read every Secret"]),
        (rule("'*'", "get"), ["read every Secret", "run commands in other pods"]),
        (rule("secrets", "create"), []),
        (rule("secrets", "get", more=", resourceNames: [one]"), []),
        (rule("configmaps", "'*'"), []),
        (rule("pods/exec", "create"), ["run commands in other pods"]),
        (rule("'*/exec'", "create"), ["run commands in other pods"]),
        (rule("pods", "create"), ["start pods of its choice"]),
        (rule("deployments", "patch", "apps"), ["start pods of its choice"]),
        (rule("deployments", "patch", "extensions"), []),
        (rule("clusterroles", "escalate", RBAC), ["rewrite who may do what"]),
        (rule("users", "impersonate"), ["rewrite who may do what"]),
        (rule("'*'", "'*'", "'*'"), ["do anything"]),
        (rule("'*'", "'*'"), ["do anything"]),
        (f"{SECRETS}, {rule('pods', 'create')}", ["read every Secret", "start pods of its choice"]),
        ("", []),
        ("1, {resources: 5}, {verbs: [get]}", []),
    ],
)
def test_which_rules_are_dangerous(rules: str, what: list[str]) -> None:
    assert said(pod(), role(rules), binding()) == [f"{power} in the cluster" for power in what]


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        ([role(SECRETS), binding()], "read every Secret in the cluster"),
        ([role(SECRETS), binding("RoleBinding")], "read every Secret in shop"),
        (
            [role(SECRETS, "Role"), binding("RoleBinding", ref="{kind: Role, name: r}")],
            "read every Secret in shop",
        ),
        ([role(SECRETS), binding("RoleBinding", namespace="other")], None),
        ([role(SECRETS, "Role"), binding(ref="{kind: ClusterRole, name: r}")], None),
        ([binding(ref="{kind: ClusterRole, name: cluster-admin}")], "do anything in the cluster"),
        (
            [binding("RoleBinding", ref="{kind: ClusterRole, name: edit}")],
            "read every Secret in shop",
        ),
        (
            [binding("RoleBinding", ref="{kind: ClusterRole, name: admin}")],
            "read every Secret in shop",
        ),
        ([binding("RoleBinding", ref="{kind: ClusterRole, name: view}")], None),
        ([binding("RoleBinding", ref="{kind: Role, name: cluster-admin}")], None),
        ([binding(ref="{kind: ClusterRole, name: unknown}")], None),
        ([binding(ref="7")], None),
        (
            [role(rule("pods", "get"), name="cluster-admin"), binding(ref="{kind: ClusterRole, "
             "name: cluster-admin}")],
            None,
        ),
    ],
)  # fmt: skip
def test_where_a_binding_counts(texts: list[str], what: str | None) -> None:
    assert said(pod(), *texts) == ([what] if what else [])


@pytest.mark.parametrize(
    ("subject", "counts"),
    [
        (CART, True),
        ("{kind: ServiceAccount, name: cart}", True),
        ("{kind: ServiceAccount, name: other, namespace: shop}", False),
        ("{kind: ServiceAccount, name: cart, namespace: other}", False),
        ("{kind: User, name: cart}", False),
        ("{kind: User, name: 'system:serviceaccount:shop:cart'}", True),
        ("{kind: User, name: 'system:serviceaccount:other:cart'}", False),
        ("{kind: Group, name: 'system:serviceaccounts'}", True),
        ("{kind: Group, name: 'system:authenticated'}", True),
        ("{kind: Group, name: 'system:serviceaccounts:shop'}", True),
        ("{kind: Group, name: 'system:serviceaccounts:other'}", False),
        ("{kind: Group, name: 'system:masters'}", False),
        ("1, {kind: [1], name: {a: b}}", False),
    ],
)
def test_whom_a_subject_means(subject: str, counts: bool) -> None:
    assert bool(said(pod(), role(SECRETS), binding(subject=subject))) is counts


ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: %s, namespace: shop}\n%s\n"
TOKEN = "volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: t%s}}]}}]"


@pytest.mark.parametrize(
    ("spec", "account", "counts"),
    [
        ("serviceAccountName: cart", "", True),
        ("serviceAccount: cart", "", True),
        ("serviceAccountName: cart, automountServiceAccountToken: false", "", False),
        ("serviceAccountName: cart", "automountServiceAccountToken: false", False),
        (
            "serviceAccountName: cart, automountServiceAccountToken: true",
            "automountServiceAccountToken: false",
            True,
        ),
        (f"serviceAccountName: cart, automountServiceAccountToken: false, {TOKEN % ''}", "", True),
        (
            "serviceAccountName: cart, automountServiceAccountToken: false, "
            + TOKEN % ", audience: vault",
            "",
            False,
        ),
        ("serviceAccountName: [cart]", "", False),
        ("hostPID: true", "", False),
    ],
)
def test_no_token_no_rights(spec: str, account: str, counts: bool) -> None:
    texts = [pod(spec), ACCOUNT % ("cart", account), role(SECRETS), binding()]
    assert bool(said(*texts)) is counts


def test_pods_without_an_account_are_the_default_one() -> None:
    subject = "{kind: ServiceAccount, name: default, namespace: shop}"
    assert said(pod("hostPID: true"), role(SECRETS), binding(subject=subject)) != []


def test_an_aggregated_role_has_the_rules_of_others() -> None:
    selector = "aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: r}}]}\n"
    parts = [
        role("") + selector,
        role(rule("pods", "get"), name="harmless", more=", labels: {to: r}"),
        role(SECRETS, name="part", more=", labels: {to: r}"),
        role(rule("'*'", "'*'"), name="elsewhere", more=", labels: {to: s}"),
    ]
    (right,) = rights_in(scope(pod(), *parts, binding()))
    assert right.what == "read every Secret in the cluster"
    assert (right.resource.name, right.path) == ("r", ("aggregationRule",))


def test_a_right_knows_where_it_was_given() -> None:
    rules = f"{rule('pods', 'get')}, {SECRETS}"
    (right,) = rights_in(scope(pod(), role(rules), binding()))
    assert (right.resource.kind, right.path) == ("ClusterRole", ("rules", 1))
    assert right.binding.name == "b"
    assert right.cluster_wide
    assert "클러스터에서 모든 Secret을 읽을" in right.what_ko
    (other,) = rights_in(scope(pod(), binding(ref="{kind: ClusterRole, name: cluster-admin}")))
    assert (other.resource.kind, other.path) == ("ClusterRoleBinding", ("roleRef", "name"))
    (here,) = rights_in(scope(pod(), role(SECRETS), binding("RoleBinding")))
    assert not here.cluster_wide
    assert here.weight < right.weight
    assert "네임스페이스 shop에서" in here.what_ko


def test_the_worst_right_comes_first() -> None:
    rules = f"{rule('pods', 'create')}, {rule('roles', 'escalate', RBAC)}, {SECRETS}"
    weights = [right.weight for right in rights_in(scope(pod(), role(rules), binding()))]
    assert len(weights) == 3
    assert weights == sorted(weights, reverse=True)


def test_bindings_of_one_name_are_those_nearest_and_others_add_up() -> None:
    found = scope(
        prod__pod=pod(),
        prod__b=role(rule("pods", "get")) + "---\n" + binding(),
        dev__b=role(rule("'*'", "'*'"), name="all")
        + "---\n"
        + binding(ref="{kind: ClusterRole, name: all}"),
        rbac__c=role(SECRETS, name="s")
        + "---\n"
        + binding(ref="{kind: ClusterRole, name: s}", name="c"),
    )
    assert [right.what for right in rights_in(found)] == ["read every Secret in the cluster"]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["cart", "Group", "*", "r"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "kind", "subjects", "rules", "verbs", "resources", "metadata"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ODD, ODD, ODD)
def test_objects_of_any_shape_are_no_obstacle(spec: object, rules: object, who: object) -> None:
    found = scope(pod(), role(SECRETS), binding(), ACCOUNT % ("cart", ""))
    found.resources[0].data["spec"] = spec
    found.resources[1].data["rules"] = rules
    found.resources[2].data["subjects"] = who
    for right in rights_in(found):
        assert right.what
