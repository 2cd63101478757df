"""ImagePolicy: by component and never by text; pinned; no tag that moves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.decide import decide
from haechi.admit.images import images_of, load
from haechi.admit.policies import PolicySet
from haechi.admit.reviews import review_of, review_of_request
from haechi.admit.view import NOTHING, ObjectsView
from haechi.model.admission import Effect, FailureChoice, PolicyVerdict
from haechi.model.image_trust import ImageVerdict
from haechi.model.review import Point, State
from tests.admit.own_documents import documents, own
from tests.admit.samples import deployment, pod, resource

DIGEST = "sha256:" + "a" * 64


def policies(**spec: Any) -> PolicySet:
    loaded = load(documents(own("ImagePolicy", **spec)))
    assert loaded.faults == ()
    return PolicySet(loaded.policies)


def verdicts(image: Any, **spec: Any) -> list[PolicyVerdict]:
    review = review_of(pod(image), NOTHING, point=Point.FILE)
    return list(policies(**spec).review(review, NOTHING))


def rules(image: Any, **spec: Any) -> list[str]:
    return [verdict.rule for verdict in verdicts(image, **spec) if verdict.state is State.FAIL]


@pytest.mark.parametrize(
    ("place", "image", "allowed"),
    [
        ("ghcr.io/team", "ghcr.io/team/app:1", True),
        ("ghcr.io/team", "ghcr.io/team/group/app:1", True),
        ("ghcr.io/team", "ghcr.io/team-evil/app:1", False),
        ("ghcr.io/team", "ghcr.io/team", True),
        ("ghcr.io/team/", "ghcr.io/team/app", True),
        ("ghcr.io/team", "ghcr.io.evil.example/team/app", False),
        ("ghcr.io/team", "evil.example/ghcr.io/team/app", False),
        ("ghcr.io/team/app", "ghcr.io/team/app2", False),
        ("ghcr.io", "ghcr.io/any/thing", True),
        ("ghcr.io", "GHCR.IO/any/thing", True),
        ("ghcr.io", "ghcr.io:8443/any/thing", False),
        ("registry.example:5000/a", "registry.example:5000/a/b", True),
        ("registry.example:5000/a", "registry.example/a/b", False),
        ("registry.example", "registry.example@evil.example/a", False),
        ("localhost/a", "localhost/a/b", True),
        # an entry reads as a reference does
        ("nginx", "nginx:1.27", True),
        ("nginx", "docker.io/library/nginx", True),
        ("nginx", "index.docker.io/library/nginx", True),
        ("nginx", "nginx/nginx-ingress", False),
        ("docker.io/nginx", "nginx", True),
        ("docker.io/library", "docker.io/library", True),
        ("docker.io", "bitnami/redis", True),
        ("docker.io", "quay.io/bitnami/redis", False),
        ("bitnami/redis", "docker.io/bitnami/redis", True),
        # an asterisk is one component
        ("docker.io/library/*", "nginx", True),
        ("docker.io/library/*", "bitnami/redis", False),
        ("bitnami/*", "bitnami/redis", True),
        ("bitnami/*", "quay.io/bitnami/redis", False),
        ("ghcr.io/*/base", "ghcr.io/team/base", True),
        ("ghcr.io/*/base", "ghcr.io/team/other", False),
        ("ghcr.io/*/base", "ghcr.io/team", False),
        ("registry:5000/*", "registry:5000/app", True),
        ("registry:5000/*", "registry:5001/app", False),
        ("*/team", "quay.io/team/app", True),
        ("*/team", "quay.io/other/app", False),
        ("*", "anything.example/at/all", True),
    ],
)
def test_compares_component_by_component(place: str, image: str, allowed: bool) -> None:
    assert (rules(image, allow=[place]) == []) is allowed


def test_an_empty_list_allows_nothing() -> None:
    assert rules("nginx", allow=[]) == ["allow"]


@pytest.mark.parametrize(
    ("image", "spec", "found"),
    [
        (f"nginx@{DIGEST}", {"requireDigest": True}, []),
        (f"nginx:1.27@{DIGEST}", {"requireDigest": True}, []),
        ("nginx:1.27", {"requireDigest": True}, ["digest"]),
        ("nginx@sha256:abc", {"requireDigest": True}, ["reference"]),
        ("nginx", {"denyTags": ["latest"]}, ["tag"]),
        ("nginx:latest", {"denyTags": ["latest"]}, ["tag"]),
        ("nginx:1", {"denyTags": ["latest"]}, []),
        ("nginx:edge", {"denyTags": ["latest", "edge"]}, ["tag"]),
        (f"nginx:latest@{DIGEST}", {"denyTags": ["latest"]}, []),
        ("host:5000/nginx", {"denyTags": ["latest"]}, ["tag"]),
        ("nginx", {"denyTags": ["edge"]}, []),
        ("Not An Image", {"requireDigest": True}, ["reference"]),
        (
            "quay.io/x",
            {"allow": ["nginx"], "requireDigest": True, "denyTags": ["latest"]},
            ["allow", "digest", "tag"],
        ),
    ],
)
def test_digests_and_tags(image: str, spec: dict[str, Any], found: list[str]) -> None:
    assert rules(image, **spec) == found


def test_says_what_is_wrong_and_where() -> None:
    (verdict,) = verdicts("evil.example/app", allow=["ghcr.io/team", "nginx"])
    assert verdict.policy == "images/one"
    assert verdict.message == (
        "container main: evil.example/app is none of the places that images may come from "
        "(ghcr.io/team, nginx)"
    )
    assert verdict.path == ("spec", "containers", 0, "image")
    assert verdict.evidence["image"] == "evil.example/app"


BODY = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "shop"},
    "spec": {
        "initContainers": [{"name": "i", "image": "a"}],
        "containers": [{"name": "c", "image": "b"}, {"name": "none"}],
        "ephemeralContainers": [{"name": "e", "image": "c"}],
        "volumes": [{"name": "v", "image": {"reference": "d"}}, {"name": "w", "emptyDir": {}}],
    },
}


def test_looks_at_every_container_and_at_image_volumes() -> None:
    review = review_of(resource(BODY), NOTHING, point=Point.FILE)
    found = policies(denyTags=["latest"]).review(review, NOTHING)
    assert [(verdict.path[1], verdict.path[-1]) for verdict in found] == [
        ("initContainers", "image"),
        ("containers", "image"),
        ("ephemeralContainers", "image"),
        ("volumes", "reference"),
    ]


def test_workloads_are_judged_by_the_pod_that_they_make() -> None:
    review = review_of(deployment("x"), NOTHING, point=Point.ADMISSION)
    decision = decide(policies(denyTags=["latest"]).review(review, NOTHING), review)
    assert decision.allowed
    assert len(decision.warnings) == 1
    assert decision.verdicts[0].path[:3] == ("spec", "template", "spec")


def _update(old: str, new: str, **more: Any) -> PolicySet | Any:
    request = {
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "UPDATE",
        "name": "cart",
        "namespace": "shop",
        "object": pod(new, labels={"a": "b"}).data,
        "oldObject": pod(old).data,
        **more,
    }
    review = review_of_request(request, NOTHING)
    found = policies(denyTags=["latest"]).review(review, NOTHING)
    return [verdict.state for verdict in found]


def test_of_an_update_new_images_count() -> None:
    assert _update("old:latest", "old:latest") == [State.PASS]
    assert _update("old:1", "old:latest") == [State.FAIL]
    assert _update("old:1", "old:latest", subResource="status") == []
    assert _update("old:1", "old:latest", operation="DELETE") == []


def test_match_action_and_failure_choice() -> None:
    chosen = policies(
        denyTags=["latest"],
        action="warn",
        failurePolicy="Fail",
        match={"namespaceSelector": {"matchLabels": {"tier": "prod"}}},
    )
    (info,) = [policy.info for policy in chosen.policies]
    assert (info.effects, info.failure) == ((Effect.WARN,), FailureChoice.FAIL)
    labelled = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"tier": "prod"}},
    }
    for view, state in (
        (ObjectsView([labelled]), State.FAIL),
        (ObjectsView(), State.NOT_EVALUATED),
    ):
        review = review_of(pod("x"), view, point=Point.ADMISSION)
        assert [verdict.state for verdict in chosen.review(review, view)] == [state]


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({}, "it asks nothing of images"),
        ({"allow": ["ghcr.io/te*"]}, "stands for a whole component"),
        ({"allow": ["*.example.com"]}, "stands for a whole component"),
        ({"allow": ["nginx:1"]}, "a place has no tag; if nginx is a registry, write nginx:1/*"),
        ({"allow": ["team/nginx:1"]}, "no tag and no digest"),
        ({"allow": [f"nginx@{DIGEST}"]}, "no tag and no digest"),
        ({"allow": ["ghcr.io//x"]}, "a component is empty"),
        ({"allow": ["Nginx Inc"]}, "no registry or repository"),
        ({"allow": "nginx"}, "spec.allow: must be a list"),
        ({"allow": [3]}, "spec.allow[0]: must be a text"),
        ({"requireDigest": "yes"}, "spec.requireDigest: must be true or false"),
        ({"denyTags": ["a"], "action": "block"}, "spec.action: must be one of deny, warn, audit"),
        ({"denyTags": ["a"], "failurePolicy": "Open"}, "spec.failurePolicy: must be one of"),
        ({"denyTags": ["a"], "match": {"kind": []}}, "spec.match"),
        ({"denyTags": ["a"], "allowed": []}, "spec.allowed: there is no such field"),
    ],
)
def test_what_is_wrong_is_named_and_not_in_force(spec: dict[str, Any], what: str) -> None:
    loaded = load(documents(own("ImagePolicy", **spec)))
    assert loaded.policies == ()
    assert any(what in fault.what for fault in loaded.faults)
    assert all(fault.fatal and fault.file == "policies.yaml" for fault in loaded.faults)


@pytest.mark.parametrize("api", ["haechi.dev/v1", "v1", "policies.haechi.io/v1alpha1"])
def test_another_group_protects_nothing_and_is_named(api: str) -> None:
    loaded = load(documents(own("ImagePolicy", api=api, denyTags=["latest"])))
    assert loaded.policies == ()
    assert [fault.kind for fault in loaded.faults] == ["wrong-group"]


def test_somebody_elses_kind_of_this_name_is_none_of_ours() -> None:
    loaded = load(documents(own("ImagePolicy", api="config.openshift.io/v1", denyTags=["x"])))
    assert (loaded.policies, loaded.faults) == ((), ())


class Lookup:
    """Knows two images."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def verdict(self, ref: str) -> ImageVerdict | None:
        self.asked.append(ref)
        at = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
        known = {
            "docker.io/library/good:1": ImageVerdict(state=State.PASS, at=at),
            "docker.io/library/bad:1": ImageVerdict(
                state=State.FAIL, message="no signature verifies", digest=DIGEST, at=at
            ),
        }
        return known.get(ref)


