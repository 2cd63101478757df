"""What was looked at and what was not. An empty result must not look like a clean one."""

from __future__ import annotations

import msgspec


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the asked scope that was not evaluated.

    ``kind`` is one short word in kebab-case that ``coverage.accept`` can name (``helm-chart``,
    ``kustomize``, ``too-large``, ``unreadable``, ``syntax``, ``encoding``, ``rule-error`` …).
    """

    kind: str
    path: str
    reason: str
    do: str = ""
    accepted: bool = False


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of what was looked at (``{"files": 12, "kubernetes resources": 31}``) and the gaps.

    ``evaluated`` holds the ids of the rules that judged at least one resource: "unused" waivers
    are told apart from those whose rule never ran. Of vulnerabilities it holds
    ``advisories:<ecosystem>`` and the ids that somebody asked about. ``warnings`` are sentences
    about what was evaluated, but not as it should be.
    """

    looked: dict[str, int] = msgspec.field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    evaluated: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    @property
    def open_gaps(self) -> tuple[Gap, ...]:
        """Gaps that were not accepted in haechi.yaml."""
        return tuple(gap for gap in self.gaps if not gap.accepted)
