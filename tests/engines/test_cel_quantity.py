"""Quantities in CEL mean what they mean to Kubernetes."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.cel import CelEngine
from haechi.engines.cel.quantity import nanounits
from haechi.errors import RuleError
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review

ENGINE = CelEngine()


def holds(expression: str) -> object:
    def locate(path: AttrPath) -> Location:
        return Location(path="x.yaml")

    data = {"text": "100m", "int": 1, "float": 0.5, "bad": "lots", "bytes": "aGk="}
    review = Review(resource=Resource(key="dockerfile", kind="x", data=data, locate=locate))
    return ENGINE.activation(review).evaluate(ENGINE.compile(expression))


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", 0),
        ("-0", 0),
        ("1", 1),
        ("+1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("-2k", -2000),
        ("100m", Fraction(1, 10)),
        ("3u", Fraction(3, 10**6)),
        ("7n", Fraction(7, 10**9)),
        ("1Ki", 1024),
        ("0.5Gi", 2**29),
        ("1Ei", 2**60),
        ("2E", 2 * 10**18),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12e-3", Fraction(12, 1000)),
        ("9" * 38 + "G", int("9" * 38) * 10**9),
        ("0.1n", Fraction(1, 10**9)),
        ("-0.1n", -Fraction(1, 10**9)),
        ("1.0000000001", 1 + Fraction(1, 10**9)),
    ],
)
def test_text_to_units(text: str, units: Fraction | int) -> None:
    assert Fraction(nanounits(text), 10**9) == units


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", "a", "1x", "1KI", "1ki", "1K", "1mi", "--1", "1.2.3", "1e", "e3", "1eK"),
        *("0x1", "١", ".", "+", "1\n", "1e999999999999", "1e-99", "nan", "inf"),
        *("9" * 101, "9" * 60 + "E"),
    ],
)
def test_not_a_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        nanounits(text)


@pytest.mark.parametrize(
    "expression",
    [
        "quantity('1Gi') == quantity('1024Mi')",
        "quantity('1') != quantity('1001m')",
        "quantity('9').isLessThan(quantity('10')) && quantity('9') < quantity('10')",
        "quantity('-10').isLessThan(quantity('-9')) && quantity('-10') < quantity('-9')",
        "quantity('1G').isGreaterThan(quantity('999M'))",
        "quantity('200M').compareTo(quantity('0.2G')) == 0",
        "quantity('1').compareTo(quantity('2')) == -1",
        "quantity('2').compareTo(quantity('1')) == 1",
        "quantity('-3').sign() == -1 && quantity('0').sign() == 0 && quantity('1n').sign() == 1",
        "quantity('50k').add(quantity('20k')) == quantity('70k')",
        "quantity('50k').sub(20000).asApproximateFloat() == 30000.0",
        "quantity('50k').sub(quantity('51k')) == quantity('-1k').add(0)",
        "isQuantity('1.5Gi') && !isQuantity('lots') && isQuantity(3) && isQuantity(0.25)",
        "quantity(object.text).isLessThan(quantity(object.float))",
        "quantity(object.int) == quantity('1000m')",
        "!isQuantity(object.bad)",
    ],
)
def test_functions(expression: str) -> None:
    assert holds(expression) is True


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("quantity(object.bad).sign() == 0", "not a quantity: 'lots'"),
        ("quantity(object.nope).sign() == 0", "nope"),
        ("base64.decode(object.bytes).sign() == 0", "not a quantity"),
        (f"quantity('{'9' * 59}').add(quantity('{'9' * 59}')).sign() == 1", "out of range"),
    ],
)
def test_errors_are_told(expression: str, fault: str) -> None:
    assert fault in str(holds(expression))


@pytest.mark.parametrize("expression", ["quantity('1') == '1'", "quantity('1') == 1"])
def test_a_quantity_is_no_text_and_no_number(expression: str) -> None:
    with pytest.raises(RuleError, match="no matching overload"):
        ENGINE.compile(expression)


@given(st.decimals(-(10**12), 10**12, places=6), st.decimals(-(10**12), 10**12, places=6))
def test_order_of_quantities_is_that_of_numbers(left: Decimal, right: Decimal) -> None:
    expression = f"quantity('{left:f}') < quantity('{right:f}')"
    assert holds(expression) is (left < right)


@given(st.text(alphabet="0123456789.+-eEKMGTPimunk", max_size=12))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        value = nanounits(text)
    except ValueError:
        return
    assert isinstance(value, int)
