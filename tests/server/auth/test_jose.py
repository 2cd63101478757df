"""Any text may be shown as a signed token: it is judged, never a fault of the server's."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import Unauthenticated
from haechi.server.auth.jose import unverified_issuer, verified
from tests.server.auth.provider import new_key

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
KEY = new_key()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
parts = (
    st.binary(max_size=40)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {"alg": st.sampled_from(["ES256", "none", "HS256", 7]), "kid": json_values}
    ).map(lambda value: json.dumps(value).encode())
)


def check(token: str) -> None:
    with pytest.raises(Unauthenticated):
        verified(token, keys=lambda kid: [KEY.public()], issuer="i", audience="a", now=NOW)
    with contextlib.suppress(Unauthenticated):
        unverified_issuer(token)


@given(st.lists(parts, min_size=1, max_size=4))
def test_any_parts(raw: list[bytes]) -> None:
    check(".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in raw))


@given(st.text())
def test_any_text(text: str) -> None:
    check(text)


@given(json_values)
def test_any_claims_with_a_good_signature(value: object) -> None:
    head = {"alg": "ES256", "kid": KEY.kid}
    signing = ".".join(
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode()
        for one in (head, value)
    )
    import jwt

    signature = jwt.get_algorithm_by_name("ES256").sign(signing.encode(), KEY.private)
    check(f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "kid", "n", "e", "x", "y", "use", "alg", "key_ops"]),
        json_values | st.sampled_from(["EC", "P-256", "sig"]),
    )
)
def test_any_key_of_an_issuer(jwk: dict[str, object]) -> None:
    token = KEY.sign({"iss": "i", "aud": "a", "sub": "s", "exp": 1, "iat": 1})
    with pytest.raises(Unauthenticated):
        verified(token, keys=lambda kid: [jwk], issuer="i", audience="a", now=NOW)
