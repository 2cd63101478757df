"""Every function of Terraform and OpenTofu, by a table."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.hcl.evaluate import EvalFault
from haechi.engines.hcl.functions import functions
from haechi.model.unknown import Unknown
from tests.engines.hcl.values import value_of


class Files:
    """Two files in reach."""

    def read(self, path: str) -> bytes | None:
        return {"a.txt": b"hello", "t.tpl": b"Hi ${name}!%{ if loud }!%{ endif }"}.get(path)

    def glob(self, folder: str, pattern: str) -> list[str] | None:
        return ["b.txt", "a.txt"] if (folder, pattern) == (".", "*.txt") else None


UNKNOWN = object()

CASES: list[tuple[str, Any]] = [
    ("abs(-2.5)", 2.5),
    ("ceil(1.2)", 2),
    ("floor(-1.2)", -2),
    ("log(8, 2)", 3),
    ("max(1, 3.5, 2)", 3.5),
    ("min(2, -1)", -1),
    ('parseint("ff", 16)', 255),
    ('parseint("-12", 10)', -12),
    ('parseint("aA", 62)', 656),
    ("pow(2, 10)", 1024),
    ("pow(4, 0.5)", 2),
    ("signum(-3)", -1),
    ('sum([1, "2", 0.5])', 3.5),
    ('chomp("a\\r\\n\\n")', "a"),
    ('endswith("abc", "bc")', True),
    ('format("%s=%d|%5.1f|%-4s|%04d|%x|%t|%%", "a", 7, 2.25, "b", -5, 255, true)',
     "a=7|  2.2|b   |-005|ff|true|%"),
    ('format("%v %v %q", [1, "a"], null, "x\\"y")', '[1,"a"] null "x\\"y"'),
    ('format("%[2]s %[1]s", "a", "b")', "b a"),
    ('format("%*d", 4, 1)', "   1"),
    ('format("%v", 1.5)', "1.5"),
    ('formatlist("%s-%d", ["a", "b"], [1, 2])', ["a-1", "b-2"]),
    ('formatlist("%s!", "a")', ["a!"]),
    ('indent(2, "a\\nb")', "a\n  b"),
    ('join("-", ["a", 1, true])', "a-1-true"),
    ('join(",", ["a"], ["b"])', "a,b"),
    ('lower("AbC")', "abc"),
    ('regex("[a-z]+", "12ab3")', "ab"),
    ('regex("(\\\\d)(x)?", "a1")', ["1", None]),
    ('regex("(?P<n>\\\\d)", "a1")', {"n": "1"}),
    ('regexall("[a-z]", "a1b")', ["a", "b"]),
    ('regexall("x", "a")', []),
    ('replace("a.b.c", ".", "-")', "a-b-c"),
    ('replace("a1b22", "/[0-9]+/", "<$0>")', "a<1>b<22>"),
    ('replace("ab", "/(?P<x>a)(b)/", "$2$${x}$$")', "ba$"),
    ('sort(["b", "a", "B"])', ["B", "a", "b"]),
    ('split(",", "a,,b")', ["a", "", "b"]),
    ('startswith("abc", "ab")', True),
    ('strcontains("abc", "d")', False),
    ('strrev("añb")', "bña"),
    ('substr("hello", 1, 3)', "ell"),
    ('substr("hello", -2, -1)', "lo"),
    ('title("a bc-d")', "A Bc-d"),
    ('trim("?!a!?", "!?")', "a"),
    ('trimprefix("aab", "a")', "ab"),
    ('trimspace(" \\n a\\t")', "a"),
    ('trimsuffix("abb", "b")', "ab"),
    ('upper("é")', "É"),
    ("alltrue([])", True),
    ('alltrue(["true", true])', True),
    ("anytrue([false, null])", False),
    ("chunklist([1, 2, 3], 2)", [[1, 2], [3]]),
    ('coalesce("", null, "a")', "a"),
    ("coalesce(null, 1)", 1),
    ("coalescelist([], [1])", [1]),
    ('compact(["a", "", null, "b"])', ["a", "b"]),
    ("concat([1], [], [2])", [1, 2]),
    ('contains(["a", "b"], "b")', True),
    ('contains(["1"], 1)', True),
    ("distinct([1, 2, 1])", [1, 2]),
    ("element([1, 2, 3], 4)", 2),
    ("element([1, 2, 3], -1)", 3),
    ("flatten([[1, []], [[2]], 3])", [1, 2, 3]),
    ('index(["a", "b"], "b")', 1),
    ("keys({b = 1, a = 2})", ["a", "b"]),
    ('length("aé")', 2),
    ("length({a = 1})", 1),
    ('list("a", "b")', ["a", "b"]),
    ('lookup({a = 1}, "a")', 1),
    ('lookup({a = 1}, "b", 2)', 2),
    ('map("a", 1)', {"a": 1}),
    ('matchkeys(["x", "y"], ["a", "b"], ["b"])', ["y"]),
    ("merge({a = 1, b = 1}, {b = 2})", {"a": 1, "b": 2}),
    ("merge()", {}),
    ("one([])", None),
    ("one([1])", 1),
    ("range(3)", [0, 1, 2]),
    ("range(1, 4, 2)", [1, 3]),
    ("range(3, 0)", [3, 2, 1]),
    ("range(0, 1, 0.5)", [0, 0.5]),
    ("reverse([1, 2])", [2, 1]),
    ("slice([1, 2, 3], 1, 2)", [2]),
    ('transpose({a = ["x", "y"], b = ["y"]})', {"x": ["a"], "y": ["a", "b"]}),
    ("values({b = 1, a = 2})", [2, 1]),
    ('zipmap(["a", "b"], [1, 2])', {"a": 1, "b": 2}),
    ("setintersection([1, 2, 3], [3, 2])", [2, 3]),
    ('setproduct(["a", "b"], [1])', [["a", 1], ["b", 1]]),
    ("setsubtract([1, 2], [2])", [1]),
    ("setunion([2, 1], [3, 1])", [1, 2, 3]),
    ('base64decode("aGk=")', "hi"),
    ('base64encode("hi")', "aGk="),
    ('base64gunzip("H4sIAAAAAAAC/8vIBACsKpPYAgAAAA==")', "hi"),
    ('base64gzip("hi")', UNKNOWN),
    ('csvdecode("a,b\\n1,\\"x,y\\"\\n")', [{"a": "1", "b": "x,y"}]),
    ('jsondecode("{\\"a\\": [1, 2.50, 1e2, null]}")', {"a": [1, 2.5, 100, None]}),
    ("jsonencode({b = 1, a = [true, null, 1.5]})", '{"a":[true,null,1.5],"b":1}'),
    ('textdecodebase64("aABpAA==", "UTF-16LE")', "hi"),
    ('textencodebase64("hi", "UTF-16LE")', "aABpAA=="),
    ('urldecode("a+b%2Fc")', "a b/c"),
    ('urlencode("a b/ç~")', "a+b%2F%C3%A7~"),
    ('yamldecode("a: [1, yes, true, ~, 0x1F, \'5\']\\nb: &x {c: 1.0}\\nd: {<<: *x}")',
     {"a": [1, "yes", True, None, 31, "5"], "b": {"c": 1}, "d": {"c": 1}}),
    ('yamlencode({a = [1, {b = "x"}, []], c = {}, d = "l1\\nl2\\n"})',
     '"a":\n- 1\n- "b": "x"\n- []\n"c": {}\n"d": |\n  l1\n  l2\n'),
    ('yamlencode("a")', '"a"\n'),
    ("yamlencode(1)", "1\n...\n"),
    ('md5("a")', "0cc175b9c0f1b6a831c399e269772661"),
    ('sha1("a")', "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
    ('sha256("a")', "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ('substr(sha512("a"), 0, 8)', "1f40fc92"),
    ('base64sha256("a")', "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="),
    ('length(base64sha512("a"))', 88),
    ('bcrypt("a")', UNKNOWN),
    ('rsadecrypt("a", "b")', UNKNOWN),
    ("uuid()", UNKNOWN),
    ('uuidv5("dns", "example.org")', "aad03681-8b63-5304-89e0-8ca8f49461b5"),
    ('cidrcontains("10.0.0.0/8", "10.1.2.3")', True),
    ('cidrhost("10.0.0.0/24", 5)', "10.0.0.5"),
    ('cidrhost("fd00::/64", 16)', "fd00::10"),
    ('cidrnetmask("10.0.0.0/12")', "255.240.0.0"),
    ('cidrsubnet("10.0.0.0/16", 8, 3)', "10.0.3.0/24"),
    ('cidrsubnet("fd00:fd12::/32", 16, 162)', "fd00:fd12:a2::/48"),
    ('cidrsubnets("10.0.0.0/16", 4, 8, 4)', ["10.0.0.0/20", "10.0.16.0/24", "10.0.32.0/20"]),
    ('formatdate("DD MMM YYYY hh:mm ZZZ", "2024-03-05T14:07:09Z")', "05 Mar 2024 14:07 UTC"),
    ('formatdate("EEE D/M/YY HH aa \'at\' Z", "2024-03-05T14:07:09+02:00")',
     "Tue 5/3/24 02 pm at +02:00"),
    ("plantimestamp()", UNKNOWN),
    ('timeadd("2024-02-28T23:00:00Z", "90m")', "2024-02-29T00:30:00Z"),
    ('timeadd("2024-01-01T00:00:00Z", "-1.5h")', "2023-12-31T22:30:00Z"),
    ('timecmp("2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00")', 0),
    ("timestamp()", UNKNOWN),
    ('abspath("/a/../b")', "/b"),
    ('abspath("a")', UNKNOWN),
    ('basename("a/b.txt")', "b.txt"),
    ('dirname("a/b/c.txt")', "a/b"),
    ('dirname("a")', "."),
    ('pathexpand("/a")', "/a"),
    ('pathexpand("~/a")', UNKNOWN),
    ('file("a.txt")', "hello"),
    ('file("b.txt")', UNKNOWN),
    ('filebase64("a.txt")', "aGVsbG8="),
    ('fileexists("a.txt")', True),
    ('fileset(".", "*.txt")', ["a.txt", "b.txt"]),
    ('filemd5("a.txt")', "5d41402abc4b2a76b9719d911017c592"),
    ('filesha1("a.txt")', "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
    ('substr(filesha256("a.txt"), 0, 6)', "2cf24d"),
    ('substr(filesha512("a.txt"), 0, 6)', "9b71d2"),
    ('filebase64sha256("a.txt")', "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    ('length(filebase64sha512("a.txt"))', 88),
    ('templatefile("t.tpl", {name = "x", loud = true})', "Hi x!!"),
    ('templatestring("a$${b}", {b = 1})', "a1"),
    ("defaults({a = null, b = 1}, {a = 2})", {"a": 2, "b": 1}),
    ("ephemeralasnull(1)", 1),
    ("issensitive(1)", UNKNOWN),
    ("nonsensitive(1)", 1),
    ("sensitive(1)", 1),
    ('tobool("true")', True),
    ("tobool(null)", None),
    ('tolist(toset(["b", "a"]))', ["a", "b"]),
    ('tolist(["a", 1])', ["a", "1"]),
    ('tomap({a = 1, b = "x"})', {"a": "1", "b": "x"}),
    ('tonumber("1.50")', 1.5),
    ('toset(["b", "a", "b"])', ["a", "b"]),
    ('toset(["1", 1])', ["1"]),
    ("tostring(true)", "true"),
    ("tostring(null)", None),
    ("type([])", "list"),
    ("reverse(toset([\"b\", \"a\"]))", ["b", "a"]),
    ('upper("stra\u00dfe \u00e9")', "STRA\u00dfE \u00c9"),
    ('format("%G %.0f %f", 0.000000001, 3, 100000000000000000000000000000001)',
     "1E-09 3 100000000000000000000000000000001.000000"),
    ("convert([1], list(string))", ["1"]),
    *((f"assume{what}(1, 2)", 1) for what in (
        "equal", "listlength", "listlengthmax", "listlengthmin", "maplength", "maplengthmax",
        "maplengthmin", "notnull", "setlength", "setlengthmax", "setlengthmin", "stringprefix",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CASES, ids=[text for text, _ in CASES])
def test_results(text: str, wanted: Any) -> None:
    got = value_of(text, None, Files())
    if wanted is UNKNOWN:
        assert isinstance(got, Unknown)
        assert got.given
    else:
        assert got == wanted
        assert isinstance(got, type(wanted))


def test_every_function_has_a_case() -> None:
    called = {text.partition("(")[0] for text, _ in CASES}
    called |= {name for text, _ in CASES for name in ("sha512",) if name in text}
    called |= {text.split("(")[1] for text, _ in CASES if text.count("(") > 1}
    assert not functions().keys() - called
    assert len(functions()) > 120


FAULTS = [
    ("log(0, 2)", "log: there is no such logarithm"),
    ('parseint("12", 2)', "parseint: '12' is no number of base 2"),
    ("sum([])", "sum: the list is empty"),
    ('format("%d", "x")', "format: '%d': a number is needed, not a string that is none"),
    ('format("%s")', "format: there is no argument for '%s'"),
    ('format("a", 1)', "format: 1 arguments, but verbs for 0"),
    ('format("%y", 1)', "format: '%y': there is no such verb"),
    ('formatlist("%s%s", [1], [1, 2])', "formatlist: the lists differ in length"),
    ('regex("x", "a")', "regex: the pattern does not match"),
    ("element([], 0)", "element: the list is empty"),
    ("element(toset([1]), 0)", "element: a list is needed, not a set: sets have no order"),
    ('index([1], "a")', "index: the list does not hold this value"),
    ('lookup({}, "a")', "lookup: there is no 'a' and no default"),
    ("one(null)", "one: argument 1 cannot be null"),
    ("coalescelist({ a = 1 })", "coalescelist: a list is needed, not an object"),
    ("one([1, 2])", "one: the list has 2 elements"),
    ("range(0, 5, -1)", "range: the step leads away from the end"),
    ("range(0, 2000)", "range: more than 1024 numbers"),
    ("slice([1], 0, 2)", "slice: 0 to 2 is no part of 1 elements"),
    ('zipmap(["a"], [])', "zipmap: 1 keys, but 0 values"),
    ('coalesce("", null)', "coalesce: all arguments are null or empty"),
    ('base64decode("%%")', "base64decode: this is not base64"),
    ('base64decode("/w==")', "base64decode: the content is not UTF-8"),
    ('csvdecode("a,a\\n")', "csvdecode: two columns have one name"),
    ('urldecode("%zz")', "urldecode: a '%' is followed by no two digits"),
    ('cidrsubnet("10.0.0.0/30", 4, 0)', "cidrsubnet: 10.0.0.0/30 cannot be extended by 4 bits"),
    ('cidrsubnet("10.0.0.0/16", 4, 16)', "cidrsubnet: 4 bits are too few for number 16"),
    ('cidrhost("10.0.0.0", 1)', "cidrhost: '10.0.0.0' is no address range"),
    ('cidrnetmask("fd00::/8")', "cidrnetmask: only IPv4 has masks"),
    ('timeadd("x", "1h")', "timeadd: 'x' is no time of RFC 3339"),
    ('timeadd("2024-01-01T00:00:00Z", "1d")', "timeadd: '1d' is no duration"),
    ('formatdate("Q", "2024-01-01T00:00:00Z")', "formatdate: there is no field 'Q'"),
    ('tonumber("x")', "a number is needed, not a string that is none"),
    ('toset("x")', "toset: a list is needed, not a string"),
    ('convert("x", list(string))', "a list is needed, not a string"),
    ('templatefile("t.tpl", {})', "templatefile: line 1 of the template: there is no 'name'"),
]


@pytest.mark.parametrize(("text", "what"), FAULTS, ids=[text for text, _ in FAULTS])
def test_faults(text: str, what: str) -> None:
    with pytest.raises(EvalFault) as caught:
        value_of(text, None, Files())
    assert caught.value.what == what
    assert caught.value.span is not None


@pytest.mark.parametrize("text", ['regex("(", "a")', 'jsondecode("{")', 'yamldecode("[")'])
def test_faults_of_libraries_name_the_function_or_pattern(text: str) -> None:
    with pytest.raises(EvalFault, match=r"pattern is wrong|jsondecode: |yamldecode: "):
        value_of(text)


def test_patterns_are_linear() -> None:
    long = "a" * 200_000
    assert value_of('regexall("(a*)*(a*)*b", long)', long=long) == []
