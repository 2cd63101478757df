"""Unknown values never decide: the table of docs/spikes/unknown-values.md, and a search for holes.

A rule over an unknown value may answer only what it would answer for every value that the unknown
one can turn out to be. ``python -m tests.engines.test_cel_unknown`` prints the table.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.cel import CelEngine
from haechi.engines.cel.reads import Read, Reads, reads_of
from haechi.errors import RuleError
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review, State, Verdict
from haechi.model.severity import Severity
from haechi.model.unknown import Unknown
from haechi.rules.schema import AppliesTo, JudgeKind, Rule, Variable

ENGINE = CelEngine()
UNKNOWN = Unknown("known after apply")
DATA = {
    "u": UNKNOWN,
    "k": "known",
    "n": 1,
    "m": {"u": UNKNOWN, "k": 2},
    "l": [{"a": 1, "b": UNKNOWN}, {"a": 2, "b": 3}],
    "v": [UNKNOWN],
}
MAYBE: tuple[Any, ...] = (None, True, False, 0, 1, 3, 1.5, "", "known", [], [1], {}, {"k": 2})
"""What an unknown value may turn out to be."""

TABLE = [
    # (expression, does CEL answer?, what it shows)
    ("object.u == 1", False, "comparison"),
    ("object.u != 1", False, "comparison"),
    ("object.u in [1, 2]", False, "member of a list"),
    ("1 in object.v", False, "member of a list that holds it"),
    ("object.v == [1]", False, "equality of lists"),
    ("object.m == {'u': 1, 'k': 2}", False, "equality of maps"),
    ("object == object", False, "equality of whole variables"),
    ("has(object.u)", False, "has"),
    ("has(object.u.deeper)", False, "has below it"),
    ("has(object.m.u)", False, "has, nested"),
    ("has(object.nope)", True, "has of something else"),
    ("object.?u.orValue(1) == 1", False, "optional selection"),
    ("object.?nope.orValue(1) == 1", True, "optional selection of something else"),
    ("object.?u.hasValue()", False, "optional presence"),
    ("optional.of(object.u).hasValue()", False, "optional of it"),
    ("object.u ? true : true", False, "condition"),
    ("object.n == 1 ? true : object.u == 1", False, "branch that is not taken"),
    ("object.n == 1 || object.u == 1", False, "known side decides"),
    ("request == null || object.u == 1", True, "side over another variable decides"),
    ("size(object.v) == 1", True, "size of a list that holds it"),
    ("size(object.u) == 1", False, "size of it"),
    ("object.u.size() == 1", False, "size of it, as a method"),
    ("string(object.u) == ''", False, "conversion"),
    ("type(object.u) == string", False, "type"),
    ("dyn(object.u) == 1", False, "dyn"),
    ("object.u.startsWith('a') || true", True, "a constant decides"),
    ("object.u.matches('.*')", False, "text functions"),
    ("'%s'.format([object.u]) == ''", False, "format"),
    ("object.l.all(x, x.a > 0)", True, "loop over known parts"),
    ("object.l.all(x, x.b > 0)", False, "loop over unknown parts"),
    ("object.l.exists(x, x.b == 3)", False, "exists, even where a known item decides"),
    ("object.l.map(x, x.a) == [1, 2]", True, "map of known parts"),
    ("object.l.map(x, x).size() == 2", False, "map of whole items"),
    ("object.l.filter(x, x.b == 3).size() == 1", False, "filter"),
    ("object.l[1].b == 3", True, "a known item beside"),
    ("object.l[object.n].b == 3", False, "computed index"),
    ("object['k'] == 'known'", True, "constant key"),
    ("object[object.k] == 1", False, "computed key"),
    ("object.all(key, key != 'x')", False, "names of attributes (could answer)"),
    ("cel.bind(x, object.m, x.k == 2)", True, "binding, known part"),
    ("cel.bind(x, object.m, x.u == 2)", False, "binding, unknown part"),
    ("cel.bind(x, object.u, true)", True, "binding that is not used"),
    ("{'a': object.u}.a == 1", False, "put into a map"),
    ("[object.u].size() == 1", False, "put into a list"),
    ("object.m.k == 2 && object.n == 1", True, "other attributes only"),
]


def review(data: Any) -> Review:
    def locate(path: AttrPath) -> Location:
        return Location(path="main.tf")

    return Review(resource=Resource(key="dockerfile", kind="x", data=data, locate=locate))


def rule(expression: str, **more: Any) -> Rule:
    return Rule(
        id="test-rule",
        title="the title",
        severity=Severity.LOW,
        why="",
        fix="",
        applies_to=AppliesTo(kinds=["x/y"]),
        judge=JudgeKind.CEL,
        bad=[],
        good=[],
        expression=expression,
        **more,
    )


def judge(expression: str, data: Any, **more: Any) -> Verdict:
    return ENGINE.prepare(rule(expression, **more))(review(data))


def settled(value: Any, choice: Any) -> Any:
    """The data with every unknown value turned out to be ``choice``."""
    if isinstance(value, dict):
        return {key: settled(item, choice) for key, item in value.items()}
    if isinstance(value, list):
        return [settled(item, choice) for item in value]
    return choice if isinstance(value, Unknown) else value


def assert_sound(expression: str, verdict: Verdict) -> None:
    if verdict.state not in (State.PASS, State.FAIL):
        return
    for choice in MAYBE:
        known = judge(expression, settled(DATA, choice))
        assert known.state is verdict.state, (expression, choice)


@pytest.mark.parametrize(("expression", "answers", "shows"), TABLE)
def test_table(expression: str, answers: bool, shows: str) -> None:
    verdict = judge(expression, DATA)
    expected = (State.PASS, State.FAIL) if answers else (State.NOT_EVALUATED,)
    assert verdict.state in expected, shows
    assert_sound(expression, verdict)


def test_says_which_values_are_not_known() -> None:
    verdict = judge("object.u == 1 && object.l.all(x, x.b == 3)", DATA)
    assert verdict.message == "not known yet: object.u, object.l[0].b"


def test_a_message_over_an_unknown_value_falls_back() -> None:
    verdict = judge("object.n == 2", DATA, message_expression="'u is ' + string(object.u)")
    assert (verdict.state, verdict.message) == (State.FAIL, "the title")


def test_variables_are_seen_through() -> None:
    variables = [
        Variable(name="m", expression="object.m"),
        Variable(name="sum", expression="variables.m.k + 1"),
    ]
    assert judge("variables.sum == 3", DATA, variables=variables).state is State.PASS
    assert judge("variables.m.u == 3", DATA, variables=variables).state is State.NOT_EVALUATED


def test_text_that_looks_like_the_mark_is_an_error_only() -> None:
    data = {"Non-CEL value type for 'object': haechi.engines.cel.data.Unknown.": 1}
    assert judge("object['Non-CEL value type for \\'object\\''] == 1", data).state is State.ERROR


def test_data_is_not_changed() -> None:
    data = copy.copy(DATA)
    judge("object.k == 'x'", data)
    assert data == DATA
    assert data["u"] is UNKNOWN


PLACES = ["u", "k", "n", "m", "m.u", "m.k", "l", "l[0]", "l[0].b", "l[1].b", "v", "v[0]", "nope"]
ATOMS = st.sampled_from(
    [f"object.{place}" for place in PLACES]
    + ["object", "object['u']", "object[object.k]", "object.l[object.n].b", "object.v[0]"]
    + ["object.?u", "object.?m.?k.orValue(0)", "object.?m.orValue({})", "request", "1", "'known'"]
    + ["[]", "{}", "[1]", "null", "true", "x", "x.b", "x.a"]
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = [
        "size({})",
        "type({}) == string",
        "string({})",
        "dyn({})",
        "!({})",
        "[{}]",
        "[{}][0]",
        "{{'k': {}}}",
        "optional.of({}).hasValue()",
        "optional.of({}).value()",
        "'%s'.format([{}])",
        "({}).?k.orValue(1)",
        "({}).orValue(2)",
        "({})[0]",
        "({}).k",
        "has(({}).k)",
        "{}.matches('k')",
    ]
    two = [
        "({}) == ({})",
        "({}) != ({})",
        "({}) in ({})",
        "({}) && ({})",
        "({}) || ({})",
        "({}) < ({})",
        "({}) + ({})",
        "({}).all(x, {})",
        "({}).exists(x, {})",
        "({}).exists_one(x, {})",
        "({}).map(x, {})",
        "({}).filter(x, {})",
        "({})[{}]",
        "cel.bind(x, {}, {})",
        "({}).optMap(x, {})",
    ]
    return st.one_of(
        st.builds(lambda form, a: form.format(a), st.sampled_from(one), inner),
        st.builds(lambda form, a, b: form.format(a, b), st.sampled_from(two), inner, inner),
        st.builds(lambda a, b, c: f"({a}) ? ({b}) : ({c})", inner, inner, inner),
    )


EXPRESSIONS = st.recursive(ATOMS, larger, max_leaves=6).map(lambda text: f"cel.bind(x, 1, {text})")


@settings(max_examples=400)
@given(EXPRESSIONS)
def test_no_expression_lets_an_unknown_value_decide(expression: str) -> None:
    try:
        verdict = judge(expression, DATA)
    except RuleError:
        return
    assert_sound(expression, verdict)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_syntax_tree_read_everything(blob: bytes) -> None:
    assert reads_of(blob).touch("object", [("a",)])


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_syntax_tree_is_answered(data: st.DataObject) -> None:
    blob = bytearray(ENGINE.compile("object.l.all(x, x.?b.orValue(object.m['k']) == 2)").dump())
    place = data.draw(st.integers(0, len(blob) - 1))
    blob[place] = data.draw(st.integers(0, 255))
    assert isinstance(reads_of(bytes(blob)), Reads)


def test_reads_of_an_expression() -> None:
    compiled = ENGINE.compile("has(object.a.b) && object.l.all(x, x.c == params.max[0])")
    assert {(read.place[:2], read.deep) for read in compiled.reads.reads} == {
        (("object", "a"), False),
        (("object", "l"), False),
        (("object", "l"), True),
        (("params", "max"), True),
    }
    assert Read(("object", "a"), deep=False).touches(("object",))
    assert not Read(("object", "a"), deep=False).touches(("object", "a", "b"))
    assert not Read(("object", "a"), deep=True).touches(("object", "b"))


def table() -> str:
    """The table as Markdown."""
    lines = ["| expression | shows | verdict |", "|---|---|---|"]
    for expression, _, shows in TABLE:
        text = expression.replace("|", "\\|")
        lines.append(f"| `{text}` | {shows} | {judge(expression, DATA).state} |")
    return "\n".join(lines)


def test_the_page_shows_this_table() -> None:
    page = Path(__file__).parents[2] / "docs/spikes/unknown-values.md"
    assert table() in page.read_text(encoding="utf-8")


if __name__ == "__main__":
    print(table())
