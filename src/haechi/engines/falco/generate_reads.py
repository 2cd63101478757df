"""Code that reads a field into its variable: ``get`` is ``event.fields.get``, ``e`` the event and
``m`` what was computed for it already.

A given value costs a look-up and a comparison of its class. What must be derived is a call, kept
for the event when it is costly; the few that rules ask all the time are written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from haechi.engines.falco import access, derive_event, derive_fd, netsets, values
from haechi.engines.falco.generate_checks import Names
from haechi.engines.falco.generate_nodes import OTHER, Slot
from haechi.engines.falco.transform import Value, listed
from haechi.model.event import Event

Memo: TypeAlias = dict[Any, Any]
_MISSING = object()
_CHEAP = frozenset({derive_fd.typechar, derive_fd.directory, derive_fd.filename,
                    derive_fd.l4proto, derive_fd.sip, derive_fd.sport})  # fmt: skip
"""Called again rather than remembered."""
_OPEN = {
    "evt.is_open_read": (derive_event.is_open_read, ("O_RDONLY", "O_RDWR")),
    "evt.is_open_write": (derive_event.is_open_write, ("O_WRONLY", "O_RDWR")),
    "evt.is_open_exec": (derive_event.is_open_exec, ("O_CREAT", "O_TMPFILE", "")),
    "evt.is_open_create": (derive_event.is_open_create, ("O_F_CREATED", "O_TMPFILE", "")),
}
"""The flags of which one must be there; a third entry says that this is not all."""


def reading(slot: Slot, type: str, names: Names) -> list[str]:
    """Lines that put the field's typed value, or None, into its variable."""
    field, its, v = slot.field, slot.shape, f"v{slot.number}"
    if field.name == "evt.type" and field.arg is None:
        return [f"{v} = e.type"]
    key = access.given(field.name, field.arg)
    if its.many or its.spread or key is None:
        whole = names.constant(_remembered(slot.number, evaluator_of(slot)))
        return [f"{v} = {whole}(e, m)"]
    kind = values.family(its.type)
    given = f"{v} = get({names.key(key)})"
    derived = _derived(slot, type, v, names)
    if kind not in _CLASSES:
        return [given, *derived, *_typed(kind, v)]
    # what is given and of the right class, as nearly always, costs one comparison
    inner = [*derived, *_typed(kind, v)]
    return [given, f"if {v}.__class__ is not {_CLASSES[kind]}:", *(f" {line}" for line in inner)]


_CLASSES = {"text": "str", "number": "int", "bool": "bool"}


def _derived(slot: Slot, type: str, v: str, names: Names) -> list[str]:
    name, arg = slot.field.name, slot.field.arg
    if name in _OPEN and arg is None and type != OTHER:
        return _opened(name, type, v, names)
    index = access.ancestor_index(name, arg)
    if index is not None and index >= 2 and name in access.LINES and name != "proc.aenv":
        item = f"x[{index}] if x.__class__ is list and len(x) > {index} else None"
        return [f"if {v} is None:", f" x = get({names.key(name)})", f" {v} = {item}"]
    follows = access.derived(name, arg)
    if follows is None:
        return []
    if follows in _CHEAP:
        return [f"if {v} is None: {v} = {names.constant(follows)}(e)"]
    return [f"if {v} is None: {v} = {names.constant(_remembered(slot.number, follows))}(e, m)"]


def _opened(name: str, type: str, v: str, names: Names) -> list[str]:
    """``evt.is_open_…`` for one type: mostly its flags say no."""
    function, told = _OPEN[name]
    if type not in derive_event.OPENS and (type != "creat" or name != "evt.is_open_exec"):
        return [f"if {v} is None: {v} = False"]
    if type == "creat":
        return [f"if {v} is None: {v} = {names.constant(function)}(e)"]
    one, other = names.key(told[0]), names.key(told[1])
    test = f"x.__class__ is str and ({one} in x or {other} in x)"
    if len(told) > 2:
        test += f" and {names.constant(function)}(e)"
    return [f"if {v} is None:", f" x = get({names.key('evt.arg.flags')})", f" {v} = {test}"]


def _typed(kind: str, v: str) -> list[str]:
    """What the source says may be of any type."""
    if kind == "text":
        return [f"if {v}.__class__ is not str and {v} is not None: {v} = text({v})"]
    if kind == "number":
        return [f"if {v}.__class__ is not int and {v} is not None: {v} = number({v})"]
    if kind == "bool":
        return [f"if {v} is not True and {v} is not False and {v} is not None: {v} = boolean({v})"]
    if kind == "address":
        return [f"{v} = address({v}) if {v}.__class__ is str else None"]
    # a network is asked with the text: whether one holds is remembered by text
    return [f"if {v}.__class__ is not str or address({v}) is None: {v} = None"]


def evaluator_of(slot: Slot) -> Value:
    """The typed value of a slot as the tree walker has it; of an end's address its text."""
    read = access.reader(slot.field.name, slot.field.arg)
    its = slot.shape
    addressed = values.family(its.type) in ("net", "address")
    if its.spread == "ends" and addressed:
        return lambda event: _addresses(read(event))
    if its.many or its.spread:
        return lambda event: listed(read(event), its.type)

    def one(event: Event) -> Any:
        value = read(event)
        typed = None if value is None else values.coerce(value, its.type)
        return value if addressed and typed is not None and its.type == "net" else typed

    return one


def _addresses(value: Any) -> list[str] | None:
    if value is None:
        return None
    found = [text for text in value if isinstance(text, str) and netsets.address(text) is not None]
    return found or None


def _remembered(number: int, function: Callable[[Event], Any]) -> Callable[[Event, Memo], Any]:
    """The function, called once for an event at most."""

    def once(event: Event, memo: Memo) -> Any:
        found = memo.get(number, _MISSING)
        if found is _MISSING:
            found = memo[number] = function(event)
        return found

    return once
