"""Expressions of known values."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.hcl.evaluate import Budget, EvalFault, Lazy, Set
from haechi.errors import LimitExceeded
from tests.engines.hcl.values import value_of

NAMES: dict[str, Any] = {
    "one": 1,
    "text": "a",
    "nothing": None,
    "rows": [{"n": "x", "t": [1, 2]}, {"n": "y", "t": []}],
    "table": {"b": 2, "a": 1},
    "names": Set(["p", "q"]),
}

VALUES: list[tuple[str, Any]] = [
    ("1 + 2 * 3", 7),
    ("7 / 2", 3.5),
    ("6 / 2", 3),
    ("7 % 3", 1),
    ("-7 % 3", -1),
    ("5.5 % 2", 1.5),
    ("0.1 + 0.2", 0.3),
    ("2 * 0.5", 1),
    ('"5" + 1', 6),
    ("9007199254740993 + 0", 9007199254740993),
    ("-one", -1),
    ("!true", False),
    ('!"true"', False),
    ("true && false", False),
    ("true || missing", True),
    ("false && missing", False),
    ("1 == 1.0", True),
    ('1 == "1"', False),
    ('true == "true"', False),
    ("true == 1", False),
    ("null == nothing", True),
    ("[1, 2] == [1, 2]", True),
    ("{a = 1} == {a = 1}", True),
    ("{a = 1} != {b = 1}", True),
    ('"10" > "9"', True),
    ("1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2", True),
    ("true ? 1 : missing", 1),
    ('true ? 1 : "a"', "1"),
    ('"false" ? 1 : 2', 2),
    ('"${one}"', 1),
    ('"a${one}b"', "a1b"),
    ('"${1.0}${true}${2.50}"', "1true2.5"),
    ('"${1e21}x"', "1000000000000000000000x"),
    ('"%{ if one == 1 }y%{ else }n%{ endif }"', "y"),
    ('"%{ if one == 2 }y%{ endif }"', ""),
    ('"%{ for k, v in table }${k}=${v};%{ endfor }"', "a=1;b=2;"),
    ('"%{ for v in names ~} ${v} %{~ endfor }"', "pq"),
    ("rows[0].n", "x"),
    ("rows.1.n", "y"),
    ('rows["0"].n', "x"),
    ('table["a"]', 1),
    ("rows[*].n", ["x", "y"]),
    ("rows.*.n", ["x", "y"]),
    ("rows[*].t[*]", [[1, 2], []]),
    ("rows.*.n[1]", "y"),
    ("table[*].a", [1]),
    ("nothing[*].a", []),
    ("one[*]", [1]),
    ("[for v in rows : v.n]", ["x", "y"]),
    ("[for i, v in rows : i]", [0, 1]),
    ("[for k, v in table : k]", ["a", "b"]),
    ("[for k, v in names : k]", ["p", "q"]),
    ("[for v in rows : v.n if length(v.t) > 0]", ["x"]),
    ("{for k, v in table : v => k}", {"1": "a", "2": "b"}),
    ('{for v in rows : "k" => v.n...}', {"k": ["x", "y"]}),
    ("[for a in [1, 2] : [for b in [3] : a * b]]", [[3], [6]]),
    ("{(text) = 1, text = 2}", {"a": 1, "text": 2}),
    ("{1 = 2, true = 3}", {"1": 2, "true": 3}),
    ("[]", []),
    ("try(missing, rows[9], 3)", 3),
    ("can(rows[9])", False),
    ("can(rows[0])", True),
    ("max([1, 5, 3]...)", 5),
    ("core::upper(text)", "A"),
]


@pytest.mark.parametrize(("text", "wanted"), VALUES, ids=[text for text, _ in VALUES])
def test_values(text: str, wanted: Any) -> None:
    got = value_of(text, **NAMES)
    assert got == wanted
    assert type(got) is type(wanted)


FAULTS = [
    ("missing", "there is no 'missing'", (1, 1, 1, 8)),
    ("table.z", "this object has no 'z'", (1, 1, 1, 8)),
    ("1 + table.z", "this object has no 'z'", (1, 5, 1, 12)),
    ("rows[2]", "the list has 2 elements, none at 2", (1, 1, 1, 8)),
    ("rows[-1]", "the list has 2 elements, none at -1", (1, 1, 1, 9)),
    ("rows[0.5]", "a whole number is needed, not 0.5", (1, 1, 1, 10)),
    ("rows.n", "a list has elements by number, not by 'n'", (1, 1, 1, 7)),
    ("names[0]", "[0] is asked of a set, which has no such thing", (1, 1, 1, 9)),
    ("text.a", ".a is asked of a string, which has no such thing", (1, 1, 1, 7)),
    ("nothing.a", ".a is asked of null, which has no such thing", (1, 1, 1, 10)),
    ("1 + true", "a number is needed, not a bool", (1, 1, 1, 9)),
    ("1 / 0", "division by zero", (1, 1, 1, 6)),
    ('"x${rows}"', "a string is needed, not a list", (1, 5, 1, 9)),
    ('"x${nothing}"', "a string is needed, not null", (1, 5, 1, 12)),
    ("one ? 1 : 2", "a bool is needed, not a number", (1, 1, 1, 4)),
    ("[for v in text : v]", "'for' cannot go through a string", (1, 11, 1, 15)),
    ('{for v in rows : "k" => v}', "two elements have the key 'k'", (1, 18, 1, 21)),
    ("{(nothing) = 1}", "a key cannot be null", (1, 3, 1, 10)),
    ("nofn(1)", "there is no function 'nofn'", (1, 1, 1, 8)),
    ("upper()", "upper: takes 1 arguments, not 0", (1, 1, 1, 8)),
    ("upper(rows)", "upper: argument 1: a string is needed, not a list", (1, 1, 1, 12)),
    ("upper(null)", "upper: argument 1 cannot be null", (1, 1, 1, 12)),
    ("concat(one)", "concat: argument 1: a list is needed, not a number", (1, 1, 1, 12)),
    ("max(one...)", "'...' needs a list, not a number", (1, 5, 1, 8)),
    (
        "try(rows[9], text.b)",
        "try: none of its arguments can be evaluated: "
        ".b is asked of a string, which has no such thing",
        (1, 1, 1, 21),
    ),
]


@pytest.mark.parametrize(("text", "what", "span"), FAULTS, ids=[case[0] for case in FAULTS])
def test_faults_have_a_place(text: str, what: str, span: tuple[int, ...]) -> None:
    with pytest.raises(EvalFault) as caught:
        value_of(text, **NAMES)
    assert (caught.value.what, caught.value.span) == (what, span)


class Settings(Lazy):
    """Knows one attribute, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def get(self, key: str | int) -> Any:
        self.asked += 1
        return {"name": "n", "list": [1]}[str(key)]

    def whole(self) -> Any:
        return {"name": "n", "list": [1]}


