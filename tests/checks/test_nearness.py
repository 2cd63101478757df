"""A link between objects that name no namespace needs nearness in the tree of files."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.checks import availability, exposure
from haechi.checks.neighbours import belong_together, lie_close
from haechi.checks.pods import accounts, host
from haechi.checks.rbac import roles
from haechi.model.keys import k8s_key
from haechi.model.location import Location
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from tests.checks.object_reviews import ListScope

RBAC = "rbac.authorization.k8s.io"
LABELS = {"app": "cart"}


def thing(
    kind: str, file: str, *, group: str = "", namespace: str | None = None, **data: Any
) -> Any:
    name = str(data.pop("name", kind.lower()))
    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=namespace, name=name),
        kind=kind,
        data={"kind": kind, "metadata": {"name": name}, **data},
        locate=lambda path: Location(path=file),
        file=file,
        group=group,
        namespace=namespace,
        name=name,
    )


def deployment(file: str, namespace: str | None = None, **pod: Any) -> Resource:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "a"}], **pod}}
    spec = {"replicas": 1, "template": template}
    made: Resource = thing("Deployment", file, group="apps", namespace=namespace, spec=spec)
    return made


def judged(judge: Any, resource: Resource, *others: Resource) -> list[Hit]:
    return list(judge(Review(resource=resource, scope=ListScope((resource, *others)))))


@pytest.mark.parametrize(
    ("one", "other", "close"),
    [
        ("a.yaml", "b.yaml", True),
        ("deploy/base/a.yaml", "deploy/overlays/b.yaml", True),
        ("deploy/a.yaml", "deploy/rbac/cluster/b.yaml", True),
        ("apps/cart/k8s/a.yaml", "test/e2e/testdata/b.yaml", False),
        ("a/x/a.yaml", "b/y/b.yaml", False),
    ],
)
def test_close_is_at_most_two_steps(one: str, other: str, close: bool) -> None:
    assert lie_close(thing("Pod", one), thing("Pod", other)) is close


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("shop", "shop", True),
        ("shop", "bank", False),
        ("shop", None, False),
        (None, None, False),
    ],
)
def test_far_apart_only_a_written_namespace_links(
    one: str | None, other: str | None, together: bool
) -> None:
    here = thing("Pod", "a/x/a.yaml", namespace=one)
    there = thing("Pod", "b/y/b.yaml", namespace=other)
    assert belong_together(here, there) is together


@pytest.mark.parametrize(
    ("file", "namespace", "bound"),
    [
        ("test/data/roles/pod.yaml", None, True),
        ("test/data/pod.yaml", None, True),
        ("test/data/guestbook/pod.yaml", None, False),
        ("apps/guestbook/pod.yaml", None, False),
        ("apps/guestbook/pod.yaml", "default", False),
        ("test/data/roles/pod.yaml", "shop", False),
    ],
)
def test_a_binding_of_the_default_account_counts_nearby(
    file: str, namespace: str | None, bound: bool
) -> None:
    binding = thing(
        "ClusterRoleBinding",
        "test/data/roles/binding.yaml",
        group=RBAC,
        subjects=[{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    )
    pod = deployment(file, namespace)
    assert bool(judged(accounts.default_bound, pod, binding)) is bound
    assert bool(judged(accounts.default_token, pod, binding)) is not bound


@pytest.mark.parametrize(
    ("pod", "account", "idle"),
    [(None, "shop", False), ("shop", "shop", False), ("shop", "x", True)],
)
def test_a_pod_without_namespace_may_be_in_that_of_its_binding(
    pod: str | None, account: str, idle: bool
) -> None:
    subject = {"kind": "ServiceAccount", "name": "cart", "namespace": account}
    binding = thing("RoleBinding", "far/away/from/b.yaml", group=RBAC, subjects=[subject])
    owner = thing("ServiceAccount", "a.yaml", name="cart", namespace=pod)
    workload = deployment("a.yaml", pod, serviceAccountName="cart")
    assert bool(judged(accounts.idle_token, workload, owner, binding)) is idle


@pytest.mark.parametrize(("file", "linked"), [("x/a/d.yaml", True), ("y/b/c/d.yaml", False)])
def test_a_budget_speaks_of_the_workload_nearby(file: str, linked: bool) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": LABELS}}
    budget = thing("PodDisruptionBudget", "x/a/pdb.yaml", group="policy", spec=spec)
    assert bool(judged(availability.budget_needs_all, budget, deployment(file))) is linked


def test_beside_an_operator_no_pod_is_said_to_be_missing() -> None:
    service = thing("Service", "a.yaml", namespace="shop", spec={"selector": {"app": "made-later"}})
    worker = deployment("a.yaml", "shop", serviceAccountName="operator")
    role = thing(
        "ClusterRole",
        "a.yaml",
        group=RBAC,
        name="r",
        rules=[{"resources": ["pods"], "verbs": ["*"]}],
    )
    binding = thing(
        "ClusterRoleBinding",
        "a.yaml",
        group=RBAC,
        roleRef={"kind": "ClusterRole", "name": "r"},
        subjects=[{"kind": "ServiceAccount", "name": "operator", "namespace": "shop"}],
    )
    assert judged(exposure.selects_nothing, service, worker, role)
    assert not judged(exposure.selects_nothing, service, worker, role, binding)


@pytest.mark.parametrize(
    ("address", "shares", "found"),
    [("127.0.0.1", True, 0), ("127.0.0.1", False, 1), ("10.0.0.1", True, 1), ({}, True, 0)],
)
def test_a_pod_in_the_nodes_network_may_probe_its_loopback(
    address: Any, shares: bool, found: int
) -> None:
    probe = {"httpGet": {"host": address, "port": 1}}
    containers = [{"name": "a", "livenessProbe": probe}]
    pod = deployment("a.yaml", containers=containers, hostNetwork=shares)
    assert len(judged(host.probe_host, pod)) == found


@pytest.mark.parametrize(
    ("kind", "verb", "said"),
    [
        ("Role", "impersonate", "any service account of its namespace"),
        ("Role", "*", ""),
        ("ClusterRole", "*", "cluster-admin"),
        ("ClusterRole", "impersonate", "cluster-admin"),
    ],
)
def test_a_role_lets_impersonate_only_accounts_of_its_namespace(
    kind: str, verb: str, said: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["serviceaccounts", "users"], "verbs": [verb]}]
    found = judged(roles.impersonation, thing(kind, "a.yaml", group=RBAC, rules=rules))
    assert [said in hit.message for hit in found] == ([True] if said else [])
