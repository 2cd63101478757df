"""The page's words: every key that the sources use is there in both languages, and no other; what
a room uses comes with the first load or with the room."""

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


ROOMS = tuple(sorted(file.parent.name for file in SRC.glob("screens/*/Screen.svelte")))
IMPORTED = re.compile(r"""(?:from|import)\s*\(?["'](\.[^"']+)["']""")
ALSO = re.compile(r"(\w+): \[([^\]]*)\]")


def files_of(language: str) -> dict[str, dict[str, str]]:
    """The messages by room; those of the first load by ""."""
    folder = SRC / "i18n"
    named = {"": folder / f"{language}.json"} | {
        file.name.partition(".")[0]: file for file in folder.glob(f"rooms/*.{language}.json")
    }
    return {name: json.loads(file.read_text()) for name, file in named.items()}


def messages(language: str) -> dict[str, str]:
    return {key: text for one in files_of(language).values() for key, text in one.items()}


def sources() -> str:
    files = [*SRC.rglob("*.svelte"), *SRC.rglob("*.ts")]
    return "\n".join(file.read_text() for file in files)


def imported(start: Path) -> set[Path]:
    """A source and all that it brings along."""
    seen: set[Path] = set()
    todo = [start]
    while todo:
        file = todo.pop()
        if file in seen or file.suffix not in (".svelte", ".ts"):
            continue
        seen.add(file)
        for name in IMPORTED.findall(file.read_text()):
            place = (file.parent / name).resolve()
            ends = ("", ".ts", ".svelte.ts")
            todo += [one for end in ends if (one := Path(f"{place}{end}")).is_file()]
    return seen


def words_with(room: str) -> set[str]:
    """Files of words that are there when a room is shown, as lib/screens.ts brings them."""
    text = (SRC / "lib" / "screens.ts").read_text()
    also = dict(ALSO.findall(text[text.index("const ALSO") : text.index("export type Screen")]))
    return {"", room, *re.findall(r'"(\w+)"', also.get(room, ""))}


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


def test_both_languages_have_the_same_keys_in_the_same_files() -> None:
    english, korean = files_of("en"), files_of("ko")
    assert len(messages("en")) > 1000
    assert {name: sorted(one) for name, one in english.items()} == {
        name: sorted(one) for name, one in korean.items()
    }


def test_a_key_stands_in_one_file_and_every_file_is_of_rooms() -> None:
    files = files_of("en")
    assert set(files) - {"", "door"} <= set(ROOMS)
    assert sum(map(len, files.values())) == len(messages("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_are_sorted_and_not_empty(language: str) -> None:
    for name, found in files_of(language).items():
        assert list(found) == sorted(found), name
        assert [key for key, text in found.items() if not text.strip()] == []


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_no_key_that_a_room_uses_is_missing(room: str) -> None:
    """Of what all rooms share, or of the room; the page's frame has the shared ones only."""
    files = files_of("en")
    known = {key for name in words_with(room) for key in files.get(name, {})}
    start = SRC / "screens" / room / "Screen.svelte" if room else SRC / "main.ts"
    text = "\n".join(file.read_text() for file in imported(start))
    made, quoted = heads(text), set(QUOTED.findall(text))
    called = set(CALLED.findall(text)) | {
        key for key in messages("en") if key in quoted or key.startswith(made)
    }
    assert len(called) > 10
    assert sorted(called - known) == []


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
