"""The Pod Security Standards: what upstream's evaluator says of a pod, in typed Python.

``evaluate`` answers for one pod, level and version; every check is versioned by the minor release
of Kubernetes that introduced or changed it (``standard``). The checks read a pod that was walked
once (``subject``) and say where in it the offending values stand. What a namespace's labels,
exemptions and updates mean is another matter: ``haechi.admit.pod_security``.
"""

from haechi.checks.pod_security.levels import (
    LATEST,
    NEWEST,
    Level,
    parse_level,
    parse_version,
    stricter,
)
from haechi.checks.pod_security.result import CheckResult, Place, joined, reasons
from haechi.checks.pod_security.standard import CHECKS, Check, checks_of, evaluate

__all__ = [
    "CHECKS",
    "LATEST",
    "NEWEST",
    "Check",
    "CheckResult",
    "Level",
    "Place",
    "checks_of",
    "evaluate",
    "joined",
    "parse_level",
    "parse_version",
    "reasons",
    "stricter",
]
