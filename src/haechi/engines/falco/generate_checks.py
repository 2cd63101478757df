"""Code for single tests, and closures for those that no code is made for.

Everything that comes from a rule (texts, numbers, sets, names of fields and their arguments) is
put into the namespace of the generated code under a name of ours; the code itself is made of
fixed pieces and numbers that count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from haechi.engines.falco import netsets, pmatch, values
from haechi.engines.falco.generate_nodes import Part
from haechi.engines.falco.syntax import Check, Field, Transform
from haechi.engines.falco.transform import Shape, Value, evaluator
from haechi.engines.falco.tree import check_holds, constants, examined, list_holds, one_holds
from haechi.model.event import Event

Memo: TypeAlias = dict[Any, Any]
MANY = 6
"""From so many prefixes on, a table is asked before each is tried."""
_MISSING = object()
_ORDERS = frozenset({"<", "<=", ">", ">="})


class Names:
    """The namespace of the code: constants by name, equal ones once where that is cheap."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {
            "__builtins__": {},
            "text": values.text_of,
            "number": values.coerce_number,
            "boolean": values.coerce_bool,
            "address": netsets.address,
            "lowered": values.lowered,
            "str": str,
            "int": int,
            "bool": bool,
            "len": len,
            "list": list,
        }
        self._keys: dict[str, str] = {}

    def constant(self, value: Any) -> str:
        name = f"c{len(self.space)}"
        self.space[name] = value
        return name

    def key(self, key: str) -> str:
        if key not in self._keys:
            self._keys[key] = self.constant(key)
        return self._keys[key]


# -- testing it -------------------------------------------------------------------------------


def testing(part: Part, names: Names, source: str) -> str:
    """The expression of a leaf; its slot, if it has one, has been read."""
    if part.check is not None:
        return f"{names.constant(closure(part.check, source))}(e)"
    assert part.slot is not None  # noqa: S101
    v = f"v{part.slot.number}"
    if part.kind == "exists":
        return f"{v} is not None"
    kind = values.family(part.slot.shape.type)
    if part.slot.shape.spread == "ends":
        return _ends_test(part, v, kind, names)
    if part.kind in ("some", "every"):
        return _list_test(part, v, names)
    if kind == "net":
        nets = netsets.NetSet(part.values)
        holds = f"{names.constant(nets.matches)}({v})"
        return f"({v} is not None and {'not ' if part.kind == 'ne' else ''}{holds})"
    if part.kind in ("in", "ne"):
        return _membership(part, v, kind, names)
    return f"({v} is not None and {_text_test(part, v, names)})"


def _membership(part: Part, v: str, kind: str, names: Names) -> str:
    different = part.kind == "ne"
    if kind == "bool" and len(part.values) == 1:
        return f"{v} is {bool(part.values[0]) != different}"
    if len(part.values) == 1:
        test = f"{v} {'!=' if different else '=='} {names.constant(part.values[0])}"
    else:
        known = names.constant(frozenset(part.values))
        test = f"{v} {'not ' if different else ''}in {known}"
    return f"({v} is not None and {test})" if different else test


def _ends_test(part: Part, v: str, kind: str, names: Names) -> str:
    """Either end is among the values, or (``ne``) neither is."""
    if kind == "number":
        holds = f"not {names.constant(frozenset(part.values))}.isdisjoint({v})"
    elif kind == "net":
        holds = f"{names.constant(netsets.NetSet(part.values).either)}({v})"
    else:
        known = frozenset(part.values)
        either = names.constant(lambda texts: any(netsets.address(t) in known for t in texts))
        holds = f"{either}({v})"
    return f"({v} is not None and {'not ' if part.kind == 'ne' else ''}{holds})"


def _list_test(part: Part, v: str, names: Names) -> str:
    known = names.constant(frozenset(part.values))
    if part.kind == "every":
        return f"({v} is not None and {known}.issuperset({v}))"
    return f"({v} is not None and not {known}.isdisjoint({v}))"


def _text_test(part: Part, v: str, names: Names) -> str:
    """A test of a value that is there."""
    found = part.values
    if part.kind in _ORDERS:
        return f"{v} {part.kind} {names.constant(found[0])}"
    if part.kind == "starts":
        return _affix(found, v, names, start=True)
    if part.kind == "ends":
        return _affix(found, v, names, start=False)
    if part.kind == "contains":
        return "(" + " or ".join(f"{names.constant(text)} in {v}" for text in found) + ")"
    if part.kind == "icontains":
        return f"{names.constant(found[0])} in lowered({v})"
    if part.kind == "pmatch":
        return f"{names.constant(pmatch.PathPrefixes(found).matches)}({v})"
    if part.kind in ("glob", "iglob"):
        call = f"{names.constant(found[0].matches)}({v})"
        prefix = found[0].prefix
        # the call is for what begins right only
        return (
            f"({v}.startswith({names.constant(prefix)}) and {call})" if prefix.isascii() else call
        )
    operation = values.OPERATIONS[part.kind]
    return f"{names.constant(operation)}({v}, {names.constant(found[0])})"


def _affix(found: tuple[str, ...], v: str, names: Names, *, start: bool) -> str:
    """A beginning or an end. ``in`` costs half of what a call of ``startswith`` does, and mostly
    says no; of many, a table says which are worth trying."""
    method = "startswith" if start else "endswith"
    if len(found) == 1:
        text = names.constant(found[0])
        return f"({text} in {v} and {v}.{method}({text}))"
    short = min(map(len, found))
    if len(found) < MANY or short < 2:
        return f"{v}.{method}({names.constant(found)})"
    heads: dict[str, tuple[str, ...]] = {}
    for text in found:
        head = text[:short] if start else text[-short:]
        heads[head] = (*heads.get(head, ()), text)
    cut = f"{v}[:{short}]" if start else f"{v}[-{short}:]"
    known = names.constant(heads.get)
    return f"((t := {known}({cut})) is not None and {v}.{method}(t))"


# -- checks without code of their own ---------------------------------------------------------


def closure(check: Check, source: str) -> Callable[[Event], bool]:
    """A check as a function: what can be known before an event comes is known."""
    its = examined(check, source)
    left = evaluator(check.left, source)
    if isinstance(check.right, Field | Transform):
        return lambda event: check_holds(check, event, source)
    if check.op == "exists":
        return lambda event: left(event) is not None
    right = constants(check, its)
    if check.op == "pmatch" and not its.spread:
        paths = pmatch.PathPrefixes(right)
        return lambda event: (
            (v := left(event)) is not None and paths.matches(values.text_of(v) or "")
        )
    if its.many:
        return lambda event: (v := left(event)) is not None and list_holds(check.op, its, v, right)
    if its.spread:
        every = its.spread == "ends" and check.op == "!="
        return _spread(check, its, left, right, all if every else any)
    return lambda event: (v := left(event)) is not None and one_holds(check, its, v, right)


def _spread(
    check: Check,
    its: Shape,
    left: Value,
    right: list[Any],
    quantifier: Callable[[Iterable[bool]], bool],
) -> Callable[[Event], bool]:
    if values.family(its.type) == "net" and check.op == "in" and not check.modifier:
        nets = netsets.NetSet(right)
        return lambda event: any(map(nets.holds, left(event) or ()))

    def holds(event: Event) -> bool:
        found = left(event)
        if found is None:
            return False
        return quantifier(one_holds(check, its, value, right) for value in found)

    return holds
