"""Rule files become rules: every construct of an item, and what names stand for."""

from __future__ import annotations

import pytest

from haechi.engines.falco.ruleset import PluginNeed
from tests.engines.falco.rulefiles import codes, condition, errors, loaded, only, problem, rule

OPEN = "evt.type = open"


def test_a_rule_has_all_its_keys() -> None:
    found = only(
        loaded(
            rule(
                "evt.type in (open, openat) and proc.name = cat",
                """
                enabled: false
                tags: [a, b, a]
                warn_evttypes: false
                skip-if-unknown-filter: yes
                capture: true
                capture_duration: 500
                """,
            )
        )
    )
    assert (found.name, found.desc, found.output) == ("r", "what it is for", "seen %proc.name")
    assert (found.priority, found.source, found.enabled) == ("warning", "syscall", False)
    assert (found.tags, found.warn_evttypes) == (("a", "b"), False)
    assert found.skip_if_unknown_filter
    assert found.event_types == frozenset({"open", "openat"})
    assert found.text == "evt.type in (open, openat) and proc.name = cat"
    assert found.condition == found.bare
    assert str(found.at) == "1.yaml:1:3"


@pytest.mark.parametrize(
    ("written", "priority"),
    [
        ("EMERGENCY", "emergency"),
        ("Alert", "alert"),
        ("critical", "critical"),
        ("Error", "error"),
        ("WARNING", "warning"),
        ("notice", "notice"),
        ("INFO", "informational"),
        ("Informational", "informational"),
        ("debug", "debug"),
    ],
)
def test_priorities_in_any_case(written: str, priority: str) -> None:
    assert only(loaded(rule(OPEN).replace("WARNING", written))).priority == priority


NAMES = {
    "items go into parentheses": (
        "- {list: l, items: [a, b]}",
        "proc.name in (x, l, y)",
        "proc.name in (x, a, b, y)",
    ),
    "lists hold lists": (
        "- {list: l, items: [a]}\n- {list: m, items: [l, b]}\n- {list: n, items: [m, c]}",
        "proc.name in (n)",
        "proc.name in (a, b, c)",
    ),
    "a list may name a later one": (
        "- {list: m, items: [l, b]}\n- {list: l, items: [a]}",
        "proc.name in (m)",
        "proc.name in (a, b)",
    ),
    "a list that names itself keeps the name": (
        "- {list: l, items: [l, b]}",
        "proc.name in (l)",
        "proc.name in (l, b)",
    ),
    "an empty list leaves nothing": (
        "- {list: l, items: []}",
        "proc.name in (l) or proc.name in (a, l)",
        "(proc.name in ()) or (proc.name in (a))",
    ),
    "items with blanks are one value": (
        "- {list: l, items: [a b, c]}",
        "proc.name in (l)",
        'proc.name in ("a b", c)',
    ),
    "items may carry quotes of their own": (
        """- {list: l, items: ['"10.0.0.0/8"', "'x=y'"]}""",
        "proc.name in (l)",
        'proc.name in ("10.0.0.0/8", "x=y")',
    ),
    "an item may be several": (
        '- {list: l, items: ["a,b"]}',
        "proc.name in (l)",
        "proc.name in (a, b)",
    ),
    "scalars stay as they are written": (
        "- {list: l, items: [yes, 0x1, 1.0, null, ~]}",
        "proc.name in (l)",
        "proc.name in (yes, 0x1, 1.0, null, ~)",
    ),
    "a quoted name is a value": (
        "- {list: l, items: [a]}",
        "proc.name in ('l')",
        'proc.name in ("l")',
    ),
    "a list of one may stand for one value": (
        "- {list: l, items: [a]}",
        "proc.name = l and proc.name startswith l and proc.name in l",
        "(proc.name = a) and (proc.name startswith a) and (proc.name in (a))",
    ),
    "a name of no list is a value": (
        "",
        "proc.name in (l) and proc.name in l",
        "(proc.name in (l)) and (proc.name in (l))",
    ),
    "a number may be a list's": (
        "- {list: port, items: [443]}",
        "fd.sport > port",
        "fd.sport > 443",
    ),
    "modifiers take lists": (
        "- {list: l, items: [a, b]}",
        "proc.name startswith oneof (l, c)",
        "proc.name startswith oneof (a, b, c)",
    ),
    "macros become their trees": (
        "- {macro: m, condition: proc.name = a or proc.name = b}",
        "evt.type = open and m and not m",
        "(evt.type = open) and ((proc.name = a) or (proc.name = b)) and "
        "(not ((proc.name = a) or (proc.name = b)))",
    ),
    "macros use macros and lists": (
        "- {list: l, items: [a]}\n- {macro: m, condition: proc.name in (l)}\n"
        "- {macro: n, condition: not m}",
        "n",
        "not (proc.name in (a))",
    ),
    "a rule may come before its macros and lists": (
        "",
        "m",
        "proc.name in (a)",
    ),
}
_AFTER = "- {macro: m, condition: proc.name in (l)}\n- {list: l, items: [a]}\n"


