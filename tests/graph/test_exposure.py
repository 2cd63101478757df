"""Ways in: what opens a cluster to the outside, and what only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.graph.exposure import ways_in
from haechi.scan.iac.kubernetes import Inventory
from tests.trees import resources, scope

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {template: {metadata: {labels: {app: cart, tier: web}}, spec: {containers: [{name: a}]}}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}}
"""


def service(spec: str = "", notes: str = "", namespace: str = "shop") -> str:
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: cart, namespace: {namespace}, "
        f"annotations: {{{notes}}}}}\nspec: {{selector: {{app: cart}}, {spec}}}\n"
    )


def said(*texts: str) -> list[str]:
    """``Ingress shop/a > Service shop/cart > Deployment shop/cart`` of every way in."""
    return [
        " > ".join(hop.resource.label for hop in way.hops)
        for way in ways_in(scope(DEPLOYMENT, *texts))
    ]


WAY = "Service shop/cart > Deployment shop/cart"


@pytest.mark.parametrize(
    ("spec", "notes", "open_"),
    [
        ("type: LoadBalancer", "", True),
        ("type: NodePort", "", True),
        ("externalIPs: [203.0.113.7]", "", True),
        ("type: ClusterIP", "", False),
        ("", "", False),
        ("type: ExternalName, externalName: x", "", False),
        ("externalIPs: []", "", False),
        ("externalIPs: text", "", False),
        ("type: [LoadBalancer]", "", False),
        ("type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]", "", False),
        ("type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 0.0.0.0/0]", "", True),
        ("type: LoadBalancer, loadBalancerSourceRanges: ['::/0']", "", True),
        ("type: LoadBalancer", "a: b", True),
        (
            "type: LoadBalancer",
            'service.beta.kubernetes.io/aws-load-balancer-internal: "true"',
            False,
        ),
        (
            "type: LoadBalancer",
            'service.beta.kubernetes.io/aws-load-balancer-internal: "false"',
            True,
        ),
        (
            "type: LoadBalancer",
            "service.beta.kubernetes.io/azure-load-balancer-internal: true",
            False,
        ),
        ("type: LoadBalancer", "networking.gke.io/load-balancer-type: Internal", False),
        ("type: NodePort", "networking.gke.io/load-balancer-type: Internal", False),
        ("type: LoadBalancer", "networking.gke.io/load-balancer-type: [1]", True),
    ],
)
def test_which_services_are_open(spec: str, notes: str, open_: bool) -> None:
    assert said(service(spec, notes)) == ([WAY] if open_ else [])


INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: shop, annotations: {%s}}
spec: %s
"""
NEW = "{rules: [{http: {paths: [{path: /, backend: {service: {name: cart}}}]}}]}"


@pytest.mark.parametrize(
    ("notes", "spec", "open_"),
    [
        ("", NEW, True),
        ("", "{defaultBackend: {service: {name: cart}}}", True),
        ("", "{backend: {serviceName: cart}}", True),
        ("", "{rules: [{http: {paths: [{backend: {serviceName: cart}}]}}]}", True),
        ("", NEW.replace("cart", "other"), False),
        ("", "{rules: [1, {http: 2}, {http: {paths: [3, {backend: 4}]}}]}", False),
        ("", "[]", False),
        ("alb.ingress.kubernetes.io/scheme: internal", NEW, False),
        ("alb.ingress.kubernetes.io/scheme: internet-facing", NEW, True),
        ("kubernetes.io/ingress.class: gce-internal", NEW, False),
    ],
)
def test_ingresses(notes: str, spec: str, open_: bool) -> None:
    expected = [f"Ingress shop/a > {WAY}"] if open_ else []
    assert said(SERVICE, INGRESS % (notes, spec)) == expected


def test_the_hops_point_at_what_leads_on() -> None:
    (way,) = ways_in(scope(DEPLOYMENT, SERVICE, INGRESS % ("", NEW)))
    assert [hop.path for hop in way.hops] == [
        ("spec", "rules", 0, "http", "paths", 0, "backend"),
        ("spec", "selector"),
        (),
    ]
    assert way.workload.kind == "Deployment"


ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: %s
metadata: {name: r, namespace: %s}
spec:
  parentRefs: [%s]
  rules: [{backendRefs: [%s]}]
"""
GATEWAY = "{name: g}"


