"""YAML as Kubernetes reads it: values, places, faults, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.documents import Document, Fault, parse_documents
from haechi.engines.values import Limits, plain_scalar
from haechi.errors import InputError, LimitExceeded
from haechi.model.location import AttrPath


def one(text: str) -> Document:
    (document,) = parse_documents(text.encode())
    assert isinstance(document, Document)
    return document


def fault(text: bytes) -> Fault:
    (found,) = parse_documents(text)
    assert isinstance(found, Fault)
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("y", True),
        ("On", True),
        ("off", False),
        ("N", False),
        ("~", None),
        ("null", None),
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"),
        ("08", 8.0),  # not octal, so go-yaml takes it for a float
        ("+", "+"),
        ("-", "-"),
        ("yEs", "yEs"),
        ("100m", "100m"),
    ],
)
def test_plain_scalars_resolve_as_in_kubernetes(text: str, value: object) -> None:
    assert plain_scalar(text) == value


def test_quoted_scalars_stay_strings() -> None:
    assert one("a: 'yes'\nb: \"1\"\n").data == {"a": "yes", "b": "1"}


def test_keys_become_strings() -> None:
    assert one("on: 1\n2: x\ny: z\n").data == {"true": "z", "2": "x"}


def test_merge_keys_add_without_overriding() -> None:
    data = one("base: &b {a: 1, b: 2}\nuse:\n  <<: *b\n  b: 3\n").data
    assert data["use"] == {"a": 1, "b": 3}


def test_duplicate_keys_are_reported_and_the_last_wins() -> None:
    document = one("a: 1\nb: 2\na: 3\n")
    assert document.data == {"a": 3, "b": 2}
    assert document.duplicates == (("a",),)
    assert document.locate(("a",))[0] == 3


PLACES: list[tuple[AttrPath, tuple[int, int]]] = [
    (("spec",), (3, 1)),
    (("spec", "containers", 0, "image"), (5, 7)),
    (("spec", "containers", 1), (6, 7)),
    (("spec", "containers", 1, "securityContext", "privileged"), (6, 7)),
    (("spec", "nope"), (3, 1)),
    (("merged", "x"), (7, 15)),
]


@pytest.mark.parametrize(("path", "place"), PLACES)
def test_places_of_values_and_of_missing_ones(path: AttrPath, place: tuple[int, int]) -> None:
    text = (
        "# head\n"
        "kind: Pod\n"
        "spec:\n"
        "  containers:\n"
        "    - image: nginx\n"
        "    - name: two\n"
        "merged: {<<: {x: 1}}\n"
    )
    document = one(text)
    assert document.locate(path)[:2] == place
    document.forget()
    assert document.locate(path)[:2] == place


@pytest.mark.parametrize("keys", [3, 31, 32, 33, 500])
def test_keys_of_small_and_large_mappings_are_found_alike(keys: int) -> None:
    lines = [f"k{number}: {number}" for number in range(keys - 3)]
    text = "\n".join(["<<: {far: 1}", *lines, "on: 1", "k0: 2", ""])
    (document,) = parse_documents(text.encode())
    assert isinstance(document, Document)
    for _ in range(2):
        assert document.locate(("far",))[0] == 1
        assert document.locate(("true",))[:2] == document.locate(("on",))[:2] == (keys - 1, 1)
        assert document.locate(("k0",))[0] == keys  # the last one wins
        assert document.locate((f"k{keys - 4}",))[0] == max(keys - 2, 1)
        assert document.locate(("absent",))[0] == 1
        document.forget()


def test_a_key_written_three_times_is_told_once() -> None:
    (document,) = parse_documents(b"a: {b: 1, b: 2, b: 3, c: 1, c: 2}\n")
    assert isinstance(document, Document)
    assert document.duplicates == (("a", "b"), ("a", "c"))


def test_documents_are_numbered_by_the_lines_of_the_file() -> None:
    first, second = parse_documents(b"a: 1\n---\n# c\nb: 2\n")
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert second.locate(("b",))[0] == 4
    assert second.offset == 5


def test_a_broken_document_does_not_take_its_neighbours_along() -> None:
    results = list(parse_documents(b"a: 1\n---\nb: [\n---\nc: 3\n"))
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["Document", "Fault", "Document"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"a: {{ .Values.x }}\n", "template"),
        (b'apiVersion: v1\nkind: Pod\nimage: "{{ .Values.image }}"\n', "template"),
        (b"kind: {{name}}\n", "template"),
        (b"{{- if .Values.on }}\na: 1\n{{- end }}\n", "template"),
        (b"a: [1, 2\n", "syntax"),
        (b"a: \x00\n", "syntax"),
        (b"? [a]\n: 1\n", "syntax"),
        (b"&a [*a]\n", "syntax"),
        (b"[" * 5_000, "limit"),
        (b"- " * 5_000 + b"x", "limit"),
        (b" " * 600 + b"a: 1\n", "limit"),
    ],
)
def test_unreadable_documents_say_why(text: bytes, kind: str) -> None:
    assert fault(text).kind == kind


def test_templates_inside_block_scalars_are_plain_text() -> None:
    assert one("a: |\n  {{ .Values.x }}\n").data == {"a": "{{ .Values.x }}\n"}


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "aliases" in fault("\n".join(lines).encode()).message


def test_json_with_surrogate_pairs_is_read() -> None:
    assert one('{"a": "\\ud83d\\ude00"}').data == {"a": "\U0001f600"}


def test_json_values_one_after_the_other_are_documents() -> None:
    first, second = parse_documents(b'{"a": 1}\n\n{"b": {"c": 2}}\n')
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.data, second.data) == ({"a": 1}, {"b": {"c": 2}})
    assert second.locate(("b", "c"))[:2] == (3, 8)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_understood(encoding: str) -> None:
    (document,) = parse_documents("a: 한국어\n".encode(encoding))
    assert isinstance(document, Document)
    assert document.data == {"a": "한국어"}


def test_wrong_encoding_names_the_line() -> None:
    with pytest.raises(InputError, match="line 2"):
        list(parse_documents("a: 1\nb: é\n".encode("latin-1")))


def test_limits_of_size_and_count() -> None:
    with pytest.raises(LimitExceeded):
        list(parse_documents(b"a: 1\n" * 10, limits=Limits(size=10)))
    results = list(parse_documents(b"---\na: 1\n" * 5, limits=Limits(documents=3)))
    assert isinstance(results[-1], Fault)
    assert results[-1].kind == "too-many-documents"
    assert len(results) == 4


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_reads_back_as_it_was_written(value: Any) -> None:
    (document,) = parse_documents(json.dumps(value).encode())
    assert isinstance(document, Document)
    assert document.data == value


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.text("-:[]{}&*!|>'\"#%@` \n\tab<1", max_size=200))
def test_hostile_bytes_never_raise_anything_unexpected(noise: bytes | str) -> None:
    data = noise if isinstance(noise, bytes) else noise.encode()
    try:
        for result in parse_documents(data):
            assert isinstance(result, Document | Fault)
            if isinstance(result, Document):
                result.locate(("a", 0, "b"))
    except InputError:
        pass


CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.example.com
spec:
  versions:
    - schema:
        description: {long}
    # a comment of the specification

  - broken: [
status: {{stored: true}}
"""


@pytest.mark.parametrize("width", [10, 499, 500, 5_000])
def test_schemas_of_custom_resources_are_passed_over_in_their_place(width: int) -> None:
    text = f"{CRD.format(long='x' * width)}---\nkind: Pod\n"
    first, second = parse_documents(text.encode())
    assert isinstance(first, Document)
    assert first.data["metadata"] == {"name": "things.example.com"}
    assert first.locate(("status", "stored"))[:2] == (12, 10)
    assert isinstance(second, Document)
    assert second.locate(("kind",))[0] == 14