@pytest.mark.parametrize("case", NAMES)
def test_names_stand_for(case: str) -> None:
    before, written, expected = NAMES[case]
    after = _AFTER if case.startswith("a rule may come before") else ""
    assert condition(loaded(f"{before}\n{rule(written)}{after}")) == expected


def test_what_is_used_is_marked_and_what_is_not_is_told() -> None:
    found = loaded(
        """
        - {list: used, items: [a]}
        - {list: inner, items: [b]}
        - {list: outer, items: [inner]}
        - {list: idle, items: [c]}
        - {macro: called, condition: proc.name in (used)}
        - {macro: calls, condition: called}
        """,
        rule("evt.type = open and calls and proc.name in (outer)"),
    )
    assert {one.name: one.used for one in found.lists} == {
        "used": True,
        "inner": True,
        "outer": True,
        "idle": False,
    }
    assert {one.name: one.used for one in found.macros} == {"called": True, "calls": True}
    told = problem(found)
    assert (told.code, told.item, told.error) == ("LOAD_UNUSED_LIST", "list idle", False)


def test_an_unused_macro_is_told() -> None:
    told = problem(loaded("- {macro: m, condition: proc.name = a}"))
    assert str(told) == (
        "1.yaml:1:3: warning LOAD_UNUSED_MACRO: macro m: Macro not referred to by any other "
        "rule/macro"
    )


def test_files_and_documents_are_read_in_order() -> None:
    found = loaded(
        rule("m", name="first") + "---\n" + rule("m", name="second"),
        "---\n- {macro: m, condition: proc.name = a}\n---\n---\n" + rule("m", name="third"),
    )
    assert errors(found) == []
    assert [one.name for one in found.rules] == ["first", "second", "third"]
    assert [one.at.line for one in found.rules] == [1, 7, 5]


def test_a_second_definition_replaces_the_first_in_its_place() -> None:
    found = loaded(
        rule("proc.name = a", name="x"),
        rule("proc.name = b", name="y") + rule("proc.name = c", "tags: [t]", name="x"),
    )
    assert errors(found) == []
    assert [(one.name, one.text, one.tags) for one in found.rules] == [
        ("x", "proc.name = c", ("t",)),
        ("y", "proc.name = b", ()),
    ]


def test_a_later_macro_or_list_replaces_an_earlier_one() -> None:
    found = loaded(
        "- {macro: m, condition: proc.name in (l)}\n- {list: l, items: [a]}\n" + rule("m"),
        "- {list: l, items: [b]}\n",
    )
    assert condition(found) == "proc.name in (b)"


MACRO_ERRORS = {
    "undefined": ("- {macro: m, condition: nope}", "Undefined macro 'nope' used in filter."),
    "defined later": (
        "- {macro: m, condition: n}\n- {macro: n, condition: proc.name = a}",
        "Undefined macro 'n' used in filter.",
    ),
    "of itself": ("- {macro: m, condition: m}", "Undefined macro 'm' used in filter."),
    "of itself, defined twice": (
        "- {macro: m, condition: proc.name = a}\n- {macro: m, condition: m}",
        "reference loop in macro 'm'",
    ),
    "in a circle": (
        "- {macro: m, condition: proc.name = a}\n- {macro: n, condition: m}\n"
        "- {macro: m, condition: n}",
        "reference loop in macro 'n'",
    ),
}


