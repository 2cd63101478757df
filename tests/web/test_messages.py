"""The page's words: every key that the sources use is there in both languages, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "web" / "src"
LANGUAGES = ("en", "ko")
NAME = r"[a-z]\w*(?:\.\w+)+"
QUOTED = re.compile(rf"""["'`]({NAME})["'`]""")
MADE = re.compile(r"`([a-z]\w*(?:\.\w+)*\.)\$\{[^}`]*\}(?:\.(\w+))?`")
WORD = re.compile(r"""\bword\(\s*(?:["']([\w.]+)["']|`([\w.]+)\.\$\{[^}]*\}`)""")
CALLED = re.compile(rf"""\bt\(\s*["']({NAME})["']""")
PLACEHOLDER = re.compile(r"\{(\w+)(?:,\s*plural,[^{]*)?")


def messages(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((SRC / "i18n" / f"{language}.json").read_text())
    return found


def sources() -> str:
    files = [*SRC.rglob("*.svelte"), *SRC.rglob("*.ts")]
    return "\n".join(file.read_text() for file in files)


def heads(text: str) -> tuple[str, ...]:
    """Beginnings of keys that template strings of the sources make."""
    words = {f"{m.group(1) or m.group(2)}." for m in WORD.finditer(text)}
    return tuple({m.group(1) for m in MADE.finditer(text)} | words)


def names(message: str) -> set[str]:
    """The placeholders of a message; the cases of a plural are not among them."""
    return {m.group(1) for m in PLACEHOLDER.finditer(message) if not _is_case(message, m.start())}


def _is_case(message: str, start: int) -> bool:
    """A brace after a plural's selector opens a case (``one {# finding}``)."""
    return re.search(r"(?:=\d+|zero|one|two|few|many|other)\s*$", message[:start]) is not None


def test_both_languages_have_the_same_keys() -> None:
    english, korean = messages("en"), messages("ko")
    assert len(english) > 100
    assert sorted(english) == sorted(korean)


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_are_sorted_and_not_empty(language: str) -> None:
    found = messages(language)
    assert list(found) == sorted(found)
    assert [key for key, text in found.items() if not text.strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_that_is_used_is_missing(language: str) -> None:
    known = messages(language)
    called = set(CALLED.findall(sources()))
    assert len(called) > 100
    assert sorted(called - known.keys()) == []


def test_no_message_is_unused() -> None:
    text = sources()
    quoted = set(QUOTED.findall(text))
    made = heads(text)
    unused = [key for key in messages("en") if key not in quoted and not key.startswith(made)]
    assert unused == []


def test_placeholders_are_the_same_in_both_languages() -> None:
    english, korean = messages("en"), messages("ko")
    other = {
        key: (english[key], korean[key])
        for key in english
        if names(english[key]) != names(korean[key])
    }
    assert other == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_braces_close_and_plurals_have_other(language: str) -> None:
    for key, text in messages(language).items():
        assert text.count("{") == text.count("}"), key
        assert text.count(", plural,") <= text.count("other {"), key


def test_korean_is_korean() -> None:
    """Words are translated, but for names and what has no letters of its own."""
    same = [key for key, text in messages("ko").items() if not re.search("[가-힣]", text)]
    assert len(same) < 40, same
