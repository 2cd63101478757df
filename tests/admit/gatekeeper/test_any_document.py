"""Whatever stands in the documents of a folder or a cluster: policies or faults, no exception."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.gatekeeper import load
from haechi.admit.mutate import mutate
from haechi.admit.policies import PolicySet
from haechi.admit.reviews import nowhere
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource
from haechi.model.review import State
from tests.admit.gatekeeper.test_mutation import assign, mutator
from tests.admit.gatekeeper.test_suites import EXPANSION
from tests.admit.gatekeeper.texts import LABELS, LABELS_TEMPLATE, POD, read, review

_KNOWN = [
    one.data
    for one in read(
        LABELS_TEMPLATE,
        LABELS,
        assign("spec.containers[name: *].tty", "{value: true}"),
        mutator("ModifySet", "s", "  location: spec.x\n  parameters: {values: {fromList: [a]}}\n"),
        EXPANSION,
    )
]
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("a*[.: é", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=5,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    entries: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        entries = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, inner in entries:
        found += _places(inner, (*path, key))
    return found


@st.composite
def _documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Good policies, of which a few values became something else or are gone."""
    bodies = copy.deepcopy(_KNOWN)
    for _ in range(draw(st.integers(1, 3))):
        body = draw(st.sampled_from(bodies))
        path = draw(st.sampled_from(_places(body) or [("x",)]))
        at: Any = body
        try:
            for part in path[:-1]:
                at = at[part]
            if draw(st.booleans()):
                at[path[-1]] = draw(_json)
            else:
                del at[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    return bodies


def _resource(body: dict[str, Any]) -> Resource:
    api, kind = str(body.get("apiVersion")), str(body.get("kind"))
    group, _, version = api.rpartition("/")
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    name = name if isinstance(name, str) else ""
    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=None, name=name),
        kind=kind,
        group=group,
        version=version,
        name=name,
        data=body,
        locate=nowhere,
    )


@settings(max_examples=120, deadline=None)
@given(_documents())
def test_documents_become_policies_or_faults(bodies: list[dict[str, Any]]) -> None:
    found = load([_resource(body) for body in bodies])
    subject, view = review(POD)
    for verdict in PolicySet(found.policies).review(subject, view):
        if verdict.state is State.ERROR:
            assert not verdict.message.startswith(("TypeError", "KeyError", "AttributeError"))
    result = mutate(found.mutators, subject, view)
    assert result.body is not None


def _deep(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"properties": {"a": made}, "type": "object"}
    return made


def test_what_is_nested_beyond_reason_is_a_fault_or_an_error() -> None:
    template, constraint, mutator_, *_ = copy.deepcopy(_KNOWN)
    deep = copy.deepcopy(template)
    deep["spec"]["crd"]["spec"]["validation"] = {
        "openAPIV3Schema": _deep(5_000),
        "legacySchema": True,
    }
    found = load([_resource(deep), _resource(constraint)])
    assert [one.kind for one in found.faults] == ["invalid", "unknown-template"]
    constraint["spec"]["parameters"] = _deep(5_000)
    template["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    assert [one.kind for one in load([_resource(template), _resource(constraint)]).faults] == [
        "invalid"
    ]
    from msgspec import structs

    subject, view = review(POD)
    body = {**subject.resource.data, "spec": _deep(5_000)}
    given_ = structs.replace(subject, resource=structs.replace(subject.resource, data=body))
    (verdict,) = mutate(load([_resource(mutator_)]).mutators, given_, view).verdicts
    assert verdict.state is State.ERROR


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec"]), _json))
def test_any_object_is_judged_by_good_policies(body: dict[str, Any]) -> None:
    found = load([_resource(one) for one in copy.deepcopy(_KNOWN)])
    subject, view = review(POD)
    sent = copy.deepcopy(body)
    from msgspec import structs

    given_ = structs.replace(
        subject, resource=structs.replace(subject.resource, data=sent), memo={}
    )
    verdicts = PolicySet(found.policies).review(given_, view)
    assert all(not verdict.message.startswith(("TypeError", "KeyError")) for verdict in verdicts)
    mutate(found.mutators, given_, view)
    assert sent == body
