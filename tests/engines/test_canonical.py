"""Canonical JSON: the examples of RFC 8785, and that every value has one spelling."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.canonical import canonical, number

# RFC 8785 appendix B: the bits of a double, and how it is written.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(1e15, 1e22)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_are_written_as_the_rfc_says(bits: str, text: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ({"\u20ac": 1, "\r": 2, "1": 3, "\ud83d\ude02": 4}, None),
        ("\x0f\n'A'B\"\\\\\"/\u20ac$", '"\\u000f\\n\'A\'B\\"\\\\\\\\\\"/\u20ac$"'),
        ({"n": 1.0, "m": 4.50}, '{"m":4.5,"n":1}'),
        (2**64 - 1, "18446744073709551615"),
        ([1e20, -1.5e20], "[100000000000000000000,-150000000000000000000]"),
        ([10**20, 150000000000000000000], "[100000000000000000000,150000000000000000000]"),
    ],
)
def test_values_have_one_spelling(value: Any, text: str | None) -> None:
    if text is None:
        value = {
            key.encode("utf-16", "surrogatepass").decode("utf-16"): v for key, v in value.items()
        }
        text = '{"\\r":2,"1":3,"\u20ac":1,"\U0001f602":4}'
    assert canonical(value).decode() == text


def test_keys_are_sorted_by_utf_16() -> None:
    """U+1F600 begins with a surrogate, which comes before U+FF61."""
    assert canonical({"\uff61": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\uff61":1}'.encode()


@given(VALUES)
def test_what_is_written_reads_back_and_is_written_the_same(value: Any) -> None:
    raw = canonical(value)
    again = msgspec.json.decode(raw)
    assert canonical(again) == raw
    assert json.loads(raw) == value or _floats(value)


@given(st.dictionaries(st.text(), st.integers(0, 9), max_size=6), st.randoms())
def test_the_order_of_making_does_not_matter(value: dict[str, int], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical(dict(items)) == canonical(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "NaN"),
        (math.inf, "NaN"),
        ([2**64], "64 bits"),
        ([10**21], "64 bits"),
        ([10**20 + 1], "64 bits"),
        ([-(2**63) - 1], "64 bits"),
        ({1: 2}, "not text"),
        (b"x", "bytes"),
        ({"a": {1, 2}}, "set"),
        ("\ud800", "surrogate"),
        ({"\ud800": 1.5}, "surrogate"),
    ],
)
def test_what_json_does_not_have_is_refused(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        canonical(value)


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(2000):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        canonical(value)


def _floats(value: Any) -> bool:
    """True when some whole float came back as an integer's spelling beyond 53 bits, or -0."""
    if isinstance(value, float):
        return True
    if isinstance(value, dict):
        return any(map(_floats, value.values()))
    return isinstance(value, list) and any(map(_floats, value))
