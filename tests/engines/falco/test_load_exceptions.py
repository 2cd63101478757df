"""Exceptions of rules: what conditions they become, and which are refused."""

from __future__ import annotations

import pytest

from haechi.engines.falco.ruleset import Exclusion
from haechi.engines.falco.syntax import And, Not
from haechi.engines.falco.write import whole
from tests.engines.falco.rulefiles import codes, errors, loaded, only, rule

BASE = "evt.type = open"


def excluding(exception: str, before: str = "") -> str:
    return before + rule(BASE, f"exceptions:\n  - {exception}")


def left_out(text: str) -> str:
    """What the one exception of the one rule leaves out."""
    tree = only(loaded(text)).condition
    assert isinstance(tree, And)
    bare, exception = tree.parts
    assert whole(bare) == BASE
    assert isinstance(exception, Not)
    return whole(exception.part)


BECOMES = {
    "{name: e, fields: proc.name, values: [a, b c]}": 'proc.name in (a, "b c")',
    "{name: e, fields: proc.name, comps: pmatch, values: [/a, /b*]}": "proc.name pmatch (/a, /b*)",
    "{name: e, fields: fd.types, comps: intersects, values: [a]}": "fd.types intersects (a)",
    "{name: e, fields: proc.name, comps: startswith oneof, values: [a, b]}": (
        "proc.name startswith oneof (a, b)"
    ),
    "{name: e, fields: [proc.name], values: [[a], [b c]]}": (
        '(proc.name = a) or (proc.name = "b c")'
    ),
    "{name: e, fields: [proc.name, fd.name], values: [[a, /x]]}": (
        "(proc.name = a) and (fd.name = /x)"
    ),
    "{name: e, fields: [proc.name, fd.name], comps: [in, startswith], "
    "values: [[[a, b c], /x], [d, /y]]}": (
        '((proc.name in (a, "b c")) and (fd.name startswith /x)) or '
        "((proc.name in (d)) and (fd.name startswith /y))"
    ),
    "{name: e, fields: [proc.name], comps: [in], values: [['(a, b)']]}": "proc.name in (a, b)",
    "{name: e, fields: [proc.name], comps: [contains allof], values: [[[a, b]]]}": (
        "proc.name contains allof (a, b)"
    ),
    "{name: e, fields: [proc.name], comps: [== anyof], values: [[a]]}": "proc.name = anyof (a)",
    "{name: e, fields: [proc.name], comps: [' =  '], values: [[a]]}": "proc.name = a",
    "{name: e, fields: [proc.pid], comps: ['>='], values: [[3]]}": "proc.pid >= 3",
    "{name: e, fields: [tolower(proc.name)], values: [[a]]}": "tolower(proc.name) = a",
    "{name: e, fields: ['proc.aname[2]'], values: [[a]]}": "proc.aname[2] = a",
    "{name: e, fields: [proc.name], values: [[toupper(proc.pname)]]}": (
        "proc.name = toupper(proc.pname)"
    ),
    "{name: e, fields: proc.name, values: [l]}": "proc.name in (x, y)",
    "{name: e, fields: [proc.name], comps: [in], values: [[[l, a]]]}": "proc.name in (x, y, a)",
}


@pytest.mark.parametrize("exception", BECOMES)
def test_an_exception_is_left_out_of_the_condition(exception: str) -> None:
    text = excluding(exception, "- {list: l, items: [x, y]}\n")
    assert left_out(text) == BECOMES[exception]


@pytest.mark.parametrize(
    "exception",
    [
        "{name: e, fields: proc.name}",
        "{name: e, fields: proc.name, values: []}",
        "{name: e, fields: [proc.name], values: []}",
    ],
)
def test_an_exception_without_values_leaves_nothing_out(exception: str) -> None:
    found = only(loaded(excluding(exception)))
    assert found.condition == found.bare
    assert [one.name for one in found.exceptions] == ["e"]


def test_a_rule_keeps_its_exceptions_and_its_bare_condition() -> None:
    found = only(
        loaded(
            rule(
                BASE,
                """
                exceptions:
                  - {name: one, fields: proc.name, values: [a, b]}
                  - name: two
                    fields: [proc.name, fd.name]
                    comps: [in, startswith]
                    values:
                      - [[a, b], /x]
                """,
            )
        )
    )
    assert whole(found.bare) == BASE
    one, two = found.exceptions
    assert isinstance(one, Exclusion)
    assert (one.fields, one.comps, one.values) == (("proc.name",), ("in",), (("a",), ("b",)))
    assert (two.comps, two.values) == (("in", "startswith"), ((("a", "b"), "/x"),))
    assert (one.at.line, two.at.line) == (7, 8)
    assert isinstance(found.condition, And)
    assert len(found.condition.parts) == 3


