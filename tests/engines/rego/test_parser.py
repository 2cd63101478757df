"""Both dialects give one tree; any text gives a module or an error with its place."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.rego.parser import parse
from haechi.engines.rego.tree import (
    Array,
    Call,
    Module,
    Place,
    Ref,
    RuleKind,
    Scalar,
    Set,
    Var,
    Version,
)
from haechi.errors import RuleError
from tests.engines.rego.texts import V0, V1, rules_of


def _one(text: str, version: Version = Version.V1) -> Module:
    return parse(f"package t\n{text}", version=version)


SAME = {
    "a body": ("p { a; b }", "p if { a\n b }"),
    "one statement": ("p { a == 1 }", "p if a == 1"),
    "a set": ("p[x] { x := a[_] }", "p contains x if { x := a[_] }"),
    "a field is an element in v0": ("p.a { true }", 'p contains "a" if true'),
    "an object": ("p[k] = v { v := a[k] }", "p[k] := v if v := a[k]"),
    "a deep head": ("p.q[r] { r := 1 }", "p.q[r] if r := 1"),
    "a chain of bodies": ("p { a } { b }", "p if a\np if b"),
    "else": (
        "p = 1 { a } else = 2 { b } else { c }",
        "p := 1 if a else := 2 if b else if { c }",
    ),
    "a function": ("f(x, _) = y { y := x }", "f(x, _) := y if y := x"),
    "a predicate": ("f(x) { x }", "f(x) if x"),
    "precedence": (
        "p = a | b & c + d * e",
        "p := a | (b & (c + (d * e)))",
    ),
    "operators bind to the left": ("p = 1 - 2 - 3 == 4", "p := ((1 - 2) - 3) == 4"),
    "leading and trailing commas": ("p = [, 1, 2,]", "p := [1, 2]"),
    "numbers": ("p = [1.0, 1e3, 15e-1, .5]", "p := [1, 1000, 1.5, 0.5]"),
    "a union, not a comprehension": ("p = {a | b, c}", "p := {(a | b), c}"),
    "a minus before a name": ("p = -x.y * 2", "p := (0 - x.y) * 2"),
    "strings": ('p = "a\\u0062`"', 'p := "ab`"'),
    "keywords as fields": ("p = x.if.not", 'p := x["if"]["not"]'),
    "space before the parameters": ("f (x) = 1 { x }", "f(x) := 1 if x"),
}


@pytest.mark.parametrize("old, new", SAME.values(), ids=SAME.keys())
def test_both_dialects_give_one_tree(old: str, new: str) -> None:
    assert rules_of(_one(old, Version.V0)) == rules_of(_one(new))


@pytest.mark.parametrize("name", V0)
def test_modules_in_v0(name: str) -> None:
    module = parse(V0[name], version=Version.V0)
    assert module.version is Version.V0
    assert len(module.rules) >= 4
    with pytest.raises(RuleError, match=r"v1|expected"):
        parse(V0[name], version=Version.V1)


@pytest.mark.parametrize("name", V1)
def test_modules_in_v1(name: str) -> None:
    assert parse(V1[name], version=Version.V1).version is Version.V1


def test_package_imports_and_dialect() -> None:
    module = parse(
        'package a["b-c"].if\nimport input.x\nimport data.y as z\nimport rego.v1\np if q\n',
        file="a.rego",
    )
    assert module.file == "a.rego"
    assert module.package == ("a", "b-c", "if")
    assert [(one.path, one.name) for one in module.imports] == [
        (("input", "x"), "x"),
        (("data", "y"), "z"),
    ]
    assert module.version is Version.V1


def test_a_keyword_is_one_from_its_import_on() -> None:
    module = _one("in = 1\nimport future.keywords.in\np { 1 in [1] }", Version.V0)
    (statement,) = [one.statement for one in module.rules[1].body]
    assert module.rules[0].name == "in"
    assert getattr(statement, "term", None) is not None
    assert module.version is Version.V0
    with pytest.raises(RuleError) as caught:
        _one("p { some x in y }", Version.V0)
    assert "import future.keywords.in" in caught.value.do


KINDS = {
    "p := 1": (RuleKind.COMPLETE, 0),
    "p if true": (RuleKind.COMPLETE, 0),
    "p() := 1": (RuleKind.COMPLETE, 0),
    "p(x) := x": (RuleKind.FUNCTION, 0),
    "p.f(x) := x": (RuleKind.FUNCTION, 1),
    "p contains 1": (RuleKind.PARTIAL_SET, 0),
    "p.a.b contains 1": (RuleKind.PARTIAL_SET, 2),
    "p[x] := 1 if x := 2": (RuleKind.PARTIAL_OBJECT, 1),
    "p[x] if x := 2": (RuleKind.PARTIAL_OBJECT, 1),
    "p.a[x].b := 1 if x := 2": (RuleKind.PARTIAL_OBJECT, 3),
    "default p := {1: [x | x := 2]}": (RuleKind.COMPLETE, 0),
    "default p(_, x) := 1": (RuleKind.FUNCTION, 0),
}


@pytest.mark.parametrize("text", KINDS)
def test_kinds_of_rules(text: str) -> None:
    (rule,) = _one(text).rules
    assert (rule.kind, len(rule.path)) == KINDS[text]
    assert rule.name == "p"
    assert rule.default == text.startswith("default")


def test_a_new_line_does_not_glue() -> None:
    """What stands in brackets on the next line is a statement of its own."""
    (rule,) = _one("p if {\n x := a\n [1, y] = b\n f\n (z)\n}").rules
    assert len(rule.body) == 4
    assert rule.body[0].place == Place(3, 2)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2e3", 2000), ("9007199254740993", 9007199254740993), ("-0.25", -0.25), ("1e400", 10**400)],
)
def test_numbers(text: str, value: float) -> None:
    (rule,) = _one(f"p := {text}").rules
    assert isinstance(rule.value, Scalar)
    assert rule.value.value == value
    assert type(rule.value.value) is type(value)


def test_terms_of_all_sorts() -> None:
    value = _one('p := [set(), {}, {1}, f(x).y[0], a["b"], _, _]').rules[0].value
    assert isinstance(value, Array)
    kinds = [type(item).__name__ for item in value.items]
    assert kinds == ["Set", "Object", "Set", "Ref", "Ref", "Var", "Var"]
    assert value.items[0] == Set(place=Place(2, 7), items=())
    call = value.items[3]
    assert isinstance(call, Ref)
    assert isinstance(call.head, Call)
    first, second = value.items[-2:]
    assert isinstance(first, Var)
    assert isinstance(second, Var)
    assert first.name != second.name
    assert first.name.startswith("$")


def test_a_template_string_is_a_call() -> None:
    value = _one('p := $"a{x}{1}"').rules[0].value
    assert isinstance(value, Call)
    assert value.function == ("internal", "template_string")
    assert _one('p := $"plain"').rules[0].value == Scalar(place=Place(2, 6), value="plain")


ERRORS: dict[str, tuple[str, Version, str, str]] = {
    "empty": ("", Version.V0, "x.rego:1:1", "expected 'package'"),
    "two packages": ("package a\npackage b", Version.V0, "x.rego:2:1", "one package"),
    "open body": ("package a\np { x", Version.V0, "x.rego:2:6", "the end of the text"),
    "empty body": ("package a\np { }", Version.V0, "x.rego:2:5", "a statement"),
    "trailing semicolon": ("package a\np { x; }", Version.V0, "x.rego:2:8", "a value"),
    "two on a line": ("package a\np { x y }", Version.V0, "x.rego:2:7", "a new line, ';'"),
    "v1 wants if": ("package a\np { x }", Version.V1, "x.rego:2:1", "a body without 'if'"),
    "v1 wants contains": ("package a\np[1]", Version.V1, "x.rego:2:1", "without 'contains'"),
    "later import": ("package a\np { x }\nimport rego.v1", Version.V0, "x.rego:2:1", "'if'"),
    "import": ("package a\nimport foo.x", Version.V0, "x.rego:2:8", "cannot import 'foo'"),
    "import named": ("package a\nimport data.if", Version.V1, "x.rego:2:8", "'if', a keyword"),
    "future": ("package a\nimport future.x", Version.V0, "x.rego:2:8", "keyword of the future"),
    "rego": ("package a\nimport rego.v2", Version.V0, "x.rego:2:8", "version of Rego"),
    "default": ("package a\ndefault p = x", Version.V0, "x.rego:2:13", "constant"),
    "default arguments": ("package a\ndefault f(x, x) = 1", Version.V0, "x.rego:2:1", "names"),
    "else of a set": ("package a\np[x] { x } else { y }", Version.V0, "x.rego:2:12", "'else'"),
    "else, then a body": (
        "package a\np { x } else { y } { z }",
        Version.V0,
        "x.rego:2:20",
        "'else'",
    ),
    "not some": ("package a\np { not some x }", Version.V0, "x.rego:2:9", "an expression"),
    "every": ("package a\np if every [x] in y { x }", Version.V1, "x.rego:2:12", "a variable"),
    "with": ("package a\np { x with 1 as 2 }", Version.V0, "x.rego:2:12", "'with'"),
    "reference of a text": ('package a\np = "a".b', Version.V0, "x.rego:2:8", "an operator"),
    "leading zero": ("package a\np = 01", Version.V0, "x.rego:2:5", "leading zero"),
    "huge number": ("package a\np = 1e9999", Version.V0, "x.rego:2:5", "digits"),
    "a sign": ("package a\np = 1 ^ 2", Version.V0, "x.rego:2:7", "'^'"),
    "open template": ('package a\np := $"{x"', Version.V1, "x.rego:2:10", "cannot read"),
    "keyword as rule": ("package a\nnot := 1", Version.V1, "x.rego:2:1", "keyword 'not'"),
    "union that is none": ("package a\np = {a | b c}", Version.V0, "x.rego:2:12", "name 'c'"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_where_and_what_to_do(name: str) -> None:
    text, version, where, message = ERRORS[name]
    with pytest.raises(RuleError) as caught:
        parse(text, file="x.rego", version=version)
    assert caught.value.where == where
    assert message in caught.value.what
    assert caught.value.do


DEEP: dict[str, Callable[[int], str]] = {
    "arrays": lambda n: "p = " + "[" * n + "1" + "]" * n,
    "sets": lambda n: "p = " + "{" * n + "1" + "}" * n,
    "objects": lambda n: "p = " + '{"a":' * n + "1" + "}" * n,
    "parentheses": lambda n: "p = " + "(" * n + "1" + ")" * n,
    "comprehensions": lambda n: "p = " + "[x | y = " * n + "1" + "]" * n,
    "unions that look like comprehensions": lambda n: "p = " + "{a | " * n + "b" + ", c}" * n,
    "keys": lambda n: "p = " + "a[" * n + "b" + "]" * n,
    "calls": lambda n: "p = " + "f(" * n + "b" + ")" * n,
    "every": lambda n: "p { " + "every x in y { " * n + "z" + " }" * n + " }",
    "templates": lambda n: "p = " + '$"{' * n + "1" + '}"' * n,
    "sums": lambda n: "p = 1" + " + 1" * n,
    "members": lambda n: "p { 1" + " in x" * n + " }",
    "unclosed": lambda n: "p = " + "[{(" * n,
}


@pytest.mark.parametrize("name", DEEP)
def test_hostile_nesting_is_an_error_not_a_crash(name: str) -> None:
    text = "package t\nimport future.keywords\n"
    if name != "unclosed":
        assert parse(text + DEEP[name](30)).rules
    for depth in (1000, 5000):
        with pytest.raises(RuleError):
            parse(text + DEEP[name](depth))


def test_little_stack_left() -> None:
    def below(depth: int) -> str:
        if depth:
            return below(depth - 1)
        try:
            return type(_one(DEEP["comprehensions"](60))).__name__
        except RuleError as error:
            return error.what

    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    assert "nested too deep" in below(sys.getrecursionlimit() - used - 200)


_WORDS = [
    *'{}[]()|&+-*/%,;:.=<>_x1#\n`"$ ',
    *("if", "in", "not", "some", "every", "contains", "else", "default", "with", "as", "import"),
    *("package", "null", "true", ":=", "==", "!=", "data", "input", "rego.v1", "f(", "set()"),
    *('"a"', '$"{', "`r`", "p := 1\n", "p if { ", "future.keywords", "1e5", "\0", "é", "\ud800"),
]


@given(st.lists(st.sampled_from(_WORDS), max_size=60), st.sampled_from(Version), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_module_or_an_error(words: list[str], version: Version, apart: bool) -> None:
    text = (" " if apart else "").join(words)
    for start in ("", "package t\n", "package t\np if { x := "):
        try:
            module = parse(start + text, version=version)
        except RuleError as error:
            line, column = map(int, error.where.split(":"))
            assert line >= 1
            assert column >= 1
            assert error.do
        else:
            assert module.package
