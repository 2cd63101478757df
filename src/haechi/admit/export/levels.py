"""Pod Security Standards are in the API server already: what to set instead of a policy."""

from __future__ import annotations

from haechi.admit.export.from_rules import only
from haechi.admit.export.portable import Hint, Inexpressible
from haechi.admit.match import Match
from haechi.admit.packs import LevelPolicy
from haechi.checks.pod_security import LATEST

_MODES = {"deny": "enforce", "warn": "warn", "audit": "audit"}
_PREFIX = "pod-security.kubernetes.io"


def hint_of(policy: LevelPolicy) -> Hint:
    """The labels that say the same. Raises Inexpressible."""
    binding = only(policy.bindings)
    if binding.excepted:
        raise Inexpressible(
            "it leaves out single checks, which Pod Security Admission cannot:"
            f" {', '.join(sorted(binding.excepted))}"
        )
    where = _where(binding.match)
    mode, standard = _MODES[binding.action], policy.standard
    labels = [f"    {_PREFIX}/{mode}: {standard.level.value}"]
    if standard.version != LATEST:
        labels.append(f"    {_PREFIX}/{mode}-version: {standard.version}")
    return Hint(
        policy=policy.info.id,
        text="Pod Security Admission of the cluster judges the same: label the namespaces",
        lines=(
            "apiVersion: v1",
            "kind: Namespace",
            "metadata:",
            f"  name: NAME    # {where}",
            "  labels:",
            *labels,
        ),
    )


def _where(match: Match) -> str:
    if match.labels is not None or match.name or match.source != "All":
        raise Inexpressible("its match chooses pods, and labels are for whole namespaces")
    if match.kinds and not match.about("", "Pod"):
        raise Inexpressible("its match takes no pods")
    words = [f"each of {', '.join(match.namespaces)}" if match.namespaces else "each namespace"]
    if match.excluded:
        words.append(f"but not {', '.join(match.excluded)}")
    if match.namespace_labels is not None:
        words.append(f"with the labels {match.namespace_labels}")
    return ", ".join(words)
