"""Files: bodies, places, comments; what is wrong is told and what is around it read."""

from __future__ import annotations

import pytest

from haechi.engines.hcl.parse import MAX_BYTES, parse
from haechi.engines.hcl.tree import Bad, Body, Comment, File
from haechi.errors import LimitExceeded
from tests.engines.hcl.sketch import sketch


def outline(body: Body) -> str:
    """Attributes and blocks, short."""
    parts = [f"{name}={sketch(a.value)}" for name, a in body.attributes.items()]
    parts += [" ".join((b.type, *b.labels)) + "{" + outline(b.body) + "}" for b in body.blocks]
    return " ".join(parts)


def read(text: str) -> File:
    return parse(text.encode())


BODIES = [
    ("", ""),
    ("a = 1", "a=1"),
    ("\ufeffa = 1\n", "a=1"),
    ("a = 1\r\nb = 2\r\n", "a=1 b=2"),
    ("b {}", "b{}"),
    ('b "x" y {\n}\n', "b x y{}"),
    ('b "q\\"q" {\n}\n', 'b q"q{}'),
    ("b { a = 1 }\n", "b{a=1}"),
    ("b {\n c {\n a = 1\n }\n d = 2\n}\n", "b{d=2 c{a=1}}"),
    ("a = [\n 1,\n 2\n]\nb = 3\n", "a=[1 2] b=3"),
    ('a = <<E\nx\nE\nb = "c"\n', "a='x\\n' b='c'"),
]


@pytest.mark.parametrize(("text", "wanted"), BODIES, ids=[repr(text) for text, _ in BODIES])
def test_bodies(text: str, wanted: str) -> None:
    got = read(text)
    assert not got.faults
    assert outline(got.body) == wanted


def test_places_of_blocks_and_values() -> None:
    got = read('# é\nresource "a" "b" {\n  c = "é${d.e}"\n\n  f = [\n    1\n  ]\n}\n')
    block = got.body.blocks[0]
    assert (block.span, block.head) == ((2, 1, 8, 2), (2, 1, 2, 19))
    assert block.body.span == (2, 19, 8, 1)
    c = block.body.attributes["c"]
    assert (c.span, c.name_span, c.value.span) == ((3, 3, 3, 16), (3, 3, 3, 4), (3, 7, 3, 16))
    assert c.value.parts[1].span == (3, 11, 3, 14)  # type: ignore[attr-defined]
    assert block.body.attributes["f"].value.span == (5, 7, 7, 4)


def test_comments_have_text_and_lines() -> None:
    text = 'a = 1 # one\n// two\n/* three\nfour */ b = [ # five\n2]\nc = "# no"\nd = <<E\n# no\nE\n'
    assert read(text).comments == (
        Comment(" one", 1, 1),
        Comment(" two", 2, 2),
        Comment(" three\nfour ", 3, 4),
        Comment(" five", 4, 4),
    )


