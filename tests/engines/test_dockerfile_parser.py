"""Dockerfiles are read as BuildKit reads them, with places, and faults are values."""

from __future__ import annotations

import pytest

from haechi.engines.dockerfile import (
    MAX_CHARACTERS,
    MAX_INSTRUCTIONS,
    Flag,
    Instruction,
    Pair,
    parse,
    resource_of,
)
from haechi.errors import LimitExceeded
from haechi.model.location import Location


def only(text: str) -> Instruction:
    """The one instruction behind ``FROM x``."""
    dockerfile = parse(f"FROM x\n{text}\n")
    assert dockerfile.faults == ()
    assert len(dockerfile.instructions) == 2
    return dockerfile.instructions[1]


@pytest.mark.parametrize(
    ("text", "args", "exec_form"),
    [
        ('RUN ["a", "b c"]', ("a", "b c"), True),
        ("RUN a b", ("a b",), False),
        ("RUN ['a', 'b']", ("['a', 'b']",), False),
        ('RUN ["a", "b"', ('["a", "b"',), False),
        ('RUN ["a"] b', ('["a"] b',), False),
        ("run a", ("a",), False),
        ("CMD []", (), True),
        ("COPY a  b\tc/", ("a", "b", "c/"), False),
        ('ADD ["a b", "c/"]', ("a b", "c/"), True),
        ("VOLUME /a /b", ("/a", "/b"), False),
        ("EXPOSE 80 443/tcp", ("80", "443/tcp"), False),
        ("USER a:b", ("a:b",), False),
        ("HEALTHCHECK NONE", ("NONE",), False),
        ("HEALTHCHECK --interval=5s CMD a b", ("a b",), False),
        ('HEALTHCHECK\tcmd\t["a", "b"]', ("a", "b"), True),
        ('SHELL ["/bin/bash", "-c"]', ("/bin/bash", "-c"), True),
        ("RUN a \\\n  b", ("a   b",), False),
        ("RUN a \\\n# comment\n\n  # another\n b", ("a  b",), False),
        ("RUN a \\  \n b", ("a  b",), False),
        ("RUN a \\\\", ("a \\\\",), False),
        ("RUN a \\", ("a",), False),
    ],
)
def test_reads_arguments(text: str, args: tuple[str, ...], exec_form: bool) -> None:
    instruction = only(text)
    assert (instruction.args, instruction.exec_form) == (args, exec_form)


@pytest.mark.parametrize(
    ("text", "pairs", "legacy"),
    [
        ("ENV A=b", (Pair("A", "b"),), False),
        (
            "ENV A=b C='d e' E=\"f g\"",
            (Pair("A", "b"), Pair("C", "'d e'"), Pair("E", '"f g"')),
            False,
        ),
        ("ENV A=b\\ c D=", (Pair("A", "b\\ c"), Pair("D", "")), False),
        ("ENV A b c", (Pair("A", "b c"),), True),
        ("ENV A\tb = c", (Pair("A", "b = c"),), True),
        ("LABEL a.b=c", (Pair("a.b", "c"),), False),
        ("ARG A", (Pair("A"),), False),
        ("ARG A=1 B", (Pair("A", "1"), Pair("B")), False),
        ('ARG "A=b c"', (Pair("A", "b c"),), False),
    ],
)
def test_reads_pairs(text: str, pairs: tuple[Pair, ...], legacy: bool) -> None:
    instruction = only(text)
    assert (instruction.pairs, instruction.legacy_pairs) == (pairs, legacy)


@pytest.mark.parametrize(
    ("text", "flags", "value"),
    [
        ("COPY --from=a --chown=1:2 x y", (Flag("from", "a"), Flag("chown", "1:2")), "x y"),
        ("RUN --network=none a --b", (Flag("network", "none"),), "a --b"),
        ('RUN --mount=type=bind,source="a b" c', (Flag("mount", 'type=bind,source="a b"'),), "c"),
        ("COPY --link a b", (Flag("link"),), "a b"),
        ("RUN --mount=a \\\n --mount=b \\\n c", (Flag("mount", "a"), Flag("mount", "b")), "c"),
        ("RUN -- --a", (), "--a"),
    ],
)
def test_splits_flags_off(text: str, flags: tuple[Flag, ...], value: str) -> None:
    instruction = only(text)
    assert (instruction.flags, instruction.value) == (flags, value)


def test_reads_several_heredocs_of_one_instruction() -> None:
    run = only("RUN <<A cat <<-'B' >f\none $x\nA\n\ttwo\n\tB")
    assert [(d.name, d.content, d.expand, d.strip_tabs) for d in run.heredocs] == [
        ("A", "one $x\n", True, False),
        ("B", "two\n", False, True),
    ]
    assert (run.line, run.end_line) == (2, 6)


@pytest.mark.parametrize("text", ["COPY <<EOF /a\nb\nEOF", "ONBUILD RUN <<EOF\nb\nEOF"])
def test_reads_heredocs_where_they_are_allowed(text: str) -> None:
    assert [doc.content for doc in only(text).heredocs] == ["b\n"]


@pytest.mark.parametrize(
    "text", ['CMD ["a", "<<EOF"]', "RUN a <<<word", "RUN echo $((1<<2))", "ENV A=<<EOF"]
)
def test_sees_no_heredoc_where_there_is_none(text: str) -> None:
    assert only(text).heredocs == ()


def test_escape_directive_changes_continuation() -> None:
    dockerfile = parse("# syntax=a\n#escape=`\nFROM x\nRUN a `\n b\\\nUSER c\n")
    assert dockerfile.escape == "`"
    assert [pair.name for pair in dockerfile.directives] == ["syntax", "escape"]
    assert [i.name for i in dockerfile.instructions] == ["FROM", "RUN", "USER"]


