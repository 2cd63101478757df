"""Plans and state beside the files that they were made from.

A plan is judged instead of what the files of its folder would give: it knows more. A state file
is a fault by itself where it lies in a repository (it holds secrets in clear), and what it says of
resources counts only where no Terraform files say anything.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from haechi.checks.terraform.addresses import bare
from haechi.checks.terraform.links import root_of
from haechi.model.resource import Resource
from haechi.scan.iac.terraform.calls import MISSING
from haechi.scan.iac.terraform.plans import Planned, read_plan

if TYPE_CHECKING:
    from haechi.scan.iac.collected import Collected


def take_plans(plans: Mapping[str, bytes], states: Mapping[str, bytes], out: Collected) -> None:
    """Judge these besides, or instead of, what was read from files."""
    declared = _Declared(out)
    for path, data in plans.items():
        planned = read_plan(data, path)
        if planned is not None:
            _take(planned, out, declared, instead=True)
    declared.drop_replaced()
    for path, data in states.items():
        planned = read_plan(data, path)
        if planned is not None:
            _take(planned, out, declared, instead=False)


def _take(planned: Planned, out: Collected, declared: _Declared, *, instead: bool) -> None:
    out.gaps.extend(planned.gaps)
    out.secrets |= planned.secrets
    out.files.add(planned.path)
    if planned.state is not None:
        out.terraform.append(planned.state)
    for resource in planned.resources:
        block = declared.block_of(resource)
        if not instead and declared.is_judged(resource):
            continue
        if block is not None:
            declared.replaced.add(id(block))
            moved = replace(resource, file=block.file, locate=block.locate)
            out.origins[id(moved)] = out.origins.get(id(block), f"{block.file}#{bare(block.name)}")
            if id(block) in out.chains:
                out.chains[id(moved)] = out.chains[id(block)]
        else:
            moved = resource
            out.origins[id(moved)] = f"{planned.path}#{bare(resource.name)}"
        out.terraform.append(moved)
        if instead:
            declared.foreseen.add(_place(resource))
    if instead and planned.resources:
        declared.planned.add(posixpath.dirname(planned.path))
    key = "terraform resources in plans" if instead else "terraform resources in state"
    out.counts[key] = out.counts.get(key, 0) + len(planned.resources)


class _Declared:
    """The blocks that files declare, by root and address without the keys of instances."""

    def __init__(self, out: Collected) -> None:
        self._out = out
        self._blocks: dict[tuple[str, str], Resource] = {}
        self.replaced: set[int] = set()
        self.foreseen: set[tuple[str, str]] = set()
        self.planned: set[str] = set()
        self._made = {id(resource) for resource in out.terraform}
        for resource in out.terraform:
            self._blocks.setdefault(_place(resource), resource)

    def block_of(self, resource: Resource) -> Resource | None:
        """The block that a planned resource was made from."""
        return self._blocks.get(_place(resource))

    def is_judged(self, resource: Resource) -> bool:
        """Whether files or a plan say what the resource is."""
        return _place(resource) in self._blocks or _place(resource) in self.foreseen

    def drop_replaced(self) -> None:
        """Leave out blocks of which a plan said more, and modules that a plan knows."""
        if not self.planned:
            return
        blocks = self._out.terraform
        names = {_place(one) for one in blocks if id(one) in self.replaced}
        blocks[:] = [one for one in blocks if id(one) not in self._made or _place(one) not in names]
        self._out.gaps[:] = [
            gap
            for gap in self._out.gaps
            if gap.kind != MISSING or posixpath.dirname(gap.path) not in self.planned
        ]


def _place(resource: Resource) -> tuple[str, str]:
    """The root and the address without the keys of instances."""
    return root_of(resource), bare(resource.name)
