"""The grammar: what is taken, what is refused and in which words, and which trees come out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.falco.parse import (
    MAX_LENGTH,
    parse_condition,
    parse_operand,
    parse_operand_at,
)
from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    Items,
    ListName,
    Macro,
    Node,
    Not,
    Or,
    Place,
    Text,
    Transform,
    Values,
)
from haechi.engines.falco.write import whole
from haechi.errors import ConditionError
from tests.engines.falco.condition_text import trees

A, B, C = Macro(name="a"), Macro(name="b"), Macro(name="c")
NAME = Field(name="proc.name")


def check(op: str, right: str | None, *, quoted: bool = False) -> Check:
    value = None if right is None else Text(value=right, quoted=quoted)
    return Check(left=NAME, op=op, right=value)


def values(*texts: str) -> Values:
    return Values(values=tuple(Text(value=text) for text in texts))


GROUPS: dict[str, Node] = {
    "a": A,
    "  a  ": A,
    "((a))": A,
    "a and b": And(parts=(A, B)),
    "a and b and c": And(parts=(A, B, C)),
    "a or b and c": Or(parts=(A, And(parts=(B, C)))),
    "a and b or c": Or(parts=(And(parts=(A, B)), C)),
    "not a and b": And(parts=(Not(part=A), B)),
    "not (a and b)": Not(part=And(parts=(A, B))),
    "not(a)and(b)": And(parts=(Not(part=A), B)),
    "(a)or(b)or(c)": Or(parts=(A, B, C)),
    "a and(b or c)": And(parts=(A, Or(parts=(B, C)))),
    "not not a": A,
    "not not not a": Not(part=A),
    "not(not(a))": Not(part=Not(part=A)),
    "not not(a)": A,
    "a\n\tand\r\n b": And(parts=(A, B)),
    "notb and or_c": And(parts=(Macro(name="notb"), Macro(name="or_c"))),
}


@pytest.mark.parametrize("text", GROUPS, ids=repr)
def test_groups_bind_as_in_libs(text: str) -> None:
    assert parse_condition(text) == GROUPS[text]


CHECKS: dict[str, Node] = {
    "proc.name exists": check("exists", None),
    "proc.name=cat": check("=", "cat"),
    "proc.name == cat": check("=", "cat"),
    "proc.name != not": check("!=", "not"),
    "proc.name contains a.b": check("contains", "a.b"),
    "proc.name startswith 'x y'": check("startswith", "x y", quoted=True),
    "proc.name = ''": check("=", "", quoted=True),
    'proc.name = "it\'s"': check("=", "it's", quoted=True),
    "proc.name >= 0x1F": check(">=", "0x1F"),
    "proc.name<-3": check("<", "-3"),
    "proc.name > +1.5e-3": check(">", "+1.5e-3"),
    "proc.name = oneof": check("=", "oneof"),
    "proc.name in (a, 'b c' ,d)": Check(
        left=NAME,
        op="in",
        right=Values(values=(Text(value="a"), Text(value="b c", quoted=True), Text(value="d"))),
    ),
    "proc.name in()": Check(left=NAME, op="in", right=Values(values=())),
    "proc.name in(a,b)": Check(left=NAME, op="in", right=values("a", "b")),
    "proc.name intersects names": Check(left=NAME, op="intersects", right=ListName(name="names")),
    "proc.name pmatch (/a/*/b)": Check(left=NAME, op="pmatch", right=values("/a/*/b")),
    "proc.name startswith oneof (a, b)": Check(
        left=NAME, op="startswith", modifier="oneof", right=values("a", "b")
    ),
    "proc.name != allof names": Check(
        left=NAME, op="!=", modifier="allof", right=ListName(name="names")
    ),
    "proc.aname[2] = a": Check(
        left=Field(name="proc.aname", arg="2"), op="=", right=Text(value="a")
    ),
    'proc.env["A B"] = a': Check(
        left=Field(name="proc.env", arg="A B"), op="=", right=Text(value="a")
    ),
    'proc.env[""] = a': Check(left=Field(name="proc.env", arg=""), op="=", right=Text(value="a")),
    "jevt.value[/a/b.c] = a": Check(
        left=Field(name="jevt.value", arg="/a/b.c"), op="=", right=Text(value="a")
    ),
    "proc.name = val(proc.pname)": Check(left=NAME, op="=", right=Field(name="proc.pname")),
    "proc.name in val( proc.aname[1] )": Check(
        left=NAME, op="in", right=Field(name="proc.aname", arg="1")
    ),
    "tolower(proc.name) = toupper( b64(proc.exe) )": Check(
        left=Transform(name="tolower", args=(NAME,)),
        op="=",
        right=Transform(
            name="toupper", args=(Transform(name="b64", args=(Field(name="proc.exe"),)),)
        ),
    ),
    'join(",", (proc.name, "x", 3)) exists': Check(
        left=Transform(
            name="join",
            args=(
                Text(value=",", quoted=True),
                Items(items=(NAME, Text(value="x", quoted=True), Text(value="3"))),
            ),
        ),
        op="exists",
    ),
    'getopt(proc.args, "nt:")[t] = v': Check(
        left=Transform(
            name="getopt",
            args=(Field(name="proc.args"), Text(value="nt:", quoted=True)),
            arg="t",
        ),
        op="=",
        right=Text(value="v"),
    ),
    "concat((), 1) exists": Check(
        left=Transform(name="concat", args=(Items(items=()), Text(value="1"))), op="exists"
    ),
}


@pytest.mark.parametrize("text", CHECKS, ids=repr)
def test_checks_become_trees(text: str) -> None:
    assert parse_condition(text) == CHECKS[text]
    assert parse_condition(f"\n({text} )") == CHECKS[text]


ESCAPES = {
    r"'a\\b'": "a\\b",
    r"'\b\f\n\r\t\/'": "\b\f\n\r\t/",
    r'"say \"hi\""': 'say "hi"',
    r"'it\'s'": "it's",
    r"'a\ b'": "a\\b",
    r"'\x41\x7e'": "A~",
    r"'\xe3\x81\x82'": "あ",
    r"'a\xffb'": "a�b",
    r"'\''": "'",
    r"'\\''": "\\'",
}


@pytest.mark.parametrize("text", ESCAPES, ids=repr)
def test_escapes_are_undone(text: str) -> None:
    assert parse_condition(f"proc.name = {text}") == check("=", ESCAPES[text], quoted=True)


REFUSED = {
    "": "filter input string is empty",
    "a andb": "expected blank or '(' after 'and'",
    "a or": "expected blank or '(' after 'or'",
    "a and ": "expected a '(' token, a field check, or an identifier",
    "a b": "unexpected token after 'a', expecting 'or', 'and'",
    "a not b": "unexpected token after 'a', expecting 'or', 'and'",
    "a or(b) and c": "unexpected token after ')', expecting 'or', 'and'",
    "(a": "expected a ')' token",
    "a)": "unexpected token after 'a', expecting 'or', 'and'",
    "#a": "expected a '(' token, a field check, or an identifier",
    "proc.name": "expected a valid check operator: one of 'exists', '<='",
    "proc.name containsx": "expected a valid check operator",
    "proc.name similar x": "expected a valid check operator",
    "proc.name =": "expected a string value or a field with a valid transformer",
    "proc.name = a = b": "unexpected token after 'a', expecting 'or', 'and'",
    "proc.name =anyof(a)": "unexpected token after 'anyof'",
    "proc.name > a": "expected a number value or a field with a valid transformer",
    "proc.name > 5s": "unexpected token after '5', expecting 'or', 'and'",
    "proc.name in": "expected a list, an identifier, or a field with a valid transformer",
    "proc.name in (a": "expected a ')' token",
    "proc.name in (a,,b)": "expected a string value",
    "proc.name in (b64(proc.exe))": "expected a ')' token",
    "proc.name startswith oneof (a": "expected a ')' token",
    "proc.aname[] = a": "expected a valid field argument: a quoted string or a bare string",
    "proc.aname[1 = a": "expected a ']' token",
    "proc.aname[ 1 ] = a": "expected a valid field argument",
    "proc.name = 'a": "expected a string value",
    "proc.name = 'a\x00'": "expected a string value",
    r"proc.name = 'a\'": "expected a string value",
    r"proc.name = 'a\q'": "unsupported string escape sequence: \\q",
    r"proc.name in ('a\q')": "unsupported string escape sequence: \\q",
    r"proc.name = 'a\"'": "invalid \\\" escape in '-quoted string",
    r"proc.name = 'a\x4'": "truncated hex char escape sequence",
    r"proc.name = 'a\xzz'": "invalid hex char escape sequence: zz",
    "tolower() = a": "expected field transformer argument",
    "tolower (proc.name) = a": "unexpected token after 'tolower'",
    "tolower(proc.name = a": "expected a ')' token closing the transformer",
    "proc.name = val(val(proc.name))": "expected a field within 'val' transformer",
    "proc.name = val(proc.name": "expected a ')' token closing the transformer",
    "proc.name = val(proc.name)[1]": "transformer 'val' does not support an argument",
    "proc.name = b64(val(proc.name))": "expected field transformer argument",
    "join(',', (a)) = b": "expected transformer list argument",
    "(" * 100_000: "exceeded max depth limit of 100",
    "tolower(" * 1_000: "exceeded max depth limit of 100",
    "a" * (MAX_LENGTH + 1): "the limit is 1,000,000",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:40]))
def test_what_libs_refuses_is_refused(text: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert REFUSED[text] in caught.value.what
    assert caught.value.place is not None


def test_depth_is_that_of_libs() -> None:
    deepest = 19
    assert parse_condition("(" * deepest + "a" + ")" * deepest) == A
    with pytest.raises(ConditionError, match="max depth"):
        parse_condition("(" * (deepest + 1) + "a" + ")" * (deepest + 1))


def test_many_parts_are_not_depth() -> None:
    node = parse_condition(" or ".join(["a"] * 5_000))
    assert isinstance(node, Or)
    assert len(node.parts) == 5_000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a and b c", Place(index=8, line=1, column=9)),
        ("a and\n  b\n  orc", Place(index=14, line=3, column=5)),
        ("proc.name in (a\n", Place(index=16, line=2, column=1)),
    ],
)
def test_errors_tell_their_place(text: str, place: Place) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    found = caught.value.place
    assert found is not None
    assert (found.index, found.line, found.column) == (place.index, place.line, place.column)


def test_nodes_tell_their_place() -> None:
    node = parse_condition("a and\n  proc.name = 'x'")
    assert isinstance(node, And)
    last = node.parts[1]
    assert isinstance(last, Check)
    assert (last.place.line, last.place.column, last.place.index) == (2, 3, 8)
    assert isinstance(last.right, Text)
    assert (last.right.place.line, last.right.place.column) == (2, 15)


def test_place_is_no_part_of_equality() -> None:
    one, other = parse_condition("a and b"), parse_condition("  a\nand   b")
    assert one == other
    assert hash(one) == hash(other)


def test_operands_of_outputs() -> None:
    assert parse_operand("proc.aname[2]") == Field(name="proc.aname", arg="2")
    assert parse_operand("toupper(proc.name)") == Transform(name="toupper", args=(NAME,))
    assert parse_operand_at("file=%proc.name.", 6) == (NAME, 15)


@pytest.mark.parametrize("text", ["", "proc", "proc.name ", "proc.name=a", "val(proc.name)"])
def test_what_is_no_operand_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        parse_operand(text)


@settings(deadline=None, max_examples=300)
@given(trees)
def test_what_is_printed_parses_to_the_same_tree(tree: Node) -> None:
    assert parse_condition(whole(tree)) == tree


_PIECES = st.sampled_from(
    ["a", "and", "or", "not", "(", ")", " ", "\n", "proc.name", "=", "in", ",", "'", '"', "\\",
     "[", "]", "exists", "contains ", "oneof ", "val(", "tolower(", "join(", "0x1", "1e+", "\x00",
     "\x08", "\ud800", "é", "<=", "pmatch", "\\x", "not("]
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=40))
def test_any_text_is_a_tree_or_a_condition_error(text: str) -> None:
    try:
        node = parse_condition(text)
    except ConditionError as error:
        assert error.place is not None
        assert 0 <= error.place.index <= len(text)
    else:
        assert parse_condition(whole(node)) is not None