WRONG = [
    ("missing-value", "a =\nb = 2\n", "b=2", ["1: a value is missing before the end of the line"]),
    (
        "unclosed-quote",
        'a = "x\nb = 2\n',
        "b=2",
        ["1: this text is not closed on its line"],
    ),
    (
        "unclosed-interpolation",
        'r "x" {\n  a = "x-${y\n  b = 2\n}\nc = 3\n',
        "c=3 r x{b=2}",
        ["3: '}' must close '${', not 'b'"],
    ),
    (
        "unclosed-interpolation-in-a-heredoc",
        "r {\n  a = <<E\n${x\nE\n  b = 2\n}\n",
        "r{b=2}",
        ["4: '}' must close '${', not 'E'"],
    ),
    (
        "unclosed-list",
        "r {\n  a = [1, 2\n  b = 3\n}\nc = 4\n",
        "c=4 r{b=3}",
        ["3: ',' or ']' must follow an element, not 'b'"],
    ),
    (
        "wrong-object",
        "r {\n  a = {\n    b = 1 c = 2\n    d = 3\n  }\n  e = 4\n}\n",
        "r{e=4}",
        ["3: a line break or ',' must follow an entry, not 'c'"],
    ),
    (
        "unclosed-block",
        "a {\n  b = (1\n\nc {\n  d = 1\n}\n",
        "a{} c{d=1}",
        ["4: ')' must close '(', not 'c'"],
    ),
    ("end-of-file", "a {\n  b = 1\n", "a{b=1}", ["1: the block 'a' is not closed"]),
    ("extra-brace", "a = 1\n}\nb = 2\n", "a=1 b=2", ["2: this '}' closes nothing"]),
    ("twice", "a = 1\na = 2\n", "a=1", ["2: 'a' is set twice in this block"]),
    (
        "two-on-a-line",
        "a = 1 b = 2\nc = 3\n",
        "c=3",
        ["1: a line break must follow, not 'b'"],
    ),
    (
        "junk",
        "§ = 1\na = 2\n",
        "a=2",
        ["1: '§' means nothing in HCL"],
    ),
    (
        "label-with-template",
        'a "${b}" {\n  c = 1\n}\nd = 2\n',
        "d=2",
        ["1: a label is plain text: nothing is evaluated in it"],
    ),
    ("unclosed-comment", "a = 1\n/* b\nc = 2\n", "a=1", ["2: this comment is not closed by */"]),
    ("unclosed-heredoc", "a = 1\nb = <<E\nc = 2\n", "a=1", ["4: this heredoc is not closed"]),
    (
        "no-block",
        "a b\nc = 1\n",
        "c=1",
        ["1: '{' must open the block 'a', not the end of the line"],
    ),
]


@pytest.mark.parametrize(
    ("text", "wanted", "faults"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_reads_on_behind_a_fault(text: str, wanted: str, faults: list[str]) -> None:
    got = read(text)
    assert [f"{fault.line}: {fault.message}" for fault in got.faults] == faults
    for block in got.body.blocks:
        for name in [n for n, a in block.body.attributes.items() if isinstance(a.value, Bad)]:
            del block.body.attributes[name]
    for name in [n for n, a in got.body.attributes.items() if isinstance(a.value, Bad)]:
        del got.body.attributes[name]
    assert outline(got.body) == wanted


def test_a_wrong_value_stays_as_bad() -> None:
    assert isinstance(read("a = 1 +\n").body.attributes["a"].value, Bad)


def test_what_is_no_utf8_is_told() -> None:
    got = parse(b'a = 1\nb = "\xff"\n')
    assert [(fault.message, fault.line) for fault in got.faults] == [("this is not UTF-8", 2)]
    assert list(got.body.attributes) == ["a", "b"]


def test_many_faults_end_the_reading() -> None:
    got = read("a =\n" * 1_000)
    assert len(got.faults) == 102
    assert got.faults[-1].message == "too many faults: the rest is not read"


LIMITS = {
    "brackets": b"a = " + b"(" * 101 + b"1" + b")" * 101,
    "templates": b"a = " + b'"${' * 101,
    "blocks": b"a {\n" * 101,
    "conditions": b"a = " + b"b ? " * 101,
    "operators": b"a = 1" + b"+1" * 251,
    "signs": b"a = " + b"!" * 251 + b"b",
    "steps": b"a = b" + b".c" * 251,
    "directives": b'a = "' + b"%{ if b }" * 101 + b'"',
    "words": b"a = [" + b"1," * 250_000 + b"]",
    "size": b" " * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str) -> None:
    with pytest.raises(LimitExceeded):
        parse(LIMITS[name], name="main.tf")


def test_just_inside_the_limits() -> None:
    text = b"a = " + b"(" * 99 + b"1" + b")" * 99 + b"\nb = 1" + b"+1" * 250
    assert not parse(text).faults


def test_a_line_of_five_megabytes() -> None:
    got = parse(b'a = "' + b"x" * 5_000_000 + b'"\nb = 1\n')
    assert not got.faults
    assert list(got.body.attributes) == ["a", "b"]
