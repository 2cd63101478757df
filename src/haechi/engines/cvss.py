"""CVSS vectors → base scores and severities. The one user of the ``cvss`` library.

Scores are FIRST's: v2, v3.0, v3.1 and v4.0. A vector may carry temporal or environmental metrics;
of v2 and v3 only the base score counts, for the others are about one moment or one place. The
newest version of CVSS that a record gives is believed, of several vectors of it the highest.
Source: first.org/cvss, specifications of v2.0, v3.1 and v4.0; severity ratings of v3.1 (section 5).
"""

from __future__ import annotations

from collections.abc import Iterable

from haechi.errors import InputError
from haechi.model.severity import Severity

_LONGEST = 512
_STEPS = (
    (9.0, Severity.CRITICAL),
    (7.0, Severity.HIGH),
    (4.0, Severity.MEDIUM),
    (0.1, Severity.LOW),
)


def score_of(vector: str) -> tuple[int, float]:
    """(2, 3 or 4, the base score). Raises InputError for what is no vector."""
    from cvss import CVSS2, CVSS3, CVSS4
    from cvss.exceptions import CVSSError

    text = vector.strip().strip("()").rstrip("/")
    if len(text) > _LONGEST:
        raise InputError("a CVSS vector of more than 512 characters")
    try:
        if text.startswith("CVSS:4"):
            return 4, float(CVSS4(text).base_score)
        if text.startswith("CVSS:3"):
            return 3, float(CVSS3(text).base_score)
        return 2, float(CVSS2(text).base_score)
    except (CVSSError, ValueError, KeyError) as error:
        raise InputError(f"no CVSS vector: {vector[:80]!r}", why=str(error)) from None


def highest(vectors: Iterable[str]) -> float | None:
    """The score that counts: of the newest version of CVSS among them, the highest. None when
    none of them can be read."""
    best: tuple[int, float] | None = None
    for vector in vectors:
        try:
            found = score_of(vector)
        except InputError:
            continue
        best = found if best is None else max(best, found)
    return None if best is None else best[1]


def severity_of(score: float) -> Severity:
    """The rating of a score, by the scale of v3.1 and v4.0 (v2 is put on the same scale)."""
    return next((severity for least, severity in _STEPS if score >= least), Severity.INFO)
