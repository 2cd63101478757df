"""CEL as ValidatingAdmissionPolicy uses it, for the rules of the catalogue and of users.

Kubernetes' own functions: ``quantity`` (see ``quantity``). Regular expressions are ``matches``
(RE2, linear time); ``find``/``findAll`` and ``url``, ``ip``, ``cidr``, ``semver``, ``format``,
``sets``, list functions and comprehensions of two variables are not there, and using one is an
error when the rule is compiled, never a rule that silently does nothing.
"""

from haechi.engines.cel.data import Unfit, Unknown, examine, plain
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
    "Unknown",
    "examine",
    "parse_path",
    "plain",
]
