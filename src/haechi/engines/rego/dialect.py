"""Names in v0 that v1 does not take: keywords, and builtins that v1 refuses as deprecated.

A deprecated builtin is another builtin under its new name, or a function that is written beside
the rules and does the same; a module that defines a function of that name means its own. OPA's
functions on a wrong type are undefined, and so are these.
"""

from __future__ import annotations

from collections import Counter

from haechi.engines.rego.cursor import FUTURE
from haechi.engines.rego.tree import Call, Module, Node, Rule, Some, Var
from haechi.engines.rego.walk import children

_RENAMED = {
    ("re_match",): ("regex", "match"),
    ("net", "cidr_overlap"): ("net", "cidr_contains"),
    ("set_diff",): ("minus",),
}
_WRITTEN = {
    "any": (
        "{0}(xs) := internal.member_2(true, xs) if is_array(xs)",
        "{0}(xs) := internal.member_2(true, xs) if is_set(xs)",
    ),
    "all": (
        "{0}(xs) := count([1 | some x in xs; x != true]) == 0 if is_array(xs)",
        "{0}(xs) := count([1 | some x in xs; x != true]) == 0 if is_set(xs)",
    ),
    "cast_array": (
        "{0}(x) := x if is_array(x)",
        "{0}(x) := [y | some y in x] if is_set(x)",
    ),
    "cast_set": (
        "{0}(x) := x if is_set(x)",
        "{0}(x) := {{y | some y in x}} if is_array(x)",
    ),
    "cast_string": ("{0}(x) := x if is_string(x)",),
    "cast_boolean": ("{0}(x) := x if is_boolean(x)",),
    "cast_null": ("{0}(x) := x if is_null(x)",),
    "cast_object": ("{0}(x) := x if is_object(x)",),
}


class Names:
    """The names of one module as they are written in v1."""

    def __init__(self, own: frozenset[str], used: frozenset[str]) -> None:
        self._own = own
        self._used = used
        self._wanted: dict[str, str] = {}
        self._wildcards: Counter[str] = Counter()

    def begin(self, rule: Rule) -> None:
        """From here on, names are those of this rule."""
        self._wildcards = Counter(name for name in _names(rule) if name.startswith("$"))

    def variable(self, name: str) -> str:
        if name.startswith("$"):
            return "_" if self._wildcards[name] < 2 else self._fresh(f"wildcard{name[1:]}")
        return self._fresh(name) if name in FUTURE else name

    def function(self, name: tuple[str, ...]) -> tuple[str, ...]:
        if name[0] in self._own:
            return (self.variable(name[0]), *name[1:])
        if name in _RENAMED:
            return _RENAMED[name]
        if len(name) == 1 and name[0] in _WRITTEN:
            self._wanted[name[0]] = self._fresh(name[0])
            return (self._wanted[name[0]],)
        return name

    def helpers(self) -> list[str]:
        """The functions that calls were turned to."""
        return [line.format(name) for old, name in self._wanted.items() for line in _WRITTEN[old]]

    def _fresh(self, name: str) -> str:
        name = f"{name}__v0"
        while name in self._used:
            name += "_"
        return name


def names_of(module: Module) -> Names:
    own = {rule.name for rule in module.rules} | {one.name for one in module.imports}
    used = {name for rule in module.rules for name in _names(rule)}
    return Names(frozenset(own), frozenset(own | used))


def _names(node: Node) -> list[str]:
    names: list[str] = []
    level = [node]
    while level:
        for one in level:
            if isinstance(one, Var):
                names.append(one.name)
            elif isinstance(one, Call):
                names.append(one.function[0])
            elif isinstance(one, Some):
                names += one.names
        level = [below for one in level for below in children(one)]
    return names
