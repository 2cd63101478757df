"""How values of Rego are held in Python: decoded JSON as it is, and two types that JSON lacks.

=========  ====================================================================================
Rego       Python
=========  ====================================================================================
null       ``None``
boolean    ``True``, ``False`` (compared by identity: Python's ``True == 1`` must never be asked)
number     ``int`` and ``float``; 1 and 1.0 are the same number
string     ``str``
array      ``list``
object     ``dict`` where every key is text, else ``RegoObject``; never both ways for one value
set        ``RegoSet``
undefined  ``UNDEFINED``, which never is inside of another value
=========  ====================================================================================

An input is used as it was decoded; nothing is converted and nothing copied. Hence nobody may
change a value: what makes a new one (a builtin, a comprehension) makes a new container and shares
the parts.

**What the compiler inlines.** Python's ``==`` and ``in`` are right, and fastest, wherever one side
is known to be text, or a number other than 0 and 1:

* ``x == "a"`` and ``x == 5`` as they stand; for 0 and 1 ``x == 1 and x is not True``;
* ``x is True``, ``x is False``, ``x is None`` for these constants;
* everything else ``equal(x, y)``; with both unknown a test ``type(x) is str`` first pays;
* ``o["a"]`` on a dict: ``o.get("a", UNDEFINED)`` (a RegoObject has ``get`` of the same meaning,
  which takes the value, not its key; for a dict a key that is not text is absent: test the type,
  as ``d.get([])`` raises);
* ``s["a"]``, ``"a" in s``: ``"a" in s.members``; an unknown member: ``key(x) in s.members``;
* a set is built by ``members[key(x)] = x`` (``members[x] = x`` for text) and ``RegoSet(members)``,
  which takes the dict over without a copy; the first of equal members is kept by ``setdefault``;
* an object is built by ``make_object(pairs)``; with text keys only, a dict;
* a statement holds unless ``x is False or x is UNDEFINED``.

**Order.** OPA enumerates objects and sets in its total order of values (null < false < true <
numbers < strings < arrays < objects < sets). It is seen where an array is made from an iteration,
so iterate over ``entries(collection)``, or over ``members``/``items()`` in any order where the
result does not tell (a set, a yes or no). Text is ordered by code points, which is the order of
its bytes in UTF-8, which is Go's.

**Depth.** Values nested deeper than Python's stack raise ``RecursionError`` here as in compiled
code; the engine turns it into a ``RegoFailure`` where an evaluation starts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from haechi.errors import NotEvaluated

Value: TypeAlias = Any
"""One of the types above. Not spelled out: a recursive union would be checked at no place that
matters, and every access would need a cast."""


class _Undefined:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = _Undefined()


class BuiltinError(Exception):
    """A builtin cannot do what it was asked. Where the policy calls it, the value is undefined
    (OPA without ``strict-builtin-errors``). It never leaves the engine."""


class RegoFailure(NotEvaluated):
    """An evaluation was given up: ``code`` is OPA's (``eval_conflict_error``) or one of ours
    (``out_of_fuel``, ``too_large``); ``line`` is from 1, 0 where unknown."""

    def __init__(
        self, code: str, text: str, *, file: str = "", line: int = 0, do: str = ""
    ) -> None:
        where = f"{file}:{line}" if file and line else file
        super().__init__(f"{code}: {text}", where=where, do=do)
        self.code = code
        self.text = text
        self.file = file
        self.line = line


class _Mark:
    """Stands in a key for what Python would confuse."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


_TRUE: Final = _Mark("true")
_FALSE: Final = _Mark("false")
_OBJECT: Final = _Mark("object")


class RegoSet:
    """A set. ``members`` maps ``key(x)`` to ``x``; it is not changed after this was made."""

    __slots__ = ("_key", "_ordered", "members")

    def __init__(self, members: dict[Hashable, Value]) -> None:
        self.members = members
        self._ordered: list[Value] | None = None
        self._key: frozenset[Hashable] | None = None

    @classmethod
    def of(cls, values: Iterable[Value]) -> RegoSet:
        return cls({value if type(value) is str else key(value): value for value in values})

    def ordered(self) -> list[Value]:
        """The members in OPA's order. The list is kept: do not change it."""
        if self._ordered is None:
            self._ordered = ordered(self.members.values())
        return self._ordered

    def key(self) -> frozenset[Hashable]:
        if self._key is None:
            self._key = frozenset(self.members)
        return self._key

    def __contains__(self, value: Value) -> bool:
        return key(value) in self.members

    def __iter__(self) -> Iterator[Value]:
        return iter(self.ordered())

    def __len__(self) -> int:
        return len(self.members)

    def __eq__(self, other: object) -> bool:
        return type(other) is RegoSet and self.members.keys() == other.members.keys()

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return f"RegoSet({show(self)})"


