"""Patches taken back field by field: what is ours goes back, what others changed is left."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.respond.steps.performer import Unfit
from haechi.respond.steps.pointers import fields_of, pointer, read, restoring, standing_of

Operation = dict[str, Any]


def applied(document: Any, operations: list[Operation]) -> Any:
    """The patch carried out, by the plain reading of RFC 6902 on objects."""
    document = copy.deepcopy(document)
    for one in operations:
        *path, last = one["path"].split("/")[1:]
        holder = document
        for part in path:
            holder = holder[part.replace("~1", "/").replace("~0", "~")]
        last = last.replace("~1", "/").replace("~0", "~")
        match one["op"]:
            case "test":
                assert holder.get(last) == one["value"]
            case "remove":
                del holder[last]
            case _:
                holder[last] = one["value"]
    return document


POD = {"metadata": {"labels": {"app": "web", "a/b~c": "x"}, "uid": "u"}, "spec": {}}
TAKE: list[Operation] = [
    {"op": "test", "path": "/metadata/uid", "value": "u"},
    {"op": "remove", "path": "/metadata/labels/app"},
    {"op": "replace", "path": "/metadata/labels/a~1b~0c", "value": "y"},
    {"op": "add", "path": "/metadata/labels/mark", "value": "true"},
    {"op": "add", "path": "/spec/unschedulable", "value": True},
]


def test_what_was_changed_goes_back() -> None:
    fields = fields_of(POD, TAKE)
    after = applied(POD, TAKE)
    operations, left = restoring(after, fields)
    assert applied(after, operations) == POD and left == []
    assert restoring(POD, fields) == ([], [])
    assert standing_of(after, fields) == (0, 4, 0) and standing_of(POD, fields) == (4, 0, 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [("app", "theirs"), ("a/b~c", "theirs"), ("mark", "theirs")],
)
def test_what_others_changed_since_is_left_and_said(path: str, value: str) -> None:
    fields = fields_of(POD, TAKE)
    after = applied(POD, TAKE)
    after["metadata"]["labels"][path] = value
    operations, left = restoring(after, fields)
    now = applied(after, operations)
    assert now["metadata"]["labels"][path] == value and len(left) == 1
    assert now["spec"] == {} and standing_of(after, fields)[2] == 1


def test_a_new_mapping_that_others_have_filled_stays_theirs() -> None:
    bare: dict[str, Any] = {"metadata": {}}
    ours: list[Operation] = [{"op": "add", "path": "/metadata/labels", "value": {"mark": "true"}}]
    fields = fields_of(bare, ours)
    after = applied(bare, ours)
    assert applied(after, restoring(after, fields)[0]) == bare
    after["metadata"]["labels"]["theirs"] = "x"
    operations, left = restoring(after, fields)
    assert applied(after, operations) == {"metadata": {"labels": {"theirs": "x"}}} and left == []


def test_a_mapping_that_is_gone_is_made_again_for_what_goes_back() -> None:
    """An API server leaves empty mappings out."""
    one = {"metadata": {"labels": {"app": "web"}}}
    take: list[Operation] = [{"op": "remove", "path": "/metadata/labels/app"}]
    operations, _ = restoring({"metadata": {}}, fields_of(one, take))
    assert applied({"metadata": {}}, operations) == one


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/metadata/uid", "value": "other"}],
        [{"op": "remove", "path": "/metadata/labels/none"}],
        [{"op": "replace", "path": "/metadata/labels/none", "value": 1}],
        [{"op": "move", "path": "/a", "from": "/b"}],
        [{"op": "add", "path": "", "value": {}}],
        [{"op": "add", "path": "no", "value": {}}],
        [{"op": "add", "path": "/metadata/uid/x", "value": 1}],
        [{"op": "test", "path": "/metadata/uid", "value": "u"}] * 501,
    ],
    ids=["test", "remove", "replace", "move", "whole", "pointer", "text", "many"],
)
def test_a_patch_that_does_not_fit_or_cannot_be_taken_back_is_refused(
    operations: list[Operation],
) -> None:
    with pytest.raises(Unfit):
        fields_of(POD, operations)


names = st.sampled_from(["a", "b", "c/d", "e~f"])
labels = st.dictionaries(names, st.sampled_from("xyz"), max_size=4)


@settings(max_examples=200, deadline=None)
@given(labels, st.lists(st.tuples(names, st.sampled_from(["x", "y", None])), max_size=6), labels)
def test_any_patch_is_taken_back_but_for_what_is_others(
    before: dict[str, str], changes: list[tuple[str, str | None]], others: dict[str, str]
) -> None:
    document: dict[str, Any] = {"labels": dict(before)}
    operations: list[Operation] = []
    now = dict(before)
    for name, value in changes:
        path = pointer("labels", name)
        if value is None and name in now:
            operations.append({"op": "remove", "path": path})
            del now[name]
        elif value is not None:
            operations.append({"op": "add", "path": path, "value": value})
            now[name] = value
    fields = fields_of(document, operations)
    after = applied(document, operations)
    assert after["labels"] == now
    assert applied(after, restoring(after, fields)[0]) == document
    touched = copy.deepcopy(after)
    touched["labels"].update(others)
    ended = applied(touched, restoring(touched, fields)[0])
    for name, value in others.items():
        ours = read(after, pointer("labels", name)).value
        if value not in (ours, before.get(name)):
            assert ended["labels"][name] == value
