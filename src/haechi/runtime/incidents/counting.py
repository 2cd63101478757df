"""How detections that are alike are counted together."""

from __future__ import annotations

from haechi.runtime.incidents.reading import Detection
from haechi.store.state.incidents_records import Counted, Row

WINDOW_NS = 15 * 60 * 10**9
"""What happens within it belongs together."""


def near(counted: Counted, detection: Detection) -> bool:
    """Whether it happened within the window of what was counted."""
    return counted.first_ns - WINDOW_NS <= detection.ts_ns <= counted.last_ns + WINDOW_NS


def counted_with(before: Counted, detection: Detection) -> Counted:
    """The same, with one more."""
    return Counted(
        before.n,
        before.count + detection.count,
        min(before.first_ns, detection.ts_ns),
        max(before.last_ns, detection.last_ns),
    )


def row_of(n: int, signature: str, counted: Counted, detection: Detection) -> Row:
    """The first of its kind in an incident."""
    return Row(
        incident=n,
        signature=signature,
        counted=counted,
        event=detection.event,
        source=detection.source,
        rule=detection.rule,
        priority=detection.priority,
        message=detection.message,
        evidence=detection.evidence,
    )
