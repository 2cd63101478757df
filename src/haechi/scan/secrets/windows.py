"""Contents too large for one buffer, looked at in windows that overlap.

A credential of up to OVERLAP bytes is whole in one window at least; what two windows both see
counts once. Memory is bounded by the window, whatever the size of the content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from haechi.checks.secrets.detect import Candidate, Detector

WINDOW = 4 * 1024 * 1024
"""Bytes of a window; contents up to twice as large are looked at in one piece."""
OVERLAP = 64 * 1024
LARGEST = 256 * 1024 * 1024
"""Bytes of a content; larger ones are a gap."""


def find_in_blocks(detector: Detector, blocks: Iterable[bytes]) -> Iterator[Candidate]:
    """Candidates of a content that comes in blocks of any size; offsets, lines and columns are
    those of the whole content."""
    held = b""
    passed = lines = line_bytes = 0
    done = -1  # end of what was already told
    for block in blocks:
        held += block
        if len(held) < WINDOW + OVERLAP:
            continue
        for candidate in _moved(detector.find(held), passed, lines, line_bytes):
            if candidate.start > done:
                done = candidate.end
                yield candidate
        cut = len(held) - OVERLAP
        gone, held = held[:cut], held[cut:]
        passed += cut
        breaks = gone.count(b"\n")
        lines += breaks
        line_bytes = cut - gone.rfind(b"\n") - 1 if breaks else line_bytes + cut
    for candidate in _moved(detector.find(held), passed, lines, line_bytes):
        if candidate.start > done:
            yield candidate


def _moved(found: list[Candidate], passed: int, lines: int, line_bytes: int) -> Iterator[Candidate]:
    """Places within a window as places in the content; a first line may have begun before."""
    for candidate in found:
        candidate.start += passed
        candidate.end += passed
        if candidate.line == 1:
            candidate.column += line_bytes
        if candidate.end_line == 1:
            candidate.end_column += line_bytes
        candidate.line += lines
        candidate.end_line += lines
        yield candidate