class RegoObject:
    """An object of which at least one key is not text. ``pairs`` maps ``key(k)`` to ``(k, v)``."""

    __slots__ = ("_key", "_ordered", "pairs")

    def __init__(self, pairs: dict[Hashable, tuple[Value, Value]]) -> None:
        self.pairs = pairs
        self._ordered: list[tuple[Value, Value]] | None = None
        self._key: tuple[_Mark, Hashable] | None = None

    def get(self, name: Value, default: Value = UNDEFINED) -> Value:
        pair = self.pairs.get(key(name))
        return default if pair is None else pair[1]

    def items(self) -> Iterable[tuple[Value, Value]]:
        return self.pairs.values()

    def values(self) -> Iterator[Value]:
        return (value for _, value in self.pairs.values())

    def ordered(self) -> list[tuple[Value, Value]]:
        """The pairs in the order of their keys. The list is kept: do not change it."""
        if self._ordered is None:
            self._ordered = sorted(self.pairs.values(), key=lambda pair: sort_key(pair[0]))
        return self._ordered

    def key(self) -> tuple[_Mark, Hashable]:
        if self._key is None:
            self._key = (
                _OBJECT,
                frozenset((name, key(value)) for name, (_, value) in self.pairs.items()),
            )
        return self._key

    def __contains__(self, name: Value) -> bool:
        return key(name) in self.pairs

    def __iter__(self) -> Iterator[Value]:
        return (name for name, _ in self.ordered())

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return type(other) is RegoObject and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return f"RegoObject({show(self)})"


def make_object(pairs: Iterable[tuple[Value, Value]]) -> dict[str, Value] | RegoObject:
    """An object in its one form. Of equal keys the last counts; where OPA calls that a conflict,
    the maker looks for it (``eval_conflict_error``)."""
    held = list(pairs)
    if all(type(name) is str for name, _ in held):
        return dict(held)
    return RegoObject({key(name): (name, value) for name, value in held})


def key(value: Value) -> Hashable:
    """What tells a value from every other, as something a dict can hold. Text, numbers and null
    are their own keys; an array becomes a tuple, a set a frozenset, an object a marked one."""
    kind = type(value)
    if kind is str or kind is int:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return _TRUE if value else _FALSE
    if kind is list:
        return tuple([item if type(item) is str else key(item) for item in value])
    if kind is dict:
        return (
            _OBJECT,
            frozenset(
                [(name, item if type(item) is str else key(item)) for name, item in value.items()]
            ),
        )
    if kind is RegoSet or kind is RegoObject:
        return value.key()  # type: ignore[no-any-return]
    return value  # type: ignore[no-any-return]  # null, a float


def equal(left: Value, right: Value) -> bool:
    """Whether two values are the same value: by content, True is not 1, 1 is 1.0."""
    if left is right:
        return True
    kind = type(left)
    if kind is str:
        return left == right  # type: ignore[no-any-return]
    if kind is int or kind is float:
        return type(right) is not bool and left == right
    if kind is list:
        return type(right) is list and len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        return type(right) is dict and _same_pairs(left, right)
    if kind is RegoSet:
        return type(right) is RegoSet and left.members.keys() == right.members.keys()
    if kind is RegoObject:
        return type(right) is RegoObject and left.key() == right.key()
    return False  # true, false, null, undefined: only with themselves


def _same_pairs(left: dict[str, Value], right: dict[str, Value]) -> bool:
    if len(left) != len(right):
        return False
    for name, value in left.items():
        other = right.get(name, UNDEFINED)
        if other is UNDEFINED or not equal(value, other):
            return False
    return True


_NUMBERS: Final = {int, float}

_RANKS: Final = {
    type(None): 0,
    bool: 1,
    int: 2,
    float: 2,
    str: 3,
    list: 4,
    dict: 5,
    RegoObject: 5,
    RegoSet: 6,
}


def compare(left: Value, right: Value) -> int:
    """-1, 0 or 1 in OPA's total order."""
    kind = type(left)
    if kind is type(right) and (kind is str or kind is int):
        return -1 if left < right else int(left > right)
    rank, other = _RANKS[kind], _RANKS[type(right)]
    if rank != other:
        return -1 if rank < other else 1
    if rank in (1, 2):
        return -1 if left < right else int(left > right)
    first, second = sort_key(left), sort_key(right)
    return (first > second) - (first < second)


def sort_key(value: Value) -> tuple[Any, ...]:
    """Tuples that Python orders as OPA orders the values."""
    kind = type(value)
    if kind is str:
        return (3, value)
    if kind is bool:
        return (1, value)
    if kind is int or kind is float:
        return (2, value)
    if value is None:
        return (0,)
    if kind is list:
        return (4, *[sort_key(item) for item in value])
    if kind is RegoSet:
        return (6, *[sort_key(item) for item in value.ordered()])
    return (5, *[(sort_key(name), sort_key(item)) for name, item in pairs(value)])


