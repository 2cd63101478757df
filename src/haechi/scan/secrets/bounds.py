"""What a content holds past the bounds of the detector, in words."""

from __future__ import annotations

from collections.abc import Collection

from haechi.checks.secrets.detect import MOST, MOST_MATCHES
from haechi.model.coverage import Gap

_NAMED = 5


def cut_short(path: str, what: str, rules: Collection[str]) -> Gap:
    """The gap for a content (``what`` in words) with more matches than are judged."""
    named = ", ".join(sorted(rules)[:_NAMED]) + (" …" if len(rules) > _NAMED else "")
    return Gap(
        kind="too-many-findings",
        path=path,
        reason=f"{what} holds more than is looked at: what follows the first {MOST:,} findings "
        f"or {MOST_MATCHES:,} matches of {named} is left out",
        do="correct the first ones, split the file, or exclude it",
    )
