"""Forms: every part draws what it says, equal seeds draw equal values, faults are named."""

from __future__ import annotations

import base64
import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets.forms import Forge
from haechi.checks.secrets.validators import github, jwt, pem
from haechi.errors import RuleError


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("a_<<base62 36>>", r"a_[0-9A-Za-z]{36}"),
        ("<<hex 4-8>>", r"[0-9a-f]{4,8}"),
        ("<<[a-c_-] 20>>", r"[abc_-]{20}"),
        ("<<one live|test>>_x", r"(live|test)_x"),
        ("<<uuid>>", r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"),
        ("<<base58 30>>", r"[1-9A-HJ-NP-Za-km-z]{30}"),
    ],
)
def test_a_part_draws_what_it_says(form: str, shape: str) -> None:
    assert all(re.fullmatch(shape, Forge(str(n)).make(form)) for n in range(20))


def test_equal_seeds_make_equal_values_and_others_do_not() -> None:
    form = "<<base64 40>>"
    assert Forge("a").make(form) == Forge("a").make(form) != Forge("b").make(form)


def test_checksums_and_structures_are_right() -> None:
    forge = Forge("x")
    assert github(forge.make("ghp_<<base62 30>><<crc32>>").encode())
    assert jwt(forge.make("<<jwt>>").encode())
    for label in ("PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY"):
        assert pem(forge.make(f"<<pem {label}>>").encode())


def test_a_form_within_base64_is_drawn_and_encoded() -> None:
    made = Forge("x").make("Basic <<base64 of kim:[hex 20]>>")
    assert re.fullmatch(rb"kim:[0-9a-f]{20}", base64.b64decode(made.removeprefix("Basic ")))


def test_the_rules_own_value_stands_where_it_is_named() -> None:
    assert Forge("x").make("k=<<secret>>;", "v") == "k=v;"


@pytest.mark.parametrize("form", ["<<base99 3>>", "<<hex>>", "<<hex x>>", "<<[] 3>>"])
def test_a_part_that_is_none_is_a_fault_of_the_rule(form: str) -> None:
    with pytest.raises(RuleError, match="no part of a form"):
        Forge("x").make(form)


@pytest.mark.parametrize(
    "form", ["<<hex 999999999>>", "<<hex 9-3>>", "<<base62 60000>>" * 2], ids=lambda form: form[:20]
)
def test_a_form_of_any_size_is_a_fault_of_the_rule(form: str) -> None:
    with pytest.raises(RuleError, match="characters"):
        Forge("x").make(form)


@pytest.mark.parametrize(
    "form", ["<<" + "escaped " * 5000 + "hex 3>>", "<<hex " + "9" * 5000 + ">>"]
)
def test_a_form_of_any_depth_is_a_fault_of_the_rule(form: str) -> None:
    with pytest.raises(RuleError):
        Forge("x").make(form)


@given(st.text("<>[]-|0123456789 abhexofscpmjwtudr\ud800\n", max_size=60))
def test_no_form_makes_it_fail_otherwise(form: str) -> None:
    with contextlib.suppress(RuleError):
        assert isinstance(Forge("x").make(f"<<{form}>>"), str)
