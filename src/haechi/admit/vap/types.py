"""Types of values in objects, as far as they are known before there is one.

A type is a set of what a value can be, or None for anything: a policy about Pods and Deployments
has an object that is one of two messages. So a field is unknown only where none of them has it,
and ``object.spec.template`` tells a Deployment from a Pod by itself. The empty set is what a null,
an empty list's element or an absent optional is: it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from haechi.rules.kubernetes_fields import field_table


class Message(msgspec.Struct, frozen=True):
    """A message of Kubernetes by its number in the table."""

    number: int


class ListOf(msgspec.Struct, frozen=True):
    """A list."""

    item: Type


class MapOf(msgspec.Struct, frozen=True):
    """A map from texts."""

    value: Type


class Scalar(msgspec.Struct, frozen=True):
    """``t`` text, ``i`` integer, ``n`` number, ``b`` truth value, ``x`` not told which."""

    sort: str


Atom = Message | ListOf | MapOf | Scalar
Type = frozenset[Atom] | None
ANY: Final[Type] = None
NOTHING: Final[frozenset[Atom]] = frozenset()
TEXT, INTEGER, NUMBER, BOOL = (frozenset[Atom]({Scalar(sort)}) for sort in "tinb")


class Selected(msgspec.Struct, frozen=True):
    """What a field's value is; ``known``: some of the possible values have that field."""

    type: Type
    known: bool


def read_type(text: str) -> Type:
    """A type of the table."""
    match text[0]:
        case "*":
            return ANY
        case "[":
            return frozenset({ListOf(read_type(text[1:]))})
        case "{":
            return frozenset({MapOf(read_type(text[1:]))})
        case "@":
            return frozenset({Message(int(text[1:]))})
    return frozenset({Scalar(text)})


def join(types: Iterable[Type]) -> Type:
    """What is of one of these types."""
    atoms: set[Atom] = set()
    items: list[Type] = []
    values: list[Type] = []
    for one in types:
        if one is None:
            return ANY
        for atom in one:
            if isinstance(atom, ListOf):
                items.append(atom.item)
            elif isinstance(atom, MapOf):
                values.append(atom.value)
            else:
                atoms.add(atom)
    if items:
        atoms.add(ListOf(items[0] if len(items) == 1 else join(items)))
    if values:
        atoms.add(MapOf(values[0] if len(values) == 1 else join(values)))
    return frozenset(atoms)


def select(type_: Type, field: str) -> Selected:
    """The field of a value. Only who knows all that a value can be can say that there is none."""
    if not type_ or "__" in field:  # an escaped name
        return Selected(ANY if type_ is None or type_ else NOTHING, True)
    found: list[Type] = []
    empty = False
    for atom in type_:
        if isinstance(atom, Message):
            text = field_table().fields[atom.number].get(field)
            if text is not None:
                found.append(read_type(text))
        elif isinstance(atom, MapOf):
            if atom.value == NOTHING:
                empty = True
            else:
                found.append(atom.value)
    if found:
        return Selected(join(found), True)
    return Selected(ANY, empty and len(type_) == 1)


def items_of(type_: Type) -> tuple[Type, Type]:
    """Key (or index) and value that a loop with two variables sees."""
    if type_ is None:
        return ANY, ANY
    keys: list[Type] = []
    values: list[Type] = []
    for atom in type_:
        match atom:
            case ListOf(item=item):
                keys.append(INTEGER)
                values.append(item)
            case MapOf(value=value):
                keys.append(TEXT)
                values.append(value)
            case _:
                keys.append(TEXT)
                values.append(ANY)
    return join(keys), join(values)


def element_of(type_: Type) -> Type:
    """What a loop with one variable sees: items of a list, keys of a map."""
    if type_ is None:
        return ANY
    return join(atom.item if isinstance(atom, ListOf) else TEXT for atom in type_)


def sorts_of(type_: Type) -> frozenset[str] | None:
    """Which sorts of values they are; None where that is not told."""
    if not type_:
        return None
    sorts: set[str] = set()
    for atom in type_:
        if isinstance(atom, Scalar):
            if atom.sort == "x":
                return None
            sorts.add({"t": "text", "b": "a truth value"}.get(atom.sort, "a number"))
        else:
            sorts.add("a list" if isinstance(atom, ListOf) else "an object")
    return frozenset(sorts)


def names_of(type_: Type) -> list[str]:
    """How those are called that a value can be."""
    names: set[str] = set()
    for atom in type_ or ():
        match atom:
            case Message(number=number):
                names.add(field_table().names[number])
            case ListOf():
                names.add("a list")
            case MapOf():
                names.add("an empty map")
            case _:
                names.add(" or ".join(sorts_of(frozenset({atom})) or ("a scalar",)))
    return sorted(names)


def only_named(type_: Type, name: str) -> Type:
    """Only the messages of a name."""
    names = field_table().names
    return frozenset(
        atom for atom in type_ or () if isinstance(atom, Message) and names[atom.number] == name
    )


def fields_of(type_: Type) -> list[str]:
    """The fields of all messages that a value can be."""
    table = field_table()
    numbers = [atom.number for atom in type_ or () if isinstance(atom, Message)]
    return sorted({field for number in numbers for field in table.fields[number]})
