"""What every construct of an expression becomes in the tree."""

from __future__ import annotations

import pytest

from haechi.engines.hcl.parse import parse, parse_expression, parse_template
from tests.engines.hcl.sketch import parsed, sketch

EXPRESSIONS = [
    ("1", "1"),
    ("2.50", "2.5"),
    ("1e3", "1000"),
    ("2.0", "2"),
    ("12345678901234567890123", "12345678901234567890123"),
    ("true", "True"),
    ("null", "None"),
    ('"plain"', "'plain'"),
    ('""', "''"),
    ("a", "a"),
    ("a-b", "a-b"),
    ("a.b.c", "a.b.c"),
    ("a[0]", "a[0]"),
    ('a["k"].b', "a['k'].b"),
    ("a.0.b", "a.0.b"),
    ("a.0.1", "a.0.1"),
    ("a[*].b.c", "(splat[*] a *.b.c)"),
    ("a.*.b", "(splat.* a *.b)"),
    ("a.*.b[0]", "(splat.* a *.b)[0]"),
    ("a[*].b[0]", "(splat[*] a *.b[0])"),
    ("a[*].b[*].c", "(splat[*] a (splat[*] *.b *.c))"),
    ("a.*", "(splat.* a *)"),
    ("f()", "f()"),
    ("f(a, 1,)", "f(a 1)"),
    ("f(a, b...)", "f(a b...)"),
    ("provider::aws::arn_parse(a)", "provider::aws::arn_parse(a)"),
    ("f(\n  a,\n  b\n)", "f(a b)"),
    ("-1", "(- 1)"),
    ("- -a", "(- (- a))"),
    ("!a.b", "(! a.b)"),
    ("!a == b", "(== (! a) b)"),
    ("1 + 2 * 3", "(+ 1 (* 2 3))"),
    ("1 - 2 - 3", "(- (- 1 2) 3)"),
    ("(1 - 2) * 3", "(* (- 1 2) 3)"),
    ("a || b && c == d", "(|| a (&& b (== c d)))"),
    ("a < 1 == b >= 2", "(== (< a 1) (>= b 2))"),
    ("5 % 3 / 2", "(/ (% 5 3) 2)"),
    ("a ? b : c ? d : e", "(? a b (? c d e))"),
    ("a == 1 ? 2 : 3", "(? (== a 1) 2 3)"),
    ("[]", "[]"),
    ("[1, 2,]", "[1 2]"),
    ("[\n1,\n\n2 # two\n]", "[1 2]"),
    ("{}", "{}"),
    ("{a = 1, b : 2}", "{'a':1 'b':2}"),
    ('{\n a = 1\n "b" = 2\n (c) = 3\n "d${e}" = 4\n 5 = 6\n}', "{'a':1 'b':2 c:3 <'d' e>:4 5:6}"),
    ("{a = {b = [1]}}", "{'a':{'b':[1]}}"),
    ("{for = 1}", "{'for':1}"),
    ("[for v in a : v]", "(for None v a v)"),
    ("[for k, v in a : k if v]", "(for k v a k if v)"),
    ("{for k, v in a : k => v}", "(for k v a k=>v)"),
    ("{for v in a : v.k => v... if v.ok}", "(for None v a v.k=>v... if v.ok)"),
    ("{\n for k, v in a :\n k => v\n if v\n}", "(for k v a k=>v if v)"),
    ("{\n # why\n for k, v in a : k => {\n b = 1\n c = 2\n }\n}", "(for k v a k=>{'b':1 'c':2})"),
    ('"a${b}c"', "<'a' b 'c'>"),
    ('"${a}"', "<a>"),
    ('"${"${a}"}"', "<<a>>"),
    ('"a${ {b = "}"}["b"] }c"', "<'a' {'b':'}'}['b'] 'c'>"),
    ('"%{ if a }b%{ else }c%{ endif }"', "<(if a <'b'> <'c'>)>"),
    ('"%{ for x in a }${x},%{ endfor }"', "<(for None x a <x ','>)>"),
    ('"%{ for k, v in a }%{ if v }${k}%{ endif }%{ endfor }"', "<(for k v a <(if v <k>)>)>"),
    ("/* one */ 1 // two", "1"),
]


@pytest.mark.parametrize(("text", "wanted"), EXPRESSIONS, ids=[text for text, _ in EXPRESSIONS])
def test_reads(text: str, wanted: str) -> None:
    assert parsed(text) == wanted


