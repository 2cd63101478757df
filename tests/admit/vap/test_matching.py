"""Which requests a policy and a binding speak of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from haechi.admit.reviews import review_of
from haechi.admit.vap.matching import read_match
from haechi.admit.view import NOTHING, ObjectsView
from haechi.errors import NotEvaluated
from haechi.model.review import Point, Review
from tests.admit.vap.documents import PODS, SHOP, VIEW, pod, read, request, review

NAMESPACE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"env": "prod"}},
}
NODE: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
EVERYTHING = {
    "apiGroups": ["*"],
    "apiVersions": ["*"],
    "operations": ["*"],
    "resources": ["*"],
}


def of_file(body: Mapping[str, Any], view: ObjectsView = NOTHING) -> Review:
    import yaml

    (resource,) = read(yaml.safe_dump(dict(body)))
    return review_of(resource, view, point=Point.FILE)


def takes(match: Mapping[str, Any] | None, given: Review, view: ObjectsView = VIEW) -> bool:
    return read_match(match).matches(given, view)


@pytest.mark.parametrize(
    ("rule", "given", "matches"),
    [
        (PODS, {}, True),
        ({**PODS, "apiGroups": ["apps"]}, {}, False),
        ({**PODS, "apiGroups": ["apps", "*"]}, {}, True),
        ({**PODS, "apiVersions": ["v2"]}, {}, False),
        ({**PODS, "resources": ["services", "pods"]}, {}, True),
        ({**PODS, "resources": ["*"]}, {}, True),
        ({**PODS, "resources": ["*/*"]}, {}, True),
        ({**PODS, "resources": ["pods/*"]}, {}, True),
        ({**PODS, "resources": ["pods/status"]}, {}, False),
        (PODS, {"operation": "UPDATE"}, True),
        (PODS, {"operation": "DELETE"}, False),
        ({**PODS, "operations": ["*"]}, {"operation": "CONNECT"}, True),
        (PODS, {"subResource": "status"}, False),
        ({**PODS, "resources": ["pods/status"]}, {"subResource": "status"}, True),
        ({**PODS, "resources": ["*/status"]}, {"subResource": "status"}, True),
        ({**PODS, "resources": ["*"]}, {"subResource": "status"}, False),
        ({**PODS, "resourceNames": ["web"]}, {}, True),
        ({**PODS, "resourceNames": ["api"]}, {}, False),
        ({**PODS, "resourceNames": []}, {}, True),
        ({**PODS, "resourceNames": ["web"]}, {"name": ""}, False),
        ({**PODS, "scope": "Namespaced"}, {}, True),
        ({**PODS, "scope": "Cluster"}, {}, False),
        ({**PODS, "scope": "*"}, {}, True),
    ],
)
def test_rules(rule: Mapping[str, Any], given: Mapping[str, Any], matches: bool) -> None:
    assert takes({"resourceRules": [rule]}, request(**given)) is matches


@pytest.mark.parametrize(
    ("body", "scope", "matches"),
    [
        (NODE, "Cluster", True),
        (NODE, "Namespaced", False),
        (NAMESPACE, "Cluster", True),
        (NAMESPACE, "Namespaced", False),
        (pod(), "Namespaced", True),
        (pod(namespace=None), "Namespaced", True),
        (pod(namespace=None), "Cluster", False),
    ],
)
def test_scope(body: Mapping[str, Any], scope: str, matches: bool) -> None:
    match = {"resourceRules": [{**EVERYTHING, "scope": scope}]}
    assert takes(match, of_file(body)) is matches


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        (None, True),
        ({}, True),
        ({"excludeResourceRules": [PODS]}, False),
        ({"excludeResourceRules": [{**PODS, "resourceNames": ["api"]}]}, True),
        ({"resourceRules": [EVERYTHING], "excludeResourceRules": [PODS]}, False),
        ({"objectSelector": {"matchLabels": {"app": "web"}}}, True),
        ({"objectSelector": {"matchLabels": {"app": "api"}}}, False),
        ({"objectSelector": None, "namespaceSelector": {}}, True),
        ({"namespaceSelector": {"matchLabels": {"env": "prod"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"env": "test"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}, True),
        (
            {
                "namespaceSelector": {
                    "matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]
                }
            },
            False,
        ),
    ],
)
def test_the_rest_of_a_match(match: Mapping[str, Any] | None, matches: bool) -> None:
    assert takes(match, review(pod(labels={"app": "web"}))) is matches


def test_one_of_the_old_and_the_new_object_suffices_for_a_selector() -> None:
    match = {"objectSelector": {"matchLabels": {"app": "web"}}}
    old, new = pod(labels={"app": "web"}), pod()
    assert takes(match, request(operation="UPDATE", object=new, oldObject=old))
    assert takes(match, request(operation="DELETE", object=None, oldObject=old))
    assert not takes(match, request(operation="UPDATE", object=new, oldObject=new))


def test_objects_without_a_namespace_are_not_ruled_out_by_one() -> None:
    assert takes({"namespaceSelector": {"matchLabels": {"env": "test"}}}, review(NODE))


@pytest.mark.parametrize(("env", "matches"), [("prod", True), ("test", False)])
def test_a_namespace_is_selected_by_its_own_labels(env: str, matches: bool) -> None:
    match = {"namespaceSelector": {"matchLabels": {"env": env}}}
    assert takes(match, review(NAMESPACE, NOTHING), NOTHING) is matches


def test_labels_of_a_namespace_that_nobody_has_seen() -> None:
    labels = {"namespaceSelector": {"matchLabels": {"env": "prod"}}}
    with pytest.raises(NotEvaluated, match="labels of Namespace shop are not known"):
        takes(labels, review(pod(), NOTHING), NOTHING)
    with pytest.raises(NotEvaluated, match="labels of its Namespace are not known"):
        takes(labels, of_file(pod(namespace=None)), NOTHING)
    other = {**labels, "resourceRules": [{**PODS, "resources": ["services"]}]}
    assert not takes(other, review(pod(), NOTHING), NOTHING)
    by_name = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "x"}}}
    assert not takes(by_name, review(pod(), NOTHING), NOTHING)


HPA = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "shop"},
}


@pytest.mark.parametrize(("version", "policy"), [("v2", "Equivalent"), ("v2", "Exact")])
def test_the_version_of_the_request_matches(version: str, policy: str) -> None:
    match = hpa(version, policy)
    assert takes(match, review(HPA))


def test_another_version_of_the_same_objects_is_not_judged_in_silence() -> None:
    with pytest.raises(NotEvaluated, match="converts the object"):
        takes(hpa("v1", "Equivalent"), review(HPA))
    assert not takes(hpa("v1", "Exact"), review(HPA))
    assert not takes(hpa("v2beta1", "Equivalent"), review(HPA))


def hpa(version: str, policy: str) -> dict[str, Any]:
    rule = {
        "apiGroups": ["autoscaling"],
        "apiVersions": [version],
        "operations": ["*"],
        "resources": ["horizontalpodautoscalers"],
    }
    return {"resourceRules": [rule], "matchPolicy": policy}


def test_policies_are_not_asked_about_policies() -> None:
    from tests.admit.vap.documents import binding, policy, verdicts

    documents = [
        policy(
            matchConstraints={"resourceRules": [EVERYTHING]},
            validations=[{"expression": "false"}],
        ),
        binding(),
    ]
    assert verdicts(documents, review(policy("other"))) == []
    assert len(verdicts(documents, review(NODE))) == 1


def test_the_binding_narrows_what_the_policy_means() -> None:
    from tests.admit.vap.documents import binding, policy, verdicts

    documents = [
        policy(),
        binding(matchResources={"namespaceSelector": {"matchLabels": {"env": "test"}}}),
    ]
    assert verdicts(documents, review(pod("bad"))) == []
    documents[1]["spec"]["matchResources"] = {"resourceRules": [{**PODS, "operations": ["UPDATE"]}]}
    assert verdicts(documents, review(pod("bad"))) == []
    documents[1]["spec"]["matchResources"] = {"objectSelector": {}}
    assert len(verdicts(documents, review(pod("bad")))) == 1
    assert SHOP["kind"] == "Namespace"
