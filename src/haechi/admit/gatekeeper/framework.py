"""What Gatekeeper allows the Rego of a template, and what that Rego asks of the cluster.

A template has an entry (any package, with rules ``violation``) and libraries below ``data.lib``.
It sees ``input.review``, ``input.parameters``, ``data.lib`` and ``data.inventory``, and nothing
else: no other data, no import of input. ``external_data`` would ask a program in the cluster; here
nobody answers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import structs

from haechi.engines.rego.tree import (
    Call,
    Import,
    Module,
    Node,
    Place,
    Ref,
    Rule,
    RuleKind,
    Scalar,
    Var,
)
from haechi.errors import RuleError

ENTRY: Final = ("template", "violation")
LIB: Final = "lib"
INVENTORY: Final = "inventory"
EXTERNAL: Final = "external_data"
FORBIDDEN: Final = frozenset({"http.send", "opa.runtime", "net.lookup_ip_addr"})
"""Builtins that reach out of the engine; Gatekeeper disables the first, we all of them."""
ANY: Final = "*"


class Uses(msgspec.Struct, frozen=True, kw_only=True):
    """What a template reads besides its input. ``reads``: kinds as (group, kind), ``*`` where the
    text does not say. ``external`` is where it calls ``external_data``."""

    inventory: bool = False
    reads: tuple[tuple[str, str], ...] = ()
    external: Place | None = None


def prepared(entry: Module, libs: Sequence[Module]) -> list[Module]:
    """The modules to compile, the entry under its fixed package. Raises RuleError."""
    if not any(rule.name == ENTRY[1] for rule in entry.rules):
        raise _error(entry, Place(1, 1), "there is no rule `violation`", "Gatekeeper asks for it")
    for rule in rules_named(entry, ENTRY[1]):
        if rule.kind is RuleKind.FUNCTION:
            why = "Gatekeeper asks for its members; a function has none"
            raise _error(entry, rule.place, "`violation` is a function", why)
    for lib in libs:
        if len(lib.package) < 2 or lib.package[0] != LIB:
            name = ".".join(lib.package)
            raise _error(lib, Place(1, 1), f"a library in package {name}", "write package lib.NAME")
    for module in (entry, *libs):
        for one in module.imports:
            _check_import(module, one)
        for node, bound in _nodes(module):
            _check(module, node, bound)
    return [structs.replace(entry, package=ENTRY[:1]), *libs]


def uses_of(modules: Iterable[Module]) -> Uses:
    """What the modules read of the inventory, and whether they ask providers."""
    reads: set[tuple[str, str]] = set()
    external: Place | None = None
    for module in modules:
        for node, _ in _nodes(module):
            if isinstance(node, Ref) and _is_data(node.head) and _text(node.path[0]) == INVENTORY:
                reads.add(_read(node))
            elif isinstance(node, Call) and node.function == (EXTERNAL,):
                external = external or node.place
    return Uses(inventory=bool(reads), reads=tuple(sorted(reads)), external=external)


def _check_import(module: Module, one: Import) -> None:
    if one.path[:2] != ("data", LIB):
        path = ".".join(one.path)
        raise _error(module, one.place, f"import {path}", "only data.lib can be imported")


def _check(module: Module, node: Node, bound: bool) -> None:
    if isinstance(node, Ref) and _is_data(node.head):
        first = _text(node.path[0])
        if first not in (LIB, INVENTORY):
            name = f"data.{first}" if first else "all of data"
            raise _error(module, node.place, f"{name} is out of a template's reach", _DATA)
    elif isinstance(node, Var) and node.name == "data" and not bound:
        raise _error(module, node.place, "all of data is out of a template's reach", _DATA)
    elif isinstance(node, Call):
        name = ".".join(node.function)
        if name in FORBIDDEN:
            raise _error(module, node.place, f"{name} is not for templates", "")
        if node.function[:1] == ("data",) and node.function[1:2] != (LIB,):
            raise _error(module, node.place, f"{name} is out of a template's reach", _DATA)


_DATA: Final = "templates see data.inventory and their libraries below data.lib"


def _error(module: Module, place: Place, what: str, why: str) -> RuleError:
    where = f"{module.file}:{place.line}:{place.column}"
    return RuleError(what, why=why, where=where)


def _read(ref: Ref) -> tuple[str, str]:
    """The kind that a reference into the inventory reads."""
    parts = [_text(term) for term in ref.path[1:]]
    skip = {"cluster": 1, "namespace": 2}.get(parts[0] or "", 0) if parts else 0
    if not skip:
        return (ANY, ANY)
    api = parts[skip] if len(parts) > skip else None
    kind = parts[skip + 1] if len(parts) > skip + 1 else None
    group = ANY if api is None else api.rpartition("/")[0]
    return (group, kind or ANY)


def _is_data(term: Any) -> bool:
    return isinstance(term, Var) and term.name == "data"


def _text(term: Any) -> str | None:
    return term.value if isinstance(term, Scalar) and isinstance(term.value, str) else None


def _nodes(module: Module) -> Iterator[tuple[Node, bool]]:
    """All nodes of the rules; True with the head of a reference, which its reference speaks for."""
    stack: list[tuple[Any, bool]] = [(rule, False) for rule in module.rules]
    while stack:
        value, bound = stack.pop()
        if isinstance(value, tuple):
            stack.extend((item, bound) for item in value)
        elif isinstance(value, Node):
            yield value, bound
            if isinstance(value, Ref):
                stack.append((value.head, True))
                stack.append((value.path, False))
                continue
            names = value.__struct_fields__
            stack.extend((getattr(value, name), False) for name in names if name != "place")


def rules_named(module: Module, name: str) -> list[Rule]:
    """The rules of one name, in the order of the text."""
    return [rule for rule in module.rules if rule.name == name]
