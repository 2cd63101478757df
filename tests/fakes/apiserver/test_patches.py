"""The three patch forms, case by case."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.apiserver import ApiServer, schema
from tests.fakes.apiserver.catalogue import Catalogue
from tests.fakes.apiserver.conftest import NO_TLS
from tests.fakes.apiserver.manifests import pod
from tests.fakes.apiserver.patch import json_patch, merge_patch
from tests.fakes.apiserver.status import ApiError
from tests.fakes.apiserver.strategic import strategic_merge

Json = dict[str, Any]
_SERVED = Catalogue().find("", "v1", "pods")
assert _SERVED is not None
POD = schema.root(_SERVED)


def containers(*names: str, **more: Any) -> list[Json]:
    return [{"name": name, "image": "i:1"} | more for name in names]


STRATEGIC: dict[str, tuple[Json, Json, Json]] = {
    "items are merged by their key": (
        {"spec": {"containers": containers("a", "b")}},
        {"spec": {"containers": [{"name": "b", "image": "i:2"}, {"name": "c", "image": "i:3"}]}},
        {
            "spec": {
                "containers": [
                    *containers("a"),
                    {"name": "b", "image": "i:2"},
                    {"name": "c", "image": "i:3"},
                ]
            }
        },
    ),
    "an item is deleted": (
        {"spec": {"containers": containers("a", "b")}},
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
        {"spec": {"containers": containers("b")}},
    ),
    "a list is replaced": (
        {"spec": {"containers": containers("a", "b")}},
        {"spec": {"containers": [{"$patch": "replace"}, *containers("c")]}},
        {"spec": {"containers": containers("c")}},
    ),
    "a map is replaced": (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"$patch": "replace", "c": "3"}}},
        {"metadata": {"labels": {"c": "3"}}},
    ),
    "null deletes": (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"a": None}}},
        {"metadata": {"labels": {"b": "2"}}},
    ),
    "values are added to a list of values": (
        {"metadata": {"finalizers": ["a/x"]}},
        {"metadata": {"finalizers": ["b/x"]}},
        {"metadata": {"finalizers": ["a/x", "b/x"]}},
    ),
    "values are deleted from a list of values": (
        {"metadata": {"finalizers": ["a/x", "b/x"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/x"]}},
        {"metadata": {"finalizers": ["b/x"]}},
    ),
    "an order is set": (
        {"spec": {"containers": containers("a", "b")}},
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
                "containers": containers("c"),
            }
        },
        {"spec": {"containers": containers("c", "b", "a")}},
    ),
    "only some keys are retained": (
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        {
            "spec": {
                "volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"x": "y"}}]
            }
        },
        {"spec": {"volumes": [{"name": "v", "secret": {"x": "y"}}]}},
    ),
    "lists without a strategy are replaced": (
        {"spec": {"containers": [{"name": "a", "args": ["x", "y"]}]}},
        {"spec": {"containers": [{"name": "a", "args": ["z"]}]}},
        {"spec": {"containers": [{"name": "a", "args": ["z"]}]}},
    ),
}


@pytest.mark.parametrize("case", STRATEGIC, ids=list(STRATEGIC))
def test_strategic_merge(case: str) -> None:
    target, change, wanted = STRATEGIC[case]
    assert strategic_merge(target, change, POD) == wanted


def test_an_item_without_its_key_is_refused() -> None:
    with pytest.raises(ApiError, match="declared merge key: name"):
        strategic_merge({"spec": {}}, {"spec": {"containers": [{"image": "x"}]}}, POD)


OPERATIONS: dict[str, tuple[list[Json], Json | None]] = {
    "add": ([{"op": "add", "path": "/b", "value": 2}], {"a": [1, 2], "b": 2}),
    "add into a list": ([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2]}),
    "append": ([{"op": "add", "path": "/a/-", "value": 9}], {"a": [1, 2, 9]}),
    "remove": ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
    "replace": ([{"op": "replace", "path": "/a", "value": {}}], {"a": {}}),
    "move": ([{"op": "move", "from": "/a/0", "path": "/c"}], {"a": [2], "c": 1}),
    "copy": ([{"op": "copy", "from": "/a", "path": "/c"}], {"a": [1, 2], "c": [1, 2]}),
    "a test that holds": ([{"op": "test", "path": "/a/0", "value": 1}], {"a": [1, 2]}),
    "a test that fails": ([{"op": "test", "path": "/a/0", "value": True}], None),
    "replacing nothing": ([{"op": "replace", "path": "/b", "value": 1}], None),
    "adding below nothing": ([{"op": "add", "path": "/b/c", "value": 1}], None),
    "beyond the list": ([{"op": "add", "path": "/a/7", "value": 1}], None),
    "an unknown operation": ([{"op": "swap", "path": "/a"}], None),
    "no pointer": ([{"op": "remove", "path": "a"}], None),
}


@pytest.mark.parametrize("case", OPERATIONS, ids=list(OPERATIONS))
def test_json_patch(case: str) -> None:
    operations, wanted = OPERATIONS[case]
    target: Json = {"a": [1, 2]}
    if wanted is None:
        with pytest.raises(ApiError) as refused:
            json_patch(target, operations)
        assert refused.value.code == 422
    else:
        assert json_patch(target, operations) == wanted
    assert target == {"a": [1, 2]}


_maps = st.recursive(
    st.integers(0, 3), lambda each: st.dictionaries(st.sampled_from("abc"), each, max_size=3)
)


@given(_maps, _maps)
def test_a_merge_patch_applied_twice_changes_nothing_more(target: Any, change: Any) -> None:
    once = merge_patch(target, change)
    assert merge_patch(once, change) == once


def test_ephemeral_containers_have_their_own_path(server: ApiServer) -> None:
    server.put(pod("p"))
    change = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]}}
    head = {"content-type": "application/strategic-merge-patch+json"}
    path = "/api/v1/namespaces/default/pods/p"
    with httpx.Client(base_url=server.url, headers=head, verify=NO_TLS) as http:
        assert http.patch(path, json=change).status_code == 422
        assert http.patch(f"{path}/ephemeralcontainers", json=change).status_code == 200
    body = server.get("pods", "p")
    assert body is not None
    assert body["spec"]["ephemeralContainers"][0]["name"] == "debug"
