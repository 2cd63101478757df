"""What a function takes, and what happens before its own code runs.

``params`` are words: ``s`` string, ``n`` number, ``i`` whole number, ``b`` bool, ``l`` list or
set, ``m`` object or map, ``a`` anything; ``?`` behind one lets null through, ``*`` behind the
last takes any number of it, ``[`` in front of one makes it and those after it optional.

``open`` says how far unknown goes. False: an unknown anywhere in an argument makes the result
unknown. True: the function's code looks at what is inside its arguments itself, so only an
argument that is unknown as a whole does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from haechi.engines.hcl.operators import whole_number
from haechi.engines.hcl.values import (
    Budget,
    EvalFault,
    as_bool,
    as_number,
    as_text,
    joined,
    kind_of,
    unknowns_in,
)
from haechi.model.unknown import Unknown


class Files(Protocol):
    """What file functions may read. Paths are as the expression writes them, usually behind
    ``path.module``; whoever implements it bounds size and place."""

    def read(self, path: str) -> bytes | None:
        """The content, or None where there is no such file in reach."""

    def glob(self, folder: str, pattern: str) -> list[str] | None:
        """Paths below ``folder`` that match, for ``fileset``; None where that is not known."""


class Context:
    """What a function's code may use besides its arguments."""

    __slots__ = ("budget", "files")

    def __init__(self, budget: Budget, files: Files | None) -> None:
        self.budget = budget
        self.files = files


Code = Callable[..., Any]


class Function:
    """``code`` is called with the context and the arguments."""

    __slots__ = ("code", "given", "least", "name", "nulls", "open", "params", "variadic")

    def __init__(
        self, name: str, params: str, code: Code, *, open: bool = False, given: bool = False
    ) -> None:
        self.name = name
        self.code = code
        self.open = open
        self.given = given
        words = params.split()
        self.variadic = bool(words) and words[-1].endswith("*")
        optional = [index for index, word in enumerate(words) if word.startswith("[")]
        self.least = optional[0] if optional else len(words) - self.variadic
        bare = [word.strip("[*") for word in words]
        self.params = tuple(word[0] for word in bare)
        self.nulls = tuple(word.endswith("?") for word in bare)

    def __call__(self, context: Context, args: list[Any]) -> Any:
        """The result. Raises EvalFault without a place."""
        self._count(len(args))
        context.budget.step(1 + len(args))
        ready: list[Any] = []
        unknowns: list[Unknown] = []
        last = len(self.params) - 1
        for index, value in enumerate(args):
            at = min(index, last)
            if isinstance(value, Unknown):
                unknowns.append(value)
            elif value is None:
                if not self.nulls[at]:
                    raise EvalFault(f"{self.name}: argument {index + 1} cannot be null")
                ready.append(value)
            else:
                ready.append(self._converted(self.params[at], value, index))
                if isinstance(value, (list, dict)):
                    context.budget.step(len(value))
                if not self.open and isinstance(value, (list, dict)):
                    unknowns.extend(unknowns_in(value, context.budget))
        if unknowns:
            return joined(unknowns, given=self.given or None)
        return self.code(context, *ready)

    def _count(self, count: int) -> None:
        most = None if self.variadic else len(self.params)
        if count < self.least or (most is not None and count > most):
            if most is None:
                wanted = f"at least {self.least}"
            else:
                wanted = str(most) if most == self.least else f"{self.least} to {most}"
            raise EvalFault(f"{self.name}: takes {wanted} arguments, not {count}")

    def _converted(self, kind: str, value: Any, index: int) -> Any:
        try:
            if kind == "s":
                return value if isinstance(value, str) else as_text(value)
            if kind == "n":
                return as_number(value)
            if kind == "i":
                return whole_number(value)
            if kind == "b":
                return as_bool(value)
        except EvalFault as fault:
            raise EvalFault(f"{self.name}: argument {index + 1}: {fault.what}") from None
        if kind == "l" and not isinstance(value, list):
            raise EvalFault(
                f"{self.name}: argument {index + 1}: a list is needed, not {kind_of(value)}"
            )
        if kind == "m" and not isinstance(value, dict):
            raise EvalFault(
                f"{self.name}: argument {index + 1}: an object is needed, not {kind_of(value)}"
            )
        return value
