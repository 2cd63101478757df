"""Our reader beside OPA's: what one takes, the other takes, on texts that are nearly right.

Where OPA reads a head without a body as a query first, it has oddities that are not followed: a
name in parentheses or behind a minus, a name left of an operator, ``_``; and it knows which names
are builtins, which our parser leaves to the compiler. Public policies are read where they are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from haechi.engines.rego.parser import parse
from haechi.engines.rego.tree import Module, Version
from haechi.engines.rego.writer import write
from haechi.errors import RuleError
from tests.engines.rego.texts import V0, V1
from tests.oracles.opa import OpaError, require_opa

LIBRARY = Path("/tmp/pub/gatekeeper-library")
_WORD = re.compile(
    r'\s+|#[^\n]*|[A-Za-z_]\w*|\d+|"(?:[^"\\\n]|\\.)*"|`[^`]*`|:=|==|!=|<=|>=|.', re.DOTALL
)
_NEW = (
    *'{}[](),:=|&-+*.\n; x_10#`"',
    *(":=", "==", "if", "in", "not", "some", "every", "contains", "else", "default", "with"),
    *("as", "import", "package", '"a"', "set()", "{}", "null", '$"a{', '$"x"', "-1", "input"),
)
_ODD = re.compile(
    r"expected a name for the rule|expected no call here"
    r"|expected a rule: .*found ('[-(\[{.]'|number|string|part|tail)"
    r"|after the head of the rule, found '[-+*/%&|<>=!]"
)


@pytest.mark.parametrize(
    "text",
    [
        *("p if {1} == {1}", "p if { x := 1; x == 1 }", "p if {}", "p if not {}", "p if [1][0]"),
        *("p if x\n{ y }", "p if {x} {y}", "p := 1 if x else := 2 else := 3", "p if false else"),
        *("default p", "default p[x] := 1", "default p contains 1", "default f(_, _) := 1"),
        *("f (x) := 1 if x", "f (x) := 1", "f(x)", "p.q", "p.q.r", "p[1]", "p", "f()", "f() := 1"),
        *("p := true.x", "p if true.x", "p if 1 in[1]", "p if not.x", "p if not not.x", "p if[1]"),
        *("x := 1\nif.y := 2", "p if {\n x\n with.y\n}", "else := 1", "p.else := 1", "not := 1"),
        *("p := {a | b}", "p := {a | b, c}", "p := {a: b | c, d: e}", "p := [a |]", "p := {, 1}"),
        *("p := 1, 2 in x", "p := [1, 2 in x]", "p := f(1, 2 in x)", "p if x[1, 2 in y]"),
        *("p if a == b == c", "p if a = b = c", "p if (a = b)", "p if a in b in c", "p := -x"),
        *("p := - 1", "p := --1", "p := 01", "p := 1.", "p := .5", "p := 1e", "p := -(1)"),
        *(
            'p := "a\tb"',
            'p := "\\n\t"',
            'p := "\\u12"',
            'p := "\\ud800"',
            "p := 'a'",
            "p := 1e99999",
        ),
        *("p if every x in[1] { x }", "p if every 1 in y { x }", "p if every x in y {}"),
        *("p if some x.y", "p if { some x y }", "p if { some x with y as 1 }", "p if some x in y"),
        *(
            "p if (x).y",
            "p if (x.y).z",
            "p if (input).x",
            'p if "a".b',
            'p if ("a").b',
            "p if {1}[1]",
        ),
        *('p := $"{x}{"y"}"', 'p := $"{x := 1}"', 'p := $"{}"', 'default p := $"a{1}"'),
        *(
            "import data.if",
            "import data.if as y",
            "import foo",
            "import data[x]",
            "import rego.v2",
        ),
        *(
            "import data.x as input",
            "x := 1; y := 2",
            "x := 1 y := 2",
            "p if { x; }",
            "p if { ;x }",
        ),
        *("p := 1\r\nq := 2", "p\u00a0:= 1", "p := 1\ufeff", "p if 5 with input as[1]", "p if !x"),
    ],
)
def test_taken_or_refused_as_opa_does(text: str) -> None:
    fault, theirs = _ours(f"package t\n{text}")[1], _theirs(f"package t\n{text}")
    assert bool(fault) == bool(theirs), f"ours: {fault}\nOPA's: {theirs}"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_modules_are_taken_and_refused_alike(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    taken = refused = 0
    for _ in range(300):
        text = _damaged(draw)
        module, fault = _ours(text)
        theirs = _theirs(text)
        if "conflicts with built-in function" in theirs or (_ODD.search(fault) and not theirs):
            continue
        assert bool(fault) == bool(theirs), f"{text}\nours: {fault}\nOPA's: {theirs}"
        refused += bool(fault)
        if module is not None:
            taken += 1
            assert not _theirs(write(module)), text
    assert taken > 15
    assert refused > 100


_WHOLE = (*V1.values(), *(write(parse(text, version=Version.V0)) for text in V0.values()))


def _damaged(draw: random.Random) -> str:
    whole = draw.choice(_WHOLE)
    _, *rules = re.split(r"\n(?=[a-z])", whole)
    words = _WORD.findall("\n".join(["package t", *draw.sample(rules, min(2, len(rules)))]))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        at, other = draw.randrange(len(words)), draw.randrange(len(words))
        match draw.randrange(5):
            case 0:
                words[at] = ""
            case 1:
                words.insert(at, draw.choice(_NEW))
            case 2:
                words[at] = draw.choice(_NEW)
            case 3:
                words.insert(at, words[other])
            case _:
                words[at], words[other] = words[other], words[at]
    return "".join(words)


def _ours(text: str) -> tuple[Module | None, str]:
    try:
        return parse(text, version=Version.V1), ""
    except RuleError as error:
        return None, error.what


def _theirs(text: str) -> str:
    try:
        require_opa().parse(text)
    except OpaError as error:
        return error.message
    return ""


def _templates() -> Iterator[tuple[str, list[tuple[str, Version]]]]:
    """Of each target: the template's name and its modules."""
    for path in sorted(LIBRARY.glob("library/**/template.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            for target in document["spec"]["targets"] if document else ():
                yield from ((f"{path.parent.name}", m) for m in _modules(target) if m)


def _modules(target: dict[str, Any]) -> Iterator[list[tuple[str, Version]]]:
    if "rego" in target:
        yield [(text, Version.V0) for text in (target["rego"], *target.get("libs", ()))]
    for code in target.get("code", ()):
        if code["engine"] == "Rego":
            source = code["source"]
            version = Version.V1 if source.get("version") == "v1" else Version.V0
            yield [(text, version) for text in (source["rego"], *source.get("libs", ()))]


@pytest.mark.skipif(not LIBRARY.is_dir(), reason=f"Gatekeeper's library is not in {LIBRARY}")
def test_gatekeepers_templates_are_read_and_mean_something_to_opa() -> None:
    opa = require_opa()
    templates = list(_templates())
    assert len(templates) >= 49
    for _, modules in templates:
        opa.compile([write(parse(text, version=version)) for text, version in modules])


@pytest.mark.skipif(not LIBRARY.is_dir(), reason=f"Gatekeeper's library is not in {LIBRARY}")
def test_gatekeepers_unit_tests_hold_in_opa_for_what_we_wrote() -> None:
    """Every fourth folder here; all of them take seconds. OPA runs here with strict errors of
    builtins, which one test does not expect."""
    opa, held = require_opa(), 0
    folders = sorted({path.parent for path in LIBRARY.glob("src/**/src_test.rego")})
    assert len(folders) >= 45
    for folder in folders[::4]:
        modules = [parse(path.read_text()) for path in sorted(folder.glob("*.rego"))]
        texts = [write(module) for module in modules]
        for module in modules:
            for name in {rule.name for rule in module.rules if rule.name.startswith("test_")}:
                query = f"data.{'.'.join(module.package)}.{name}"
                if "null_param" not in name:
                    assert opa.evaluate(texts, query) == [True], f"{folder} {name}"
                    held += 1
    assert held > 150
