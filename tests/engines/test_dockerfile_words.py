"""Substitution outside of RUN: what is known is filled in, what is not is named."""

from __future__ import annotations

import pytest

from haechi.engines.dockerfile.words import Expansion, expand, first_word, split_words

KNOWN = {"A": "1", "B": "two", "EMPTY": "", "NONE": None}


@pytest.mark.parametrize(
    ("text", "expected", "unresolved"),
    [
        ("plain", "plain", ()),
        ("$A-$B", "1-two", ()),
        ("${A}b", "1b", ()),
        ("$Ab", "$Ab", ("Ab",)),
        ("${NONE}", "${NONE}", ("NONE",)),
        ("${NONE:-x}", "x", ()),
        ("${EMPTY:-x}", "x", ()),
        ("${EMPTY-x}", "", ()),
        ("${A:-x}", "1", ()),
        ("${A:+x}", "x", ()),
        ("${EMPTY:+x}", "", ()),
        ("${EMPTY+x}", "x", ()),
        ("${MISSING:+x}", "", ()),
        ("${MISSING:-${B}}", "two", ()),
        ("${MISSING:-${ALSO}}", "${ALSO}", ("ALSO",)),
        ("${A:-${ALSO}}", "1", ()),
        ("${A:?needed}", "1", ()),
        ("${MISSING:?needed}", "${MISSING:?needed}", ("MISSING",)),
        ("${A#x}", "${A#x}", ("A",)),
        ("'$A'", "$A", ()),
        ('"$A b"', "1 b", ()),
        (r"\$A", "$A", ()),
        (r'"a\"b\n"', 'a"b\\n', ()),
        ("$", "$", ()),
        ("${", "${", ()),
        ("${A", "${A", ("A",)),
        ("a'b", "ab", ()),
    ],
)
def test_substitutes(text: str, expected: str, unresolved: tuple[str, ...]) -> None:
    assert expand(text, KNOWN) == Expansion(expected, unresolved)


def test_deep_nesting_ends() -> None:
    text = "${X:-" * 5000 + "}" * 5000
    assert expand(text, {}).unresolved == ("X",)


@pytest.mark.parametrize(
    ("text", "escape", "words"),
    [
        ("a  b", "\\", ["a", "b"]),
        ("a='b c' d", "\\", ["a='b c'", "d"]),
        ('a="b \\" c" d', "\\", ['a="b \\" c"', "d"]),
        ("a\\ b c", "\\", ["a\\ b", "c"]),
        ("a` b c\\ d", "`", ["a` b", "c\\", "d"]),
        ("a 'b", "\\", ["a", "'b"]),
        ("", "\\", []),
    ],
)
def test_splits_words(text: str, escape: str, words: list[str]) -> None:
    assert split_words(text, escape) == words
    assert first_word(text, escape) == (words[0] if words else "")
