"""Rego text to the tree, dialects v0 and v1: the module, its package and its imports.

The grammar is OPA's, down to its oddities where real policies lean on them: ``p[x] { … }`` is a
set in v0 and ``p[x] if …`` an object, bodies in a chain become rules of their own, a head without
a body is a rule, too. A text gives a ``Module`` or a ``RuleError`` with its place, never anything
else. What a name means and whether a variable is safe is told by the compiler.
"""

from __future__ import annotations

from haechi.engines.rego.cursor import FUTURE, KEYWORDS
from haechi.engines.rego.heads import Rules
from haechi.engines.rego.lexer import END, NAME, STRING
from haechi.engines.rego.terms import ROOTS
from haechi.engines.rego.tree import Import, Module, Place, Rule, Version
from haechi.engines.rego.walk import too_high

__all__ = ["parse"]


def parse(text: str, *, file: str = "", version: Version = Version.V0) -> Module:
    """Read a module. Raises RuleError, whose ``where`` is file, line and column."""
    reader = _Modules(text, file, version)
    try:
        module = reader.module()
    except RecursionError:  # little of the stack is left to us by whoever calls
        reader.too_deep(reader.place)
    place = too_high(module)
    if place is not None:
        reader.too_deep(place)
    return module


class _Modules(Rules):
    def __init__(self, text: str, file: str, version: Version) -> None:
        super().__init__(text, file, version)
        self.dialect = version  # as asked for; ``version`` changes with ``import rego.v1``
        self.imports: list[Import] = []

    def module(self) -> Module:
        package = self._package()
        rules: list[Rule] = []
        while self.kind != END:
            self.read.clear()
            if self.kind == "import" and not self.starts_reference():
                self._import()
            elif self.kind == "package" and not self.starts_reference():
                self.fail("expected one package only", do="give each package a module of its own")
            else:
                rules += self.rules()
        self.check_dialect()
        return Module(
            file=self.file,
            package=package,
            imports=tuple(self.imports),
            rules=tuple(rules),
            version=self.version,
        )

    def _package(self) -> tuple[str, ...]:
        if self.kind != "package" or self.starts_reference():
            self.fail("expected 'package'", do="begin the module with 'package' and a name")
        self.step()
        return self._path("the package")

    def _path(self, what: str) -> tuple[str, ...]:
        """``a.b["c"]``. Keywords are names here."""
        if self.kind != NAME and self.kind not in self.keywords:
            self.fail(f"expected the name of {what}")
        path = [self.step().text]
        while self.token.glued and self.kind in (".", "["):
            if self.step().kind == ".":
                path.append(self.field().text)
            else:
                path.append(self.expect(STRING, f"in brackets in the name of {what}").text)
                self.expect("]", "after the text")
        return tuple(path)

    def _import(self) -> None:
        self.step()
        place = self.place
        path = self._path("what is imported")
        alias = ""
        if self.kind == "as":
            self.step()
            if self.kind != NAME or self.token.text in ROOTS | {"_"}:
                self.fail("expected a name after 'as'")
            alias = self.step().text
        if path[0] == "future":
            self._future(place, path, alias)
        elif path[0] == "rego":
            self._rego(place, path, alias)
        elif path[0] in ROOTS:
            reserved = KEYWORDS | FUTURE if self.dialect is Version.V1 else KEYWORDS
            if not alias and path[-1] in reserved:
                self.fault(
                    f"an import cannot be named {path[-1]!r}, a keyword",
                    do="give it another name with 'as'",
                    place=place,
                )
            self.imports.append(Import(place=place, path=path, name=alias or path[-1]))
        else:
            self.fault(
                f"cannot import {path[0]!r}",
                do="imports begin with data, input, future.keywords or rego.v1",
                place=place,
            )

    def _future(self, place: Place, path: tuple[str, ...], alias: str) -> None:
        words = frozenset(path[2:]) or FUTURE
        if path[1:2] != ("keywords",) or len(path) > 3 or not words <= FUTURE or alias:
            self.fault(
                "not a keyword of the future",
                do=f"import future.keywords, or one of its {', '.join(sorted(FUTURE))}; no 'as'",
                place=place,
            )
        self.learn(words)

    def _rego(self, place: Place, path: tuple[str, ...], alias: str) -> None:
        if path != ("rego", "v1") or (alias and self.dialect is Version.V0):
            self.fault("not a version of Rego", do="write 'import rego.v1'", place=place)
        self.version = Version.V1
        self.learn(FUTURE)
