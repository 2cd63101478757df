"""Transformers: on texts, lists, missing values; what they take."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.syntax import Check, Transform
from haechi.engines.falco.transform import evaluator, getopt, shape
from haechi.errors import ConditionError
from haechi.model.event import Event

FIELDS = {
    "proc.name": "Bäsh",
    "fd.name": "/tmp/File",
    "fd.directory": "/tmp",
    "proc.cmdline": "YWJj",
    "fd.types": ["File", "/a/Pipe"],
    "fd.num": 5,
    "evt.buffer": "aGk=",
}


def operand(text: str) -> Any:
    check = parse_condition(f"{text} exists")
    assert isinstance(check, Check)
    return check.left


def value(text: str, fields: dict[str, Any] | None = None) -> Any:
    left = operand(text)
    shape(left, "syscall")
    one = Event(id="1", ts_ns=1, source="sensor", type="openat",
                fields=FIELDS if fields is None else fields)  # fmt: skip
    return evaluator(left, "syscall")(one)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tolower(proc.name)", "bäsh"),
        ("toupper(proc.name)", "BäSH"),  # letter case is ASCII's
        ("toupper(tolower(fd.name))", "/TMP/FILE"),
        ("basename(fd.name)", "File"),
        ("basename(proc.cmdline)", "YWJj"),
        ("b64(proc.cmdline)", "abc"),
        ("b64(proc.name)", None),
        ("b64(evt.buffer)", b"hi"),
        ("len(proc.name)", 5),  # bytes
        ("len(fd.types)", 2),
        ("tolower(fd.types)", ["file", "/a/pipe"]),
        ("basename(fd.types)", ["File", "Pipe"]),
        ("b64(fd.types)", None),  # one item that is none spoils all
        ('join("-", (fd.name, fd.directory))', "/tmp/File-/tmp"),
        ('join("-", ("aaa", "bbb"))', "aaa-bbb"),
        ('join(",", (fd.num, fd.num))', "5,5"),
        ('join(",", ())', ""),
        ('join("|", fd.types)', "File|/a/Pipe"),
        ('join("->", ("a", toupper(fd.directory)))', "a->/TMP"),
        ('join("-", (fd.name, proc.pname))', None),
        ('concat(fd.name, "x", fd.directory)', "/tmp/Filex/tmp"),
        ("concat(fd.name, proc.pname)", None),
        ('len(join("-", ("aaa", "bbb")))', 7),
        ('b64(concat("YW", "Jj"))', "abc"),
        ("tolower(proc.pname)", None),
        ("len(proc.pname)", None),
    ],
)
def test_values(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("", ""),
        ("YQ==", "a"),
        ("YQ=", "a"),
        ("YQ", "a"),
        ("YR", None),  # bits beyond the last byte
        ("Y", None),
        ("YWJj\n", None),
        ("YQ===", None),
        ("=", None),
        ("YQBi", "a"),  # a text ends at a NUL
        ("w6k=", "é"),
        ("/w==", "\udcff"),
    ],
)
def test_base64_is_taken_with_or_without_padding(encoded: str, expected: str | None) -> None:
    assert value("b64(proc.name)", {"proc.name": encoded}) == expected


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        (["-n", ""], "n", ["n"]),
        (["-t", "hello"], "t:", ["t", "hello"]),
        (["-nt", "hello"], "nt:", ["n", "t", "hello"]),
        (["-thello"], "t:", ["t", "hello"]),
        (["-n", "--", "-t"], "nt:", ["n"]),
        (["--exec", "-n"], "n", ["n"]),
        (["x", "-n"], "n", []),
        (["-x"], "n", ["?"]),
        (["-t"], "t:", [""]),
        (["-t", ""], "t:", ["t", ""]),
        (["-"], "n", []),
        (["-n:"], ":n", ["n", "?"]),
    ],
)
def test_getopt_reads_short_options(words: list[str], options: str, expected: list[str]) -> None:
    shown = [part for option in getopt(words, options) for part in option.shown]
    assert shown == expected


def test_getopt_with_a_letter_gives_the_last_value_of_it() -> None:
    assert value('getopt(("-a", "-b", "1", "-b2"), "ab:")[b]') == "2"
    assert value('getopt(("-a"), "ab:")[a]') == "a"
    assert value('getopt(("-a"), "ab:")[b]') is None
    assert value('getopt(("-b"), "ab:")[b]') == ""
    assert value('getopt(("x"), "ab:")') == []


@pytest.mark.parametrize(
    "text",
    [
        'join("-")',
        'join("-", "a")',
        'join(fd.types, ("a"))',
        'join("-", ("a"), ("b"))',
        'concat("a")',
        'concat(fd.types, "a")',
        'getopt("a", "b")',
        'getopt(("a"), ("b"))',
        'getopt(("a"), "b")[xy]',
        "len(fd.num)",
        "tolower(fd.num)",
        "toupper(evt.failed)",
        "basename(fd.sip)",
        "tolower(fd.net)",
        "b64(evt.rawres)",
        "tolower(proc.name)[1]",
        "tolower(proc.unknown)",
    ],
)
def test_what_a_transformer_does_not_take_is_refused(text: str) -> None:
    left = operand(text)
    assert isinstance(left, Transform)
    with pytest.raises(ConditionError):
        shape(left, "syscall")
