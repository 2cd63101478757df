"""The event types that a condition can hold for."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.falco.bound import ALL, NONE, Types, types_of
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Text
from haechi.errors import ConditionError


def only(*names: str) -> Types:
    return Types(frozenset(names))


def but(*names: str) -> Types:
    return Types(frozenset(names), others=True)


BOUNDS = {
    "evt.type = open": only("open"),
    "syscall.type = open": only("open"),
    "evt.type in (open, openat)": only("open", "openat"),
    "evt.type in ()": NONE,
    "evt.type exists": ALL,
    "not evt.type exists": NONE,
    "evt.type != open": but("open"),
    "not evt.type = open": but("open"),
    "not evt.type != open": only("open"),
    "not not evt.type = open": only("open"),
    "proc.name = a": ALL,
    "not proc.name = a": ALL,
    "evt.type = open and proc.name = a": only("open"),
    "evt.type = open and not (evt.type = close and proc.name = a)": only("open"),
    "evt.type = open or proc.name = a": ALL,
    "evt.type = open or (evt.type = close and proc.name = a)": only("open", "close"),
    "evt.type = open and evt.type = close": NONE,
    "evt.type = open and not evt.type = open": NONE,
    "not (evt.type = open or proc.name = a)": but("open"),
    "not (evt.type = open and proc.name = a)": ALL,
    "not (evt.type in (open, close) or not evt.type in (close, dup))": only("dup"),
    "evt.type contains open": ALL,
    "evt.type startswith oneof (open, close)": ALL,
    "evt.type = oneof (open, close)": ALL,
    "tolower(proc.name) = open": ALL,
    "evt.num = 0": NONE,
    "evt.num in (0, 0)": NONE,
    "evt.num < 1": NONE,
    "evt.num <= 0": NONE,
    "not evt.num = 0": ALL,
    "evt.num >= 0": ALL,
    "evt.num > 0": ALL,
    "evt.num != 0": ALL,
    "not evt.num >= 1": NONE,
    "not evt.num > 5": ALL,
    "evt.num = 3": ALL,
    "evt.num = -1": ALL,
    "evt.type = open and not evt.num >= 0": NONE,
}


@pytest.mark.parametrize("text", BOUNDS, ids=repr)
def test_types_are_reckoned_as_in_libs(text: str) -> None:
    assert types_of(parse_condition(text)) == BOUNDS[text]


@pytest.mark.parametrize(
    "text",
    [
        "tolower(evt.type) = open",
        "evt.type = val(proc.name)",
        "evt.type in val(proc.name)",
        "toupper(evt.type) exists",
    ],
)
def test_what_the_search_cannot_follow_is_refused(text: str) -> None:
    with pytest.raises(ConditionError, match="event code search"):
        types_of(parse_condition(text))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("evt.type = open", 2),
        ("evt.type = execve", 16),
        ("evt.type in (getrandom, getpid)", 2),
        ("evt.type != open", 452),
        ("proc.name = a", 454),
        ("evt.num = 0", 0),
    ],
)
def test_entries_of_the_event_table_are_counted(text: str, codes: int) -> None:
    assert types_of(parse_condition(text)).codes == codes


def test_only_what_can_be_counted_up_is_bounded() -> None:
    assert only("open").bounded == frozenset({"open"})
    assert NONE.bounded == frozenset()
    assert but("open").bounded is None
    assert ALL.bounded is None


_NAMES = ("open", "close", "dup")
_FREE = ("proc.name", "fd.name")


def _type(op: str, name: str) -> Check:
    return Check(left=Field(name="evt.type"), op=op, right=Text(value=name))


_leaves: st.SearchStrategy[Node] = st.builds(
    _type, st.sampled_from(["=", "!="]), st.sampled_from(_NAMES)
) | st.builds(
    Check,
    left=st.builds(Field, name=st.sampled_from(_FREE)),
    op=st.just("="),
    right=st.just(Text(value="x")),
)


def _groups(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, part=parts) | st.builds(And, parts=several) | st.builds(Or, parts=several)


def _holds(node: Node, type: str, free: dict[str, bool]) -> bool:
    match node:
        case And():
            return all(_holds(part, type, free) for part in node.parts)
        case Or():
            return any(_holds(part, type, free) for part in node.parts)
        case Not():
            return not _holds(node.part, type, free)
        case Check(left=Field(name=name), right=Text(value=value)):
            if name == "evt.type":
                return (type == value) == (node.op == "=")
            return free[name]
    raise AssertionError(node)


@settings(deadline=None, max_examples=200)
@given(st.recursive(_leaves, _groups, max_leaves=10))
def test_no_type_that_can_hold_is_ever_left_out(node: Node) -> None:
    types = types_of(node)
    for type in (*_NAMES, "another"):
        free = [dict(zip(_FREE, row, strict=True)) for row in product([True, False], repeat=2)]
        if any(_holds(node, type, row) for row in free):
            assert (type in types.names) != types.others
