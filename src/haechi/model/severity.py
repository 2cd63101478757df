"""How bad a finding is. Five steps, as SARIF viewers, CVSS and the field's tools use them."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """Ordered by ``rank``: 0 is the worst."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for critical … 4 for info, so that sorting ascending puts the worst first."""
        return _RANK[self]

    def at_least(self, other: Severity) -> bool:
        """True when this is as bad as ``other`` or worse."""
        return self.rank <= other.rank


_RANK = {severity: rank for rank, severity in enumerate(Severity)}
