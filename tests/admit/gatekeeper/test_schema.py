"""Parameters by the template's schema: types, limits, unknown fields, defaults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.gatekeeper.schema import (
    faults_of_schema,
    faults_of_value,
    legacy,
    told,
    with_defaults,
)
from tests.admit.gatekeeper.texts import LABELS, LABELS_TEMPLATE, faults, loaded

NUMBER = {"type": "integer", "minimum": 2, "maximum": 4}


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        pytest.param(1, {"type": "string"}, "p is an integer and should be a string", id="type"),
        pytest.param(
            True, {"type": "integer"}, "p is a boolean and should be an integer", id="bool"
        ),
        pytest.param(1.5, {"type": "integer"}, "p is a number and should be an integer", id="half"),
        pytest.param(2.0, {"type": "integer"}, "", id="whole"),
        pytest.param(None, {"type": "string"}, "p is null and should be a string", id="null"),
        pytest.param(None, {"type": "string", "nullable": True}, "", id="nullable"),
        pytest.param(
            "c", {"enum": ["a", "b"]}, 'p is "c" and should be one of "a", "b"', id="enum"
        ),
        pytest.param(1, {"enum": [True]}, "p is 1 and should be one of true", id="enum-type"),
        pytest.param("ab", {"pattern": "^a+$"}, 'p is "ab" and should match ^a+$', id="pattern"),
        pytest.param("xax", {"pattern": "a"}, "", id="pattern-anywhere"),
        pytest.param("é", {"maxLength": 1}, "", id="characters"),
        pytest.param(
            "ab", {"maxLength": 1}, "p has 2 characters and should have at most 1", id="max"
        ),
        pytest.param(1, NUMBER, "p is 1 and should be at least 2", id="minimum"),
        pytest.param(5, NUMBER, "p is 5 and should be at most 4", id="maximum"),
        pytest.param(
            2, {**NUMBER, "exclusiveMinimum": True}, "p is 2 and should be more than 2", id="strict"
        ),
        pytest.param(3, {"multipleOf": 2}, "p is 3 and should be a multiple of 2", id="multiple"),
        pytest.param(
            1 << 40, {"format": "int32"}, "p is 1099511627776, which int32 cannot hold", id="int32"
        ),
        pytest.param([1, 1], {"uniqueItems": True}, "p holds the same item twice", id="unique"),
        pytest.param([], {"minItems": 1}, "p has 0 items and should have at least 1", id="items"),
        pytest.param(["a", 1], {"items": {"type": "string"}}, "p[1] is an integer", id="item"),
        pytest.param({}, {"required": ["a"]}, "p.a is required", id="required"),
        pytest.param({"a": 1}, {"type": "object"}, "p.a is no field", id="unknown"),
        pytest.param(
            {"a": 1},
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "",
            id="free",
        ),
        pytest.param(
            {"a": 1}, {"additionalProperties": {"type": "string"}}, "p.a is an", id="more"
        ),
        pytest.param({"a": 1}, {"additionalProperties": True}, "", id="any-more"),
        pytest.param("5", {"x-kubernetes-int-or-string": True}, "", id="int-or-string"),
        pytest.param([], {"x-kubernetes-int-or-string": True}, "p is an array", id="neither"),
        pytest.param(1, {"anyOf": [{"type": "string"}]}, "p fits 0 of the schemas", id="any-of"),
        pytest.param(
            "a", {"oneOf": [{"type": "string"}, {"enum": ["a"]}]}, "p fits 2 of", id="one-of"
        ),
        pytest.param(1, {"allOf": [{"minimum": 2}]}, "p is 1", id="all-of"),
        pytest.param(1, {"not": {"type": "integer"}}, "p is what the schema's `not`", id="not"),
    ],
)
def test_values(value: Any, schema: dict[str, Any], expected: str) -> None:
    found = [told(one) for one in faults_of_value(value, schema, ("p",))]
    assert len(found) == (1 if expected else 0), found
    assert all(one.startswith(expected) for one in found)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object"}, ""),
        ({}, "type"),
        ({"type": "text"}, "'text' is no type"),
        ({"type": "array"}, "items"),
        ({"type": "object", "properties": {"a": {}}}, "it has no type"),
        ({"type": "string", "pattern": "("}, "no regular expression"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {}},
            "exclude each other",
        ),
        ([], "a schema is a mapping"),
    ],
)
def test_schemas(schema: Any, expected: str) -> None:
    found = faults_of_schema(schema)
    assert bool(found) is bool(expected)
    assert not found or expected in found[0].text


def test_a_legacy_schema_lets_unknown_fields_through() -> None:
    schema = legacy({"properties": {"a": {"type": "array"}, "b": {"properties": {}}}})
    assert not faults_of_schema(schema)
    assert not faults_of_value({"a": [{"x": 1}], "b": {"y": 1}, "c": 1}, schema)
    assert faults_of_value({"a": 1}, schema)


def test_defaults_fill_what_was_left_out_and_nothing_else() -> None:
    schema = {
        "properties": {
            "a": {"default": {"x": 1}, "properties": {"y": {"default": 2}}},
            "b": {"properties": {"z": {"default": 3}}},
            "n": {"default": 4, "nullable": True},
            "l": {"items": {"properties": {"d": {"default": 5}}}},
        }
    }
    given_ = {"n": None, "l": [{}, {"d": 0}]}
    made = with_defaults(given_, schema)
    assert made == {"a": {"x": 1, "y": 2}, "n": None, "l": [{"d": 5}, {"d": 0}]}
    assert given_ == {"n": None, "l": [{}, {"d": 0}]}
    made["a"]["x"] = 9
    assert with_defaults({}, schema)["a"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("old", "new", "kind", "what", "line"),
    [
        ("[owner]", "owner", "invalid-parameters", "keys is a string", "parameters:"),
        ("[owner]", "[Owner]", "invalid-parameters", "keys[0] is", "parameters:"),
        ("keys: [owner]", "hint: x", "invalid-parameters", "keys is required", "parameters:"),
        ("keys: [owner]", "keys: [a], x: 1", "unknown-field", "x is no field", "parameters:"),
        ("  match:", "  mach:", "unknown-field", "'mach'", "mach:"),
        ("kinds:", "kind:", "invalid", "no field 'kind'", "kind:"),
        ("  match:", "  enforcementAction: block\n  match:", "invalid", "'block'", "enforcement"),
        ("  match:", "  enforcementAction: scoped\n  match:", "invalid", "lists nothing", "spec:"),
        ("/v1beta1", "/v1", "invalid", "no version 'v1'", "apiVersion:"),
        (
            "{name: owner}",
            "{name: owner, annotations: {haechi.dev/failure-policy: Maybe}}",
            "invalid",
            "'Maybe'",
            "metadata:",
        ),
    ],
)
def test_a_constraint_that_is_wrong_is_told_with_its_line(
    old: str, new: str, kind: str, what: str, line: str
) -> None:
    text = LABELS.replace(old, new)
    assert text != LABELS
    fault = next(one for one in faults(text, LABELS_TEMPLATE) if one.kind == kind)
    assert what in fault.what
    assert text.splitlines()[fault.line - 1].strip().startswith(line)
    assert not loaded(text, LABELS_TEMPLATE).policies


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
_words = st.sampled_from(
    ["type", "properties", "items", "required", "enum", "pattern", "minimum", "maximum", "default"]
) | st.sampled_from(
    ["multipleOf", "additionalProperties", "nullable", "anyOf", "oneOf", "allOf", "not", "format"]
)
_schemas: st.SearchStrategy[Any] = st.recursive(
    _json | st.sampled_from(["string", "object", "array", "integer"]),
    lambda inner: st.dictionaries(_words, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(_json, _schemas)
def test_no_schema_and_no_value_raise(value: Any, schema: Any) -> None:
    faults_of_schema(legacy(schema))
    if not faults_of_schema(schema):
        faults_of_value(value, schema)
        with_defaults(value, schema)
