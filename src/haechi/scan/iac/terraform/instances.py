"""A module as it is called: its inputs, and lazily everything that it declares.

Values are computed when something asks for them, so that no order has to be found and what nobody
needs costs nothing. Whatever is being computed is marked: what then needs itself is a fault at
its place, unknown, and everything else goes on.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from haechi.engines.hcl.tree import Node
from haechi.engines.hcl.types import convert, read_type
from haechi.engines.hcl.values import EvalFault, solid
from haechi.errors import LimitExceeded
from haechi.model.unknown import Reference, Unknown
from haechi.scan.iac.terraform.expansions import Expansion, expanded
from haechi.scan.iac.terraform.resource_values import BUSY, ResourceInstance
from haechi.scan.iac.terraform.run import FAULT, LIMIT, MAX_DEPTH, Undeclared
from haechi.scan.iac.terraform.scopes import ModuleScope, Names
from haechi.scan.iac.terraform.walk import names_in

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.calls import Calls
    from haechi.scan.iac.terraform.modules import Element, Module
    from haechi.scan.iac.terraform.run import Run

_CWD = Unknown("path.cwd is the folder in which Terraform runs", cause="path.cwd", given=True)


class ModuleRun:
    """A module with the inputs of one instance of one call. ``values`` are those of a root's
    variable files; ``inputs`` the expressions of a call, in the scope of the caller. ``chain`` are
    the folders that lead here, ``through`` the calls: folder of the caller, and name."""

    def __init__(
        self,
        run: Run,
        calls: Calls,
        module: Module,
        *,
        root: str,
        address: str = "",
        values: Mapping[str, tuple[Node, str]] | None = None,
        inputs: Mapping[str, tuple[Node, ModuleScope, str]] | None = None,
        chain: tuple[str, ...] = (),
        through: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.run = run
        self.calls = calls
        self.module = module
        self.root = root
        self.address = address
        self.prefix = f"{address}." if address else ""
        self.chain = chain
        self.through = through
        self._values = values or {}
        self._inputs = inputs
        self.scope = ModuleScope(self, {})
        self._variables: dict[str, Any] = {}
        self._locals: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._expansions: dict[str, Any] = {}
        self._calls: dict[str, Any] = {}
        self._types: dict[str, Names] = {}
        self._roots: dict[str, Any] = {
            "var": Names(self.variable),
            "local": Names(self.local),
            "module": Names(self.call_value),
            "data": Names(lambda type_: self._named(f"data.{type_}")),
            "ephemeral": Names(lambda type_: self._named(f"ephemeral.{type_}")),
            "path": {"module": _relative(module.folder, root), "root": ".", "cwd": _CWD},
            "terraform": Names(_settings),
            "tofu": Names(_settings),
        }

    # --- names -----------------------------------------------------------------------------

    def root_name(self, name: str) -> Any:
        """What a root name means: a type of resource when it is nothing else."""
        found = self._roots.get(name)
        if found is not None:
            return found
        if name in ("each", "count", "self"):
            raise KeyError(name)
        return self._named(name)

    def _named(self, type_: str) -> Names:
        found = self._types.get(type_)
        if found is None:
            found = self._types[type_] = Names(lambda name: self.resource_value(f"{type_}.{name}"))
        return found

    def variable(self, name: str) -> Any:
        """A variable's value: what the caller or a variable file says, else its default."""
        if name in self._variables:
            found = self._variables[name]
            return self._circle(f"var.{name}") if found is BUSY else found
        if name not in self.module.variables:
            raise Undeclared(f"{self.prefix}var.{name}")
        self._variables[name] = BUSY
        self._variables[name] = value = self._variable(name, self.module.variables[name])
        return value

    def _variable(self, name: str, element: Element) -> Any:
        attributes = element.block.body.attributes
        value, is_told = self._told(name)
        nullable = attributes.get("nullable")
        refuses_null = nullable is not None and getattr(nullable.value, "value", True) is False
        if not is_told or (value is None and refuses_null):
            default = attributes.get("default")
            if default is None:
                return self._without_value(name, element)
            value = self.run.value(default.value, self.scope, element.path)
        type_ = attributes.get("type")
        marks = (attributes.get("sensitive"), attributes.get("ephemeral"))
        if any(mark is not None and getattr(mark.value, "value", None) is True for mark in marks):
            self.run.sensitive(value, element.where)
        if type_ is None:
            return value
        return self._converted(value, type_.value, element)

    def _converted(self, value: Any, type_: Node, element: Element) -> Any:
        """The value as its type has it; one that does not fit is told and stays as it is."""
        try:
            wanted = read_type(type_, lambda node: self.run.value(node, self.scope, element.path))
            return convert(solid(value), wanted, self.run.budget)
        except EvalFault as fault:
            name = element.block.labels[0]
            reason = f"var.{name}: {fault.what}"
            self.run.fault(FAULT, element.where, reason, "give it a value of its type")
            return value
        except LimitExceeded as limit:
            return self.run.limited(element.where, limit)

    def _told(self, name: str) -> tuple[Any, bool]:
        if self._inputs is not None:
            if name not in self._inputs:
                return None, False
            node, scope, path = self._inputs[name]
            return self.run.value(node, scope, path), True
        if name in self._values:
            node, path = self._values[name]
            return self.run.value(node, self.scope, path), True
        return None, False

    def _without_value(self, name: str, element: Element) -> Unknown:
        where = element.where
        if self._inputs is not None:
            reason = f"{self.address} gives var.{name} ({where}) no value"
            self.run.fault(FAULT, where, reason, "give the module this input")
        else:
            reason = f"var.{name} has no value ({where})"
        return Unknown(reason, cause=f"var.{name} at {where}")

    def local(self, name: str) -> Any:
        """A local's value. What it needs of other locals is computed first, without recursion."""
        if name in self._locals:
            found = self._locals[name]
            return self._circle(f"local.{name}") if found is BUSY else found
        for needed in self._order(name):
            self._one_local(needed)
        return self._one_local(name)

    def _one_local(self, name: str) -> Any:
        if name in self._locals:
            found = self._locals[name]
            return self._circle(f"local.{name}") if found is BUSY else found
        local = self.module.locals.get(name)
        if local is None:
            raise Undeclared(f"{self.prefix}local.{name}")
        self._locals[name] = BUSY
        value = self.run.value(local.assignment.value, self.scope, local.path)
        self._locals[name] = value
        return value

    def _order(self, name: str) -> list[str]:
        """The locals that this one needs, each after those that it needs itself."""
        order: list[str] = []
        seen = {name}
        stack = [(name, iter(self._needs(name)))]
        while stack:
            current, needs = stack[-1]
            for needed in needs:
                if needed not in seen and needed not in self._locals:
                    seen.add(needed)
                    stack.append((needed, iter(self._needs(needed))))
                    break
            else:
                stack.pop()
                if current != name:
                    order.append(current)
        return order

    def _needs(self, name: str) -> list[str]:
        local = self.module.locals.get(name)
        if local is None:
            return []
        return names_in(local.assignment.value, "local")

    def _circle(self, what: str) -> Unknown:
        kind, _, name = what.partition(".")
        if kind == "local":
            local = self.module.locals[name]
            where = f"{local.path}:{local.assignment.span[0]}"
        else:
            table = self.module.variables if kind == "var" else self.module.outputs
            where = table[name].where
        reason = f"{what} needs itself"
        self.run.fault(FAULT, where, reason, "break the circle")
        return Unknown(reason, cause=where)

    # --- resources -------------------------------------------------------------------------

    def resource_value(self, name: str) -> Any:
        """What ``aws_s3_bucket.logs`` means to an expression."""
        element = self.module.resources.get(name)
        if element is None:
            address = f"{self.prefix}{name}"
            self.run.undeclared(address)
            reason = f"{address} is not declared"
            return Unknown(reason, cause=address, refs=(Reference(address),), given=True)
        return self.expansion(name, element).value

    def expansion(self, name: str, element: Element) -> Expansion:
        """The instances of a resource."""
        found = self._expansions.get(name)
        if found is None:
            self._expansions[name] = BUSY
            found = self._expansions[name] = expanded(
                self,
                element,
                f"{self.prefix}{name}",
                lambda key, scope: ResourceInstance(self, name, element, key, scope),
            )
        elif found is BUSY:
            reason = f"how many {self.prefix}{name} there are depends on itself"
            self.run.fault(FAULT, element.where, reason, "break the circle")
            return Expansion([], Unknown(reason, cause=element.where))
        expansion: Expansion = found
        return expansion

    def instances(self) -> Iterator[ResourceInstance]:
        """All resources of this module, not of those that it calls."""
        for name, element in self.module.resources.items():
            if not self.run.may_go_on(element.where):
                return
            expansion = self.expansion(name, element)
            if not expansion.instances:
                self.run.counts["count is 0"] += 1
            yield from expansion.instances

    # --- calls and outputs -----------------------------------------------------------------

    def called(self, name: str, element: Element) -> Expansion:
        """The instances of a module call: ``ModuleRun``, none where the module is not there."""
        found = self._calls.get(name)
        if found is BUSY:
            reason = f"how often {self.prefix}module.{name} is called depends on itself"
            self.run.fault(FAULT, element.where, reason, "break the circle")
            return Expansion([], Unknown(reason, cause=element.where))
        if found is None:
            self._calls[name] = BUSY
            found = self._calls[name] = self._call(name, element)
        expansion: Expansion = found
        return expansion

    def _call(self, name: str, element: Element) -> Expansion:
        address = f"{self.prefix}module.{name}"
        module = self.calls.module_of(self, name, element)
        if module is None:
            reason = f"{address} is not here"
            unknown = Unknown(reason, cause=address, refs=(Reference(address),))
            return Expansion([], unknown, unknown)
        if len(self.chain) >= MAX_DEPTH or self.chain.count(module.folder) > 0:
            circle = module.folder in self.chain
            reason = f"{address} calls itself" if circle else f"{address} is nested too deep"
            self.run.fault(LIMIT, element.where, reason, "break the circle")
            return Expansion([], Unknown(reason, cause=element.where))
        attributes = element.block.body.attributes
        if not self.run.may_go_on(element.where):
            return Expansion([], Unknown("a limit was met", cause=LIMIT))

        def make(key: str, scope: ModuleScope) -> ModuleRun:
            self.run.take_module(element.where)
            inputs = {
                one: (
                    assignment.value,
                    scope,
                    self.module.moved.get(id(assignment), element.path),
                )
                for one, assignment in attributes.items()
                if one not in _CALL_META
            }
            return ModuleRun(
                self.run,
                self.calls,
                module,
                root=self.root,
                address=address + key,
                inputs=inputs,
                chain=(*self.chain, module.folder),
                through=(*self.through, (self.module.folder, name)),
            )

        expansion = expanded(self, element, address, make)
        if expansion.instances:
            self.calls.reached.add(module.folder)
        value = expansion.value
        if expansion.unknown is None:
            if isinstance(value, dict):
                value = {key: _outputs_of(one) for key, one in value.items()}
            elif isinstance(value, list):
                value = [_outputs_of(one) for one in value]
            else:
                value = _outputs_of(value)
        return Expansion(expansion.instances, value, expansion.unknown)

    def call_value(self, name: str) -> Any:
        """What ``module.vpc`` means to an expression."""
        element = self.module.calls.get(name)
        if element is None:
            raise Undeclared(f"{self.prefix}module.{name}")
        return self.called(name, element).value

    def output(self, name: str) -> Any:
        """An output of this module."""
        if name in self._outputs:
            found = self._outputs[name]
            return self._circle(f"output.{name}") if found is BUSY else found
        element = self.module.outputs.get(name)
        assignment = element.block.body.attributes.get("value") if element else None
        if element is None or assignment is None:
            raise Undeclared(f"{self.address}.{name}")
        self._outputs[name] = BUSY
        value = self.run.value(assignment.value, self.scope, element.path)
        self._outputs[name] = value
        return value


_CALL_META = frozenset({"source", "version", "count", "for_each", "providers", "depends_on"})


def _outputs_of(module: ModuleRun) -> Names:
    return Names(module.output, module.module.outputs)


def _relative(folder: str, root: str) -> str:
    """A folder as Terraform names it, which runs in the root's."""
    return posixpath.relpath(f"/{folder}", f"/{root}")


def _settings(name: str) -> Unknown:
    reason = f"terraform.{name} is chosen when it is applied"
    return Unknown(reason, cause=f"terraform.{name}", given=True)