@pytest.mark.parametrize("head", ["# comment\n", "\n", "# unknown=a\n", "FROM y\n"])
def test_directive_counts_only_at_the_top(head: str) -> None:
    assert parse(f"{head}# escape=`\nFROM x\n").escape == "\\"


def test_reads_windows_line_ends_and_byte_order_mark() -> None:
    dockerfile = parse("\ufeffFROM x\r\nRUN a \\\r\n b\r\nCOPY <<E /a\r\nc\r\nE\r\n")
    assert [i.value for i in dockerfile.instructions] == ["x", "a  b", "<<E /a"]
    assert dockerfile.instructions[2].heredocs[0].content == "c\n"
    assert dockerfile.faults == ()


def test_comments_directly_above_belong_to_an_instruction() -> None:
    dockerfile = parse(
        "# lost\n\n# hadolint ignore=DL3006\n  # why\nFROM x\nRUN a \\\n # in\n b\nUSER c"
    )
    first, second, third = dockerfile.instructions
    assert [(c.line, c.text) for c in first.comments] == [(3, "hadolint ignore=DL3006"), (4, "why")]
    assert second.comments == third.comments == ()
    assert [c.text for c in dockerfile.comments] == ["lost", "hadolint ignore=DL3006", "why", "in"]


def test_every_instruction_has_its_place() -> None:
    dockerfile = parse("FROM x\n\n  RUN a \\\n\n    b\n\nUSER c\n")
    assert [(i.line, i.end_line, i.column, i.end_column) for i in dockerfile.instructions] == [
        (1, 1, 1, 7),
        (3, 5, 3, 6),
        (7, 7, 1, 7),
    ]
    assert dockerfile.instructions[1].raw == "  RUN a \\\n\n    b"


def test_onbuild_carries_its_instruction() -> None:
    trigger = only("ONBUILD COPY --from=a b c").trigger
    assert trigger is not None
    assert (trigger.name, trigger.flag("from"), trigger.args) == ("COPY", "a", ("b", "c"))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "no instruction"),
        ("# only\n", 1, "no instruction"),
        ("RUN a", 1, "no FROM"),
        ("FROM x\nFOO a", 2, "unknown instruction FOO"),
        ("FROM x\n\nRUN", 3, "RUN needs"),
        ("FROM x\nENV A", 2, "name and a value"),
        ("FROM x\nENV A=b c", 2, "without ="),
        ('FROM x\nCMD ["a", 1]', 2, "strings only"),
        ("FROM x\nSHELL a", 2, "SHELL must"),
        ("FROM x\nHEALTHCHECK a", 2, "HEALTHCHECK must"),
        ("FROM x\nONBUILD", 2, "ONBUILD needs"),
        ("FROM x y", 1, "FROM takes"),
        ("FROM x AS 1a", 1, "invalid stage name"),
        ("FROM x\nRUN <<EOF\na", 2, "heredoc EOF is not closed"),
        ("# escape=a\nFROM x", 1, "escape must"),
        ("# syntax=a\n# syntax=b\nFROM x", 2, "given twice"),
    ],
)
def test_collects_faults_and_goes_on(text: str, line: int, words: str) -> None:
    faults = parse(text).faults
    assert [fault.line for fault in faults if words in fault.message] == [line]


def test_goes_on_after_a_fault() -> None:
    dockerfile = parse("FROM x\nFOO\nUSER a\n")
    assert [i.name for i in dockerfile.instructions] == ["FROM", "FOO", "USER"]
    assert len(dockerfile.faults) == 1


def test_groups_stages_with_names_and_parents() -> None:
    dockerfile = parse(
        "ARG V=3\nARG IMG=alpine:$V\nARG NONE\n"
        "FROM $IMG AS Base\nUSER a\n"
        "FROM --platform=$BUILDPLATFORM base AS two\n"
        "FROM busybox:${NONE}\nFROM scratch\nFROM x:${V:-4}${MISSING:+no}\n"
    )
    assert [(s.name, s.image, s.parent) for s in dockerfile.stages] == [
        ("base", "alpine:3", None),
        ("two", "base", 0),
        ("", "busybox:${NONE}", None),
        ("", "scratch", None),
        ("", "x:3", None),
    ]
    assert dockerfile.stages[1].platform == "$BUILDPLATFORM"
    assert dockerfile.stages[2].unresolved == ("NONE",)
    assert [pair.value for pair in dockerfile.global_args] == ["3", "alpine:3", None]
    assert [i.name for i in dockerfile.preamble] == ["ARG", "ARG", "ARG"]
    assert dockerfile.final is dockerfile.stages[-1]


@pytest.mark.parametrize(
    "text", ["a" * (MAX_CHARACTERS + 1), "FROM x\n" + "RUN a\n" * MAX_INSTRUCTIONS]
)
def test_refuses_what_is_too_large(text: str) -> None:
    with pytest.raises(LimitExceeded):
        parse(text)


def test_resource_answers_places() -> None:
    resource, faults = resource_of("FROM x\nRUN a \\\n b\n", "api/Dockerfile")
    assert (resource.key, resource.type, faults) == ("file:-/api/Dockerfile", "dockerfile", ())
    assert resource.locate(("instructions", 1)) == Location(
        path="api/Dockerfile", line=2, column=1, end_line=3, end_column=3
    )
    for path in ((), ("instructions", 9), ("instructions", -1), ("other",)):
        assert resource.locate(path).line == 1
