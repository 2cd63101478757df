"""A program: modules compiled into functions, and how they are asked.

``Program`` holds no state of an evaluation, so any number of threads may ask it at once. The
input and the data are plain decoded JSON and used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from haechi.engines.rego import runtime
from haechi.engines.rego.builtins import BUILTINS
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.compile_rules import write_node
from haechi.engines.rego.documents import Documents
from haechi.engines.rego.flat import Definition, Function, fault
from haechi.engines.rego.graph import refuse_recursion
from haechi.engines.rego.hoist import hoist_definition
from haechi.engines.rego.order import order_definition
from haechi.engines.rego.resolve import resolve_rule, split_head
from haechi.engines.rego.runtime import Run
from haechi.engines.rego.scopes import Names
from haechi.engines.rego.space import names_for
from haechi.engines.rego.targets import targets
from haechi.engines.rego.tree import Module, RuleKind
from haechi.engines.rego.values import UNDEFINED, RegoFailure, Value
from haechi.engines.rego.writing import Tables

FUEL: Final = 2_000_000
"""Steps of one evaluation; about a second of work."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Which rule of the text gave a member of a partial set."""

    value: Any
    file: str
    line: int
    column: int


class Program:
    """Compiled modules. ``evaluate`` and ``explain`` may be called from several threads."""

    def __init__(self, documents: Documents, source: str) -> None:
        self._documents = documents
        self.source = source
        """The generated code, for people who look for a fault in the compiler."""

    def evaluate(
        self,
        rule: tuple[str, ...],
        *,
        input: Any = UNDEFINED,
        data: Mapping[str, Any] | None = None,
        fuel: int = FUEL,
    ) -> Value:
        """The value at ``data`` + ``rule``, or UNDEFINED. Raises RegoFailure."""
        run = self._run(input, data, fuel)
        try:
            return self._documents.at(run, rule)
        except RecursionError as error:
            raise _too_deep() from error

    def explain(
        self,
        rule: tuple[str, ...],
        *,
        input: Any = UNDEFINED,
        data: Mapping[str, Any] | None = None,
        fuel: int = FUEL,
    ) -> tuple[Origin, ...]:
        """Every member of a partial set with the rule that gave it; a member that several rules
        give is told for each."""
        node = self._documents.by_path.get(rule)
        if node is None or node.kind is not RuleKind.PARTIAL_SET:
            return ()
        run = self._run(input, data, fuel)
        found: list[Origin] = []
        try:
            for definition, collect in node.sources:
                members: list[Value] = []
                collect(run, members)
                found += [_origin(member, definition) for member in runtime.make_set(run, members)]
        except RecursionError as error:
            raise _too_deep() from error
        return tuple(found)

    def _run(self, document: Any, data: Mapping[str, Any] | None, fuel: int) -> Run:
        return Run(self._documents, document, {} if data is None else data, [fuel])


def _origin(value: Value, definition: Definition) -> Origin:
    place = definition.place
    return Origin(value=value, file=definition.file, line=place.line, column=place.column)


def _too_deep() -> RegoFailure:
    text = "a value or an expression is nested too deeply"
    return RegoFailure("too_deep", text, do="nest it less")


def compile_modules(
    modules: Sequence[Module], *, extra: Mapping[str, Builtin] | None = None
) -> Program:
    """One program of several modules. Raises RuleError with the place of the fault."""
    try:
        return _compiled(modules, {**BUILTINS, **(extra or {})})
    except (RecursionError, SyntaxError) as error:  # the latter: over a limit of Python's compiler
        file = modules[0].file if modules else ""
        raise fault("rego_compile_error", "nested too deeply", file, do="nest it less") from error


def _compiled(modules: Sequence[Module], builtins: Mapping[str, Builtin]) -> Program:
    documents = Documents()
    definitions = _definitions(modules, builtins)
    for module in modules:
        documents.node(module.package).package = True
    for definition in definitions:
        documents.add(definition)
    documents.settle()
    tables = Tables(documents, builtins)
    tables.mockable, tables.coverable = targets(definitions)
    tables.space.update(names_for(documents))
    source, uses = _write(documents, tables)
    refuse_recursion(documents, uses)
    _load(source, documents, tables)
    return Program(documents, source)


def _definitions(modules: Sequence[Module], builtins: Mapping[str, Builtin]) -> list[Definition]:
    """All rules, resolved, ordered, and with their documents hoisted."""
    arities = {
        name: -1 if builtin.variadic else builtin.arity for name, builtin in builtins.items()
    }
    rules: dict[tuple[str, ...], set[str]] = {}
    functions: dict[tuple[str, ...], int] = {}
    for module in modules:
        names = rules.setdefault(module.package, set())
        for rule in module.rules:
            names.add(rule.name)
            if rule.kind is RuleKind.FUNCTION:
                path = (*module.package, rule.name, *split_head(rule)[0])
                functions.setdefault(path, len(rule.arguments))
    found: list[Definition] = []
    for module in modules:
        scope = Names(module, rules[module.package], functions, arities)
        for rule in module.rules:
            resolved = order_definition(resolve_rule(rule, scope))
            found.append(hoist_definition(resolved))
    return found


def _write(
    documents: Documents, tables: Tables
) -> tuple[str, dict[tuple[str, ...], set[Function]]]:
    lines: list[str] = []
    uses: dict[tuple[str, ...], set[Function]] = {}
    for node in documents.root.nodes():
        if node.kind is not None:
            text, uses[node.path] = write_node(node, tables)
            lines += text
    return "\n".join(lines) + "\n", uses


def _load(source: str, documents: Documents, tables: Tables) -> None:
    space = tables.space
    exec(compile(source, "<rego>", "exec"), space)  # noqa: S102 - of our own names only
    for node in documents.root.nodes():
        if node.is_value:
            node.value = space[f"R{node.slot}"]
        if node.kind in (RuleKind.PARTIAL_SET, RuleKind.PARTIAL_OBJECT):
            node.sources = [
                (definition, space[f"D{node.slot}_{number}"])
                for number, definition in enumerate(node.definitions)
            ]
