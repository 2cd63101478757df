"""What all modules of one scan share while they are evaluated: limits, faults, counts.

Terraform from strangers is hostile: loops over a million elements, modules that call themselves,
locals that need each other. Everything is bounded, and each bound that is met is told once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from haechi.engines.hcl.tree import Literal, Node
from haechi.engines.hcl.values import EvalFault
from haechi.errors import LimitExceeded
from haechi.model.coverage import Gap
from haechi.model.unknown import Unknown

if TYPE_CHECKING:
    from haechi.engines.hcl.evaluate import Budget, Scope

MAX_RESOURCES = 50_000
MAX_MODULES = 5_000
"""Instances of module calls in all: two calls in each of thirty folders are a billion."""
MAX_BLOCKS = 200_000
"""Nested blocks in all."""
MAX_DEPTH = 40
"""Modules inside modules, blocks inside blocks."""
SECONDS = 120.0
STEPS = 20_000_000
SHARE = 4
"""One root takes at most this part of what a run may take: a root that is made to harm must not
keep its neighbours from being judged."""
SYNTAX, FAULT, LIMIT = "terraform-syntax", "terraform-fault", "terraform-limit"
UNDECLARED = "terraform-undeclared"
MAX_FAULTS = 200
MIN_SECRET = 6
"""Characters of a text that is taken for a secret: shorter ones are words of messages."""


class Undeclared(EvalFault):
    """An expression names what no file declares."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not declared")
        self.name = name


