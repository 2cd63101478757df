"""No text makes the Dockerfile engine raise, loop, or lose a line."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.dockerfile import parse
from haechi.engines.dockerfile.shell import split, walk
from haechi.engines.dockerfile.words import expand, split_words

PIECES = [
    "FROM", "RUN", "COPY", "ENV", "ARG", "ONBUILD", "HEALTHCHECK", "CMD", "SHELL", "LABEL", "AS",
    "--from=", "--mount=type=secret", "<<EOF", "<<-'E'", "EOF", "E", "\\", "`", "\n", "\r\n", " ",
    "\t", "#", "# escape=`", "# syntax=x", "$X", "${X:-", "${X", "${", "}", "'", '"', "[", "]",
    '["a"]', "a=b",
    "a", "/", ":", "@", "&&", "|", ";", "$(", ")", "(", "\ufeff", "\x00", "é", "scratch", "sh -c",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=200)


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_every_line_belongs_somewhere(text: str) -> None:
    dockerfile = parse(text)
    lines = text.removeprefix("\ufeff").split("\n")
    covered = {n for i in dockerfile.instructions for n in range(i.line, i.end_line + 1)}
    covered |= {comment.line for comment in dockerfile.comments}
    directive_lines = set(range(1, len(dockerfile.directives) + 1 + len(dockerfile.faults)))
    for number, line in enumerate(lines, start=1):
        if number not in covered and number not in directive_lines:
            assert line.strip() in ("", "\\", "`")
    ends = [0] + [i.end_line for i in dockerfile.instructions]
    for before, instruction in zip(ends, dockerfile.instructions, strict=False):
        assert before < instruction.line <= instruction.end_line <= len(lines)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_scripts_and_words_are_read(text: str) -> None:
    commands = list(walk(split(text)))
    assert len(commands) <= 8 * len(text) + 1
    for escape in "\\`":
        assert "".join("".join(split_words(text, escape)).split()) == "".join(text.split())
    assert expand(text, {"X": "1"}).text is not None