APPEND = "- {{rule: r, exceptions: [{0}], override: {{exceptions: append}}}}\n"
OLD_APPEND = "- {{rule: r, exceptions: [{0}], append: true}}\n"


@pytest.mark.parametrize("append", [APPEND, OLD_APPEND], ids=["override", "append"])
def test_values_are_appended_by_the_exceptions_name(append: str) -> None:
    text = excluding("{name: e, fields: proc.name, values: [a]}")
    assert left_out(text + append.format("{name: e, values: [b, c]}")) == "proc.name in (a, b, c)"


def test_an_exception_of_a_new_name_is_added() -> None:
    text = rule(BASE) + APPEND.format("{name: f, fields: [fd.name], values: [[/x]]}")
    assert left_out(text) == "fd.name = /x"


def test_exceptions_are_replaced_as_a_whole() -> None:
    text = excluding("{name: e, fields: proc.name, values: [a]}")
    more = "- {rule: r, exceptions: [{name: f, fields: fd.name, values: [/x]}], "
    assert left_out(f"{text}{more}override: {{exceptions: replace}}}}\n") == "fd.name in (/x)"


REFUSED = {
    "{fields: proc.name, values: [a]}": "no mapping for key 'name'",
    "{name: e, values: [a]}": "no mapping for key 'fields'",
    "3": "Rule exception must be a mapping",
    "{name: e, fields: proc.name, values: 3}": "Rule exception values must be a sequence",
    "{name: e, fields: proc.name, values: ['']}": "Value must be non-empty",
    "{name: e, fields: proc.name, values: [{a: b}]}": "texts and lists of texts only",
    "{name: e, fields: proc.name, values: [[a]]}": "values array to contain a list of strings",
    "{name: e, fields: proc.nope, values: [a]}": "'proc.nope' is not a supported filter field",
    "{name: e, fields: [proc.nope], values: [[a]]}": "'proc.nope' is not a supported filter field",
    "{name: e, fields: proc.name, comps: [in], values: [a]}": (
        "Fields and comps must both be strings"
    ),
    "{name: e, fields: proc.name, comps: '=', values: [a]}": (
        "comps must be one of (in, pmatch, intersects) or a modifier operator"
    ),
    "{name: e, fields: [proc.name], comps: in, values: [[a]]}": (
        "Fields and comps lists must have equal length"
    ),
    "{name: e, fields: [proc.name], comps: [in, in], values: [[a]]}": (
        "Fields and comps lists must have equal length"
    ),
    "{name: e, fields: [proc.name], comps: [like], values: [[a]]}": (
        "'like' is not a supported comparison operator"
    ),
    "{name: e, fields: [proc.name], comps: [in oneof], values: [[a]]}": (
        "'in oneof' is not a supported comparison operator"
    ),
    "{name: e, fields: [proc.name], comps: ['>= anyof'], values: [[a]]}": (
        "'>= anyof' is not a supported comparison operator"
    ),
    "{name: e, fields: [proc.name], values: [[a, b]]}": (
        "Fields and values lists must have equal length"
    ),
    "{name: e, fields: [proc.name], values: [a]}": "Fields and values lists must have equal length",
    "{name: e, fields: [proc.pid], values: [[a]]}": "a is not a valid number",
    "{name: e, fields: [proc.name], values: [['a(b']]}": "exception 'e': ",
}


@pytest.mark.parametrize("exception", REFUSED)
def test_an_exception_that_is_wrong_is_refused(exception: str) -> None:
    found = loaded(excluding(exception))
    (message,) = errors(found)
    assert REFUSED[exception] in message
    assert found.rules == ()


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("{name: e, fields: fd.name, values: [a]}", "Can not append exception fields"),
        ("{name: e, comps: in, values: [a]}", "Can not append exception comps"),
        ("{name: f, values: [a]}", "must have fields property"),
        ("{name: f, fields: fd.name}", "must have values property"),
    ],
)
def test_an_appended_exception_that_is_wrong_is_refused(exception: str, message: str) -> None:
    text = excluding("{name: e, fields: proc.name, values: [a]}")
    (found,) = errors(loaded(text + APPEND.format(exception)))
    assert message in found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            excluding("{name: e, fields: proc.name, values: [a]}") + APPEND.format("{name: e}"),
            "LOAD_APPEND_NO_VALUES",
        ),
        (
            rule(
                BASE,
                "exceptions:\n  - {name: e, fields: proc.name}\n  - {name: e, fields: fd.name}",
            ),
            "LOAD_EXCEPTION_NAME_NOT_UNIQUE",
        ),
    ],
)
def test_exceptions_that_are_odd_are_warned_about(text: str, code: str) -> None:
    found = loaded(text)
    assert errors(found) == []
    assert code in codes(found)
