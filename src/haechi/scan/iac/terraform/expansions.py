"""The instances that ``count`` or ``for_each`` make of a block: a resource or a module call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haechi.engines.hcl.values import solid
from haechi.model.unknown import Reference, Unknown
from haechi.scan.iac.terraform.repeats import keyed, times
from haechi.scan.iac.terraform.scopes import ModuleScope, from_cause, of_count, of_each

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.instances import ModuleRun
    from haechi.scan.iac.terraform.modules import Element


class Expansion:
    """The instances that ``count`` or ``for_each`` make of a block. ``value`` is what its name
    means to expressions."""

    __slots__ = ("instances", "unknown", "value")

    def __init__(self, instances: list[Any], value: Any, unknown: Unknown | None = None) -> None:
        self.instances = instances
        self.value = value
        self.unknown = unknown


def key_of(key: Any) -> str:
    """``[0]`` or ``["k"]`` as Terraform writes it."""
    if isinstance(key, bool) or not isinstance(key, int):
        text = str(key).replace("\\", "\\\\").replace('"', '\\"')
        return f'["{text}"]'
    return f"[{key}]"


def expanded(module: ModuleRun, element: Element, address: str, make: Any) -> Expansion:
    """What ``make`` makes of a block, given the key of an instance and its scope."""
    attributes = element.block.body.attributes
    if "for_each" in attributes:
        node = attributes["for_each"].value
        over = solid(module.run.value(node, module.scope, element.path))
        return _for_each(module, element, address, make, over)
    if "count" in attributes:
        node = attributes["count"].value
        return _count(
            module, element, address, make, module.run.value(node, module.scope, element.path)
        )
    only = make("", module.scope)
    return Expansion([only], only)


def _for_each(module: ModuleRun, element: Element, address: str, make: Any, over: Any) -> Expansion:
    listed = keyed(over, address, element.where, module.run)
    if isinstance(listed, Unknown):
        inner = ModuleScope(module, of_each(from_cause(listed), from_cause(listed)))
        return _one_of_many(address, make("", inner), listed)
    made: dict[Any, Any] = {}
    for at, (key, value) in enumerate(listed):
        if not _may_make(module, element):
            break
        if isinstance(key, Unknown):
            made[f"\0{at}"] = make("", ModuleScope(module, of_each(key, value)))
        else:
            made[key] = make(key_of(key), ModuleScope(module, of_each(key, value)))
    return Expansion(list(made.values()), made)


def _count(module: ModuleRun, element: Element, address: str, make: Any, count: Any) -> Expansion:
    wanted = times(count, address, element.where, module.run)
    if isinstance(wanted, Unknown):
        inner = ModuleScope(module, of_count(from_cause(wanted)))
        return _one_of_many(address, make("", inner), wanted)
    made = []
    for at in range(wanted):
        if not _may_make(module, element):
            break
        made.append(make(f"[{at}]", ModuleScope(module, of_count(at))))
    return Expansion(made, made)


def _one_of_many(address: str, only: Any, unknown: Unknown) -> Expansion:
    value = Unknown(
        unknown.reason,
        cause=unknown.cause,
        refs=(Reference(address),),
        given=False,
    )
    return Expansion([only], value, unknown)


def _may_make(module: ModuleRun, element: Element) -> bool:
    """Whether one more instance may be made; what is left out is told once."""
    module.run.resources += 1
    return module.run.may_go_on(element.where)
