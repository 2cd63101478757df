"""What a policy may say to, and know of, what runs it: nothing. ``print`` and ``trace`` have no
effect, ``opa.runtime`` is empty: verdicts depend on the request and on nothing else."""

from __future__ import annotations

from typing import Any, Final

from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.operands import text
from haechi.engines.rego.values import Value


def silent(*_: Value) -> bool:
    return True


def traced(note: Value) -> bool:
    text(note, 1)
    return True


def runtime() -> dict[str, Any]:
    return {}


TABLE: Final = (
    Builtin(name="print", arity=0, call=silent, variadic=True),
    Builtin(name="internal.print", arity=1, call=silent),
    Builtin(name="trace", arity=1, call=traced),
    Builtin(name="opa.runtime", arity=0, call=runtime),
)
