"""Code for rules: one function each that gives the rule's value, or a function's for arguments.

A partial rule has a function for every definition that collects its part, so that it can be told
which definition gave what. Complete rules and functions stop at the first body that holds if all
their bodies can only give the same constant; else all are tried, and two values are a conflict.
"""

from __future__ import annotations

from collections.abc import Sequence

from haechi.engines.rego.compile_body import BodyWriter
from haechi.engines.rego.compile_terms import constant, is_constant
from haechi.engines.rego.documents import Node
from haechi.engines.rego.flat import Branch, Const, Definition, Step, Term, Test
from haechi.engines.rego.tree import RuleKind
from haechi.engines.rego.values import equal
from haechi.engines.rego.writing import Frame, Tables

_FEW = 3
_REMEMBERED = 10_000
"""Results of one function that are kept; beyond that they are computed again."""


def write_node(node: Node, tables: Tables) -> tuple[list[str], set[tuple[str, ...] | str]]:
    """The source of a rule, and which rules it asks."""
    if node.kind is RuleKind.PARTIAL_SET or node.kind is RuleKind.PARTIAL_OBJECT:
        return _write_partial(node, tables)
    writer = _CompleteWriter(node, tables)
    return writer.write(), writer.used


# -- partial rules ----------------------------------------------------------------------------


def _write_partial(node: Node, tables: Tables) -> tuple[list[str], set[tuple[str, ...] | str]]:
    lines: list[str] = []
    used: set[tuple[str, ...] | str] = set()
    names: list[str] = []
    for number, definition in enumerate(node.definitions):
        name = f"D{node.slot}_{number}"
        writer = BodyWriter(tables, definition.file)
        writer.frames.append(Frame("function", base=True))
        writer.place = definition.place
        branch = definition.branches[0]
        writer.steps(branch.steps)
        writer.place = definition.place
        writer.emit(f"out.append({_collected(node, definition, branch, writer)})")
        writer.close(1)
        lines += [f"def {name}(c, out):", *writer.lines]
        used |= writer.used
        names.append(name)
    collect = [" out = []", *[f" {name}(c, out)" for name in names]]
    if node.kind is RuleKind.PARTIAL_SET:
        raw = tables.documents.slot_of("members", node.path)
        lines += [f"def L{node.slot}(c):", *collect, f" out = c.memo[{raw}] = distinct(c, out)"]
        lines += [" return out", f"def R{node.slot}(c):", f" out = c.memo[{raw}]"]
        lines += [f" return make_set(c, L{node.slot}(c) if out is P else out)"]
    else:
        lines += [f"def R{node.slot}(c):", *collect]
        file, line = node.definitions[0].file, node.definitions[0].place.line
        lines.append(f" return built_object(c, out, {tables.constant(file)}, {line})")
    return lines, used


def _collected(node: Node, definition: Definition, branch: Branch, writer: BodyWriter) -> str:
    """What a body that holds adds: a member, or keys and a value of the document."""
    value = writer.value(branch.value)
    if node.kind is RuleKind.PARTIAL_SET:
        return value
    fixed = definition.path[len(node.path) :]
    keys = [writer.tables.constant(part) for part in fixed]
    keys += [writer.value(key) for key in definition.keys]
    into_set = definition.rule.kind is RuleKind.PARTIAL_SET
    return f"(({', '.join(keys)},), {value}, {into_set})"


# -- complete rules and functions -------------------------------------------------------------


