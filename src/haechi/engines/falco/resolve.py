"""Names in conditions to what they stand for: lists to their items, macros to their trees.

Falco puts the items of a list into the text of a condition before parsing it. Here the text is
parsed first and names are replaced in the tree, so that places stay right; where a text can only
be parsed with the items in it (``fd.sport > my_port``), it is done Falco's way. Three deliberate
differences: a name inside quotes is left alone, lists of lists of lists are followed to the end
(Falco stops at the second), and a macro that shares its name with a list is the macro.

Trees are shared, not copied: a macro used a hundred times is one tree. What grows is counted
before anyone has to walk it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from haechi.engines.falco import messages
from haechi.engines.falco.escaping import BARE
from haechi.engines.falco.exceptions import quote_item
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.syntax import (
    And,
    Check,
    ListName,
    Macro,
    Node,
    Not,
    Or,
    Right,
    Text,
    Values,
)
from haechi.errors import ConditionError

_MAX_NESTING = 50
_MAX_SEARCH = 20_000_000
"""Characters times lists that are looked through for names in a text that does not parse."""


class Lists:
    """Lists by name, their items flattened when first asked for.

    ``used`` are the names asked for by conditions or by other lists. ``most`` bounds the items
    of one list, ``budget`` those put into all conditions together.
    """

    def __init__(self, items: dict[str, list[str]], most: int, budget: int) -> None:
        self.used: set[str] = set()
        self._items = items
        self._most = most
        self._budget = budget
        self._flat: dict[str, tuple[str, ...]] = {}
        self._texts: dict[str, tuple[Text, ...]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)

    def flat(self, name: str) -> tuple[str, ...]:
        """The items of a list, those of lists in it included. Raises ConditionError."""
        return self._flatten(name, ())

    def _flatten(self, name: str, path: tuple[str, ...]) -> tuple[str, ...]:
        known = self._flat.get(name)
        if known is not None:
            return known
        if name in path:
            raise ConditionError(f"reference loop in list '{name}'")
        if len(path) > _MAX_NESTING:
            raise ConditionError(f"lists nested deeper than {_MAX_NESTING}")
        found: list[str] = []
        for item in self._items[name]:
            if item in self._items and item != name:
                self.used.add(item)
                found.extend(self._flatten(item, (*path, name)))
            else:
                found.append(item)
            if len(found) > self._most:
                raise ConditionError(f"list '{name}' has more than {self._most:,} items")
        self._flat[name] = tuple(found)
        return self._flat[name]

    def spend(self, count: int) -> None:
        """Count items that go into a condition. Raises ConditionError when they are too many."""
        self._budget -= count
        if self._budget < 0:
            raise ConditionError("the conditions of all files together have too many values")

    def texts(self, name: str) -> tuple[Text, ...]:
        """The items as values of a condition. Raises ConditionError."""
        self.used.add(name)
        known = self._texts.get(name)
        if known is None:
            known = tuple(text for item in self.flat(name) for text in _texts(name, item))
            self._texts[name] = known
        return known

    def inserted(self, condition: str) -> str:
        """A condition's text with items put in place of names, as Falco does it."""
        for name in self._items:
            if name in condition:
                found = re.compile(rf"(?<![^ \t\n\r(),=]){re.escape(name)}(?![^ \t\n\r(),=])")
                if found.search(condition):
                    self.used.add(name)
                    items = ", ".join(quote_item(item) for item in self.flat(name) if item)
                    condition = found.sub(lambda _, items=items: items, condition)  # type: ignore[misc]
        return condition


def _texts(name: str, item: str) -> tuple[Text, ...]:
    if BARE.fullmatch(item):
        return (Text(value=item),)
    if not item:
        return ()
    try:
        node = parse_condition(f"a.a in ({quote_item(item)})")
    except ConditionError:
        node = None
    right = node.right if isinstance(node, Check) else None
    if not isinstance(right, Values):
        raise ConditionError(
            f"item '{item[:80]}' of list '{name}' cannot stand in a condition",
            do="put it into two pairs of quotes: '\"…\"'",
        )
    return right.values


def parse_with_lists(text: str, lists: Lists) -> tuple[Node, Node]:
    """A condition as it is written, and with its lists' items. Raises ConditionError."""
    try:
        node = parse_condition(text)
    except ConditionError as error:
        node = _parse_inserted(text, lists, error)
    return node, resolve_lists(node, lists)


def _parse_inserted(text: str, lists: Lists, error: ConditionError) -> Node:
    if len(text) * len(lists) > _MAX_SEARCH:
        raise error
    inserted = lists.inserted(text)
    if inserted == text:
        raise error
    try:
        return parse_condition(inserted)
    except ConditionError:
        raise error from None  # its place is one of the text as written


def resolve_lists(node: Node, lists: Lists) -> Node:
    """The tree with items in place of names of lists. Raises ConditionError."""
    match node:
        case Check():
            right = _resolved(node, lists)
            return node if right is node.right else msgspec.structs.replace(node, right=right)
        case Not():
            part = resolve_lists(node.part, lists)
            return node if part is node.part else Not(part=part, place=node.place)
        case And() | Or():
            parts = tuple(resolve_lists(part, lists) for part in node.parts)
            if all(new is old for new, old in zip(parts, node.parts, strict=True)):
                return node
            return type(node)(parts=parts, place=node.place)
        case Macro():
            return node