def test_lazy_values_are_asked_for_what_is_used() -> None:
    lazy = Settings()
    assert value_of("a.name", a=lazy) == "n"
    assert lazy.asked == 1
    assert value_of('a["list"][0]', a=lazy) == 1
    assert value_of("a[*].name", a=lazy) == ["n"]
    assert value_of("keys(a)", a=lazy) == ["list", "name"]
    assert value_of("[for k, v in a : k]", a=lazy) == ["list", "name"]
    with pytest.raises(EvalFault, match="there is no 'other'"):
        value_of("a.other", a=lazy)


BOMBS = {
    "loops": "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : a]]]",
    "product": "setproduct(range(1000), range(1000), range(1000))",
    "indent": 'indent(1000000000, "\\n\\n")',
    "width": 'join("", [for a in range(1000) : format("%999999d", a)])',
    "power": "pow(9, pow(9, 9))",
    "digits": "pow(2, 4000) * pow(2, 4000)",
    "replace": 'replace(replace(replace("%s", "a", "%s"), "a", "%s"), "a", "%s")'
    % (("a" * 1_000,) * 4),
    "templates": 'templatestring("'
    + "%%{for a in x}" * 3
    + "y"
    + "%%{endfor}" * 3
    + '", {x = range(1000)})',
    "yaml-aliases": 'yamldecode("a: &a [x,x,x,x,x,x,x,x]\\n'
    + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 8)}]\\n"
        for a, b in zip("abcdefg", "bcdefgh", strict=True)
    )
    + '")',
}


@pytest.mark.parametrize("name", BOMBS)
def test_budget(name: str) -> None:
    with pytest.raises(LimitExceeded):
        value_of(BOMBS[name], Budget(steps=200_000, size=5_000_000))


class Endless(Lazy):
    """A local that needs itself through an expression."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def get(self, key: str | int) -> Any:
        return value_of("local.a", self.budget, local=self)


def test_values_that_need_themselves_are_cut() -> None:
    budget = Budget()
    with pytest.raises(LimitExceeded, match="nested too deeply"):
        value_of("local.a", budget, local=Endless(budget))
    assert budget.depth == Budget().depth


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "[" * 101])
def test_deep_yaml_does_not_reach_the_parser_in_c(text: str) -> None:
    with pytest.raises(EvalFault, match="nested too deeply"):
        value_of("yamldecode(text)", text=text)


def test_deep_json_is_a_fault() -> None:
    with pytest.raises(EvalFault, match="jsondecode"):
        value_of("jsondecode(text)", text="[" * 100_000)


@pytest.mark.parametrize("text", ["jsonencode(deep)", "deep == other", "yamlencode(deep)"])
def test_deep_values_are_over_a_limit(text: str) -> None:
    def nested(count: int) -> Any:
        value: Any = []
        for _ in range(count):
            value = [value]
        return value

    with pytest.raises(LimitExceeded, match="nested too deeply"):
        value_of(text, deep=nested(3_000), other=nested(3_000))
