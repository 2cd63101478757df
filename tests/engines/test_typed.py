"""Every misfit of a document is told at once, with its line, and msgspec agrees on validity."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.typed import convert, misfits, nearest, read_single, shown
from haechi.engines.values import LIMITS
from haechi.errors import ConfigError
from haechi.model.severity import Severity


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    day: dt.date | None = None


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Inner] = []
    levels: dict[str, Severity] = {}
    count: int = 0
    on: bool = False


def _fault(text: str) -> ConfigError:
    document = read_single(text.encode(), "f.yaml", limits=LIMITS)
    assert document is not None
    with pytest.raises(ConfigError) as caught:
        convert(document, Outer, "f.yaml")
    return caught.value


def test_valid_document_is_decoded() -> None:
    text = b"items: [{name: a, day: 2026-01-31}]\nlevels: {x: high}\ncount: 3\n"
    document = read_single(text, "f", limits=LIMITS)
    assert document is not None
    found = convert(document, Outer, "f")
    assert found == Outer([Inner("a", dt.date(2026, 1, 31))], {"x": Severity.HIGH}, 3)


@pytest.mark.parametrize(
    ("text", "where", "part"),
    [
        ("itemz: []", "f.yaml:1", "unknown key `itemz`"),
        ("\n\ncount: many", "f.yaml:3", "must be a whole number, not `many`"),
        ("count: true", "f.yaml:1", "not true"),
        ("items: {}", "f.yaml:1", "must be a list, not a mapping"),
        ("items:\n- x", "f.yaml:2", "`items[0]` must be a mapping"),
        ("items:\n- {day: 2026-01-01}", "f.yaml:2", "`items[0]` lacks `name`"),
        ("items:\n- name: a\n  day: 2026-02-30", "f.yaml:3", "must be a date"),
        ("items:\n- name: 1.30", "f.yaml:2", "must be text, not `1.3`"),
        ("levels:\n  x: hihg", "f.yaml:2", "must be one of critical, high, medium, low, info"),
        ('"on": maybe', "f.yaml:1", "must be true or false"),
        ("[]", "f.yaml:1", "the file must be a mapping, not a list"),
    ],
)
def test_misfit_names_place_and_fault(text: str, where: str, part: str) -> None:
    error = _fault(text)
    assert error.where == where
    assert part in error.what


def test_all_misfits_are_told_in_line_order() -> None:
    text = _fault("count: x\nlevels: {a: hgih}\nitems: [{nam: a}]\n").explain()
    lines = text.splitlines()
    assert lines[0] == "f.yaml: 4 faults"
    assert [line.split(":")[1] for line in lines[1:]] == ["1", "2", "3", "3"]
    assert "did you mean `high`?" in text
    assert "did you mean `name`?" in text


@pytest.mark.parametrize(
    ("text", "where", "part"),
    [
        (b"a: [", "f", "not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "f:2", "second YAML document"),
        (b"a: 1\nb: 2\na: 3\n", "f:3", "written twice"),
        (b"\xff\x00\xfe", "f", "not valid UTF-8"),
        (b"[" * 300, "f", "nested"),
        (b"x" * (LIMITS.size + 1), "f", "the limit is"),
    ],
)
def test_unreadable_documents_are_configuration_errors(text: bytes, where: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_single(text, "f", limits=LIMITS)
    assert caught.value.where.startswith(where)
    assert part in caught.value.what


@pytest.mark.parametrize("text", [b"", b"# only a comment\n", b"---\n"])
def test_empty_documents_hold_nothing(text: bytes) -> None:
    document = read_single(text, "f", limits=LIMITS)
    assert document is None or document.data is None


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["items", "levels", "name", "day", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_misfits_and_msgspec_agree_on_what_is_valid(value: Any) -> None:
    try:
        msgspec.convert(value, Outer)
    except msgspec.ValidationError:
        assert list(misfits(value, Outer))
    else:
        assert not list(misfits(value, Outer))


@given(st.text(max_size=20))
def test_suggestions_take_any_word(word: str) -> None:
    assert nearest(word, ["high", "low"]) in ("", "did you mean `high`?", "did you mean `low`?")
    assert "\n" not in shown(word)