def _resolved(check: Check, lists: Lists) -> Right:
    right = check.right
    match right:
        case Values():
            if not any(text.value in lists and not text.quoted for text in right.values):
                return right
            values = tuple(_items(right.values, lists))
            return Values(values=values, place=right.place)
        case ListName():
            if right.name not in lists:
                text = Text(value=right.name, place=right.place)
                return Values(values=(text,), place=right.place)
            return Values(values=(_only(right.name, right, lists),), place=right.place)
        case Text():
            if right.quoted or right.value not in lists:
                return right
            return _only(right.value, right, lists)
        case _:
            return right


def _items(values: Iterable[Text], lists: Lists) -> Iterable[Text]:
    for text in values:
        if text.quoted or text.value not in lists:
            yield text
        else:
            texts = lists.texts(text.value)
            lists.spend(len(texts))
            yield from texts


def _only(name: str, where: Text | ListName, lists: Lists) -> Text:
    """The item of a list of one, where one value stands."""
    texts = lists.texts(name)
    if len(texts) != 1:
        raise ConditionError(
            f"list '{name}' stands where one value is expected",
            where.place,
            do=f"write it in parentheses after 'in' or another operator of lists: in ({name})",
        )
    return texts[0]


class Size(msgspec.Struct, frozen=True):
    """How many checks a tree has with its macros written out, and how deep it is."""

    checks: int
    depth: int


class _Walk(msgspec.Struct):
    """One expansion: which macros it sees, and those it has expanded already."""

    visible: Callable[[str], bool]
    done: dict[str, Node]


class Macros:
    """Macros by name, resolved one after the other in the order they were defined."""

    def __init__(self, most_checks: int, most_depth: int, most_in_all: int) -> None:
        self.spent = 0
        """Checks of the conditions of rules so far."""
        self._most_in_all = most_in_all
        self.trees: dict[str, Node] = {}
        self.failed: set[str] = set()
        self.used: set[str] = set()
        self._settled: set[str] = set()
        self._most = Size(most_checks, most_depth)
        self._sizes: dict[int, tuple[Node, Size]] = {}

    def settle(self, name: str, tree: Node) -> None:
        """Keep the expanded tree of a macro: from now on it stands for the name as it is."""
        self.trees[name] = tree
        self._settled.add(name)

    def expand(self, node: Node, visible: Callable[[str], bool]) -> Node:
        """The tree without names of macros. Raises ConditionError."""
        expanded = self._expand(node, _Walk(visible, {}), ())
        size = self.size(expanded)
        if size.checks > self._most.checks:
            raise ConditionError(
                f"with its macros written out the condition has {size.checks:,} checks; the "
                f"limit is {self._most.checks:,}"
            )
        if size.depth > self._most.depth:
            raise ConditionError(
                f"with its macros written out the condition is nested {size.depth} deep; the "
                f"limit is {self._most.depth}"
            )
        return expanded

    def spend(self, node: Node) -> None:
        """Count an expanded condition of a rule: a macro is written once and may stand in
        thousands of rules. Raises ConditionError when all of them together are too large."""
        self.spent += self.size(node).checks
        if self.spent > self._most_in_all:
            raise ConditionError(
                "the conditions of all files together have too many checks with their macros "
                f"written out; the limit is {self._most_in_all:,}"
            )

    def _expand(self, node: Node, walk: _Walk, path: tuple[str, ...]) -> Node:
        match node:
            case Check():
                return node
            case Not():
                part = self._expand(node.part, walk, path)
                return node if part is node.part else Not(part=part, place=node.place)
            case And() | Or():
                parts = tuple(self._expand(part, walk, path) for part in node.parts)
                if all(new is old for new, old in zip(parts, node.parts, strict=True)):
                    return node
                return type(node)(parts=parts, place=node.place)
            case Macro():
                return self._macro(node, walk, path)

    def _macro(self, macro: Macro, walk: _Walk, path: tuple[str, ...]) -> Node:
        name = macro.name
        if name in path:
            raise ConditionError(f"reference loop in macro '{name}'", macro.place)
        if not walk.visible(name) or name not in self.trees:
            own = "has an error of its own" if name in self.failed else ""
            raise ConditionError(
                f"macro '{name}' used here {own}" if own else messages.undefined_macro(name),
                macro.place,
            )
        if len(path) > _MAX_NESTING:
            raise ConditionError(f"macros nested deeper than {_MAX_NESTING}", macro.place)
        self.used.add(name)
        if name in self._settled:
            return self.trees[name]
        if name not in walk.done:
            walk.done[name] = self._expand(self.trees[name], walk, (*path, name))
        return walk.done[name]

    def size(self, node: Node) -> Size:
        """Counted once for each tree, however often it is used."""
        known = self._sizes.get(id(node))
        if known is not None:
            return known[1]
        match node:
            case Not():
                inner = self.size(node.part)
                size = Size(inner.checks, inner.depth + 1)
            case And() | Or():
                sizes = [self.size(part) for part in node.parts]
                size = Size(sum(s.checks for s in sizes), max(s.depth for s in sizes) + 1)
            case _:
                size = Size(1, 1)
        self._sizes[id(node)] = (node, size)
        return size