@pytest.mark.parametrize(
    ("image", "state", "rule"),
    [("good:1", State.PASS, ""), ("bad:1", State.FAIL, "trust"), ("unknown:1", State.PASS, "")],
)
def test_whoever_knows_images_is_asked_and_else_nothing_is_claimed(
    image: str, state: State, rule: str
) -> None:
    trust = Lookup()
    loaded = load(documents(own("ImagePolicy", denyTags=["latest"])), trust=trust)
    review = review_of(pod(image), NOTHING, point=Point.FILE)
    (verdict,) = PolicySet(loaded.policies).review(review, NOTHING)
    assert (verdict.state, verdict.rule) == (state, rule)
    assert trust.asked == [f"docker.io/library/{image}"]
    if rule:
        assert "no signature verifies" in verdict.message
        assert verdict.evidence["at"] == "2026-01-02T00:00:00+00:00"


_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=12) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["image", "name", "reference", "containers", "volumes"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    spec=st.fixed_dictionaries({"containers": _ANY, "volumes": _ANY}) | _ANY,
    allow=st.lists(st.text(alphabet="ab*/.:@-", max_size=8), max_size=3),
)
def test_no_pod_and_no_place_makes_it_fail(spec: Any, allow: list[str]) -> None:
    body = {**BODY, "spec": spec}
    review = review_of(resource(body), NOTHING, point=Point.FILE)
    chosen = PolicySet(load(documents(own("ImagePolicy", allow=allow))).policies)
    for verdict in chosen.review(review, NOTHING):
        assert verdict.state is not State.ERROR, verdict
    assert len(list(images_of(body))) >= sum(bool(v.path) for v in chosen.review(review, NOTHING))
