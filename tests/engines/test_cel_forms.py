"""What is decoded in part answers as the whole does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.cel import CelEngine
from haechi.engines.cel.engine import Activation
from haechi.engines.cel.forms import form_of
from haechi.engines.cel.needs import Needs
from haechi.engines.cel.wheel import the_wheel
from tests.engines.test_cel_needs import EXPRESSIONS, POD, review

ENGINE = CelEngine(kubernetes=True)
COMPILED = [ENGINE.compile(one) for one in EXPRESSIONS if one != "object == oldObject"]
READS = [one.reads for one in COMPILED]


def partly(body: Any, reads: Any) -> Any:
    form = form_of(reads)
    decoded = msgspec.json.encode(body)
    return msgspec.json.decode(decoded, type=Any if form is None else form)


@pytest.mark.parametrize("old", [None, POD], ids=["created", "updated"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_answers_the_same_on_what_was_decoded(expression: str, old: Any) -> None:
    compiled = CelEngine(kubernetes=True).compile(expression)
    reads = [compiled.reads]
    whole = Activation(the_wheel(), review(POD, old)).evaluate(compiled)
    asked = review(partly(POD, reads), old and partly(old, reads))
    assert Activation(the_wheel(), asked, None, Needs(reads)).evaluate(compiled) == whole


_KEYS = st.sampled_from(["spec", "metadata", "labels", "containers", "env", "name", "app", "image"])
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.just(2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["a", "x/y", "", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=60, deadline=None)
@given(body=st.dictionaries(_KEYS, _JSON, max_size=5), old=st.none() | _JSON)
def test_all_expressions_together_answer_the_same_on_any_object(body: Any, old: Any) -> None:
    old = old if isinstance(old, dict) else None
    asked = review(body, old)
    whole = Activation(the_wheel(), asked, None, Needs(READS))
    part = Activation(
        the_wheel(),
        review(partly(body, READS), None if old is None else partly(old, READS)),
        None,
        Needs(READS),
    )
    for compiled in COMPILED:
        assert part.evaluate(compiled) == whole.evaluate(compiled)


def test_what_nobody_reads_is_passed_over() -> None:
    reads = [
        ENGINE.compile(one).reads
        for one in ("object.spec.containers.all(c, c.image != '')", "'a' in object.metadata.labels")
    ]
    assert partly({**POD, "status": {}}, reads) == {
        "metadata": {"labels": POD["metadata"]["labels"]},
        "spec": {"containers": [{"image": "i:1"}, {"image": "i:latest"}]},
    }


@pytest.mark.parametrize("expression", ["object == oldObject", "size(object) > 2"])
def test_an_object_that_is_read_as_such_is_not_decoded_in_part(expression: str) -> None:
    assert form_of([ENGINE.compile(expression).reads]) is None
