"""Which name means what: locals by body, then imports and rules, then builtins.

A name declared in a body (``:=``, ``some``, ``every``, an argument) is renamed so that it is
unique in its rule; a name nobody declared is one variable in the whole rule, which is how v0
policies are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count

from haechi.engines.rego import tree
from haechi.engines.rego.flat import Function, fault


class Names:
    """What a module sees: its own package's rules, its imports, all functions, all builtins."""

    def __init__(
        self,
        module: tree.Module,
        rules: Collection[str],
        functions: dict[tuple[str, ...], int],
        builtins: dict[str, int],
    ) -> None:
        self.module = module
        self.functions = functions
        self.builtins = builtins
        self.globals: dict[str, tuple[str, ...]] = {"input": ("input",), "data": ("data",)}
        for name in rules:
            self.globals[name] = ("data", *module.package, name)
        imported: set[str] = set()
        for item in module.imports:
            if item.name in imported and module.version is tree.Version.V1:
                what = f"import must not shadow import {'.'.join(self.globals[item.name])}"
                raise fault("rego_compile_error", what, module.file, item.place)
            imported.add(item.name)
            self.globals[item.name] = item.path

    def function(self, parts: tuple[str, ...]) -> Function | None:
        """The function that a dotted name calls, None if there is none."""
        head = self.globals.get(parts[0])
        if head is not None:
            path = (*head, *parts[1:])
            return path[1:] if path[0] == "data" and path[1:] in self.functions else None
        name = ".".join(parts)
        return name if name in self.builtins else None

    def arity(self, function: Function) -> int:
        if isinstance(function, str):
            return self.builtins[function]
        return self.functions[function]


class Scope:
    """The declared names of one body, in those of what surrounds it."""

    def __init__(
        self, names: Names, numbers: Iterator[int] | None = None, outer: Scope | None = None
    ) -> None:
        self.names = names
        self.outer = outer
        self.numbers: Iterator[int] = numbers if numbers is not None else count(1)
        self.declared: dict[str, tuple[str, str]] = {}
        self.later: set[str] = set()
        self.used: set[str] = set()
        self.read: set[str] = set()

    def inner(self) -> Scope:
        return Scope(self.names, self.numbers, self)

    def fresh(self) -> str:
        return f"%{next(self.numbers)}"

    def wildcard(self) -> str:
        return f"$%{next(self.numbers)}"

    def declare(self, name: str, how: str, place: tree.Place) -> str:
        """``how``: declared, assigned or arg; the second of a body is refused as OPA does."""
        file = self.names.module.file
        if name.startswith("$"):
            return name
        if name in ("input", "data"):
            what = f"variables must not shadow {name} (use a different variable name)"
            raise fault("rego_compile_error", what, file, place)
        known = self.declared.get(name)
        if known is not None:
            what = f"arg {name} redeclared" if known[1] == "arg" else f"var {name} {known[1]} above"
            raise fault("rego_compile_error", what, file, place)
        if name in self.used:
            raise fault("rego_compile_error", f"var {name} referenced above", file, place)
        unique = f"{name}%{next(self.numbers)}"
        self.declared[name] = (unique, how)
        return unique

    def local(self, name: str) -> str | None:
        """The unique name of a local, None where a name means a document."""
        self.used.add(name)
        scope: Scope | None = self
        while scope is not None:
            known = scope.declared.get(name)
            if known is not None:
                scope.read.add(name)
                return known[0]
            scope = scope.outer
        return name if self.hidden(name) or name not in self.names.globals else None

    def hidden(self, name: str) -> bool:
        """Whether a body around declares the name further down, so that it means no document."""
        scope: Scope | None = self
        while scope is not None and name not in scope.later:
            scope = scope.outer
        return scope is not None
