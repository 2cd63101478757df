"""Gatekeeper's match: what is matched, what is not, and what nobody can know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.match import EVERYTHING, glob_takes, matches, read_match
from haechi.admit.reviews import generated_pod, nowhere, review_of, review_of_request
from haechi.admit.view import NOTHING, ObjectsView
from haechi.errors import NotEvaluated, RuleError
from haechi.model.admission import Matched
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource
from haechi.model.review import Point, Review

SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"t": "a"}}}
VIEW = ObjectsView([SHOP])


def thing(
    kind: str = "Pod",
    *,
    api: str = "v1",
    name: str = "cart",
    namespace: str | None = "shop",
    **metadata: Any,
) -> dict[str, Any]:
    own: dict[str, Any] = {"name": name, **metadata}
    if namespace is not None:
        own["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": own}


def resource(body: Mapping[str, Any]) -> Resource:
    group, _, version = body["apiVersion"].rpartition("/")
    metadata = body["metadata"]
    namespace = metadata.get("namespace")
    name = metadata.get("name", "")
    return Resource(
        key=k8s_key(group=group, kind=body["kind"], namespace=namespace, name=name),
        kind=body["kind"],
        data=body,
        locate=nowhere,
        group=group,
        version=version,
        namespace=namespace,
        name=name,
    )


def review(body: Mapping[str, Any], *, point: Point = Point.AUDIT, view: Any = VIEW) -> Review:
    return review_of(resource(body), view, point=point)


POD = thing()
DEPLOYMENT = thing("Deployment", api="apps/v1")
NODE = thing("Node", name="n1", namespace=None)


@pytest.mark.parametrize(
    ("match", "body", "expected"),
    [
        pytest.param({}, POD, True, id="empty"),
        pytest.param({"kinds": []}, POD, True, id="no-kinds"),
        pytest.param({"kinds": [{}]}, POD, True, id="empty-kinds-entry"),
        pytest.param({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, POD, True, id="kind"),
        pytest.param({"kinds": [{"apiGroups": ["apps"], "kinds": ["Pod"]}]}, POD, False, id="grp"),
        pytest.param({"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}]}, POD, True, id="stars"),
        pytest.param({"kinds": [{"kinds": ["pod"]}]}, POD, False, id="kinds-are-case-sensitive"),
        pytest.param(
            {"kinds": [{"kinds": ["Job"]}, {"apiGroups": ["apps"]}]}, DEPLOYMENT, True, id="any-of"
        ),
        pytest.param({"scope": "Cluster"}, NODE, True, id="cluster"),
        pytest.param({"scope": "Cluster"}, POD, False, id="cluster-not-inside"),
        pytest.param({"scope": "Cluster"}, SHOP, True, id="a-namespace-is-of-the-cluster"),
        pytest.param({"scope": "Namespaced"}, SHOP, False, id="a-namespace-lies-in-none"),
        pytest.param({"scope": "Namespaced"}, POD, True, id="inside"),
        pytest.param({"namespaces": ["shop"]}, POD, True, id="namespace"),
        pytest.param({"namespaces": ["sh*"]}, POD, True, id="namespace-prefix"),
        pytest.param({"namespaces": ["*op"]}, POD, True, id="namespace-suffix"),
        pytest.param({"namespaces": ["bank"]}, POD, False, id="other-namespace"),
        pytest.param({"namespaces": ["bank"]}, NODE, True, id="no-namespace-no-exclusion"),
        pytest.param({"namespaces": ["shop"]}, SHOP, True, id="namespace-by-own-name"),
        pytest.param({"namespaces": ["bank"]}, SHOP, False, id="other-namespace-by-own-name"),
        pytest.param({"excludedNamespaces": ["sh*"]}, POD, False, id="excluded"),
        pytest.param({"excludedNamespaces": ["shop"]}, SHOP, False, id="excluded-itself"),
        pytest.param({"excludedNamespaces": ["bank"]}, POD, True, id="not-excluded"),
        pytest.param({"excludedNamespaces": ["*"]}, NODE, True, id="nothing-to-exclude-by"),
        pytest.param({"name": "c*"}, POD, True, id="name"),
        pytest.param({"name": "*b*"}, POD, False, id="other-name"),
        pytest.param({"name": "web"}, POD, False, id="not-that-name"),
        pytest.param(
            {"labelSelector": {"matchLabels": {"x": "1"}}}, thing(labels={"x": "1"}), True, id="lab"
        ),
        pytest.param({"labelSelector": {"matchLabels": {"x": "1"}}}, POD, False, id="no-label"),
        pytest.param({"labelSelector": {}}, POD, True, id="empty-selector"),
        pytest.param({"namespaceSelector": {"matchLabels": {"t": "a"}}}, POD, True, id="ns-labels"),
        pytest.param({"namespaceSelector": {"matchLabels": {"t": "b"}}}, POD, False, id="ns-other"),
        pytest.param({"namespaceSelector": {"matchLabels": {"t": "a"}}}, SHOP, True, id="ns-own"),
        pytest.param({"namespaceSelector": {"matchLabels": {"t": "b"}}}, NODE, True, id="ns-none"),
        pytest.param({"source": "Original"}, POD, True, id="sent-by-somebody"),
        pytest.param({"source": "Generated"}, POD, False, id="not-generated"),
    ],
)
def test_matches(match: dict[str, Any], body: dict[str, Any], expected: bool) -> None:
    assert matches(match, review(body), VIEW) is expected


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("a*", "ab", True),
        ("*b", "ab", True),
        ("*x*", "axb", True),
        ("a*b", "axb", False),
        ("*", "", True),
        ("**", "a", True),
        ("a", "ab", False),
    ],
)
def test_a_star_counts_at_the_ends_only(glob: str, text: str, expected: bool) -> None:
    assert glob_takes(glob, text) is expected


ELSEWHERE = thing(namespace="bank")


def by_namespace(**labels: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": labels}}


def test_labels_of_an_unknown_namespace_are_not_guessed() -> None:
    with pytest.raises(NotEvaluated, match="namespace bank"):
        matches(by_namespace(t="a"), review(ELSEWHERE), VIEW)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({**by_namespace(t="a"), "kinds": [{"kinds": ["Job"]}]}, False),
        ({**by_namespace(t="a"), "name": "other"}, False),
        (by_namespace(**{"kubernetes.io/metadata.name": "bank"}), True),
        (by_namespace(**{"kubernetes.io/metadata.name": "shop"}), False),
        (by_namespace(**{"kubernetes.io/metadata.name": "shop", "t": "a"}), False),
        ({"namespaces": ["bank"]}, True),
    ],
    ids=["other-kind", "other-name", "its-name", "not-its-name", "one-need-fails", "by-name"],
)
def test_an_unknown_namespace_does_not_matter_where_something_else_decides(
    match: dict[str, Any], expected: bool
) -> None:
    assert matches(match, review(ELSEWHERE), VIEW) is expected


def request(operation: str, new: Any, old: Any) -> Review:
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    sent = {
        "uid": "1",
        "operation": operation,
        "kind": kind,
        "namespace": "shop",
        "name": "cart",
        "object": new,
        "oldObject": old,
    }
    return review_of_request(sent, VIEW)


def test_what_goes_is_matched_by_what_it_was() -> None:
    labelled = thing(labels={"x": "1"})
    wish = {"labelSelector": {"matchLabels": {"x": "1"}}}
    assert matches(wish, request("DELETE", None, labelled), VIEW)
    assert matches(wish, request("UPDATE", POD, labelled), VIEW)
    assert not matches(wish, request("DELETE", None, POD), VIEW)


def test_a_request_without_objects_cannot_be_matched() -> None:
    with pytest.raises(NotEvaluated, match="neither an object"):
        matches({}, request("DELETE", None, None), VIEW)


def test_a_name_yet_to_be_made_matches_by_its_beginning() -> None:
    made = thing(generateName="cart-")
    del made["metadata"]["name"]
    assert matches({"name": "cart-*"}, review(made), VIEW)
    assert not matches({"name": "*-cart"}, review(made), VIEW)


def test_a_pod_in_a_file_is_namespaced_though_its_namespace_is_said_later() -> None:
    pod = thing(namespace=None)
    wish = {"scope": "Namespaced"}
    assert matches(wish, review(pod, point=Point.FILE), NOTHING)
    assert not matches(wish, review(NODE, point=Point.FILE), NOTHING)
    assert not matches(wish, review(thing("Widget", api="x.io/v1", namespace=None)), NOTHING)


def test_the_pod_of_a_workload_is_generated() -> None:
    body = {**DEPLOYMENT, "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}
    pod = generated_pod(review(body))
    assert pod is not None
    assert matches({"source": "Generated", "kinds": [{"kinds": ["Pod"]}]}, pod.review, VIEW)
    assert not matches({"source": "Original"}, pod.review, VIEW)


@pytest.mark.parametrize(
    ("match", "where"),
    [
        ([], "spec.match"),
        ({"kind": ["Pod"]}, "spec.match.kind"),
        ({"kinds": {"kinds": ["Pod"]}}, "spec.match.kinds"),
        ({"kinds": ["Pod"]}, "spec.match.kinds[0]"),
        ({"kinds": [{"apiVersions": ["v1"]}]}, "spec.match.kinds[0].apiVersions"),
        ({"kinds": [{"kinds": "Pod"}]}, "spec.match.kinds[0].kinds"),
        ({"namespaces": "shop"}, "spec.match.namespaces"),
        ({"namespaces": [1]}, "spec.match.namespaces[0]"),
        ({"scope": "namespaced"}, "spec.match.scope"),
        ({"source": "Both"}, "spec.match.source"),
        ({"labelSelector": {"x": "1"}}, "spec.match.labelSelector"),
        (
            {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
            "spec.match.namespaceSelector",
        ),
    ],
)
def test_what_is_no_match_is_refused_with_its_place(match: Any, where: str) -> None:
    with pytest.raises(RuleError) as caught:
        read_match(match)
    assert caught.value.where == where


def test_the_kinds_as_a_webhook_registers_them() -> None:
    match = read_match({"kinds": [{"apiGroups": ["apps", ""], "kinds": ["X"]}], "scope": "Cluster"})
    assert match.matched() == (Matched(kinds=(("", "X"), ("apps", "X")), scope="Cluster"),)
    assert EVERYTHING.matched() == (Matched(kinds=(("*", "*"),)),)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
_fields = st.dictionaries(
    st.sampled_from(
        ["source", "kinds", "scope", "namespaces", "labelSelector", "namespaceSelector", "name"]
    ),
    _json
    | st.sampled_from([[{"kinds": ["*"]}], ["*"], {"matchLabels": {"t": "a"}}, "All", "Cluster"]),
)
_bodies = st.fixed_dictionaries(
    {
        "apiVersion": _json,
        "kind": _json,
        "metadata": _json
        | st.dictionaries(st.sampled_from(["name", "namespace", "labels", "generateName"]), _json),
    }
)


@settings(max_examples=150, deadline=None)
@given(_fields, _bodies)
def test_any_match_and_any_object_end_in_an_answer(match: Any, body: Any) -> None:
    try:
        read = read_match(match)
    except RuleError as fault:
        assert fault.where.startswith("spec.match")
        return
    sent = request("CREATE", body, None)
    try:
        assert read.matches(sent, VIEW) in (True, False)
    except NotEvaluated as reason:
        assert "labels" in str(reason)
