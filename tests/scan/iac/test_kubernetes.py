"""Objects of documents: lists, names of any type, and the scope that they form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.documents import Document, parse_documents
from haechi.engines.objects import resources_of
from haechi.scan.iac.kubernetes import Inventory
from tests.trees import documents, resources, scope

LIST = """\
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: a}
  - apiVersion: v1
    kind: List
    items:
      - {apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: shop}}
  - not an object
  - {kind: Pod}
"""


def test_lists_are_taken_apart_and_keep_their_places() -> None:
    found = resources(LIST)
    assert [(r.type, r.name, r.namespace) for r in found] == [
        ("core/ConfigMap", "a", None),
        ("apps/Deployment", "b", "shop"),
    ]
    assert found[0].locate(("metadata", "name")).line == 6
    assert found[1].locate(("metadata", "name")).line == 10
    assert found[1].key == "k8s:-/apps/Deployment/shop/b"


def test_items_of_a_typed_list_have_the_type_of_the_list() -> None:
    text = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleList\nitems: [{metadata: {name: a}}]"
    )
    assert [(r.type, r.name) for r in resources(text)] == [("rbac.authorization.k8s.io/Role", "a")]


def test_an_object_with_a_name_is_no_list() -> None:
    text = "{apiVersion: x.dev/v1, kind: AllowList, metadata: {name: a}, items: [{cidr: 1}]}"
    assert [(r.type, r.name) for r in resources(text)] == [("x.dev/AllowList", "a")]


@pytest.mark.parametrize(
    ("metadata", "name", "namespace"),
    [
        ("{name: a, namespace: b}", "a", "b"),
        ("{generateName: a-}", "a-", None),
        ("{name: 12}", "12", None),
        ("{name: {x: 1}, namespace: [1]}", "", None),
        ("{name: null, namespace: ''}", "", None),
        ("[1]", "", None),
        ("null", "", None),
    ],
)
def test_names_of_any_type(metadata: str, name: str, namespace: str | None) -> None:
    (found,) = resources(f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}")
    assert (found.name, found.namespace) == (name, namespace)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1",
        "[1, 2]",
        "text",
        "{apiVersion: v1}",
        "{kind: Pod}",
        "{apiVersion: 1, kind: Pod}",
        "{apiVersion: v1, kind: [Pod]}",
        "{apiVersion: '', kind: Pod}",
        "{apiVersion: v1, kind: List, items: []}",
        "{apiVersion: v1, kind: List, items: [1, null, [2]]}",
    ],
)
def test_other_documents_hold_no_objects(text: str) -> None:
    assert resources(text) == []


def test_lists_within_lists_end_somewhere() -> None:
    text = "{apiVersion: v1, kind: Pod, metadata: {name: deep}}"
    for _ in range(4):
        text = f"{{apiVersion: v1, kind: List, items: [{text}]}}"
    assert [r.name for r in resources(text)] == ["deep"]
    for _ in range(40):
        text = f"{{apiVersion: v1, kind: List, items: [{text}]}}"
    assert len(resources(text)) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["apiVersion", "kind", "metadata", "items", "name"]),
                inner,
                max_size=5,
            )
        ),
    )
)
def test_any_value_is_read(value: object) -> None:
    (document,) = documents("{}")
    document.data = {"apiVersion": "v1", "kind": "List", "items": [value], "metadata": value}
    for resource in resources_of(document, "a.yaml"):
        assert isinstance(resource.name, str)
        assert resource.locate(("spec", 0, "x")).path == "a.yaml"


def test_inventory_answers_by_type_and_by_pod_template() -> None:
    found = scope(
        "{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n"
        "{apiVersion: v1, kind: Service, metadata: {name: s}}\n---\n"
        "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: r}}"
    )
    assert [r.name for r in found.of_type("core/Service")] == ["s"]
    assert found.of_type("apps/Deployment") == ()
    assert [r.name for r in found.workloads()] == ["a"]
    more = Inventory(found.resources, {"argoproj.io/Rollout": ("spec", "template")})
    assert [r.name for r in more.workloads()] == ["a", "r"]


def test_near_are_those_of_the_same_namespace_and_folder() -> None:
    service = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}"
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: %s}}"
    found = scope(
        dev__web=pod % "shop", prod__web=pod % "shop", prod__other=pod % "x", prod__svc=service
    )
    (entry,) = found.of_type("core/Service")
    assert [r.file for r in found.near(entry, found.workloads())] == ["prod/web.yaml"]


def test_json_multi_document_and_utf16_are_read() -> None:
    text = '{"apiVersion": "v1", "kind": "Pod",\n "metadata": {"name": "j"}}'
    assert [r.name for r in resources(text)] == ["j"]
    (document,) = parse_documents(("\ufeff" + text).encode("utf-16-le"))
    assert isinstance(document, Document)
    (resource,) = resources_of(document, "a.json")
    assert (resource.name, resource.locate(("metadata", "name")).line) == ("j", 2)
