"""What names mean to an expression: the module's own, and what its block binds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from haechi.engines.hcl.values import Lazy, solid
from haechi.model.unknown import Unknown

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.instances import ModuleRun
    from haechi.scan.iac.terraform.tree_files import Data


class Names(Lazy):
    """``var``, ``local``, ``module``, ``data``, ``aws_s3_bucket``: each attribute is computed when
    it is asked for."""

    __slots__ = ("_answer", "_names")

    def __init__(self, answer: Callable[[str], Any], names: Iterable[str] | None = None) -> None:
        self._answer = answer
        self._names = names

    def get(self, key: str | int) -> Any:
        """The value of a name."""
        return self._answer(str(key))

    def whole(self) -> Any:
        """All outputs of a module; of other names nobody asks all at once."""
        if self._names is not None:
            return {name: solid(self._answer(name)) for name in self._names}
        return Unknown("an object as a whole is known after apply", cause="an object as a whole")


class ModuleScope:
    """The scope of one block of one module: ``each``, ``count`` and the iterators of dynamic
    blocks beside what the module knows."""

    __slots__ = ("bound", "module")

    def __init__(self, module: ModuleRun, bound: dict[str, Any]) -> None:
        self.module = module
        self.bound = bound

    @property
    def files(self) -> Data:
        """What file functions read."""
        return self.module.calls.data_of(self.module.root)

    def root(self, name: str) -> Any:
        """The value of a root name."""
        if name in self.bound:
            return self.bound[name]
        return self.module.root_name(name)

    def with_iterator(self, name: str, key: Any, value: Any) -> ModuleScope:
        """The scope inside the content of a dynamic block."""
        return ModuleScope(self.module, {**self.bound, name: {"key": key, "value": value}})

    def for_any(self, address: str) -> ModuleScope:
        """The scope of a block for all of its instances together."""
        one = Unknown(f"{address} has several instances", cause=address)
        return ModuleScope(self.module, {**self.bound, **of_each(one, one), **of_count(one)})


def of_each(key: Any, value: Any) -> dict[str, Any]:
    """What ``for_each`` binds."""
    return {"each": {"key": key, "value": value}}


def of_count(index: Any) -> dict[str, Any]:
    """What ``count`` binds."""
    return {"count": {"index": index}}


def from_cause(unknown: Unknown, *, reason: str = "") -> Unknown:
    """An unknown value that is unknown because of another one; of its shape nothing is said."""
    return Unknown(reason or unknown.reason, cause=unknown.cause, refs=unknown.refs)