@pytest.mark.parametrize(
    ("kind", "namespace", "parents", "backend", "open_"),
    [
        ("HTTPRoute", "shop", GATEWAY, "{name: cart}", True),
        ("GRPCRoute", "shop", GATEWAY, "{name: cart, kind: Service}", True),
        ("TLSRoute", "shop", "", "{name: cart}", True),
        ("HTTPRoute", "edge", GATEWAY, "{name: cart}", False),
        ("HTTPRoute", "edge", GATEWAY, "{name: cart, namespace: shop}", True),
        ("HTTPRoute", "shop", GATEWAY, "{name: cart, namespace: edge}", False),
        ("HTTPRoute", "shop", GATEWAY, "{name: cart, kind: ServiceImport}", False),
        ("HTTPRoute", "shop", "{kind: Service, name: cart}", "{name: cart}", False),
        ("HTTPRoute", "shop", "{kind: Service, name: x}, {name: g}", "{name: cart}", True),
        ("HTTPRoute", "shop", "1", "{name: [1]}, 2", False),
    ],
)
def test_routes(kind: str, namespace: str, parents: str, backend: str, open_: bool) -> None:
    found = said(SERVICE, ROUTE % (kind, namespace, parents, backend))
    assert found == ([f"{kind} {namespace}/r > {WAY}"] if open_ else [])


def test_a_service_leads_to_what_its_selector_names() -> None:
    other = DEPLOYMENT.replace("app: cart", "app: other").replace("name: cart", "name: other")
    open_ = service("type: NodePort")
    assert said(other, open_) == [WAY]
    assert said(open_.replace("{app: cart}", "{app: cart, tier: db}")) == []
    assert said(open_.replace("{app: cart}", "{app: cart, tier: web}")) == [WAY]
    assert said(open_.replace("{app: cart}", "{}")) == []
    assert said(open_.replace("{app: cart}", "{app: [cart]}")) == []
    assert said(service("type: NodePort", namespace="other")) == []
    unplaced = DEPLOYMENT.replace(", namespace: shop", "")
    assert len(ways_in(scope(unplaced, open_))) == 1


def test_systems_side_by_side_are_kept_apart() -> None:
    found = scope(
        a__pod=DEPLOYMENT,
        b__pod=DEPLOYMENT,
        a__svc=SERVICE,
        b__svc=SERVICE,
        a__in=INGRESS % ("", NEW),
    )
    assert [[hop.resource.file for hop in way.hops] for way in ways_in(found)] == [
        ["a/in.yaml", "a/svc.yaml", "a/pod.yaml"]
    ]


def test_custom_workloads_count_by_configuration() -> None:
    rollout = DEPLOYMENT.replace("apps/v1", "argoproj.io/v1").replace("Deployment", "Rollout")
    templates = {"argoproj.io/Rollout": ("spec", "template")}
    found = Inventory([*resources(rollout), *resources(service("type: NodePort"))], templates)
    assert [way.workload.kind for way in ways_in(found, templates)] == ["Rollout"]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["cart", "NodePort", "Service"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "type", "selector", "rules", "http", "paths", "backend", "app"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from([DEPLOYMENT, SERVICE, INGRESS % ("", NEW)]), ODD, ODD)
def test_objects_of_any_shape_are_no_obstacle(text: str, spec: object, metadata: object) -> None:
    found = scope(DEPLOYMENT, SERVICE, text)
    found.resources[-1].data["spec"] = spec
    found.resources[-1].data["metadata"] = metadata
    assert len(ways_in(found)) < 5
