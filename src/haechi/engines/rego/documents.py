"""The tree under ``data`` that rules make, over the one that was given.

A node is a package, a part of a rule's head, or a rule. Where a policy asks for a place that is
known when it is compiled, the generated code goes to the rule at once; everything else (packages
as a whole, what a ``with`` covers, the caller's question) is looked up here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from haechi.engines.rego.flat import Definition, fault, show_path
from haechi.engines.rego.runtime import PENDING, Run, burn, sorted_items, walk_to
from haechi.engines.rego.tree import RuleKind
from haechi.engines.rego.values import UNDEFINED, Value, lookup

Path = tuple[str, ...]


def _no_value(run: Run) -> Value:
    return UNDEFINED


class Node:
    """``slot`` is its place in the memo. ``value`` is set by the compiler, and
    ``sources``: for every definition of a partial rule the code that collects its part."""

    __slots__ = (
        "children",
        "definitions",
        "kind",
        "package",
        "path",
        "slot",
        "sources",
        "value",
    )

    def __init__(self, path: Path, slot: int) -> None:
        self.path = path
        self.slot = slot
        self.children: dict[str, Node] = {}
        self.definitions: list[Definition] = []
        self.kind: RuleKind | None = None
        self.package = False
        self.value: Callable[[Run], Value] = _no_value
        self.sources: list[tuple[Definition, Callable[[Run, list[Any]], None]]] = []

    @property
    def is_value(self) -> bool:
        return self.kind is not None and self.kind is not RuleKind.FUNCTION

    def depth(self) -> int:
        """How many parts a path below can have before it is in a rule or in given data."""
        if self.is_value or not self.children:
            return 1
        return 1 + max(child.depth() for child in self.children.values())

    def nodes(self) -> Iterator[Node]:
        yield self
        for child in self.children.values():
            yield from child.nodes()


class Documents:
    """The tree, and the number of slots that a memo needs."""

    def __init__(self) -> None:
        self.slots = 0
        self.root = self._node(())
        self.by_path: dict[Path, Node] = {(): self.root}
        self.text_paths: dict[tuple[str, Path], int] = {}

    def _node(self, path: Path) -> Node:
        node = Node(path, self.slots)
        self.slots += 1
        return node

    def node(self, path: Path) -> Node:
        """The node at ``path``, made with those above it."""
        node = self.root
        for number, name in enumerate(path):
            child = node.children.get(name)
            if child is None:
                child = self._node(path[: number + 1])
                node.children[name] = child
                self.by_path[child.path] = child
            node = child
        return node

    def slot_of(self, root: str, path: Path) -> int:
        """A place in the memo for a path of the input or of the given data."""
        slot = self.text_paths.get((root, path))
        if slot is None:
            slot = self.text_paths[root, path] = self.slots
            self.slots += 1
        return slot

    # -- building -----------------------------------------------------------------------------

    def add(self, definition: Definition) -> None:
        node = self.node(definition.path)
        node.definitions.append(definition)

    def settle(self) -> None:
        """Decide each node's kind, and refuse what stands in each other's way."""
        for node in list(self.root.nodes()):
            if self.by_path.get(node.path) is not node:
                continue  # went into a node above
            if node.definitions:
                self._settle(node)

    def _settle(self, node: Node) -> None:
        if any(definition.keys for definition in node.definitions):
            node.definitions = [d for inner in node.nodes() for d in inner.definitions]
            for inner in list(node.nodes())[1:]:
                del self.by_path[inner.path]
            node.children = {}
            node.kind = RuleKind.PARTIAL_OBJECT
            for definition in node.definitions:
                alone = definition.path == node.path and not definition.keys
                if alone or definition.rule.kind is RuleKind.FUNCTION:
                    raise _conflict(node, f"conflicting rules {show_path(node.path)} found")
        else:
            kinds = {_kind(definition) for definition in node.definitions}
            if len(kinds) > 1:
                raise _conflict(node, f"conflicting rules {show_path(node.path)} found")
            node.kind = kinds.pop()
        if node.package and node.kind is not None:
            what = f"package {show_path(node.path)} conflicts with a rule of this name"
            raise _conflict(node, what)
        below = [inner for inner in list(node.nodes())[1:] if inner.definitions]
        if below and node.kind is not RuleKind.FUNCTION:
            names = ", ".join(show_path(inner.path) for inner in below)
            what = f"rule {show_path(node.path)} conflicts with [{names}]"
            raise _conflict(node, what)
        _check_same_shape(node)

    # -- looking up ---------------------------------------------------------------------------

    def names(self, run: Run, path: tuple[Value, ...]) -> list[Value]:
        """The keys at ``data`` + path: of packages, of rules' documents, and of given data."""
        node: Node | None = self.root
        for name in path:
            node = node.children.get(name) if node and type(name) is str else None
            if node is None or node.is_value:
                break
        if node is not None and not node.is_value and path not in run.covered:
            base = walk_to(run.data, path)
            found = dict.fromkeys(name for name, _ in sorted_items(run, base))
            found.update(dict.fromkeys(sorted(node.children)))
            burn(run, len(found))
            return list(found)
        value = self.at(run, path)
        return [name for name, _ in sorted_items(run, value)]

    def at(self, run: Run, path: tuple[Value, ...]) -> Value:
        """What is found at ``data`` + path."""
        node = self.root
        base: Value = run.data
        for number, name in enumerate(path):
            if path[:number] in run.covered:
                return walk_to(base, path[number:])
            if node.is_value:
                value = self.rule(run, node)
                return UNDEFINED if value is UNDEFINED else walk_to(value, path[number:])
            base = UNDEFINED if base is UNDEFINED else lookup(base, name)
            child = node.children.get(name) if type(name) is str else None
            if child is None:
                return UNDEFINED if base is UNDEFINED else walk_to(base, path[number + 1 :])
            node = child
        return self.whole(run, node, base)

    def rule(self, run: Run, node: Node) -> Value:
        value = run.memo[node.slot]
        if value is PENDING:
            value = run.memo[node.slot] = node.value(run)
        return value

    def whole(self, run: Run, node: Node, base: Value) -> Value:
        """A node with all that is below it; rules go before given data."""
        if node.path in run.covered:
            return base
        if node.is_value:
            return self.rule(run, node)
        if not node.children:
            return base if base is not UNDEFINED or not node.package else {}
        found = dict(base) if type(base) is dict else {}
        for name, child in node.children.items():
            if child.kind is RuleKind.FUNCTION and not child.children:
                continue
            given = found.get(name, UNDEFINED)
            value = self.whole(run, child, given)
            if child.is_value and given is not UNDEFINED:
                value = _merged(given, value)
            if value is not UNDEFINED:
                found[name] = value
        return found

    def document(self, run: Run, node: Node) -> Value:
        """A package as a whole, kept for the rest of the evaluation."""
        value = run.memo[node.slot]
        if value is PENDING:
            value = run.memo[node.slot] = self.at(run, node.path)
        return value


def _merged(given: Value, made: Value) -> Value:
    """Both as one document. What was given counts where the whole is asked for, as in OPA."""
    if type(given) is not dict or type(made) is not dict:
        return given
    return {**made, **{name: _merged(given[name], made.get(name)) for name in given}}


def _kind(definition: Definition) -> RuleKind:
    kind = definition.rule.kind
    return RuleKind.COMPLETE if kind is RuleKind.PARTIAL_OBJECT else kind


def _conflict(node: Node, what: str) -> Exception:
    definition = node.definitions[-1]
    return fault("rego_type_error", what, definition.file, definition.place)


def _check_same_shape(node: Node) -> None:
    definitions = node.definitions
    arities = {len(definition.arguments) for definition in definitions}
    if node.kind is RuleKind.FUNCTION and len(arities) > 1:
        raise _conflict(node, f"conflicting rules {show_path(node.path)} found")
    if sum(definition.rule.default for definition in definitions) > 1:
        raise _conflict(node, f"multiple default rules {show_path(node.path)} found")
