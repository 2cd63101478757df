"""Cutting out what expressions cannot look at changes no answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.cel import CelEngine
from haechi.engines.cel.engine import Activation
from haechi.engines.cel.needs import Needs
from haechi.engines.cel.wheel import the_wheel
from haechi.model.keys import k8s_key
from haechi.model.location import Location
from haechi.model.resource import Resource
from haechi.model.review import Review

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"app": "a", "x/y": "z"}, "annotations": {"k": "v"}},
    "spec": {
        "hostNetwork": False,
        "containers": [
            {"name": "a", "image": "i:1", "env": [{"name": "A", "value": "b"}], "ports": []},
            {"name": "b", "image": "i:latest", "securityContext": {"privileged": True}},
        ],
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}],
    },
}
EXPRESSIONS = (
    "has(object.metadata.labels)",
    "has(object.spec.nothing)",
    "'app' in object.metadata.labels",
    "object.metadata.labels['app'] == 'a'",
    "object.metadata.labels.exists(k, k.startsWith('x/'))",
    "size(object.metadata.labels) == 2",
    "size(object.spec.containers) == 2",
    "object.spec.containers.size() == 2",
    "object.spec.containers.all(c, c.image.endsWith(':1'))",
    "object.spec.containers.all(c, !has(c.env) || c.env.all(e, e.name == 'A'))",
    "object.spec.containers[0].name == 'a'",
    "object.spec.containers[1].securityContext.privileged == true",
    "object.spec.containers.filter(c, has(c.ports)).size() == 1",
    "object.spec.containers.map(c, c.name) == ['a', 'b']",
    "object.spec.volumes.exists(v, has(v.hostPath) && v.hostPath.path == '/')",
    "object.spec.volumes.exists_one(v, has(v.emptyDir))",
    "object.spec.volumes[1].emptyDir == {}",
    "object == oldObject",
    "object.spec == oldObject.spec",
    "object.spec.containers == oldObject.spec.containers",
    "object.?spec.?nodeName.orValue('none') == 'none'",
    "object.spec.?volumes.orValue([]).all(v, has(v.name))",
    "type(object.metadata.annotations) == map",
    "oldObject == null || oldObject.metadata.name == object.metadata.name",
    "(has(object.spec) ? object.spec : object.metadata).hostNetwork == false",
    "[object.spec.containers, []].all(l, l.all(c, c.name != ''))",
    "object.spec.missing.deeper == 1",
    "object['spec']['hostNetwork'] == false",
    "object.spec.containers.map(c, c.?env.orValue([]).size()) == [1, 0]",
)


def review(body: Any, old: Any = None) -> Review:
    resource = Resource(
        key=k8s_key(group="", kind="Pod", namespace="d", name="p"),
        kind="Pod",
        data=body,
        locate=lambda path: Location(path=""),
    )
    return Review(resource=resource, old=old, request={"operation": "CREATE"})


@pytest.mark.parametrize("old", [None, POD], ids=["created", "updated"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_answers_the_same_on_what_is_left(expression: str, old: Any) -> None:
    compiled = CelEngine(kubernetes=True).compile(expression)
    needs = Needs([compiled.reads])
    asked = review(POD, old)
    whole = Activation(the_wheel(), asked).evaluate(compiled)
    cut = Activation(the_wheel(), asked, None, needs).evaluate(compiled)
    assert cut == whole


_KEYS = st.sampled_from(["spec", "metadata", "labels", "containers", "env", "name", "app", "image"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["a", "x/y", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=60, deadline=None)
@given(body=st.dictionaries(_KEYS, _JSON, max_size=5), old=st.none() | _JSON)
def test_all_expressions_together_answer_the_same_on_any_object(body: Any, old: Any) -> None:
    old = old if isinstance(old, dict) else None
    asked = review(body, old)
    whole = Activation(the_wheel(), asked)
    cut = Activation(the_wheel(), asked, None, NEEDS)
    for compiled in COMPILED:
        assert cut.evaluate(compiled) == whole.evaluate(compiled)


_ENGINE = CelEngine(kubernetes=True)
COMPILED = [_ENGINE.compile(one) for one in EXPRESSIONS if one != "object == oldObject"]
NEEDS = Needs(one.reads for one in COMPILED)


def test_what_nobody_reads_is_empty_and_what_is_read_whole_is_shared() -> None:
    engine = CelEngine(kubernetes=True)
    needs = Needs(
        engine.compile(one).reads
        for one in ("object.spec.containers.all(c, c.image != '')", "object.metadata == {}")
    )
    cut = needs.cut("object", POD)
    assert cut["metadata"] is POD["metadata"]
    assert cut == {
        "metadata": POD["metadata"],
        "spec": {"containers": [{"image": "i:1"}, {"image": "i:latest"}]},
    }
    shown = Needs([engine.compile("'env' in object.spec.containers[0]").reads])
    assert shown.cut("object", POD)["spec"]["containers"][0] == POD["spec"]["containers"][0]
    counted = Needs([engine.compile("size(object.spec) == 2").reads]).cut("object", POD)
    assert counted == {"spec": {"hostNetwork": False, "containers": [], "volumes": []}}
    assert needs.cut("oldObject", POD) == {}
