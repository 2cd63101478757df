"""Where the wheel answers otherwise than cel-go: the answers are cel-go's.

What is expected was given by cel-go (June 2026) with the API server's options.
"""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.cel import CelEngine
from haechi.engines.cel.expand import EDITION
from haechi.engines.cel.wheel import Failure
from tests.engines.test_cel import review

ENGINE = CelEngine(kubernetes=True)
DATA: dict[str, Any] = {
    "text": "abc",
    "wide": "©αT",
    "blank": " 1",
    "nothing": "",
    "cut": "a\0b",
    "number": 1,
    "truth": True,
    "list": [None, "x", {"c": 1}],
    "hour": "1h1ms",
}


def value(expression: str) -> Any:
    activation = ENGINE.activation(review(DATA))
    compiled = CelEngine(kubernetes=True).compile(expression, returns="any")
    return activation.value(compiled)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("object.text.substring(0, 3)", "abc"),
        ("object.wide.substring(1, 3)", "αT"),
        ("'abc'.substring(3, 3)", ""),
        ("object.text.upperAscii().substring(1, 3).substring(0, 2)", "BC"),
        ("object.text.indexOf('c', 9)", -1),
        ("object.text.indexOf('', 9)", 3),
        ("object.text.lastIndexOf('c', 3)", -1),
        ("object.text.lastIndexOf('', 9)", 3),
        ("object.text.indexOf('c', 1)", 2),
        ("object.nothing.split('')", []),
        ("object.nothing.split(',')", [""]),
        ("object.text.split('', 2)", ["a", "bc"]),
        ("duration(object.hour).getMilliseconds()", 3_600_001),
        ("timestamp('2009-02-13T23:31:30.12Z').getMilliseconds()", 120),
        ("int(object.number) + int('2')", 3),
        ("has(object.text.x)", False),
        ("has(object.number.x)", False),
        ("has(oldObject.spec)", False),
        ("has(oldObject.spec) || object.number == 1", True),
        ("oldObject.?metadata.?labels.hasValue()", False),
        ("oldObject.?metadata.labels.orValue('none')", "none"),
        ("object.?text[?'x'].hasValue()", False),
        ("object.list.map(one, one.?c.orValue(0) == 1)", [False, False, True]),
        ("object.list.filter(one, has(one.c)).size()", 1),
        ("object.list.map(one, type(one) != list && has(one.c))", [False, False, True]),
        ("object.cut.size()", 3),
        ("object.cut.endsWith('b')", True),
    ],
)
def test_cel_gos_value(expression: str, expected: Any) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "object.text.substring(0, 4)",
        "object.text.substring(-1, 3)",
        "object.text.substring(4, 3)",
        "object.text.indexOf('c', -1)",
        "object.text.lastIndexOf('c', -1)",
        "int(object.blank)",
        "double(object.blank)",
        "int(object.truth)",
        "has(object.list.x)",
        "has(object.missing.x)",
        "oldObject.metadata",
    ],
)
def test_cel_gos_error(expression: str) -> None:
    assert isinstance(value(expression), Failure)


def test_a_compiled_form_of_another_edition_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before = CelEngine()
    before.compile("'abc'.substring(0, 3) == 'abc'")
    same = CelEngine(before.compiled)
    same.compile("'abc'.substring(0, 3) == 'abc'")
    assert same.compiled == before.compiled
    monkeypatch.setattr("haechi.engines.cel.engine.EDITION", EDITION + 1)
    after = CelEngine(before.compiled)
    after.compile("'abc'.substring(0, 3) == 'abc'")
    assert after.compiled != before.compiled
