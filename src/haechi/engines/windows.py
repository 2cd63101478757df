"""Contents too large for one buffer, cut into windows that overlap on both sides.

What begins in a window's own range is told by that window, which sees the overlap before and
behind it, so what lies across a border is seen whole. Memory is bounded by three pieces.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Window(msgspec.Struct, gc=False):
    """Bytes of a content. ``first`` to ``last`` (offsets in ``data``) are its own range.

    ``offset`` is where ``data`` begins; ``lines`` and ``column`` count what stands before it
    (newlines, and bytes after the last).
    """

    data: bytes
    first: int = 0
    last: int = -1
    offset: int = 0
    lines: int = 0
    column: int = 0


def windows(pieces: Iterable[bytes], overlap: int) -> Iterator[Window]:
    """A window for each piece; none of the pieces but the last may be shorter than the overlap."""
    left = iter(pieces)
    before, data = b"", next(left, b"")
    offset = lines = column = 0
    while data:
        ahead = next(left, b"")
        whole = b"".join((before, data, ahead[:overlap]))
        first = len(before)
        yield Window(whole, first, first + len(data), offset, lines, column)
        gone = whole[: max(first + len(data) - overlap, 0)]
        before, data = whole[len(gone) : first + len(data)], ahead
        offset += len(gone)
        newlines = gone.count(b"\n")
        lines += newlines
        column = len(gone) - gone.rfind(b"\n") - 1 + (0 if newlines else column)


def as_text(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """UTF-16, which editors on Windows write, as UTF-8; everything else as it is. None is empty."""
    left = iter(blocks)
    head = b""
    for block in left:
        head += block
        if len(head) >= len(_MARKS[0]):
            break
    if not head.startswith(_MARKS):
        yield from filter(None, chain([head], left))
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    texts = (decoder.decode(block) for block in chain([head], left))
    yield from filter(None, (text.encode("utf-8", "replace") for text in texts))
    yield from filter(None, [decoder.decode(b"", final=True).encode("utf-8", "replace")])


def filled(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Blocks joined to pieces of at least so many bytes; the last may be shorter."""
    held: list[bytes] = []
    total = 0
    for block in blocks:
        held.append(block)
        total += len(block)
        if total >= size:
            yield b"".join(held)
            held, total = [], 0
    if total:
        yield b"".join(held)