TEXTS = [
    (r'"\n\r\t\"\\"', '\n\r\t"\\'),
    (r'"\u00e9\U0001F600"', "é😀"),
    ('"$${a} %%{b} $ % $x 100%"', "${a} %{b} $ % $x 100%"),
    ('"a$"', "a$"),
]


@pytest.mark.parametrize(("text", "wanted"), TEXTS, ids=[text for text, _ in TEXTS])
def test_escapes(text: str, wanted: str) -> None:
    assert parsed(text) == repr(wanted)


HEREDOCS = [
    ("plain", "<<E\na\n  b\nE\n", "'a\\n  b\\n'"),
    ("empty", "<<E\nE\n", "''"),
    ("kept", "<<E\n  a\n  E\n", "'  a\\n'"),
    ("dedented", "<<-E\n    a\n      b\n\n    c\n  E\n", "'a\\n  b\\n\\nc\\n'"),
    ("piece", "<<E\na ${b} c\nE\n", "<'a ' b ' c\\n'>"),
    ("dedented-piece", "<<-E\n  ${a}\n   b\n  E\n", "<a '\\n b\\n'>"),
    ("no-escapes", '<<E\n\\n "q" $${x}\nE\n', "'\\\\n \"q\" ${x}\\n'"),
    ("marker-in-line", "<<E\nE a\n aE\nE\n", "'E a\\n aE\\n'"),
    ("windows", "<<E\r\na\r\nE\r\n", "'a\\r\\n'"),
    ("trims", "<<E\na\n  ${~ b ~}\n  c\nE\n", "<'a\\n' b '  c\\n'>"),
]


@pytest.mark.parametrize(
    ("text", "wanted"), [h[1:] for h in HEREDOCS], ids=[h[0] for h in HEREDOCS]
)
def test_heredocs(text: str, wanted: str) -> None:
    got = parse(b"x = " + text.encode() + b"y = 1\n")
    assert not got.faults
    assert "y" in got.body.attributes
    node = got.body.attributes["x"].value
    assert sketch(node) == wanted


TRIMS = [
    ('"a ${~ b ~} c"', "<'a' b 'c'>"),
    ('"a %{~ if b ~} c %{~ endif ~} d"', "<'a' (if b <'c'>) 'd'>"),
]


@pytest.mark.parametrize(("text", "wanted"), TRIMS, ids=[text for text, _ in TRIMS])
def test_trims(text: str, wanted: str) -> None:
    assert parsed(text) == wanted


def test_a_template_file_is_a_template_as_a_whole() -> None:
    node, faults = parse_template('a "${b}"\n%{ if c }d\n%{ endif }')
    assert not faults
    assert sketch(node) == "<'a \"' b '\"\\n' (if c <'d\\n'>)>"


WRONG = [
    ("", "a value is missing before the end of the file"),
    ("1 +", "a value is missing before the end of the file"),
    ("f(1 2)", "',' or ')' must follow an argument of f, not '2'"),
    ("[1 2]", "',' or ']' must follow an element, not '2'"),
    ("a ? b", "':' must stand between the two results of a condition, not the end of the file"),
    ("{a 1}", "'=' or ':' must follow a key, not '1'"),
    ("a.", "a name must follow '.', not the end of the file"),
    ("a.*.*", "a name must follow '.', not '*'"),
    ("[for v in a : k => v]", "'=>' cannot stand in a 'for' between [ and ]"),
    ("{for v in a : v}", "'=>' must stand in a 'for' between { and }"),
    ("[for v in a : v...]", "'...' groups the values of an object only"),
    ('"\\q"', "'\\q' is no escape of HCL"),
    ('"\\uD800"', "\\uD800 is no character"),
    ('"%{ if a }"', "'%{ endif }' is missing"),
    ('"%{ endif }"', "'endif' has nothing to end"),
    ('"%{ while a }"', "'while' is no directive of a template"),
    ('"${a"', "'}' must close '${', not a text"),
    ("1 2", "'2' stands behind the expression"),
    ("9" * 401, "a number of more than 400 digits"),
    ("1e999", "1e999 is too large"),
    ("a @ b", "'@' means nothing in HCL"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text[:30] for text, _ in WRONG])
def test_faults(text: str, message: str) -> None:
    _, faults = parse_expression(text)
    assert [fault.message for fault in faults] == [message]
