"""Indexes narrow a search and change no answer; no rule looks at everything for each object."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.labels import map_selects, selects
from haechi.checks.lookup import any_sharing, by_namespace, named, sharing
from haechi.checks.neighbours import (
    belong_together,
    beside,
    may_share_namespace,
    of_type,
    pod_labels,
    selected,
)
from haechi.model.resource import Resource
from haechi.model.review import Review
from tests.checks.object_reviews import ListScope, resource_of
from tests.trees import scan

NAMESPACES = (None, "", "shop", "pay")


def thing(kind: str, name: Any, namespace: str | None = None, **spec: Any) -> Resource:
    metadata = {"name": name} | ({"namespace": namespace} if namespace is not None else {})
    version = "apps/v1" if kind == "Deployment" else "v1"
    return resource_of({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})


def deployment(index: int, namespace: str | None, labels: Any) -> Resource:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a"}]}}
    return thing("Deployment", f"d{index}", namespace, template=template)


@pytest.mark.parametrize("own", NAMESPACES)
def test_sharing_finds_what_may_be_in_the_same_namespace(own: str | None) -> None:
    known = [thing("Service", f"s{n}", space) for n, space in enumerate(NAMESPACES)]
    review = Review(resource=thing("Pod", "p", own), scope=ListScope(known))
    wanted = {one.name for one in known if may_share_namespace(review.resource, one)}
    groups = by_namespace(review, "core/Service")
    assert {one.name for one in sharing(groups, review.resource)} == wanted
    assert {one.name for one in of_type(review, "core/Service")} == wanted
    assert any_sharing(groups, review.resource) is bool(wanted)
    assert beside(review, "core/Service")


def test_nothing_shares_a_namespace_in_which_nothing_is() -> None:
    scope = ListScope([thing("Service", "s", "shop")])
    review = Review(resource=thing("Pod", "p", "pay"), scope=scope)
    groups = by_namespace(review, "core/Service")
    assert not sharing(groups, review.resource)
    assert not any_sharing(groups, review.resource)
    assert not beside(review, "core/Service")


@pytest.mark.parametrize(
    ("name", "found"),
    [("a", ["a", "a"]), ("c", []), ("", []), (None, []), (["a"], []), ({"a": 1}, []), (1, [])],
)
def test_named_takes_any_value_for_a_name(name: object, found: list[str]) -> None:
    known = [thing("Service", one, space) for one, space in (("a", "x"), ("b", "x"), ("a", "y"))]
    review = Review(resource=known[0], scope=ListScope(known))
    assert [one.name for one in named(review, "core/Service", name)] == found


VALUES = st.sampled_from(["a", "b", 1, True, 1.0, None, ["a"], {"a": "b"}])
LABELS = st.dictionaries(st.sampled_from(["app", "tier", "job-name"]), VALUES, max_size=3)
SELECTORS = LABELS | st.fixed_dictionaries({}, optional={"matchLabels": LABELS}) | VALUES


@given(
    pods=st.lists(st.tuples(st.sampled_from(NAMESPACES), LABELS | VALUES), max_size=6),
    own=st.sampled_from(NAMESPACES),
    selector=SELECTORS,
    linked=st.booleans(),
    plain=st.booleans(),
)
def test_selected_finds_what_a_search_through_everything_finds(
    pods: list[tuple[str | None, Any]],
    own: str | None,
    selector: Any,
    linked: bool,
    plain: bool,
) -> None:
    known = [deployment(number, *pod) for number, pod in enumerate(pods)]
    review = Review(resource=thing("Service", "s", own), scope=ListScope(known))
    matches = map_selects if plain else selects
    may_be = belong_together if linked else may_share_namespace
    wanted = [
        one.name
        for one in known
        if may_be(review.resource, one) and matches(selector, pod_labels(review, one))
    ]
    found = selected(review, selector, matches=matches, linked=linked)
    assert sorted(one.name for one in found) == sorted(wanted)


SYSTEM = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d{n}, namespace: shop}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: a{n}}}}}
  template:
    metadata: {{labels: {{app: a{n}, part-of: shop}}}}
    spec:
      serviceAccountName: s{n}
      containers:
        - {{name: c, image: "registry.example/c:1", ports: [{{name: http, containerPort: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: d{n}, namespace: shop}}
spec: {{selector: {{app: a{n}}}, ports: [{{port: 80, targetPort: http}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: i{n}, namespace: shop}}
spec: {{defaultBackend: {{service: {{name: d{n}, port: {{number: 80}}}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: n{n}, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: a{n}}}}}
  policyTypes: [Ingress, Egress]
  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: a{n}}}}}}}], ports: [{{port: http}}]}}]
  egress: [{{ports: [{{port: {port}}}]}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: h{n}, namespace: shop}}
spec: {{maxReplicas: 3, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: d{n}}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: b{n}, namespace: shop}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: a{n}}}}}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: s{n}, namespace: shop}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: r{n}, namespace: shop}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [create]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: r{n}, namespace: shop}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r{n}}}
subjects: [{{kind: ServiceAccount, name: s{n}, namespace: shop}}]
---
apiVersion: v1
kind: LimitRange
metadata: {{name: l{n}, namespace: other-{n}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: p{n}, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: a{n}}}}}}}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: p{n}, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: a{n}}}}}, jwtRules: [{{issuer: x, jwksUri: "https://x"}}]}}
"""


def calls_for(root: Path, systems: int) -> int:
    """How many functions a scan of so many systems calls: work that no machine changes."""
    files = {
        f"{n}.yaml": SYSTEM.format(n=n, port=53 if n % 2 else 443).encode() for n in range(systems)
    }
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        outcome = scan(root, files)
    finally:
        sys.setprofile(before)
    assert len(outcome.looked.inventory.resources) == 12 * systems
    return calls


def test_work_grows_with_the_number_of_objects_and_not_with_its_square(tmp_path: Path) -> None:
    calls_for(tmp_path / "warm", 1)  # what is loaded once in a process is not counted
    few = calls_for(tmp_path / "few", 20)
    more = calls_for(tmp_path / "more", 40)
    most = calls_for(tmp_path / "most", 80)
    assert (most - more) < 2.3 * (more - few)