class _CompleteWriter(BodyWriter):
    def __init__(self, node: Node, tables: Tables) -> None:
        super().__init__(tables, node.definitions[0].file)
        self.node = node
        self.function = node.kind is RuleKind.FUNCTION
        self.usual = [d for d in node.definitions if not d.rule.default]
        self.defaults = [d for d in node.definitions if d.rule.default]
        arguments = node.definitions[0].arguments
        self.parameters = [f"a{number}" for number in range(len(arguments))]
        self.early = _one_constant(self.usual)

    def write(self) -> list[str]:
        table = _table(self.usual) if self.function and not self.defaults else None
        if table is not None:
            return self.looked_up(table)
        name = f"{'F' if self.function else 'R'}{self.node.slot}"
        remembered: list[str] = []
        if self.function:
            if self.worth_remembering():
                remembered = self.remembered(name)
                name = f"G{self.node.slot}"
            else:
                self.pay()
        head = f"def {name}({', '.join(['c', *self.parameters])}):"
        self.frames.append(Frame("function", base=True))
        self.emit("res = U")
        self.assigned = ["res"]
        for definition in self.usual:
            self.definition(definition)
        self.default()
        return [*remembered, head, *self.lines]

    def pay(self) -> None:
        self.emit("c.tank[0] -= 1")
        self.emit("if c.tank[0] < 0: burn(c, 0)")

    def looked_up(self, table: dict[str, object]) -> list[str]:
        """A function that is a table from texts to constants."""
        self.pay()
        name = self.tables.constant(table)
        self.emit(f"return {name}.get(a0, U) if type(a0) is str else U")
        return [f"def F{self.node.slot}(c, a0):", *self.lines]

    def worth_remembering(self) -> bool:
        steps = sum(len(branch.steps) for d in self.usual for branch in d.branches)
        return steps > _FEW and 0 < len(self.parameters) <= _FEW

    def remembered(self, name: str) -> list[str]:
        """The function's results by its arguments. A container is known by its identity, so the
        arguments are held as long as the result."""
        given = ", ".join(self.parameters)
        keys = [f"{item} if type({item}) is str else id({item})" for item in self.parameters]
        key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        slot = self.node.slot
        return [
            f"def {name}(c, {given}):",
            " c.tank[0] -= 1",
            " if c.tank[0] < 0: burn(c, 0)",
            f" found = c.memo[{slot}]",
            f" if found is P: found = c.memo[{slot}] = {{}}",
            f" key = {key}",
            " known = found.get(key)",
            " if known is not None: return known[0]",
            f" res = G{slot}(c, {given})",
            f" if len(found) < {_REMEMBERED}: found[key] = (res, {given})",
            " return res",
        ]

    def default(self) -> None:
        if not self.defaults:
            self.emit("return res")
            return
        self.emit("if res is not U: return res")
        definition = self.defaults[0]
        self.file, self.place, self.env = definition.file, definition.place, {}
        branch = definition.branches[0]
        depth = self.open_body()
        self.bind(definition)
        self.steps(branch.steps)
        self.emit(f"res = {self.value(branch.value)}")
        self.close(depth)
        self.emit("return res")

    def definition(self, definition: Definition) -> None:
        self.file = definition.file
        if len(definition.branches) == 1:
            self.branch(definition, definition.branches[0], "res")
            return
        found = self.temp()
        self.assigned = ["res", found]
        self.emit(f"{found} = U")
        for branch in definition.branches:
            self.emit(f"if {found} is U:")
            self.deeper()
            self.branch(definition, branch, found)
            self.indent -= 1
        if self.early:
            self.emit(f"if {found} is not U: return {found}")
        else:
            self.emit(f"if {found} is not U:")
            self.indent += 1
            self.merge(found, "res", definition)
            self.indent -= 1
        self.assigned = ["res"]

    def branch(self, definition: Definition, branch: Branch, target: str) -> None:
        self.env, self.place, self.run = {}, branch.place, "c"
        known = is_constant(branch.value)
        flag = self.temp() if known else ""
        if flag:
            self.emit(f"{flag} = False")
        depth = self.open_body(flag=flag)
        self.bind(definition)
        self.steps(branch.steps)
        self.place = branch.place
        value = self.value(branch.value)
        if self.early and target == "res" and not self.split():
            self.emit(f"return {value}")
        else:
            self.merge(value, target, definition)
            self.succeed()
        self.close(depth)
        if self.early and target == "res":
            self.emit("if res is not U: return res")

    def split(self) -> bool:
        return any(frame.kind == "split" for frame in self.frames)

    def merge(self, value: str, target: str, definition: Definition) -> None:
        """A value beside those that were found before."""
        file = self.tables.constant(definition.file)
        text = "functions must not produce multiple outputs for same inputs"
        if not self.function:
            text = "complete rules must not produce multiple outputs"
        self.emit(f"if {target} is U: {target} = {value}")
        self.emit(
            f"elif not equal({target}, {value}):"
            f" raise conflict({self.tables.constant(text)}, {file}, {definition.place.line})"
        )

    def bind(self, definition: Definition) -> None:
        """Match the arguments' patterns with what was given."""
        for pattern, parameter in zip(definition.arguments, self.parameters, strict=True):
            self.match(pattern, parameter)


def _table(definitions: Sequence[Definition]) -> dict[str, object] | None:
    """``f("Ki") = 1024`` and its like as a table, if all definitions are that."""
    found: dict[str, object] = {}
    for definition in definitions:
        branches = definition.branches
        if len(definition.arguments) != 1 or len(branches) != 1:
            return None
        pattern, value = definition.arguments[0], branches[0].value
        if not (isinstance(pattern, Const) and type(pattern.value) is str):
            return None
        plain = all(step == Step(Test(Const(True)), step.place) for step in branches[0].steps)
        if not plain or not is_constant(value) or pattern.value in found:
            return None
        found[pattern.value] = constant(value)
    return found or None


def _one_constant(definitions: Sequence[Definition]) -> bool:
    values: list[Term] = [branch.value for d in definitions for branch in d.branches]
    if not values or not all(map(is_constant, values)):
        return False
    first = constant(values[0])
    return all(equal(first, constant(value)) for value in values[1:])
