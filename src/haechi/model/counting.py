"""How many, in words and by state: what the gate, the reports and the commands all say.

In one place, because the same number stands in several of their sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from haechi.model.finding import Finding, FindingState
from haechi.model.severity import Severity


def counted(number: int, one: str, many: str = "") -> str:
    """``1 finding``, ``2 findings``; ``many`` where the plural is not regular."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


DETAILS = frozenset(
    {
        "terraform blocks",
        "terraform values",
        "unknown terraform values",
        "verdicts that wait for unknown terraform values",
    }
)
"""Counts of how much of a thing was known. Reports for programs have them; a headline names the
things."""


def seen(counts: Mapping[str, int]) -> list[str]:
    """What was looked at, as people say it: ``48 files``, ``1 workflow``.

    The names of counts are plurals; of ``files for secrets`` the first word carries the number.
    """
    return [
        f"{number:,} {_singular(what) if number == 1 else what}"
        for what, number in counts.items()
        if what not in DETAILS
    ]


def _singular(what: str) -> str:
    head, joint, rest = what.partition(" for ")
    return head.removesuffix("s") + joint + rest


def by_state(findings: Iterable[Finding]) -> dict[FindingState, dict[Severity, int]]:
    """The findings of every state and severity, zeros included."""
    counts = {state: dict.fromkeys(Severity, 0) for state in FindingState}
    for finding in findings:
        counts[finding.state][finding.severity] += 1
    return counts
