"""Conditions made ready for code: types decided, constants parsed, equal parts made one object.

A ``Part`` is a leaf, a negation, a conjunction or a disjunction. Parts are interned: what is equal
is the same object, so that a macro used by twenty rules is seen to be one thing. On the way
checks on ``evt.type`` are decided (the code is made for one type), nested ands and ors are made
flat, and tests of one field are merged: ``fd.name startswith /a or fd.name startswith /b`` is one
test with two prefixes, ``not x in (a) and not x in (b)`` one set.

That order and grouping may change is what pure boolean logic allows: no test has an effect, and a
missing value makes a test false, whichever way round it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from haechi.engines.falco import access, values
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Text, Transform, Values
from haechi.engines.falco.transform import Shape
from haechi.engines.falco.tree import check_holds, constant, constants, examined
from haechi.errors import ConditionError
from haechi.model.event import Event

OTHER = "\0other"
"""Stands for every type that no rule names."""
_EQUALITY = frozenset({"=", "!=", "in", "intersects", "exists"})
_ORIGINS = {rules: events for events, rules in access.SOURCES.items()}
_MERGED = frozenset({"in", "starts", "ends", "contains"})
_DIRECT = {
    "=": "in",
    "in": "in",
    "intersects": "in",
    "!=": "ne",
    "startswith": "starts",
    "endswith": "ends",
    "contains": "contains",
}
_INLINE = frozenset({"text", "number", "bool", "address", "net"})


class Slot:
    """The value of one field, read once into one variable."""

    __slots__ = ("field", "number", "shape")

    def __init__(self, number: int, field: Field, shape: Shape) -> None:
        self.number = number
        self.field = field
        self.shape = shape


class Part:
    """``op`` is ``leaf``, ``not``, ``and``, ``or``, ``true`` or ``false``.

    Of a leaf, ``kind`` is ``in ne starts ends contains exists less …`` with ``slot`` and
    ``values``, or ``check`` with the check itself where no code is made for it.
    """

    __slots__ = ("check", "cost", "height", "kind", "number", "op", "parts", "share", "slot",
                 "values", "weight")  # fmt: skip

    def __init__(self, number: int, op: str, parts: tuple[Part, ...] = ()) -> None:
        self.number = number
        self.op = op
        self.parts = parts
        self.kind = ""
        self.slot: Slot | None = None
        self.values: tuple[Any, ...] = ()
        self.check: Check | None = None
        self.weight: int = sum(part.weight for part in parts) or 1
        self.height: int = 1 + max((part.height for part in parts), default=0)
        self.share = 0.5
        self.cost = 1.0


class Parts:
    """The parts of all rules of one source."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._event = Event(id="", ts_ns=0, source=_ORIGINS.get(source, ""), type=OTHER)
        self.slots: dict[tuple[str, str | None], Slot] = {}
        self._known: dict[Any, Part] = {}
        self.true = self._new("true")
        self.false = self._new("false")

    def _new(self, op: str, parts: tuple[Part, ...] = ()) -> Part:
        part = Part(len(self._known), op, parts)
        self._known[(op, *(p.number for p in parts), len(self._known) if not parts else "")] = part
        return part

    # -- from syntax ----------------------------------------------------------------------

    def of(self, node: Node, type: str) -> Part:
        """The condition for events of one type. Raises ConditionError."""
        if isinstance(node, And):
            return self.all_of(self.of(part, type) for part in node.parts)
        if isinstance(node, Or):
            return self.any_of(self.of(part, type) for part in node.parts)
        if isinstance(node, Not):
            return self.negated(self.of(node.part, type))
        if isinstance(node, Check):
            return self._check(node, type)
        raise ConditionError(f"undefined macro '{node.name}'", node.place)

    def _check(self, check: Check, type: str) -> Part:
        its = examined(check, self.source)
        decided = self._decided(check, type)
        if decided is not None:
            return self.true if decided else self.false
        return self._leaf(check, its)

    def _decided(self, check: Check, type: str) -> bool | None:
        """Whether a check holds for every event of the type; None when only the event can tell."""
        left, right = check.left, check.right
        if (
            not isinstance(left, Field)
            or left.arg is not None
            or isinstance(right, Field | Transform)
        ):
            return None
        if left.name in access.FIXED:
            return check_holds(check, self._event, self.source)
        if left.name != "evt.type" or (type == OTHER and check.op not in _EQUALITY):
            return None
        return check_holds(check, msgspec.structs.replace(self._event, type=type), self.source)

    def _leaf(self, check: Check, its: Shape) -> Part:
        direct = self._direct(check, its)
        if direct is not None:
            return direct
        part = self._interned(("check", check))
        if part.check is None:
            constants(check, its)  # what cannot be parsed is said now
            part.check, part.kind, part.cost = check, "check", 40.0
        return part

    def _direct(self, check: Check, its: Shape) -> Part | None:
        """A leaf that code is made for, or None."""
        left, right = check.left, check.right
        kind = values.family(its.type)
        if not isinstance(left, Field) or check.modifier or kind not in _INLINE:
            return None
        if check.op == "exists":
            return self.leaf("exists", self.slot(left, its), ())
        if not isinstance(right, Text | Values):
            return None
        if (its.many or its.spread == "line") and kind not in ("text", "number"):
            return None
        texts = (right,) if isinstance(right, Text) else right.values
        found = tuple(constant(text, its, check.op) for text in texts)
        slot = self.slot(left, its)
        if its.many or its.spread:
            return self._listed(check.op, slot, found)
        if not found:
            return self.false
        return self.leaf(_DIRECT.get(check.op, check.op), slot, found)

    def _listed(self, op: str, slot: Slot, found: tuple[Any, ...]) -> Part | None:
        if slot.shape.spread == "ends":
            direct = _DIRECT.get(op) if op in _EQUALITY else None
            return None if direct is None else self._any_end(direct, slot, found)
        if op not in ("in", "intersects", "=") or (op == "=" and slot.shape.many):
            return None
        every = slot.shape.many and op == "in"
        return self.leaf("every" if every else "some", slot, found)

    def _any_end(self, kind: str, slot: Slot, found: tuple[Any, ...]) -> Part:
        return self.leaf(kind, slot, found) if found else self.false

    def slot(self, field: Field, its: Shape) -> Slot:
        key = (field.name, field.arg)
        if key not in self.slots:
            self.slots[key] = Slot(len(self.slots), field, its)
        return self.slots[key]

    # -- building -------------------------------------------------------------------------

    def _interned(self, key: Any, op: str = "leaf", parts: tuple[Part, ...] = ()) -> Part:
        part = self._known.get(key)
        if part is None:
            part = self._known[key] = Part(len(self._known), op, parts)
        return part

    def leaf(self, kind: str, slot: Slot, found: tuple[Any, ...]) -> Part:
        """A test of one field; the order of constants and doubles say nothing."""
        if kind in ("in", "ne", "some", "every", "contains"):
            found = tuple(sorted(set(found), key=_order))
        elif kind in ("starts", "ends"):
            found = _shortest(kind, found)
        part = self._interned(("leaf", kind, slot.number, found, tuple(map(type, found))))
        if not part.kind:
            part.kind, part.slot, part.values = kind, slot, found
            part.share, part.cost = _estimate(kind, slot, found)
        return part

    def negated(self, part: Part) -> Part:
        if part is self.true:
            return self.false
        if part is self.false:
            return self.true
        if part.op == "not":
            return part.parts[0]
        made = self._interned(("not", part.number), "not", (part,))
        made.share, made.cost = 1 - part.share, part.cost
        return made

    def all_of(self, parts: Iterable[Part]) -> Part:
        flat = _flat("and", parts)
        if self.false in flat:
            return self.false
        flat.pop(self.true, None)
        kept = [part for part in flat if part.op != "not"]
        denied = [part.parts[0] for part in flat if part.op == "not"]
        kept += [self.negated(part) for part in self._merged(denied)]
        if any(self.negated(part) in flat for part in kept if part.op == "not"):
            return self.false
        return self._group("and", kept, self.true)

    def any_of(self, parts: Iterable[Part]) -> Part:
        flat = _flat("or", parts)
        if self.true in flat:
            return self.true
        flat.pop(self.false, None)
        return self._group("or", self._merged(flat), self.false)

    def _merged(self, parts: Iterable[Part]) -> list[Part]:
        """Of a disjunction: tests of one kind on one field made one."""
        groups: dict[Any, list[Part]] = {}
        for part in parts:
            mergeable = part.kind in _MERGED and part.slot is not None
            key = (part.kind, part.slot.number) if mergeable and part.slot else part.number
            groups.setdefault(key, []).append(part)
        return [self._joined(group) for group in groups.values()]

    def _joined(self, group: list[Part]) -> Part:
        first = group[0]
        if len(group) == 1 or first.slot is None:
            return first
        return self.leaf(first.kind, first.slot, tuple(v for part in group for v in part.values))

    def _group(self, op: str, parts: list[Part], empty: Part) -> Part:
        unique = sorted(set(parts), key=lambda part: part.number)
        if not unique:
            return empty
        if len(unique) == 1:
            return unique[0]
        made = self._interned((op, *(p.number for p in unique)), op, tuple(unique))
        made.cost = _expected(op, unique)
        share = 1.0
        for part in unique:
            share *= part.share if op == "and" else 1 - part.share
        made.share = share if op == "and" else 1 - share
        return made


