"""A limit of traffic is planned where a sidecar can count, and refused with reasons elsewhere."""

from __future__ import annotations

import pytest

from haechi.errors import InputError
from haechi.model.resource import Resource
from haechi.respond.limit import limit
from tests.checks.reach.things import pod, space
from tests.respond.clusters import Object, made, resource_of

WEB = "k8s:c1/apps/Deployment/shop/web"
ISTIO = made(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "envoyfilters.networking.istio.io"
)
LIMITED = "envoy.filters.http.local_ratelimit"


def shop(*more: Object, sidecar: str = "containers", mode: str = "") -> list[Resource]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    selector = {"matchLabels": {"app": "web"}}
    deployment = made(
        "apps/v1", "Deployment", "web", "shop", spec={"selector": selector, "template": template}
    )
    mine = pod("web", labels={"app": "web", "pod-template-hash": "abc"})
    mine["metadata"]["ownerReferences"] = [
        {"kind": "ReplicaSet", "name": "web-abc", "controller": True}
    ]
    if sidecar:
        proxy = {"name": "istio-proxy", "image": "proxyv2"}
        if sidecar == "initContainers":
            proxy["restartPolicy"] = "Always"
        mine["spec"].setdefault(sidecar, []).append(proxy)
    labels = {"istio.io/dataplane-mode": mode} if mode else {}
    return [resource_of(one) for one in (space("shop", **labels), deployment, mine, *more)]


@pytest.mark.parametrize("sidecar", ["containers", "initContainers"])
def test_one_address_is_limited_in_every_sidecar(sidecar: str) -> None:
    plan = limit(
        shop(ISTIO, sidecar=sidecar), WEB, "8.8.4.4", action_id="a1", requests=5, seconds=30
    )
    (step,) = plan.steps
    assert step.body["spec"]["workloadSelector"] == {"labels": {"app": "web"}}
    _, route = step.body["spec"]["configPatches"]
    settings = route["patch"]["value"]["typed_per_filter_config"][LIMITED]
    (descriptor,) = settings["descriptors"]
    assert descriptor["entries"] == [{"key": "remote_address", "value": "8.8.4.4"}]
    bucket = {"max_tokens": 5, "tokens_per_fill": 5, "fill_interval": "30s"}
    assert descriptor["token_bucket"] == bucket
    assert settings["token_bucket"]["max_tokens"] == 1_000_000
    assert any("X-Forwarded-For" in one for one in plan.warnings)
    assert plan.contained is None


def test_everybody_is_limited_where_no_address_is_named() -> None:
    (step,) = limit(shop(ISTIO), WEB, action_id="a1", requests=5).steps
    _, route = step.body["spec"]["configPatches"]
    value = route["patch"]["value"]
    assert "route" not in value
    assert value["typed_per_filter_config"][LIMITED]["token_bucket"]["max_tokens"] == 5


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        (shop(sidecar=""), "Istio's EnvoyFilter is not known"),
        (shop(ISTIO, sidecar=""), "none of its running pods has Istio's sidecar"),
        (shop(ISTIO, sidecar="", mode="ambient"), "ambient mode"),
    ],
    ids=["no Istio", "no sidecar", "ambient"],
)
def test_where_nothing_can_count_it_is_refused(objects: list[Resource], why: str) -> None:
    with pytest.raises(InputError) as caught:
        limit(objects, WEB, "8.8.4.4", action_id="a1")
    assert why in caught.value.explain()


@pytest.mark.parametrize(("requests", "seconds"), [(0, 60), (10, 0), (2_000_000, 60)])
def test_a_limit_has_limits(requests: int, seconds: int) -> None:
    with pytest.raises(InputError, match="a limit is"):
        limit(shop(ISTIO), WEB, action_id="a1", requests=requests, seconds=seconds)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="is no IP address"):
        limit(shop(ISTIO), WEB, "example.org", action_id="a1")


def test_another_filter_that_limits_is_named() -> None:
    patch = {"applyTo": "HTTP_FILTER", "patch": {"value": {"name": LIMITED}}}
    other = made(
        "networking.istio.io/v1alpha3",
        "EnvoyFilter",
        "old",
        "shop",
        spec={"configPatches": [patch]},
    )
    plan = limit(shop(other), WEB, action_id="a1")
    assert any("EnvoyFilter shop/old sets a rate limit, too" in one for one in plan.warnings)
