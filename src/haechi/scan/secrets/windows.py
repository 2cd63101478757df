"""Candidates of contents that are looked at in windows, placed in the whole content."""

from __future__ import annotations

from collections.abc import Iterable

from haechi.checks.secrets.detect import Candidate, Candidates, Detector
from haechi.engines.windows import Window, as_text, filled, windows

WINDOW = 4 * 1024 * 1024
"""Bytes of a window; contents up to twice as large are looked at in one piece."""
OVERLAP = 64 * 1024
LARGEST = 256 * 1024 * 1024
"""Bytes of a content; larger ones are a gap."""


def find_in_blocks(detector: Detector, blocks: Iterable[bytes]) -> Candidates:
    """Candidates of a content that comes in blocks of any size; offsets, lines and columns are
    those of the whole content (of its UTF-8 form, where it is UTF-16)."""
    found: list[Candidate] = []
    cut: set[str] = set()
    for window in windows(filled(as_text(blocks), WINDOW), OVERLAP):
        seen = detector.find(window.data)
        found += own(window, seen)
        cut |= seen.cut
    return Candidates(found, cut)


def own(window: Window, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that begin in the window's own range, placed in the whole content; its first line
    may have begun before it."""
    kept = [c for c in candidates if window.first <= c.start < window.last]
    for candidate in kept:
        if candidate.line == 1:
            candidate.column += window.column
        if candidate.end_line == 1:
            candidate.end_column += window.column
        candidate.line += window.lines
        candidate.end_line += window.lines
        candidate.start += window.offset
        candidate.end += window.offset
    return kept
