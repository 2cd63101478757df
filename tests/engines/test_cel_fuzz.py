"""Expressions drawn at random come to a value or to a failure; none ends the process.

The wheel is C++ and Python functions are called from it: what it hands over, and what it gets
back, must never be a kind of value that kills it. ``HAECHI_FUZZ`` draws more than the few here.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any

import pytest

from haechi.engines.cel import CelEngine
from haechi.engines.cel.libraries import overloads
from haechi.engines.cel.libraries.overload import Overload
from haechi.engines.cel.wheel import Failure
from haechi.errors import RuleError
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review

COUNT = int(os.environ.get("HAECHI_FUZZ", "250"))
DATA = {"s": "text", "ints": [3, 1, 2, 2], "none": [], "mixed": [1, "a", None], "map": {"a": 1}}
REQUEST = {"operation": "CREATE", "name": "web", "userInfo": {"username": "jane"}}
ATOMS = (
    *("object", "object.s", "object.ints", "object.none", "object.mixed", "object.map", "null"),
    *("object.nope", "1", "-9223372036854775807", "9223372036854775807", "1u", "1.5", "0.0/0.0"),
    *("'a'", "''", "'10.0.0.1/8'", "'1.2.3'", r"b'\x00\xff'", "[]", "{}", "true", "params"),
    *("request", "request.name", "authorizer", "authorizer.requestResource", "type(1)"),
    *("duration('1s')", "timestamp(0)", "optional.none()", "namespaceObject"),
)
FORMS = (
    *("size({0})", "string({0})", "int({0})", "type({0})", "dyn({0})", "optional.of({0})"),
    *("[{0}, {1}]", "{{'a': {0}}}", "{0} == {1}", "{0} in {1}", "{0}.map(x, x)", "{0} + {1}"),
    *("{0}.filter(x, x == {1})", "{0}.all(i, v, v == {1})", "{0}.sort()", "{0}.flatten()"),
    *("{0}.distinct()", "{0}.reverse()", "sets.contains({0}, {1})", "'%s %d'.format([{0}, {1}])"),
    *("{0}.join(',')", "{0}.orValue({1})", "{0}[?0]", "{0}[0]", "{0}.?a", "-({0})", "{0}.value()"),
    *("{0}.first()", "{0}.sortBy(x, {1})", "{0}.slice(0, 1)", "lists.range({0})", "{0}.split({1})"),
    *("{0}.matches({1})", "timestamp({0})", "bytes({0})", "{0}.transformList(i, v, {1})"),
    *("{0}.optMap(x, x)", "{0}.substring({1})", "{0}.replace({1}, {0})", "true ? {0} : {1}"),
)
FUNCTIONS: tuple[tuple[str, Overload], ...] = tuple(
    (name, one) for name, several in overloads().items() for one in several if name[0] != "@"
)


def drawn(chance: random.Random, depth: int) -> str:
    """An expression of at most this depth; ``dyn`` lets any type stand anywhere."""
    if depth == 0 or chance.random() < 0.15:
        text = chance.choice(ATOMS)
    elif chance.random() < 0.5:
        name, one = chance.choice(FUNCTIONS)
        given = [drawn(chance, depth - 1) for _ in one.parameters]
        if one.member:
            text = f"({given[0]}).{name}({', '.join(given[1:])})"
        else:
            text = f"{name}({', '.join(given)})"
    else:
        first, second = (f"({drawn(chance, depth - 1)})" for _ in range(2))
        text = chance.choice(FORMS).format(first, second)
    return f"dyn({text})" if chance.random() < 0.5 else text


def allows(user: Mapping[str, Any], attributes: Mapping[str, str]) -> bool | None:
    return None if attributes["verb"] == "a" else True


@pytest.mark.parametrize("seed", range(4))
def test_any_expression_comes_to_an_end(seed: int) -> None:
    def locate(path: AttrPath) -> Location:
        return Location(path="x.yaml")

    chance = random.Random(seed)  # noqa: S311 - no secret
    engine, own = CelEngine(kubernetes=True), CelEngine()
    resource = Resource(key="k8s:-/core/Pod/-/a", kind="Pod", data=DATA, locate=locate)
    activation = engine.activation(Review(resource=resource, request=REQUEST), allows)
    values = failures = 0
    for _ in range(COUNT):
        text = drawn(chance, chance.randint(1, 4))
        for one in (engine, own):
            try:
                compiled = one.compile(text, returns="any")
            except RuleError:
                continue
            result = activation.evaluate(compiled)
            assert isinstance(result, (bool, str, Failure))
            failures += isinstance(result, Failure)
            values += not isinstance(result, Failure)
    assert values > COUNT // 50 and failures > COUNT // 50
