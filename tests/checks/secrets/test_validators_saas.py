"""What chat, observability and other services hide in their credentials, and what lacks it."""

from __future__ import annotations

import base64
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets.forms import Forge
from haechi.checks.secrets.saas import CHECKS
from haechi.checks.secrets.validators import VALIDATORS


def drawn(form: str, seed: str = "a") -> bytes:
    return Forge(seed).make(form).encode()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


REAL = [
    ("discord", "<<base64 of 1[digits 17]>>.<<base62 6>>.<<base64url 38>>"),
    ("discord", "<<base64 of 9[digits 16]>>.<<base62 6>>.<<base64url 27>>"),
    ("grafana", "glsa_<<base62 32>>_<<crc32le glsa_>>"),
    ("grafana-key", '<<base64 of {"k":"[base62 32]","n":"ci","id":1}>>'),
    (
        "sentry",
        'sntrys_<<base64 of {"iat":1[digits 9].5,"url":"https://s.io","org":"a"}>>_<<base64 43>>',
    ),
    ("intercom", "<<base64 of tok:[hex 8]_[hex 4]_[hex 4]_[hex 4]_[hex 12]:1:0>>"),
    ("elastic", "<<base64 of [base62 20]:[base62 22]>>"),
    ("workos", "sk_live_<<base64 of key_01[BASE36 24],[base62 25]>>"),
    ("mixed", "<<base62 16>>7a"),
    ("mixed", "<<hex 31>>0a"),
]
SHAM = [
    ("discord", "<<base64 of [lower 18]>>.<<base62 6>>.<<base64url 38>>"),
    ("discord", "<<base64 of 12[digits 4]>>.<<base62 6>>.<<base64url 38>>"),  # no snowflake
    ("discord", "<<base64 of 9[digits 19]>>.<<base62 6>>.<<base64url 38>>"),  # beyond 63 bits
    ("discord", "…"),
    ("grafana", "glsa_<<base62 32>>_<<hex 8>>"),
    ("grafana", "glsa_"),
    ("grafana-key", '<<base64 of {"k":"[hex 8]-[hex 4]-[hex 4]-[hex 4]-[hex 12]","t":"x"}>>'),
    ("grafana-key", "eyJrIjoi<<base62 20>>"),
    ("sentry", 'sntrys_<<base64 of {"url":"https://s.io"}>>_<<base64 43>>'),
    ("sentry", "sntrys_<<base64 of [digits 9]>>_<<base64 43>>"),
    ("intercom", "<<base64 of tok:[hex 8]:1:0>>"),
    ("elastic", "<<base64 of [base62 20]:[base62 21]>>"),
    ("elastic", "<<base64 of [base62 43]>>"),
    ("workos", "sk_live_51<<base62 97>>"),
    ("workos", "sk_live_"),
    ("mixed", "<<[0-9] 24>>"),
    ("mixed", "theclientsecretofsomeservice"),
    ("mixed", "discordClientSecretFromEnvironment"),
    ("mixed", "SOME_CONSTANT_NAME"),
]


@pytest.mark.parametrize(("name", "form"), REAL)
def test_takes_what_the_vendor_writes(name: str, form: str) -> None:
    assert all(CHECKS[name](drawn(form, seed)) for seed in "abcdefgh")


@pytest.mark.parametrize(("name", "form"), SHAM)
def test_refuses_what_cannot_be(name: str, form: str) -> None:
    assert not any(CHECKS[name](drawn(form, seed)) for seed in "abcdefgh")


def test_every_check_has_both_kinds_of_examples_and_is_known_to_the_rules() -> None:
    assert {name for name, _ in REAL} == {name for name, _ in SHAM} == set(CHECKS)
    assert CHECKS.items() <= VALIDATORS.items()


def test_a_changed_character_breaks_the_grafana_checksum() -> None:
    token = bytearray(drawn("glsa_<<base62 32>>_<<crc32le glsa_>>"))
    token[10] = ord("b") if token[10] != ord("b") else ord("c")
    assert not CHECKS["grafana"](bytes(token))


def test_a_drawn_value_is_seldom_taken_for_a_word() -> None:
    missed = sum(not CHECKS["mixed"](drawn("<<base62 16>>", str(seed))) for seed in range(2000))
    assert missed < 60


def test_nested_json_of_any_depth_is_no_token() -> None:
    deep = encoded("[" * 100_000)
    assert not CHECKS["sentry"](b"sntrys_" + deep.encode() + b"_x")


@given(name=st.sampled_from(sorted(CHECKS)), value=st.binary(max_size=300))
def test_no_check_fails_on_any_bytes(name: str, value: bytes) -> None:
    assert CHECKS[name](value) in (True, False)


@given(
    name=st.sampled_from(sorted(CHECKS)),
    inner=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(string.printable, max_size=20),
        lambda values: st.lists(values) | st.dictionaries(st.sampled_from("kuoiat"), values),
        max_leaves=8,
    ),
    frame=st.sampled_from(("{}", "glc_{}", "sntrys_{}_x", "sk_live_{}", "{}.a.b")),
)
def test_no_check_fails_on_any_json_inside(name: str, inner: object, frame: str) -> None:
    assert CHECKS[name](frame.format(encoded(json.dumps(inner))).encode()) in (True, False)