def ordered(values: Iterable[Value]) -> list[Value]:
    """A new list in OPA's order; equal ones stay in theirs."""
    found = list(values)
    if len(found) < 2:
        return found
    kinds = set(map(type, found))
    if kinds == {str} or kinds <= _NUMBERS:
        found.sort()
    else:
        found.sort(key=sort_key)
    return found


def pairs(value: dict[str, Value] | RegoObject) -> Iterable[tuple[Value, Value]]:
    """Keys and values of an object, in the order of its keys."""
    if type(value) is dict:
        return [(name, value[name]) for name in sorted(value)]
    return value.ordered()  # type: ignore[union-attr]


def entries(value: Value) -> Iterable[tuple[Value, Value]]:
    """What ``value[k]`` enumerates: pairs of k and what is found there, in OPA's order. Empty for
    what is no collection."""
    kind = type(value)
    if kind is list:
        return enumerate(value)
    if kind is dict:
        return [(name, value[name]) for name in sorted(value)]
    if kind is RegoSet:
        return [(item, item) for item in value.ordered()]
    if kind is RegoObject:
        return value.ordered()  # type: ignore[no-any-return]
    return ()


def lookup(value: Value, name: Value) -> Value:
    """``value[name]``, or UNDEFINED. An index must be a whole number of the array."""
    kind = type(value)
    if kind is dict:
        return value.get(name, UNDEFINED) if type(name) is str else UNDEFINED
    if kind is list:
        number = type(name)
        if number is float and name.is_integer():
            name, number = int(name), int
        return value[name] if number is int and 0 <= name < len(value) else UNDEFINED
    if kind is RegoSet:
        return value.members.get(key(name), UNDEFINED)
    if kind is RegoObject:
        return value.get(name)
    return UNDEFINED


_TYPE_NAMES: Final = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    RegoObject: "object",
    RegoSet: "set",
}


def type_name(value: Value) -> str:
    """OPA's name of the value's type."""
    return _TYPE_NAMES[type(value)]


def holds(value: Value) -> bool:
    """Whether a statement of this value holds."""
    return value is not False and value is not UNDEFINED


def to_json(value: Value) -> Value:
    """The value as plain JSON: sets as arrays in order, keys that are not text as their JSON."""
    kind = type(value)
    if kind is list:
        return [to_json(item) for item in value]
    if kind is dict:
        return {name: to_json(item) for name, item in value.items()}
    if kind is RegoSet:
        return [to_json(item) for item in value.ordered()]
    if kind is RegoObject:
        return {
            name if type(name) is str else _json_name(name): to_json(item)
            for name, item in value.ordered()
        }
    return value


def _json_name(name: Value) -> str:
    """A key that is not text, where JSON wants one: its own JSON."""
    if type(name) is float:
        return show_number(name)
    return json.dumps(to_json(name), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def show(value: Value) -> str:
    """The value in Rego's own notation, as OPA prints it: objects and sets in order."""
    shown: list[str] = []
    _show(value, shown.append)
    return "".join(shown)


def show_number(value: float) -> str:
    """A number as OPA prints it. It keeps the text that a number had in the input; of a float that
    is the one Python would write, 1.0 with its point."""
    return repr(value)


def _show(value: Value, put: Callable[[str], None]) -> None:
    kind = type(value)
    if kind is str:
        put(quote(value))
    elif kind is bool:
        put("true" if value else "false")
    elif kind is int or kind is float:
        put(show_number(value))
    elif value is None:
        put("null")
    elif kind is list:
        _show_items(value, "[", "]", put)
    elif kind is RegoSet:
        if value.members:
            _show_items(value.ordered(), "{", "}", put)
        else:
            put("set()")
    else:
        _show_pairs(value, put)


def _show_items(items: list[Value], opening: str, closing: str, put: Callable[[str], None]) -> None:
    put(opening)
    for number, item in enumerate(items):
        if number:
            put(", ")
        _show(item, put)
    put(closing)


def _show_pairs(value: dict[str, Value] | RegoObject, put: Callable[[str], None]) -> None:
    put("{")
    for number, (name, item) in enumerate(pairs(value)):
        if number:
            put(", ")
        _show(name, put)
        put(": ")
        _show(item, put)
    put("}")


_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """Text in quotes as Go's ``strconv.Quote`` writes it."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quoted(character) for character in text) + '"'


def _quoted(character: str) -> str:
    escape = _ESCAPES.get(character)
    if escape is not None:
        return escape
    if character.isprintable():
        return character
    point = ord(character)
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