@pytest.mark.parametrize("case", MACRO_ERRORS)
def test_macros_see_what_was_defined_before(case: str) -> None:
    text, message = MACRO_ERRORS[case]
    found = errors(loaded(text + "\n" + rule("m")))
    assert any(message in one and "LOAD_ERR_VALIDATE" in one for one in found)
    assert "macro 'm' used here has an error of its own" in found[-1]


def test_lists_in_a_circle_are_an_error() -> None:
    found = errors(
        loaded("- {list: l, items: [m]}\n- {list: m, items: [l]}\n" + rule("proc.name in (l)"))
    )
    assert any("reference loop in list 'l'" in one for one in found)


def test_an_item_that_cannot_stand_in_a_condition_is_an_error() -> None:
    (found,) = errors(loaded("- {list: l, items: ['a(b']}\n" + rule("proc.name in (l)")))
    assert "item 'a(b' of list 'l' cannot stand in a condition" in found


def test_a_list_of_several_is_no_single_value() -> None:
    (found,) = errors(loaded("- {list: l, items: [a, b]}\n" + rule("proc.name = l")))
    assert "list 'l' stands where one value is expected" in found
    assert "in (l)" in found


VERSIONS = {
    "0.57.0": "",
    "15": "",
    "0.63.0": "",
    "64": "engine version 0.64.0, but engine version is 0.63.0",
    "0.63.1": "engine version 0.63.1, but engine version is 0.63.0",
    "1.0.0": "engine version 1.0.0, but engine version is 0.63.0",
    "new": "Unable to parse engine version 'new' as a semver string",
    "0.5": "Unable to parse engine version '0.5' as a semver string",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_required_engine_versions(version: str) -> None:
    found = errors(loaded(f"- required_engine_version: {version}"))
    assert (VERSIONS[version] in found[0]) if VERSIONS[version] else found == []


def test_the_highest_required_version_is_kept() -> None:
    text = "- required_engine_version: 0.57.0\n- required_engine_version: 31\n"
    assert loaded(text).engine_version == "0.57.0"
    assert loaded("[]").engine_version == ""


def test_required_plugins_and_their_alternatives() -> None:
    found = loaded(
        """
        - required_plugin_versions:
          - name: k8saudit
            version: 0.18.0
            alternatives:
              - {name: k8saudit-eks, version: 0.12.0}
          - {name: json, version: 0.7.0}
        """
    )
    assert found.plugins == (
        PluginNeed(alternatives=(("k8saudit", "0.18.0"), ("k8saudit-eks", "0.12.0"))),
        PluginNeed(alternatives=(("json", "0.7.0"),)),
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", "must be a sequence"),
        ("[3]", "Plugin version must be a mapping"),
        ("[{name: a}]", "no mapping for key 'version'"),
        ("[{name: a, version: x}]", "Invalid required version 'x' for plugin 'a'"),
        ("[{name: a, version: 1.0.0, alternatives: 3}]", "alternatives must be a sequence"),
        ("[{name: a, version: 1.0.0, alternatives: [3]}]", "alternative must be a mapping"),
        (
            "[{name: a, version: 1.0.0, alternatives: [{name: a, version: 2.0.0}]}]",
            "Defined multiple alternative version requirements for plugin 'a'",
        ),
    ],
)
def test_required_plugins_that_are_wrong(value: str, message: str) -> None:
    (found,) = errors(loaded(f"- required_plugin_versions: {value}"))
    assert message in found


def test_a_rule_of_an_unknown_source_is_skipped_with_a_warning() -> None:
    found = loaded(rule("ct.name = x", "source: aws_cloudtrail"))
    told = problem(found)
    assert (told.code, told.error) == ("LOAD_UNKNOWN_SOURCE", False)
    assert told.message == "Unknown source aws_cloudtrail, skipping"
    assert found.rules == ()


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("k8s_audit", "ka.verb = create and jevt.value[/stage] in (ResponseComplete)"),
        ("flow", "flow.verdict = denied and fd.snet = 10.0.0.0/8"),
        ("application", "app.event = login and app.amount > 3"),
    ],
)
def test_rules_of_other_sources_have_fields_of_their_own(source: str, written: str) -> None:
    text = rule(written, f"source: {source}").replace("%proc.name", "%evt.time")
    assert only(loaded(text)).source == source


