"""Contents too large for one buffer, looked at in windows that overlap.

Windows share OVERLAP bytes; what begins in the first half of them is told by the earlier window,
the rest by the later one, so each sees half an overlap around what it tells. Memory is bounded
by the window, whatever the size of the content.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from haechi.checks.secrets.detect import Candidate, Candidates, Detector

WINDOW = 4 * 1024 * 1024
"""Bytes of a window; contents up to twice as large are looked at in one piece."""
OVERLAP = 128 * 1024
LARGEST = 256 * 1024 * 1024
"""Bytes of a content; larger ones are a gap."""


def find_in_blocks(detector: Detector, blocks: Iterable[bytes]) -> Candidates:
    """Candidates of a content that comes in blocks of any size; offsets, lines and columns are
    those of the whole content (of its UTF-8 form, where it is UTF-16)."""
    found: list[Candidate] = []
    cut: set[str] = set()
    held = b""
    passed = lines = line_bytes = done = 0
    for block in _as_text(blocks):
        held += block
        if len(held) < WINDOW + OVERLAP:
            continue
        seen = detector.find(held)
        cut |= seen.cut
        border = passed + len(held) - OVERLAP // 2
        moved = _moved(seen, passed, lines, line_bytes)
        found += [one for one in moved if done <= one.start < border]
        done = max([border, *(one.end for one in found[-1:])])
        left = len(held) - OVERLAP
        gone, held = held[:left], held[left:]
        passed += left
        breaks = gone.count(b"\n")
        lines += breaks
        line_bytes = left - gone.rfind(b"\n") - 1 if breaks else line_bytes + left
    seen = detector.find(held)
    last = [one for one in _moved(seen, passed, lines, line_bytes) if one.start >= done]
    return Candidates([*found, *last], cut | seen.cut)


def _as_text(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """UTF-16 as UTF-8, which the detector does for contents that it gets in one piece."""
    decoder: codecs.IncrementalDecoder | None = None
    held, started = b"", False
    for block in blocks:
        if not started:
            held += block
            if len(held) < len(codecs.BOM_UTF16_LE):
                continue
            started = True
            block = held
            if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                decoder = codecs.getincrementaldecoder("utf-16")("replace")
        yield decoder.decode(block).encode("utf-8", "replace") if decoder else block
    if decoder:
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
    elif not started:
        yield held


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
