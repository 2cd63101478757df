"""Widths, wrapping and unseen characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.report.text import cells, clip, flat, markup, one_line, storable, visible, wrap

words = st.text(st.sampled_from("ab 한글é\t\n"), max_size=80)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("한글", 4),
        ("e\u0301", 1),
        ("ＡＢ", 4),
        ("\u1112\u1161\u11ab", 2),  # 한, decomposed as macOS writes file names
        ("🦄", 2),
    ],
)
def test_cells_counts_what_a_terminal_uses(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 글자", "plain 글자"),
        ("a\x1b[31mb", "a<U+001B>[31mb"),
        ("a\u202eb\u2066", "a<U+202E>b<U+2066>"),
        ("a\tb", "a    b"),
        ("\ufeff\u200b\x7f\x9b", "<U+FEFF><U+200B><U+007F><U+009B>"),
        ("\ud800", "<U+D800>"),
        ("\U000e0041", "<U+E0041>"),
    ],
)
def test_unseen_characters_are_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_shown_text_is_one_harmless_line(text: str) -> None:
    shown = one_line(text)
    assert shown == visible(shown)
    assert not set(shown) & set("\n\r\x1b\t\u202e\x00")
    storable(text).encode()


@given(words, st.integers(0, 40))
def test_clip_never_exceeds_the_width(text: str, width: int) -> None:
    text = flat(text)
    clipped = clip(text, width)
    assert cells(clipped) <= width
    assert clipped == text or cells(text) > width


@given(words, st.integers(4, 40), st.integers(0, 40))
def test_wrap_keeps_every_word_and_every_width(text: str, width: int, first: int) -> None:
    lines = wrap(text, width, first)
    assert cells(lines[0]) <= (max(first, 4) if first else width)
    assert all(cells(line) <= width for line in lines[1:])
    assert "".join(lines).replace(" ", "") == "".join(text.split())


def test_markup_leaves_no_character_that_html_reads() -> None:
    assert markup("<a href=\"x\">'&'</a>") == (
        "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"
    )
