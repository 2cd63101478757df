"""JSON Schema, tokens and templates as builtins: answers that OPA 1.20 gave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from haechi.engines.rego.builtins import BUILTINS, Context
from haechi.engines.rego.values import BuiltinError, RegoFailure

NOW = 1_700_000_000_000_000_000
SECRET = "s"


def call(name: str, *arguments: Any) -> Any:
    return BUILTINS[name].call(*arguments)


@pytest.mark.parametrize(
    ("document", "schema", "errors"),
    [
        ({"id": 5}, {"type": "object"}, []),
        ("{}", '{"type": "object"}', []),
        (
            {"id": 5},
            {"properties": {"id": {"type": "string"}}, "required": ["n"]},
            [
                ("(Root)", "required", "n is required"),
                ("id", "invalid_type", "Invalid type. Expected: string, given: integer"),
            ],
        ),
        (
            {"a": "x", "b": 1},
            {"properties": {"a": {"enum": ["y"]}}, "additionalProperties": False},
            [
                (
                    "(Root)",
                    "additional_property_not_allowed",
                    "Additional property b is not allowed",
                ),
                ("a", "enum", 'a must be one of the following: "y"'),
            ],
        ),
        (
            {"b": [1, "a"]},
            {"properties": {"b": {"items": {"type": "integer", "minimum": 3}, "minItems": 3}}},
            [
                ("b.0", "number_gte", "Must be greater than or equal to 3"),
                ("b.1", "invalid_type", "Invalid type. Expected: integer, given: string"),
                ("b", "array_min_items", "Array must have at least 3 items"),
            ],
        ),
        (
            [1, 1.0],
            {"uniqueItems": True},
            [("(Root)", "unique", "array items[0,1] must be unique")],
        ),
        (
            {"a": {"a": {"a": 1}}},
            {
                "$ref": "#/definitions/d",
                "definitions": {
                    "d": {"properties": {"a": {"$ref": "#/definitions/d"}}, "type": "object"}
                },
            },
            [("a.a.a", "invalid_type", "Invalid type. Expected: object, given: integer")],
        ),
    ],
)
def test_matches_schema(document: Any, schema: Any, errors: list[tuple[str, str, str]]) -> None:
    matched, told = call("json.match_schema", document, schema)
    assert matched is (not errors)
    assert [(error["field"], error["type"], error["desc"]) for error in told] == errors
    assert all(error["error"] == f"{error['field']}: {error['desc']}" for error in told)


@pytest.mark.parametrize(
    ("schema", "valid"),
    [
        ({"type": "object"}, True),
        ({"type": "objec"}, False),
        ({"properties": 5}, False),
        ({"required": "a"}, False),
        ({"pattern": "("}, False),
        ({"$ref": "#/nope"}, False),
        ({"$ref": "https://schemas.example/x"}, False),
        ({"minLength": -1}, False),
        ("x", False),
        (5, False),
        ("{}", True),
    ],
)
def test_verifies_schema(schema: Any, valid: bool) -> None:
    found, reason = call("json.verify_schema", schema)
    assert found is valid
    assert (reason is None) is valid


def test_what_upstream_would_check_is_not_passed_over() -> None:
    with pytest.raises(RegoFailure):
        call("json.match_schema", ["x"], {"items": {"format": "email"}})
    endless = {"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/a"}}}
    with pytest.raises((RegoFailure, RecursionError)):
        call("json.match_schema", {}, endless)


def _part(held: Any) -> str:
    raw = held if isinstance(held, bytes) else json.dumps(held).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _token(payload: Any, secret: str = SECRET) -> str:
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(payload)}"
    return f"{signed}.{_part(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def test_tokens_are_read_and_verified_by_a_secret() -> None:
    token = _token({"a": 1})
    header, payload, signature = call("io.jwt.decode", token)
    assert (header["alg"], payload, len(signature)) == ("HS256", {"a": 1}, 64)
    assert call("io.jwt.verify_hs256", token, "s") is True
    assert call("io.jwt.verify_hs256", token, "other") is False
    assert call("io.jwt.verify_hs512", token, "s") is False


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "e30.e30", "W10.e30.", "e30.W10."])
def test_what_is_no_token_is_an_error(token: str) -> None:
    with pytest.raises(BuiltinError):
        call("io.jwt.decode", token)


@pytest.mark.parametrize(
    ("payload", "constraints", "valid"),
    [
        ({}, {}, True),
        ({"exp": NOW // 10**9 + 1}, {}, True),
        ({"exp": NOW // 10**9}, {}, False),
        ({"exp": 5}, {"time": 4 * 10**9}, True),
        ({"nbf": NOW // 10**9}, {}, True),
        ({"nbf": NOW // 10**9 + 1}, {}, False),
        ({"aud": "me"}, {"aud": "me"}, True),
        ({"aud": ["x", "me"]}, {"aud": "me"}, True),
        ({"aud": "me"}, {}, False),
        ({}, {"aud": "me"}, False),
        ({"iss": "i"}, {"iss": "i"}, True),
        ({"iss": "j"}, {"iss": "i"}, False),
        ({}, {"alg": "HS512"}, False),
    ],
)
def test_constraints_of_tokens(payload: Any, constraints: dict[str, Any], valid: bool) -> None:
    context = Context(now_ns=NOW)
    given = {"secret": "s", **constraints}
    found = call("io.jwt.decode_verify", context, _token(payload), given)
    assert found == ([True, {"alg": "HS256", "typ": "JWT"}, payload] if valid else [False, {}, {}])
    assert call("io.jwt.decode_verify", context, _token(payload, "t"), given)[0] is False


@pytest.mark.parametrize("constraints", [{}, {"secret": "s", "x": 1}, {"secret": 1}, {"cert": "x"}])
def test_constraints_that_are_none_are_errors(constraints: dict[str, Any]) -> None:
    with pytest.raises(BuiltinError):
        call("io.jwt.decode_verify", Context(now_ns=NOW), _token({}), constraints)


def test_tokens_are_verified_by_public_keys_of_their_kind_only() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{_part({'alg': 'ES256'})}.{_part({'a': 1})}"
    pair = decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    token = f"{signed}.{_part(b''.join(number.to_bytes(32, 'big') for number in pair))}"
    assert call("io.jwt.verify_es256", token, public.decode()) is True
    assert call("io.jwt.verify_rs256", token, public.decode()) is False
    assert call("io.jwt.verify_es256", token[:-4] + "AAAA", public.decode()) is False
    given = {"cert": public.decode()}
    context = Context(now_ns=NOW)
    assert call("io.jwt.decode_verify", context, token, given)[0] is True
    # A public key is no secret: a token "signed" with its text is not verified by it.
    assert call("io.jwt.decode_verify", context, _token({}, public.decode()), given)[0] is False


def test_templates_have_fields_and_nothing_else() -> None:
    render = BUILTINS["strings.render_template"].call
    values = {"x": 1, "y": {"z": "q"}, "l": [1, "a"]}
    assert render("a {{.x}} {{ .y.z }} {{- /* no */ -}} {{.l}}{{.none}}", values) == (
        "a 1 q[1 a]<undefined>"
    )
    for form in ("{{if .x}}a{{end}}", "{{range .l}}x{{end}}", "{{.x"):
        with pytest.raises(RegoFailure):
            render(form, values)
