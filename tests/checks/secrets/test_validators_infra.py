"""Proofs for credentials of clouds, forges and clusters; every value is drawn, none is real."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets.forms import Forge
from haechi.checks.secrets.infrastructure import CHECKS
from haechi.checks.secrets.validators import VALIDATORS

FORGE = Forge("infrastructure")


def drawn(form: str) -> bytes:
    return FORGE.make(form).encode()


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(claims: object) -> bytes:
    return (
        f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.{FORGE.make('<<base64url 86>>')}".encode()
    )


def key_of(size: int, first: int = 7) -> bytes:
    return base64.b64encode(bytes([first]) + drawn(f"<<base62 {size - 1}>>"))


def routable(prefix: str, size: int, said: str) -> bytes:
    return drawn(f"{prefix}<<base64url {size}>>.01.{said}<<base36 7>>")


REAL = [
    ("aws_key_id", drawn("AKIA<<[Q-Z] 1>><<base32 15>>")),
    ("aws_key_id", drawn("ASIA<<[I-J] 1>><<base32 15>>")),
    ("aws_key_id", drawn("AKIA<<[O-P] 1>><<[6-7] 1>><<base32 14>>")),
    ("mixed_case", drawn("a<<base62 20>>Z")),
    ("ses_smtp", key_of(33, first=4)),
    ("azure_key", key_of(64)),
    ("azure_signature", key_of(32)),
    ("azure_signature", quote(key_of(32)).encode()),
    ("gitlab_routable", routable("glpat-", 40, "14")),
    ("gitlab_routable", routable("glrt-t1_", 40, "14")),
    ("gitlab_routable", drawn("glpat-<<base64url 27>>.0r<<base36 7>>")),
    ("kubernetes", token({"iss": "kubernetes/serviceaccount"})),
    ("kubernetes", token({"iss": "https://oidc", "kubernetes.io": {"namespace": "ci"}})),
    ("kubernetes", token({"sub": "system:serviceaccount:ci:deploy"})),
    ("supabase_service", token({"iss": "supabase", "role": "service_role"})),
    ("argocd", token({"iss": "argocd", "sub": "ci:apiKey"})),
    ("cloudflare_tunnel", base64.b64encode(b'{"a":"1","t":"2","s":"3"}')),
]
SHAM = [
    ("aws_key_id", drawn("AKIA7<<base32 15>>")),
    ("aws_key_id", b"AKIAQ"),
    ("aws_key_id", drawn("AKIAQ<<[a-z] 15>>")),
    ("mixed_case", drawn("<<hex 40>>")),
    ("mixed_case", drawn("<<HEX 40>>")),
    ("ses_smtp", key_of(33, first=5)),
    ("ses_smtp", key_of(32, first=4)),
    ("azure_key", key_of(63)),
    ("azure_key", drawn("<<hex 20>>!")),
    ("azure_signature", key_of(31)),
    ("gitlab_routable", routable("glpat-", 40, "15")),
    ("gitlab_routable", routable("glpat-", 40, "__")),
    ("gitlab_routable", b"glpat-"),
    ("kubernetes", token({"iss": "https://oidc", "sub": "alice"})),
    ("kubernetes", token(["kubernetes.io"])),
    ("kubernetes", token({"sub": 7})),
    ("supabase_service", token({"iss": "supabase", "role": "anon"})),
    ("argocd", token({"iss": "acme", "sub": "argocd"})),
    ("cloudflare_tunnel", base64.b64encode(b'{"a":"1","t":"2"}')),
    ("cloudflare_tunnel", base64.b64encode(b"[" * 5000)),
]


@pytest.mark.parametrize(("name", "value"), REAL)
def test_takes_what_the_vendor_issues(name: str, value: bytes) -> None:
    assert CHECKS[name](value)


@pytest.mark.parametrize(("name", "value"), SHAM)
def test_refuses_what_the_vendor_never_issues(name: str, value: bytes) -> None:
    assert not CHECKS[name](value)


def test_every_check_is_tried_both_ways_and_known_to_rules() -> None:
    assert {name for name, _ in REAL} == {name for name, _ in SHAM} == set(CHECKS)
    assert all(VALIDATORS[name] is check for name, check in CHECKS.items())


def test_keys_that_emulators_share_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """By digest: the published keys themselves must not stand here."""
    value = key_of(64)
    assert CHECKS["azure_key"](value)
    digest = hashlib.sha256(value).hexdigest()
    monkeypatch.setattr("haechi.checks.secrets.infrastructure._PUBLISHED", frozenset({digest}))
    assert not CHECKS["azure_key"](value)


@given(value=st.one_of(st.binary(max_size=300), st.from_regex(rb"[A-Za-z0-9+/_.=-]{0,200}\Z")))
def test_no_check_raises(value: bytes) -> None:
    for check in CHECKS.values():
        assert check(value) in (True, False)


@given(st.binary(max_size=60))
def test_no_check_raises_on_tokens(part: bytes) -> None:
    text = base64.urlsafe_b64encode(part)
    for name in ("kubernetes", "supabase_service", "argocd"):
        assert CHECKS[name](text + b"." + text + b"." + text) is False


@pytest.mark.parametrize("label", ["PRIVATE KEY", "RSA PRIVATE KEY"])
def test_escaped_armour_is_one_line(label: str) -> None:
    for number in range(40):
        text = Forge(f"{label}/{number}").make(f"<<escaped pem {label}>>")
        assert "\n" not in text
        assert VALIDATORS["pem"](text.encode())
