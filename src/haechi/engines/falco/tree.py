"""A condition judged by walking its tree: plainly right and slow. What ``generate`` makes must
give the same answers; where generated code fails, this is what judges.

Nothing is remembered between events, constants are parsed anew for every check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haechi.engines.falco import pmatch, values
from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    ListName,
    Macro,
    Node,
    Not,
    Or,
    Text,
    Transform,
    Values,
)
from haechi.engines.falco.transform import Shape, evaluator, info_of, shape
from haechi.errors import ConditionError
from haechi.model.event import Event


def holds(node: Node, event: Event, source: str = "syscall") -> bool:
    """Whether the condition holds for the event. Raises ConditionError for a wrong condition."""
    if isinstance(node, And):
        return all(holds(part, event, source) for part in node.parts)
    if isinstance(node, Or):
        return any(holds(part, event, source) for part in node.parts)
    if isinstance(node, Not):
        return not holds(node.part, event, source)
    if isinstance(node, Macro):
        raise ConditionError(f"undefined macro '{node.name}'", node.place)
    return check_holds(node, event, source)


def check_holds(check: Check, event: Event, source: str) -> bool:
    """One check: false when either side is missing."""
    its = examined(check, source)
    right = None if check.op == "exists" else right_side(check, its, event, source)
    left = evaluator(check.left, source)(event)
    if left is None:
        return False
    if check.op == "exists":
        return True
    if right is None:
        return False
    if its.many:
        return list_holds(check.op, its, left, right)
    if its.spread:
        every = its.spread == "ends" and check.op == "!="
        return (all if every else any)(one_holds(check, its, value, right) for value in left)
    return one_holds(check, its, left, right)


def examined(check: Check, source: str) -> Shape:
    """What the left side is, when the check makes sense. Raises ConditionError."""
    its = shape(check.left, source)
    many = its.many
    wrong = values.refusal(check.op, its.type, many)
    if wrong:
        raise ConditionError(wrong, check.place)
    if isinstance(check.right, ListName):
        raise ConditionError(f"undefined list '{check.right.name}'", check.right.place)
    if isinstance(check.right, Field | Transform):
        _other_side(check, its, source)
    return its


def _other_side(check: Check, its: Shape, source: str) -> None:
    right = check.right
    assert isinstance(right, Field | Transform)  # noqa: S101
    if check.op in ("pmatch", "regex"):
        raise ConditionError(
            f"operator '{check.op.upper()}' doesn't support right-hand side fields", check.place
        )
    if values.family(its.type) == "net":
        raise ConditionError(
            "field type 'IPNET' doesn't support right-hand side fields", check.place
        )
    for side in (check.left, right):
        if isinstance(side, Field) and not info_of(side, source).compared:
            raise ConditionError(
                f"field '{side.name}' doesn't support right-hand side fields", side.place
            )
    other = shape(right, source)
    if values.family(its.type) != values.family(other.type) or its.many != other.many:
        raise ConditionError(
            f"the left side has type '{its.type}'{' (list)' if its.many else ''} while the right "
            f"side has incompatible type '{other.type}'{' (list)' if other.many else ''}",
            check.place,
        )


def right_side(check: Check, its: Shape, event: Event, source: str) -> list[Any] | None:
    """The right side as a list of what ``values.compare`` takes; None when it is missing."""
    right = check.right
    if isinstance(right, Field | Transform):
        found = evaluator(right, source)(event)
        if found is None:
            return None
        items = found if isinstance(found, list) else [found]
        return [_of_event(item, its, check.op) for item in items]
    return constants(check, its)


def constants(check: Check, its: Shape) -> list[Any]:
    """The constants on the right. Raises ConditionError."""
    right = check.right
    if isinstance(right, Text):
        return [constant(right, its, check.op)]
    texts = right.values if isinstance(right, Values) else ()
    return [constant(text, its, check.op) for text in texts]


def _of_event(value: Any, its: Shape, op: str) -> Any:
    """A value of the event where a constant would stand: a pattern, when the operator takes one.
    Those of events are not remembered as those of rules are: they are hostile and many."""
    text = values.text_of(value)
    if op in ("glob", "iglob") and text is not None:
        pattern = pmatch.Glob(text, casefold=op == "iglob")
        return (pattern, None) if values.family(its.type) == "any" else pattern
    if op in ("icontains", "bcontains", "bstartswith") and text is not None:
        return values.constant(text, its.type, op)
    return values.as_constant(value, its.type)


def constant(text: Text, its: Shape, op: str) -> Any:
    """The constant a text stands for. Raises ConditionError."""
    if op == "pmatch":
        return text.value
    try:
        return values.constant(text.value, its.type, op)
    except ValueError as error:
        raise ConditionError(f"filter error: {error}", text.place) from None


def list_holds(op: str, its: Shape, left: list[Any], right: list[Any]) -> bool:
    """``in``: every value of the list is among them; ``intersects``: any is."""
    found = (any(values.compare("=", its.type, mine, other) for other in right) for mine in left)
    return all(found) if op == "in" else any(found)


_MODES: dict[str, Callable[[list[bool]], bool]] = {
    "anyof": any,
    "allof": lambda results: bool(results) and all(results),
    "oneof": lambda results: results.count(True) == 1,
}


def one_holds(check: Check, its: Shape, left: Any, right: list[Any]) -> bool:
    """One value that is there against the right side."""
    if check.op == "pmatch":
        return pmatch.PathPrefixes(right).matches(values.text_of(left) or "")
    if check.modifier:
        results = [values.compare(check.op, its.type, left, other) for other in right]
        return _MODES[check.modifier](results)
    if check.op in ("in", "intersects"):
        return any(values.compare("=", its.type, left, other) for other in right)
    return len(right) > 0 and values.compare(check.op, its.type, left, right[0])
