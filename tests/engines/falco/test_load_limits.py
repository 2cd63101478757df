"""Rule files are hostile input: nothing in them raises, and nothing grows without bound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.falco.load import LoadLimits, load
from haechi.engines.falco.ruleset import RuleText
from tests.engines.falco.rulefiles import errors, loaded, rule


def test_macros_that_double_are_stopped() -> None:
    text = "- {macro: m0, condition: proc.name = a}\n" + "".join(
        f"- {{macro: m{n}, condition: m{n - 1} and m{n - 1}}}\n" for n in range(1, 60)
    )
    found = errors(loaded(text + rule("m59")))
    assert "with its macros written out the condition has 32,768 checks" in found[0]
    assert len(found) == 60 - 15 + 1


def test_macros_that_double_and_are_defined_twice_are_stopped() -> None:
    text = "".join(f"- {{macro: m{n}, condition: m{n + 1} and m{n + 1}}}\n" for n in range(40))
    found = loaded(text + "- {macro: m40, condition: proc.name = a}\n" + text, rule("m0"))
    assert any("the limit is 20,000" in one for one in errors(found))
    assert found.rules == ()


def test_macros_that_nest_are_stopped() -> None:
    text = "- {macro: m0, condition: proc.name = a}\n" + "".join(
        f"- {{macro: m{n}, condition: not m{n - 1}}}\n" for n in range(1, 300)
    )
    found = errors(loaded(text + rule("m299")))
    assert "nested 121 deep; the limit is 120" in found[0]


def test_lists_that_double_are_stopped() -> None:
    text = "- {list: l0, items: [a, b]}\n" + "".join(
        f"- {{list: l{n}, items: [l{n - 1}, l{n - 1}]}}\n" for n in range(1, 45)
    )
    found = errors(loaded(text + rule("proc.name in (l44)")))
    assert any("has more than 100,000 items" in one for one in found)


def test_empty_lists_that_double_cost_nothing() -> None:
    text = "- {list: l0, items: []}\n" + "".join(
        f"- {{list: l{n}, items: [l{n - 1}, l{n - 1}]}}\n" for n in range(1, 49)
    )
    assert errors(loaded(text + rule("evt.type = open and proc.name in (l48)"))) == []


def test_lists_that_name_each_other_are_stopped() -> None:
    names = [f"l{n}" for n in range(40)]
    text = "".join(f"- {{list: {name}, items: [{', '.join(names)}]}}\n" for name in names)
    found = errors(loaded(text + rule("proc.name in (l0)")))
    assert any("reference loop in list" in one for one in found)


def test_lists_used_everywhere_are_stopped() -> None:
    text = f"- {{list: l, items: [{', '.join(map(str, range(1_000)))}]}}\n"
    text += "".join(rule("evt.type = open and proc.name in (l)", name=f"r{n}") for n in range(30))
    found = loaded(text, limits=LoadLimits(values=20_000))
    assert len(found.rules) == 20
    assert "the conditions of all files together have too many values" in errors(found)[0]


def test_a_macro_used_everywhere_is_stopped() -> None:
    text = "- {macro: m, condition: proc.name = a or proc.name = b or proc.name = c}\n"
    text += "".join(rule("evt.type = open and m", name=f"r{n}") for n in range(30))
    found = loaded(text, limits=LoadLimits(all_checks=80))
    assert len(found.rules) == 20
    assert "together have too many checks" in errors(found)[0]
    assert loaded(text).checks == 120


def test_exceptions_count_as_checks() -> None:
    rows = ", ".join(f"[a{n}]" for n in range(50))
    text = rule("evt.type = open") + (
        f"  exceptions: [{{name: e, fields: [proc.name], comps: ['='], values: [{rows}]}}]\n"
    )
    assert loaded(text).checks == 51
    found = loaded(text, limits=LoadLimits(all_checks=50))
    assert "together have too many checks" in errors(found)[0]


def test_items_are_counted() -> None:
    text = "".join(f"- {{list: l{n}, items: []}}\n" for n in range(12))
    found = loaded(text, limits=LoadLimits(items=10))
    assert any("more than 10 rules, macros and lists" in one for one in errors(found))
    assert len(found.lists) == 10


def test_a_large_file_is_refused() -> None:
    found = errors(loaded("# " + "x" * 2_000, limits=LoadLimits(file_bytes=1_000)))
    assert "LOAD_ERR_YAML_PARSE" in found[0]
    assert "the limit is 1,000" in found[0]


def test_problems_are_cut_and_errors_are_kept() -> None:
    text = "".join(f"- {{nothing{n}: 1}}\n" for n in range(50)) + "- {list: l}\n"
    found = loaded(text, limits=LoadLimits(problems=5))
    assert len(found.problems) == 6
    assert errors(found) != []
    assert "46 more problems are not listed" in found.problems[-1].message


def test_aliases_that_expand_are_stopped() -> None:
    rows = "&a [x, y]"
    for name, before in (("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e")):
        rows += f", &{name} [{', '.join([f'*{before}'] * 30)}]"
    found = errors(
        loaded(rule("a.b = c", f"exceptions:\n  - {{name: e, fields: x.y, values: [{rows}]}}"))
    )
    assert len(found) == 1


def test_an_alias_of_itself_is_stopped() -> None:
    more = "exceptions:\n  - {name: e, fields: proc.name, values: [&a [*a]]}"
    assert len(errors(loaded(rule("evt.type = open", more)))) == 1


def test_deep_brackets_are_stopped() -> None:
    assert len(errors(loaded("[" * 100_000))) == 1
    assert len(errors(loaded(rule("(" * 5_000 + "a" + ")" * 5_000)))) == 1


_KEYS = st.sampled_from(
    ["rule", "macro", "list", "condition", "output", "desc", "priority", "items", "tags", "source",
     "override", "append", "exceptions", "enabled", "name", "fields", "comps", "values",
     "required_engine_version", "required_plugin_versions", "version", "alternatives"]
)  # fmt: skip
_SCALARS = st.sampled_from(
    ["r", "m", "evt.type = open", "and m", "m", "proc.name in (l)", "l", "%proc.name", "debug",
     "append", "replace", "true", "no", "1", "", "syscall", "flow", "in", "=", "proc.name", "a b",
     "'", '"', "(", "\x07", "é", "startswith oneof", "0.1.2", "~"]
) | st.text(max_size=6)  # fmt: skip
_VALUES: st.SearchStrategy[object] = st.recursive(
    _SCALARS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)
_ITEMS = st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=7)


@settings(deadline=None, max_examples=200)
@given(st.lists(_ITEMS, max_size=5))
def test_any_structure_loads_with_problems_at_worst(items: list[dict[str, object]]) -> None:
    import yaml

    text = yaml.safe_dump(items, allow_unicode=True, sort_keys=False)
    found = load([RuleText(name="f.yaml", text=text)])
    assert all(problem.at.line >= 1 and problem.at.column >= 1 for problem in found.problems)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80) | st.text("-:[]{}&*>|#'\"rulemacondit \n%", max_size=80))
def test_any_text_loads_with_problems_at_worst(text: str) -> None:
    found = load([RuleText(name="f.yaml", text=text)])
    assert found.rules == ()


def test_a_chain_of_macros_is_checked_once_for_all_rules() -> None:
    chain = "- {macro: m0, condition: proc.nope = a}\n" + "".join(
        f"- {{macro: m{n}, condition: m{n - 1}}}\n" for n in range(1, 1_500)
    )
    rules = "".join(rule(f"m{n}", name=f"r{n}") for n in range(0, 1_500, 10))
    found = errors(loaded(chain + rules))
    assert len(found) == 150
    assert all("(in macro 'm0')" in one for one in found)


def test_cautions_of_one_condition_are_cut() -> None:
    many = ", ".join(f"proc.aname[{n}]" for n in range(500))
    found = loaded(rule(f"evt.type = open and proc.name in ({many})"))
    assert len(found.problems) == 50


def test_a_long_output_is_refused() -> None:
    text = rule("evt.type = open").replace("seen", "seen " + "%proc.name" * 10_000)
    assert "the limit is 65,536" in errors(loaded(text))[0]


def test_many_names_are_not_looked_for_in_a_long_text_that_is_wrong() -> None:
    lists = "".join(f"- {{list: l{n}, items: [a]}}\n" for n in range(300))
    found = errors(loaded(lists + rule(f"proc.name = l1 and {'x' * 100_000} l2")))
    assert "unexpected token after" in found[0]
