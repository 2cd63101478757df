"""How far unknown goes: exactly as far as it must."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.engines.hcl.evaluate import Set
from haechi.model.unknown import Reference, Unknown
from tests.engines.hcl.values import attribute, unset, value_of


def names() -> dict[str, Any]:
    return {"u": unset(), "arn": attribute(), "other": attribute("aws_kms_key.k", "arn")}


def shown(value: Any) -> Any:
    """``?`` for an unknown value, ``!`` for one that is certainly set."""
    if isinstance(value, Unknown):
        return "!" if value.given else "?"
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


CASES: list[tuple[str, Any]] = [
    ("false && u", False),
    ("u && false", False),
    ("true || u", True),
    ("u || true", True),
    ("u || false", "?"),
    ("u && [][0]", "?"),
    ("!u", "?"),
    ("u + 1", "?"),
    ("u == 1", "?"),
    ("arn == null", False),
    ("u == null", "?"),
    ("[u, 1] == [1]", False),
    ("[u, 1] == [u, 2]", False),
    ("{a = u} == {b = u}", False),
    ("u ? 1 : 1", 1),
    ("u ? 1 : 2", "!"),
    ("u ? 1 : null", "?"),
    ('u ? arn : ""', "?"),
    ("u ? arn : other", "!"),
    ("u ? {a = 1, b = 2} : {a = 1, b = 3}", {"a": 1, "b": "!"}),
    ("u ? [1, 2] : [1, 3]", [1, "!"]),
    ("u ? [1] : []", "?"),
    ("u ? 1 : [][0]", "?"),
    ('"a${u}"', "!"),
    ('"${u}"', "?"),
    ('"%{ if u }a%{ else }a%{ endif }"', "a"),
    ('"%{ if u }a%{ endif }"', "!"),
    ("[1, u]", [1, "?"]),
    ("{a = u}", {"a": "?"}),
    ("{(u) = 1}", "!"),
    ("u[0]", "?"),
    ("arn.x", "!"),
    ("[1, 2][u]", "?"),
    ("u[*].a", "?"),
    ("[{a = u}, {a = 1}][*].a", ["?", 1]),
    ("[for v in u : v]", "?"),
    ("[for v in [u, 1] : v]", ["?", 1]),
    ("[for v in [u, 1] : v if v == 1]", "?"),
    ("{for v in [u] : v => 1}", "?"),
    ("{for k, v in {a = u} : k => v}", {"a": "?"}),
    ("length([u, u])", 2),
    ("length(u)", "?"),
    ("concat([u], [1])", ["?", 1]),
    ("concat([1], u)", "?"),
    ("merge({a = 1}, {b = u})", {"a": 1, "b": "?"}),
    ("merge({a = 1}, u)", "?"),
    ("merge(null, {a = u})", {"a": "?"}),
    ("keys({a = u})", ["a"]),
    ("values({a = u, b = 1})", ["?", 1]),
    ('lookup({a = 1}, "a", u)', 1),
    ('lookup({a = 1}, "b", u)', "?"),
    ('lookup({a = u}, "a", 1)', "?"),
    ("lookup(u, arn, 1)", "?"),
    ("element([u, 1], 1)", 1),
    ("element([u, 1], u)", "?"),
    ('coalesce(null, "", arn)', "!"),
    ('coalesce(u, "x")', "!"),
    ('coalesce("x", u)', "x"),
    ("coalesce(u, null)", "?"),
    ("coalescelist([u], [1])", ["?"]),
    ("coalescelist(u, [1])", "?"),
    ('compact(["", arn, "a"])', ["!", "a"]),
    ('compact(["", u, "a"])', "?"),
    ("contains([u, 1], 1)", True),
    ("contains([u, 1], 2)", "?"),
    ("alltrue([false, u])", False),
    ("alltrue([true, u])", "?"),
    ("anytrue([true, u])", True),
    ("flatten([[arn], [1]])", ["!", 1]),
    ("flatten([u, [1]])", "?"),
    ("distinct([1, 1])", [1]),
    ("distinct([u, 1])", "?"),
    ("slice([u, 1, 2], 1, 3)", [1, 2]),
    ("reverse([u, 1])", [1, "?"]),
    ("one([u])", "?"),
    ('zipmap(["a"], [u])', {"a": "?"}),
    ('zipmap([u], ["a"])', "?"),
    ("toset([arn, other])", ["!", "!"]),
    ("toset([u, 1])", "?"),
    ("tolist(toset([u]))", ["?"]),
    ("setproduct([u], [1, 2])", [["?", 1], ["?", 2]]),
    ("upper(arn)", "!"),
    ("upper(u)", "?"),
    ('replace(arn, "a", "b")', "!"),
    ('split(",", u)', "?"),
    ("max(1, u)", "?"),
    ('regex("a", u)', "?"),
    ("sensitive(arn)", "!"),
    ("tostring(u)", "?"),
    ("try(u, 1)", "?"),
    ("try(u.a[0], 1)", "?"),
    ("can(u)", "?"),
    ("can([u])", True),
    ("timestamp()", "!"),
    ("uuid()", "!"),
    ('bcrypt("a")', "!"),
    ('file("nowhere")', "!"),
    ('fileexists("nowhere")', "!"),
    ('templatefile("nowhere", {})', "!"),
    ('fileset("a", "*")', "?"),
    ("provider::aws::arn_parse(arn)", "?"),
    ("jsonencode({a = u})", "!"),
    ("jsondecode(jsonencode({a = u, b = [1]}))", {"a": "?", "b": [1]}),
    ("yamldecode(yamlencode({a = u}))", {"a": "?"}),
    ("base64encode(jsonencode({a = u}))", "!"),
    ('"${jsonencode([u])}"', "!"),
]


@pytest.mark.parametrize(("text", "wanted"), CASES, ids=[text for text, _ in CASES])
def test_reaches_as_far_as_it_must(text: str, wanted: Any) -> None:
    assert shown(value_of(text, **names())) == wanted


def test_causes_and_resources_are_joined() -> None:
    got = value_of('"${u}/${arn}/${arn.x}"', **names())
    assert got.cause == "var.region, aws_s3_bucket.b.arn"
    assert got.refs == (
        Reference("aws_s3_bucket.b", ("arn",)),
        Reference("aws_s3_bucket.b", ("arn", "x")),
    )


PARTS = [
    ('"arn:${arn}/*"', ("arn:", "!", "/*")),
    ('"${"a${u}"}b"', ("a", "?", "b")),
    ('"${1}${u}${2}"', ("1", "?", "2")),
    ('format("%s-%s", "a", arn)', ("a-", "!")),
    ('format("%05d/%s", 7, "x${u}")', ("00007/x", "?")),
    ('join(",", ["a", arn, 1])', ("a,", "!", ",1")),
]


@pytest.mark.parametrize(("text", "wanted"), PARTS, ids=[text for text, _ in PARTS])
def test_the_known_pieces_of_a_text_stay(text: str, wanted: tuple[Any, ...]) -> None:
    got = value_of(text, **names())
    assert isinstance(got, Unknown)
    assert tuple(shown(list(got.parts))) == wanted


def test_formatlist_keeps_what_is_known() -> None:
    got = value_of('formatlist("%s/*", ["a", arn])', **names())
    assert got[0] == "a/*"
    assert shown(list(got[1].parts)) == ["!", "/*"]


POLICY = """<<E
{
  "Statement": [{
    "Effect": "Allow",
    "Resource": ["${arn}", "${arn}/*"],
    "Action": ${jsonencode(["s3:Get*", u])},
    "Count": ${u},
    "Condition": {"StringEquals": {"${other}:sub": "x"}}
  }]
}
E
"""


def test_a_document_in_a_heredoc_keeps_its_structure() -> None:
    got = value_of(POLICY, **names())
    assert isinstance(got, Unknown)
    assert shown(got.content) == {
        "Statement": [
            {
                "Effect": "Allow",
                "Resource": ["!", "!"],
                "Action": ["s3:Get*", "?"],
                "Count": "?",
                "Condition": {"StringEquals": "!"},
            }
        ]
    }
    statement = got.content["Statement"][0]
    assert statement["Resource"][1].parts[1] == "/*"
    assert statement["Condition"]["StringEquals"].refs[0].address == "aws_kms_key.k"


def test_a_known_document_is_a_text() -> None:
    got = value_of('jsonencode({a = [1, "<"], b = null})')
    assert got == '{"a":[1,"\\u003c"],"b":null}'
    assert json.loads(got) == {"a": [1, "<"], "b": None}


@pytest.mark.parametrize("text", ['"{${u}"', '"[1,${u}"', '"x${u}"', '"{\\"a\\": 1}${u}"'])
def test_what_is_no_document_has_no_structure(text: str) -> None:
    got = value_of(text, **names())
    assert isinstance(got, Unknown)
    assert got.content is None


def test_sets_of_ids_stay_sets() -> None:
    assert isinstance(value_of("toset([arn, other])", **names()), Set)
