"""Texts within a text, written in base64, hexadecimal or URL encoding: one level, bounded.

Kubernetes Secrets, Helm values, kubeconfigs and CI variables carry credentials in base64. What
decodes to printable ASCII shows in its encoded form: of four base64 digits the first three are
from half or a quarter of the alphabet, of two hex digits the first is 2 to 7. So expressions
find encoded *text*, and hashes, images and identifiers cost nothing.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Collection
from urllib.parse import unquote_to_bytes

import msgspec

from haechi.engines.patterns import Expression, Source

MOST_BYTES = 16 * 1024 * 1024
"""Decoded bytes of one buffer; a window of a large file decodes to less."""
MOST_RUNS = 20_000
"""Runs of one encoding in one buffer that are decoded."""
_DIGIT = "[0-9A-Za-z+/_-]"
_TEXT64 = rf"(?:[CI-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589]{_DIGIT}){{5}}"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Decoded(msgspec.Struct, frozen=True):
    """A decoded text and where its encoded form stands. ``encoding``: base64, hex or url."""

    start: int
    end: int
    encoding: str
    text: bytes


class _Encoding(msgspec.Struct, frozen=True):
    name: str
    expression: str
    decode: Callable[[bytes], bytes]


def _base64(run: bytes) -> bytes:
    body = run.rstrip(b"=").translate(_URL_SAFE)
    body = body[: len(body) - (len(body) % 4 == 1)]
    return binascii.a2b_base64(body + b"=" * (-len(body) % 4))


def _hex(run: bytes) -> bytes:
    return bytes.fromhex(run.decode("ascii"))


_ENCODINGS = (
    _Encoding("base64", rf"{_TEXT64}{_DIGIT}*={{0,2}}", _base64),
    _Encoding("hex", r"(?:[2-7][0-9A-Fa-f]){20}(?:[02-7][0-9A-Fa-f])*", _hex),
    _Encoding(
        "url",
        # No upper bounds: counting to 400 costs an automaton a hundred times its speed.
        r"[\w.:/?&=~+@-]{4}[\w.:/?&=%~+@-]*%[2-7][0-9A-Fa-f][\w.:/?&=%~+@-]{4,}",
        unquote_to_bytes,
    ),
)

SOURCES = tuple(Source(encoding.expression) for encoding in _ENCODINGS)
"""What a matcher has to look for besides the detectors, in the order of ``decoded``'s numbers."""


class Decoder:
    """Finds and decodes; compiled on first use."""

    def __init__(self) -> None:
        self._expressions: dict[int, Expression] = {}

    def decoded(self, data: bytes, numbers: Collection[int]) -> tuple[list[Decoded], bool]:
        """The runs of the encodings with these numbers that decode, and whether these are all."""
        runs: list[Decoded] = []
        budget = MOST_BYTES
        for number in numbers:
            encoding = _ENCODINGS[number]
            expression = self._expressions.get(number)
            if expression is None:
                expression = self._expressions[number] = Expression(encoding.expression)
            for seen, span in enumerate(expression.spans(data, most=MOST_RUNS + 1)):
                if seen == MOST_RUNS or span.end - span.start > budget:
                    return runs, False
                try:
                    text = encoding.decode(data[span.start : span.end])
                except (binascii.Error, ValueError):
                    continue
                budget -= len(text)
                runs.append(Decoded(span.start, span.end, encoding.name, text))
        return runs, True
