"""Readers of other projects' samples understand what they take and leave the rest out."""

from __future__ import annotations

import pytest
from bench.corpora.fixed import is_fixed
from bench.corpora.golang import Reader, tokens
from bench.corpora.trufflehog import cases
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a" + "b"', "ab"),
        ("`raw \\n`", "raw \\n"),
        (r'"tab\tquote\""', 'tab\tquote"'),
        ('fmt.Sprintf("%s=%q", "key", "v")', 'key="v"'),
        ('[]string{"a", name + "b"}', ["a", "xb"]),
        ('[]byte("a")', "a"),
        ("unknown(1)", None),
        ('fmt.Sprintf("%s", unknown())', None),
    ],
)
def test_expressions_of_literals_have_a_value(text: str, value: object) -> None:
    reader = Reader(f'const name = "x"\nfield: {text},')
    at = next(n for n, token in enumerate(reader.tokens) if token.text == "field")
    assert reader.value(at + 2)[0] == value


@given(st.text(alphabet="ab\"'`\\+(){}[],:= \n%s/*.", max_size=80))
def test_no_source_makes_the_reader_fail(text: str) -> None:
    reader = Reader(text)
    for at in range(len(reader.tokens)):
        reader.value(at)
    assert len(tokens(text)) == len(reader.tokens)


def test_cases_are_inputs_with_what_is_wanted_of_them() -> None:
    source = """
        {name: "one", input: key + "=1", want: []string{"1"}},
        {name: "two", input: "nothing", want: nil},
        {name: "three", input: "server", want: []string{"https://host.example:8080"}},
    """
    found = list(cases(Reader('key := "k"\n' + source)))
    assert found == [("k=1", ["1"]), ("nothing", [])]


@pytest.mark.parametrize(
    ("expression", "fixed"),
    [
        (r"\b(ghp_[0-9a-z]{36})\b", True),
        (r"(?i)vendor.{0,20}\b([0-9a-f]{32})\b", False),
        (r"(?x)vendor (?: sk | pk ) ( [a-z]{20} )", False),
        (r"\b((?:abc|xyz)_[0-9]{9})", True),
        (r"([0-9a-f]{8}-[0-9a-f]{4})", False),
        (r"https://host/[a-z]+", True),
    ],
)
def test_a_form_is_a_run_of_fixed_characters_in_the_group(expression: str, fixed: bool) -> None:
    assert is_fixed(expression) is fixed
