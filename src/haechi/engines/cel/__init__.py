"""CEL as ValidatingAdmissionPolicy uses it, for rules of the catalogue and of users, and policies.

Kubernetes' own functions are in ``libraries`` and ``quantity``; those of lists and optionals are
rewritten to CEL of the wheel's own (``expand``). ``CelEngine(kubernetes=True)`` checks as the API
server does, with its types and without what haechi's rules have besides (``math``, ``base64``,
``cel.bind``).
What the wheel cannot do is an error when an expression is compiled, never silence:
``transformMap`` and ``transformMapEntry``, and nesting deeper than 32.
"""

from haechi.engines.cel.data import Unfit, examine, plain
from haechi.engines.cel.engine import (
    Activation,
    CelEngine,
    CelRule,
    CompiledExpression,
    CompiledRule,
)
from haechi.engines.cel.paths import parse_path

__all__ = [
    "Activation",
    "CelEngine",
    "CelRule",
    "CompiledExpression",
    "CompiledRule",
    "Unfit",
    "examine",
    "parse_path",
    "plain",
]