def _flat(op: str, parts: Iterable[Part]) -> dict[Part, None]:
    """Without nesting and doubles, in order. Children were made flat when they were made."""
    found: dict[Part, None] = {}
    for part in parts:
        for one in part.parts if part.op == op else (part,):
            found[one] = None
    return found


def _order(value: Any) -> tuple[str, Any]:
    # True and 1 are equal but sort by their types, so that a set of both stays stable
    return (value.__class__.__name__, value)


def _shortest(kind: str, found: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without what a shorter one covers (``/etc`` covers ``/etc/ssh``)."""
    if any(not value for value in found):
        return ("",)
    turned = sorted({value if kind == "starts" else value[::-1] for value in found})
    kept: list[str] = []
    for value in turned:
        if not kept or not value.startswith(kept[-1]):
            kept.append(value)
    return tuple(value if kind == "starts" else value[::-1] for value in kept)


def types_named(node: Node) -> set[str]:
    """Every type that a check on ``evt.type`` names with ``=``, ``in`` or ``!=``."""
    found: set[str] = set()
    todo: list[Node] = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, And | Or):
            todo.extend(one.parts)
        elif isinstance(one, Not):
            todo.append(one.part)
        elif isinstance(one, Check) and isinstance(one.left, Field) and one.left.name == "evt.type":
            if isinstance(one.right, Text):
                found.add(one.right.value)
            elif isinstance(one.right, Values):
                found.update(text.value for text in one.right.values)
    return found


_FEW = frozenset(
    {
        "fd.typechar", "fd.type", "fd.l4proto", "fd.sockfamily", "evt.category",
        "fd.num", "evt.res", "evt.rawres", "evt.failed",
        "user.name", "user.uid", "user.loginuid", "proc.tty", "proc.vpid", "container.id",
        "container.privileged", "evt.arg.flags", "evt.is_open_read", "evt.is_open_write",
        "ka.verb", "ka.stage", "jevt.rawtime", "ka.auth.decision", "ka.response.code",
    }
)  # fmt: skip
"""Fields with few values, so that a test for one often holds."""
_SPREAD = {"": 0.0, "line": 6.0, "ends": 12.0}
_SHARES = {"in": 0.01, "starts": 0.02, "ends": 0.02, "contains": 0.03, "some": 0.03}


def _estimate(kind: str, slot: Slot, found: tuple[Any, ...]) -> tuple[float, float]:
    """(how often it holds, what it costs): rough, only for the order of tests."""
    name = slot.field.name
    more = 3.0 if name.startswith(("ka.", "jevt.")) else _SPREAD[slot.shape.spread]
    if kind in _SHARES:
        cost = {"in": 1.0, "contains": 1.0 + len(found)}.get(kind, 2.0)
        if name in _FEW or values.family(slot.shape.type) in ("bool", "number"):
            return 0.5, cost + more
        return min(0.1, _SHARES[kind] * len(found) ** 0.5), cost + more
    if kind == "ne":
        return (0.6 if name in _FEW else 0.95), 1.2 + more
    if kind == "exists":
        return 0.95, 1.0 + more
    if kind in ("glob", "iglob", "regex", "pmatch", "icontains"):
        return 0.05, 12.0 + more
    return 0.6, 2.0 + more


def _expected(op: str, parts: list[Part]) -> float:
    """The cost of asking until it is decided, what decides soonest first."""
    sure = [(part.share if op == "or" else 1 - part.share, part.cost) for part in parts]
    cost = 0.0
    open_still = 1.0
    for decides, price in sorted(sure, key=lambda one: one[1] / max(1e-6, one[0])):
        cost += open_still * price
        open_still *= 1 - decides
    return cost