def test_unknown_fields_are_forgiven_where_the_rule_says_so() -> None:
    forgiving = "skip-if-unknown-filter: true"
    found = loaded(
        rule("proc.nope = a", forgiving, name="field")
        + rule("evt.type = nope", forgiving, name="type")
        + rule("m", forgiving, name="macro")
        + rule("proc.name = a", forgiving, name="output").replace("%proc.name", "%proc.nope")
        + rule("proc.pid = a", forgiving, name="value")
        + "- {macro: m, condition: proc.nope exists}\n"
    )
    assert found.rules == ()
    assert set(found.skipped) == {"field", "type", "macro", "output"}
    assert sorted(codes(found)) == ["LOAD_ERR_COMPILE_CONDITION", *["LOAD_UNKNOWN_FILTER"] * 4]


TYPES: dict[str, tuple[bool, frozenset[str] | None]] = {
    "proc.name = a": (True, None),
    "evt.type != open": (True, None),
    "evt.type = open": (False, frozenset({"open"})),
    "evt.type = open and evt.type = close": (False, frozenset()),
    "never_true": (False, frozenset()),
    "(evt.type = open and not never_true)": (False, frozenset({"open"})),
}


@pytest.mark.parametrize("written", TYPES, ids=repr)
def test_event_types_are_bound_or_warned_about(written: str) -> None:
    text = "- {macro: never_true, condition: (evt.num=0)}\n"
    warned, types = TYPES[written]
    found = loaded(text + rule(written))
    assert found.rules[0].event_types == types
    assert ("LOAD_NO_EVTTYPE" in codes(found)) == warned
    quiet = loaded(text + rule(written, "warn_evttypes: false"))
    assert "LOAD_NO_EVTTYPE" not in codes(quiet)


def test_a_transformer_around_evt_type_is_an_error() -> None:
    (found,) = errors(loaded(rule("tolower(evt.type) = open")))
    assert "event code search does not support" in found


WARNINGS = {
    "LOAD_UNKNOWN_ITEM": "- {macros: m}",
    "LOAD_INVALID_LIST_NAME": "- {list: a b, items: [x]}",
    "LOAD_INVALID_MACRO_NAME": "- {macro: a-b, condition: proc.name = a}",
    "LOAD_UNKNOWN_KEY": rule(OPEN, "tagz: [a]"),
    "LOAD_DEPRECATED_ITEM": rule("evt.type = open and evt.dir = <"),
    "LOAD_COMPILE_CONDITION": rule("evt.type = open and proc.name = proc.pname"),
    "LOAD_NO_EVTTYPE": rule("proc.name = a"),
}


@pytest.mark.parametrize("code", WARNINGS)
def test_warnings_leave_what_they_warn_about(code: str) -> None:
    found = loaded(WARNINGS[code])
    assert errors(found) == []
    assert code in codes(found)


@pytest.mark.parametrize("output", ["%evt.dir here", "%container.info here"])
def test_outputs_with_outdated_fields_are_warned_about(output: str) -> None:
    found = loaded(rule(OPEN).replace("seen %proc.name", f"'{output}'"))
    assert codes(found) == ["LOAD_DEPRECATED_ITEM"]
    assert found.rules[0].output.endswith(" here")
    assert "%container.info" not in found.rules[0].output


def test_a_warning_about_a_macro_is_told_once() -> None:
    text = "- {macro: m, condition: evt.dir = <}\n"
    found = loaded(text + rule("evt.type = open and m", name="a") + rule("evt.type = dup and m"))
    assert [(one.code, one.item) for one in found.problems] == [("LOAD_DEPRECATED_ITEM", "macro m")]


def test_one_wrong_item_does_not_take_the_others_with_it() -> None:
    found = loaded(
        rule("proc.nope = a", name="wrong")
        + "- {list: l}\n- 3\n- {macro: m, condition: '('}\n"
        + rule(OPEN, name="right")
    )
    assert [one.name for one in found.rules] == ["right"]
    assert len(errors(found)) == 4
