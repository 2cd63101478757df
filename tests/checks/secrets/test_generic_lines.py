"""The generic family promises that no match holds a line break: what may match one is none."""

from __future__ import annotations

import re._constants as constants  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from typing import Any

import pytest

from haechi.rules.catalogue import load_catalogue
from haechi.rules.schema import Rule

GENERIC = [r for r in load_catalogue().rules if r.pattern is not None and r.pattern.generic]
BREAK = ord("\n")


def breaks(parsed: Any) -> bool:
    """True when the expression has a part that a line break fits."""
    for op, value in parsed:
        if op is constants.LITERAL and value == BREAK:
            return True
        if op is constants.NOT_LITERAL and value != BREAK:
            return True
        if op is constants.IN and fits(value):
            return True
        if op is constants.BRANCH and any(breaks(part) for part in value[1]):
            return True
        if op in (constants.MAX_REPEAT, constants.MIN_REPEAT) and breaks(value[2]):
            return True
        if op is constants.SUBPATTERN and breaks(value[3]):
            return True
    return False


def fits(members: Any) -> bool:
    """True when a line break is of this class."""
    negated = members[0][0] is constants.NEGATE
    spaces = (constants.CATEGORY_SPACE, constants.CATEGORY_NOT_WORD, constants.CATEGORY_NOT_DIGIT)
    named = any(
        (op is constants.LITERAL and value == BREAK)
        or (op is constants.RANGE and value[0] <= BREAK <= value[1])
        or (op is constants.CATEGORY and value in spaces)
        for op, value in members
    )
    return named != negated


def test_there_are_generic_rules() -> None:
    assert len(GENERIC) >= 3


@pytest.mark.parametrize("rule", GENERIC, ids=lambda rule: rule.id)
def test_no_match_of_a_generic_rule_holds_a_line_break(rule: Rule) -> None:
    assert rule.pattern is not None
    assert not breaks(parser.parse(rule.pattern.regex))


@pytest.mark.parametrize(
    "text", [r"a\sb", r"[^a]b", r"a[\s\S]b", r"(?:a|[^x]{3})", "a\n", r"[^\r]"]
)
def test_the_check_sees_line_breaks(text: str) -> None:
    assert breaks(parser.parse(text))


@pytest.mark.parametrize("text", [r"a[ \t]b", r"[^\s]b", r"a.b", r"[^\n\r]+", r"\w+\r?$"])
def test_the_check_lets_the_rest_pass(text: str) -> None:
    assert not breaks(parser.parse(text))
