"""Tokens, their places, and the two flags that stand for whitespace."""

from __future__ import annotations

import pytest

from haechi.engines.rego import lexer
from haechi.engines.rego.lexer import END, ILLEGAL, tokenize


def _texts(text: str) -> list[tuple[str, str]]:
    tokens = tokenize(text)
    assert tokens[-1].kind == END
    return [(token.kind, token.text) for token in tokens[:-1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_1 := 2", [("name", "a_1"), (":=", ":="), ("number", "2")]),
        ("x!=1<=2==3", "name != number <= number == number"),
        ('"a\\n\\u00e9\\ud83d\\ude00"', [("string", "a\né😀")]),
        ('"\\ud800"', [("string", "\ufffd")]),
        ('`a\\n\n"b`', [("string", 'a\\n\n"b')]),
        ("1.5e-3 0 10E2", [("number", "1.5e-3"), ("number", "0"), ("number", "10E2")]),
        ("# only a comment", []),
        ("\ufeffx # after a byte-order mark", [("name", "x")]),
        ('$"no braces"', [("tail", "no braces")]),
        ('$"a{x}b"', [("part", "a"), ("name", "x"), ("}", "}"), ("tail", "b")]),
        ('$"{{1}}\\{"', "part { number } } tail"),
        ('$`{$"{x}"}`', "part part name } tail } tail"),
    ],
)
def test_tokens(text: str, expected: list[tuple[str, str]] | str) -> None:
    found = _texts(text)
    if isinstance(expected, str):
        assert " ".join(kind for kind, _ in found) == expected
    else:
        assert found == expected


def test_places_and_gaps() -> None:
    tokens = tokenize("a.b\n  [c] # d\n`x\ny`e")
    seen = [(t.text, t.line, t.column, t.glued, t.newline) for t in tokens]
    assert seen == [
        ("a", 1, 1, True, False),
        (".", 1, 2, True, False),
        ("b", 1, 3, True, False),
        ("[", 2, 3, False, True),
        ("c", 2, 4, True, False),
        ("]", 2, 5, True, False),
        ("x\ny", 3, 1, False, True),
        ("e", 4, 3, True, False),
        ("", 4, 4, True, False),
    ]


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ('x := "open\n"', "does not end on its line", 1, 6),
        ('"\\x41"', "escape", 1, 1),
        ("a\n`open", "raw string", 2, 1),
        ("!x", "'not'", 1, 1),
        ("x ^ y", "'^'", 1, 3),
        ("1.", "'1.'", 1, 1),
        ("12ab", "'12ab'", 1, 1),
        ('$"a{', "the end", 0, 0),
        ('$"a', "template string", 1, 1),
        ('"a\\n\x01"', "control character", 1, 1),
        ("x\n\0", "U+0000", 2, 1),
        ("x := \ufeff", "U+FEFF", 1, 6),
        ("'a'", '"\'"', 1, 1),
    ],
)
def test_what_cannot_be_read_says_why_and_where(
    text: str, message: str, line: int, column: int
) -> None:
    last = tokenize(text)[-1]
    if message == "the end":
        assert last.kind == END  # the parser misses the brace
        return
    assert last.kind == ILLEGAL
    assert message in last.text
    assert (last.line, last.column) == (line, column)


def test_limits_of_size_and_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1 MiB" in tokenize("x" * (lexer.TEXT_LIMIT + 1))[-1].text
    monkeypatch.setattr(lexer, "TOKEN_LIMIT", 10)
    tokens = tokenize("x " * 11)
    assert len(tokens) == 11
    assert "more than 10 words" in tokens[-1].text