class Run:
    """One look at all Terraform of a tree. ``clock`` is for tests."""

    def __init__(
        self,
        *,
        steps: int = STEPS,
        resources: int = MAX_RESOURCES,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from haechi.engines.hcl.evaluate import Budget, evaluate

        self._evaluate = evaluate
        self.budget: Budget = Budget(steps=steps)
        self._left = {"steps": self.budget.steps, "size": self.budget.size}
        self._share = {name: left // SHARE for name, left in self._left.items()}
        self._given = dict(self._left)
        self.max_resources = resources
        self.resources = 0
        self.modules = 0
        self.blocks = 0
        self.counts: Counter[str] = Counter()
        self.secrets: set[str] = set()
        self._place = (".", 1)
        self._undeclared: dict[str, str] = {}
        self._told: dict[tuple[str, str], tuple[Gap, set[str]]] = {}
        self._end = clock() + seconds
        self._clock = clock
        self._spent = ""
        self._before = (0, 0, 0)

    def begin_root(self) -> None:
        """From here on another root takes its share of what is left."""
        for name, given in self._given.items():
            self._left[name] -= given - getattr(self.budget, name)
            self._given[name] = max(0, min(self._left[name], self._share[name]))
            setattr(self.budget, name, self._given[name])
        self._before = (self.resources, self.modules, self.blocks)
        self._spent = ""

    def value(self, node: Node, scope: Scope, path: str) -> Any:
        """The value of an expression that stands in the file ``path``; never raises. What is
        wrong or over a limit is told and has an unknown value."""
        if type(node) is Literal:
            return node.value
        if self._spent:
            return Unknown(self._spent, cause=LIMIT)
        around, self._place = self._place, (path, node.span[0])
        try:
            return self._evaluate(node, scope, self.budget)
        except Undeclared as fault:
            self.undeclared(fault.name)
            return Unknown(fault.what, cause=fault.name)
        except EvalFault as fault:
            where = f"{path}:{(fault.span or node.span)[0]}"
            self.fault(FAULT, where, str(fault), "correct the expression")
            return Unknown(str(fault), cause=where)
        except RecursionError:
            reason = "expressions depend on each other in too long a chain"
            self.fault(LIMIT, f"{path}:{node.span[0]}", reason, "shorten the chain")
            return Unknown(reason, cause=f"{path}:{node.span[0]}")
        except LimitExceeded as limit:
            return self.limited(f"{path}:{node.span[0]}", limit)
        finally:
            self._place = around

    def limited(self, where: str, limit: LimitExceeded) -> Unknown:
        """What a value is that met a limit, which is told."""
        if self.budget_is_spent:
            self.stop(where, limit.what)
        else:
            self.fault(LIMIT, where, limit.what, "make it smaller")
        return Unknown(limit.what, cause=where)

    def undeclared(self, name: str) -> None:
        """Something refers to what no file declares; all of it is told together."""
        path, line = self._place
        self._undeclared.setdefault(name, f"{path}:{line}")

    def sensitive(self, value: Any, where: str) -> None:
        """Keep the texts of a value that must not be shown."""
        pending = [value]
        try:
            while pending:
                item = pending.pop()
                if isinstance(item, str) and len(item) >= MIN_SECRET:
                    self.secrets.add(item)
                elif isinstance(item, (dict, list)):
                    self.budget.step(len(item))
                    pending.extend(item.values() if isinstance(item, dict) else item)
        except LimitExceeded as limit:
            self.limited(where, limit)

    def hide(self) -> None:
        """Keep the texts that ``sensitive`` was called with."""
        hidden, self.budget.hidden = self.budget.hidden, []
        for value in hidden:
            self.sensitive(value, ".")

    @property
    def budget_is_spent(self) -> bool:
        """No steps are left for anything."""
        return self.budget.steps < 0 or self.budget.size < 0

    def stop(self, where: str, reason: str) -> None:
        """Evaluate nothing more of this root."""
        if not self._spent:
            self._spent = reason
            self.fault(LIMIT, where, f"{reason}; the rest is not evaluated", "scan its parts")

    def may_go_on(self, where: str) -> bool:
        """False once time or the number of resources is up."""
        if self._spent:
            return False
        if self._clock() > self._end:
            self.stop(where, "evaluating Terraform took too long")
        else:
            self._within(where, self.resources + 1, 0, self.max_resources, "instances of resources")
        return not self._spent

    def _within(self, where: str, count: int, which: int, limit: int, name: str) -> None:
        """Stop when there are more than a run, or one root, may have."""
        share = max(1, limit // SHARE)
        if count > limit or count - self._before[which] > share:
            self.stop(where, f"more than {limit if count > limit else share:,} {name}")

    def take_module(self, where: str) -> bool:
        """False once modules are called too often."""
        self.modules += 1
        self._within(where, self.modules, 1, MAX_MODULES, "instances of modules")
        return not self._spent

    def take_block(self, where: str) -> bool:
        """False once there are too many nested blocks."""
        self.blocks += 1
        self._within(where, self.blocks, 2, MAX_BLOCKS, "nested blocks")
        return not self._spent

    def fault(self, kind: str, where: str, reason: str, do: str = "") -> None:
        """Something that is wrong; the same in several places is told at the first one."""
        told = self._told.get((kind, reason))
        if told is None:
            gap = Gap(kind=kind, path=where, reason=reason, do=do)
            self._told[kind, reason] = (gap, {where})
        else:
            told[1].add(where)

    @property
    def gaps(self) -> list[Gap]:
        """What is to be told of this run."""
        out = []
        for gap, places in list(self._told.values())[:MAX_FAULTS]:
            more = f" (and in {len(places) - 1:,} more places)" if len(places) > 1 else ""
            out.append(replace(gap, reason=gap.reason + more))
        if len(self._told) > MAX_FAULTS:
            reason = f"{len(self._told) - MAX_FAULTS:,} more faults, which are not listed"
            out.append(Gap(kind=FAULT, path=".", reason=reason))
        if self._undeclared:
            names = list(self._undeclared)
            more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
            verb = "is" if len(names) == 1 else "are"
            reason = f"{', '.join(names[:3])}{more} {verb} not declared"
            where = self._undeclared[names[0]]
            do = "declare them, or scan the folder as a whole"
            out.append(Gap(kind=UNDECLARED, path=where, reason=reason, do=do))
        return out
