"""For which ``evt.type`` a condition can hold: Falco's own reckoning (libs ``ppm_codes.cpp``).

Sets of types are combined as the condition is: ``and`` intersects, ``or`` unites, ``not`` is
pushed down to the checks, where it turns a set of types into all others and leaves every other
check alone. The result may be too large, never too small.

Deliberately finer than Falco in one point: system calls without an event of their own (Falco's
"generic" ones) are told apart here and are one thing there.
"""

from __future__ import annotations

from functools import cache

import msgspec

from haechi.engines.falco.event_table import event_kinds
from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    Items,
    Macro,
    Node,
    Not,
    Operand,
    Or,
    Text,
    Transform,
    Values,
)
from haechi.errors import ConditionError

MANY = 100
"""From here on Falco warns that a rule holds for too many types."""

_TYPE_FIELDS = frozenset({"evt.type", "syscall.type"})
_TYPE_OPS = frozenset({"=", "!=", "in"})
_ALL_CODES = 454
_CODES = {
    "brk": 4, "execve": 16, "clone": 8, "NA": 35, "accept": 8, "select": 4, "ioctl": 4,
    "mkdir": 4, "rmdir": 4, "openat": 4, "link": 4, "linkat": 4, "unlink": 4, "unlinkat": 4,
    "dup": 4, "fork": 6, "vfork": 6, "umount": 4, "bpf": 4, "container": 3, "scapevent": 1,
    "close_range": 1, "signaldeliver": 1, "procinfo": 1, "cpu_hotplug": 1, "k8s": 1, "tracer": 1,
    "mesos": 1, "notification": 1, "infra": 1, "page_fault": 1, "pluginevent": 1, "useradded": 1,
    "userdeleted": 1, "groupadded": 1, "groupdeleted": 1, "asyncevent": 1, "keyctl": 1,
    "syscall": 0,
}  # fmt: skip
"""How many entries of libs' event table bear a name, where that is not 2."""
_GENERIC_PARAMS = frozenset({"id", "nativeid"})


class Types(msgspec.Struct, frozen=True):
    """A set of event types, or (``others``) all types but these."""

    names: frozenset[str] = frozenset()
    others: bool = False

    def inverted(self) -> Types:
        return Types(self.names, not self.others)

    def __or__(self, other: Types) -> Types:
        if self.others and other.others:
            return Types(self.names & other.names, True)
        if self.others:
            return Types(self.names - other.names, True)
        if other.others:
            return Types(other.names - self.names, True)
        return Types(self.names | other.names)

    def __and__(self, other: Types) -> Types:
        return (self.inverted() | other.inverted()).inverted()

    @property
    def bounded(self) -> frozenset[str] | None:
        """The types when they can be counted up, else None."""
        return None if self.others else self.names

    @property
    def codes(self) -> int:
        """How many entries of libs' event table these are."""
        count = _codes(self.names)
        return _ALL_CODES - count if self.others else count


NONE = Types()
ALL = Types(others=True)


def types_of(node: Node) -> Types:
    """The types that a resolved condition can hold for. Raises ConditionError where Falco's
    search gives up: a transformer or another field beside ``evt.type``."""
    return _types(node, False, {})


def _types(node: Node, negated: bool, known: dict[tuple[int, bool], Types]) -> Types:
    key = (id(node), negated)
    found = known.get(key)
    if found is None:
        found = known[key] = _reckon(node, negated, known)
    return found


def _reckon(node: Node, negated: bool, known: dict[tuple[int, bool], Types]) -> Types:
    match node:
        case Check():
            return _leaf(node, negated)
        case Not():
            return _types(node.part, not negated, known)
        case And() | Or():
            united = isinstance(node, Or) != negated
            result = NONE if united else ALL
            for part in node.parts:
                types = _types(part, negated, known)
                result = result | types if united else result & types
            return result
        case Macro():
            return ALL


def _leaf(check: Check, negated: bool) -> Types:
    fixed = _invariant(check)
    if fixed is not None:
        return fixed.inverted() if negated else fixed
    if check.op == "exists" or (check.op in _TYPE_OPS and not check.modifier):
        if isinstance(check.left, Transform) and _reads_type(check.left):
            raise ConditionError(
                "event code search does not support `evt.type` checks with transformers",
                check.place,
            )
        if _is_type(check.left):
            return _of_type(check, negated)
    return ALL


def _is_type(operand: Operand) -> bool:
    return isinstance(operand, Field) and operand.name in _TYPE_FIELDS and operand.arg is None


def _reads_type(operand: Operand) -> bool:
    match operand:
        case Transform():
            return any(_is_type(arg) or _reads_type(arg) for arg in operand.args)
        case Items():
            return any(_is_type(item) or _reads_type(item) for item in operand.items)
        case _:
            return False


def _of_type(check: Check, negated: bool) -> Types:
    match check.right:
        case None:
            return NONE if negated else ALL
        case Text():
            types = Types(frozenset({check.right.value}))
        case Values():
            types = Types(frozenset(text.value for text in check.right.values))
        case _:
            raise ConditionError(
                "right-hand field comparisons on `evt.type`/`syscall.type` checks are not "
                "supported by event code search",
                check.place,
            )
    return types if (check.op == "!=") == negated else types.inverted()


def _invariant(check: Check) -> Types | None:
    """``evt.num`` counts from 1: what compares it with less is settled, as in ``evt.num=0``."""
    left, right = check.left, check.right
    if not isinstance(left, Field) or left.name != "evt.num" or left.arg is not None:
        return None
    if check.modifier:
        return None
    if check.op == "in" and isinstance(right, Values):
        return NONE if all(_count(text) == 0 for text in right.values) else None
    number = _count(right) if isinstance(right, Text) else None
    if number is None:
        return None
    if (check.op in ("=", "<=") and number == 0) or (check.op == "<" and number <= 1):
        return NONE
    if (check.op in ("!=", ">") and number == 0) or (check.op == ">=" and number <= 1):
        return ALL
    return None


def _count(text: Text) -> int | None:
    digits = text.value
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _codes(names: frozenset[str]) -> int:
    generic = names & _generic()
    own = names & frozenset(event_kinds()) - generic | names & frozenset(_CODES)
    outdated = sum(1 for name in names if name.startswith("task"))
    return sum(_CODES.get(name, 2) for name in own) + outdated + (2 if generic else 0)


@cache
def _generic() -> frozenset[str]:
    return frozenset(
        name
        for name, kind in event_kinds().items()
        if kind.params == _GENERIC_PARAMS and name != "syscall"
    )
