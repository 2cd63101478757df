"""The tree walker: and, or, not, and what it refuses."""

from __future__ import annotations

import pytest

from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.syntax import Check, Field, ListName, Macro, Node, Text
from haechi.engines.falco.tree import holds
from haechi.errors import ConditionError
from haechi.model.event import Event

EVENT = Event(id="1", ts_ns=1, source="sensor", type="open", fields={"proc.name": "a", "fd.num": 1})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("proc.name = a and fd.num = 1", True),
        ("proc.name = a and fd.num = 2", False),
        ("proc.name = b or fd.num = 1", True),
        ("proc.name = b or fd.num = 2", False),
        ("not proc.name = b", True),
        ("not (proc.name = a and fd.num = 1)", False),
        ("proc.name = b and fd.num = 1 or fd.num = 1", True),
        ("proc.name = b and (fd.num = 1 or fd.num = 1)", False),
        ("not proc.pname = a and not proc.pname != a", True),
        ("evt.num >= 0", True),
        ("evt.num = 0", False),
    ],
)
def test_conditions(condition: str, expected: bool) -> None:
    assert holds(parse_condition(condition), EVENT) is expected


def test_fields_belong_to_sources() -> None:
    audit = Event(id="1", ts_ns=1, source="kubernetes-audit", type="get",
                  fields={"ka.verb": "get"})  # fmt: skip
    node = parse_condition("ka.verb = get")
    assert holds(node, audit, "k8s_audit")
    with pytest.raises(ConditionError, match="nonexistent field"):
        holds(node, audit, "syscall")


@pytest.mark.parametrize(
    "node",
    [
        Macro(name="shell"),
        Check(left=Field(name="proc.name"), op="in", right=ListName(name="shells")),
        Check(left=Field(name="fd.num"), op="=", right=Text(value="x")),
    ],
    ids=["macro", "list", "constant"],
)
def test_what_was_never_resolved_is_refused(node: Node) -> None:
    with pytest.raises(ConditionError):
        holds(node, EVENT)
