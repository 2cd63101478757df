"""Reviews of pods that are decoded in part are answered as whole ones."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from bench.admission_work import pack_and_cel, review
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.load import load_policies
from haechi.admit.pod_security.pods import LOOKS, is_significant
from haechi.admit.policies import PolicySet
from haechi.admit.recording import Sampling
from haechi.checks.pod_security import evaluate
from haechi.engines.cel.forms import form_of
from haechi.model.decision_record import DecisionRecord
from haechi.server.webhook.frames import NOTES, Route
from haechi.server.webhook.judging import Judge
from haechi.server.webhook.knowledge import Knowledge
from haechi.server.webhook.partial import Partial
from haechi.world.manifests import objects_of
from tests.checks.pod_security.history import ROWS, Row
from tests.checks.pod_security.pods import ROLES, merge, pod

Json = dict[str, Any]
POD_FORM = form_of(LOOKS)
VERSIONS = ("v1.0", "v1.18", "v1.24", "v1.34", "latest")


class Nobody:
    def write(self, review: int, policy: int) -> None:
        pass

    def watcher(self, review: int, numbers: Any) -> Any:
        return lambda number: None


def policies(*more: Json) -> PolicySet:
    texts = [json.dumps(one).encode() for one in (*pack_and_cel(), *more)]
    return load_policies([one for text in texts for one in objects_of(text, "p.yaml", [])])


SET = policies()
PACK: Json = {
    "apiVersion": "haechi.dev/v1alpha1",
    "kind": "PolicyPack",
    "metadata": {"name": "nsa"},
    "spec": {"pack": "nsa"},
}


def judge(partial: bool, **more: Any) -> Judge:
    made = Judge(SET, Knowledge(), **more)
    if not partial:
        made._partial = {True: None, False: None}
    return made


WHOLE, PART = judge(False), judge(True)


def asked(body: Any, **more: Any) -> bytes:
    found = review()
    found["request"] |= {"object": body, **more}
    return json.dumps(found).encode()


def response(one: Judge, body: bytes) -> tuple[Any, bytes]:
    found = one.answer(Route.ADMIT_FAIL, body, {}, Nobody())
    return found.result, found.response


def test_the_bench_is_read_in_part() -> None:
    partial = Partial.of(SET)
    assert partial is not None
    found = partial.read(json.dumps(review()).encode())
    assert found is not None and found.request is not None
    whole = review()["request"]
    assert "env" not in found.request["object"]["spec"]["containers"][0]
    assert found.request["object"]["metadata"] == whole["object"]["metadata"]
    assert {**found.request, "object": None} == {**whole, "object": None}


def test_policies_that_may_look_at_anything_get_the_whole() -> None:
    assert Partial.of(policies(PACK)) is None


@pytest.mark.parametrize(
    "row",
    ROWS,
    ids=[f"{r.check}-{r.says}-{r.at}-{n}".replace(" ", "_") for n, r in enumerate(ROWS)],
)
def test_the_standards_see_all_that_they_look_at(row: Row) -> None:
    for role in ROLES:
        body = pod("linux", **({"hostUsers": False} if row.at.endswith("+users") else {}))
        place = body["spec"][role][0] if row.at.startswith("container") else body["spec"]
        merge(body["metadata"] if row.at == "metadata" else place, row.change)
        _same(body)


_KEYS = st.sampled_from(
    [
        *("containers", "initContainers", "volumes", "securityContext", "name", "image", "ports"),
        *("env", "livenessProbe", "httpGet", "host", "hostPath", "privileged", "capabilities"),
        *("add", "os"),
    ]
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "windows", "ALL"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(spec=_ANY, container=_ANY, old=_ANY)
def test_the_standards_see_the_same_of_odd_shapes(spec: Any, container: Any, old: Any) -> None:
    body = {"metadata": {"name": "x"}, "spec": spec}
    _same(body)
    if isinstance(spec, dict):
        body["spec"] = {**spec, "containers": [container]}
        _same(body)
        if isinstance(old, dict):
            assert is_significant(_part(body)["spec"], _part({"spec": old})["spec"]) == (
                is_significant(body["spec"], old)
            )


def _part(body: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(body), type=POD_FORM)


def _same(body: Any) -> None:
    part = _part(body)
    for level in ("baseline", "restricted"):
        for version in VERSIONS:
            assert evaluate(level, version, part.get("metadata"), part.get("spec")) == evaluate(
                level, version, body.get("metadata"), body.get("spec")
            )


SPOILT: tuple[Json, ...] = (
    {},
    {"spec": {"containers": [{"name": "a", "image": "x:latest"}]}},
    {"spec": {"containers": {}}},
    {"spec": {"containers": [None, 1, []], "volumes": "x"}},
    {"spec": []},
    {"spec": {"nodeName": "n", "hostNetwork": True}},
    {"metadata": {"name": "\ud83d\ude00", "labels": None}},
    {"metadata": {"labels": {"app": 2**70}}},
    {"spec": {"containers": [{"name": "a", "env": [{"value": "é"}]}]}},
)


@pytest.mark.parametrize("change", SPOILT, ids=range(len(SPOILT)))
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
def test_answers_are_the_same(change: Json, operation: str) -> None:
    body = {**review()["request"]["object"], **change}
    shown = None if operation == "DELETE" else body
    old = None if operation == "CREATE" else review()["request"]["object"]
    data = asked(shown, oldObject=old, operation=operation)
    assert response(PART, data) == response(WHOLE, data)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"request": 1}',
        asked({}, kind={"group": "apps", "version": "v1", "kind": "Deployment"}),
        asked({}, subResource="exec"),
        asked({"metadata": 1}),
        asked(None),
        asked([]),
        asked({}, uid=""),
        asked({"spec": {"x": "A"}}).replace(b'"A"', b'"\xff"'),
        asked({"spec": {"x": "A"}}).replace(b'"A"', b'"\\ud800"'),
        asked({"spec": {"x": "A"}}).replace(b'"A"', b"[" * 100_000 + b"]" * 100_000),
        asked({"spec": {"x": "A"}}).replace(b'"A"', b"tru"),
    ],
    ids=range(13),
)
def test_what_is_wrong_is_answered_the_same(body: bytes) -> None:
    assert response(PART, body) == response(WHOLE, body)


def test_a_record_holds_the_whole_object() -> None:
    notes = []
    for partial in (True, False):
        one = judge(partial, sampling=Sampling())
        found = one.answer(Route.ADMIT_FAIL, json.dumps(review()).encode(), {}, Nobody())
        notes.append(NOTES.decode(found.notes))
    part, whole = [msgspec.msgpack.decode(one.record, type=DecisionRecord) for one in notes]
    assert msgspec.structs.replace(part, at_ns=0) == msgspec.structs.replace(whole, at_ns=0)
