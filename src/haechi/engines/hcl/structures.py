"""The structure inside a JSON text of which some pieces are unknown.

Policies are written as heredocs with ARNs of other resources in them. Each unknown piece is
replaced by a mark that JSON cannot contain otherwise, the text is read, and the marks become
unknown leaves again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from haechi.engines.hcl.json_values import loads
from haechi.engines.hcl.values import EvalFault, joined
from haechi.model.unknown import Unknown

_OPEN, _CLOSE = "\uf8f0", "\uf8f1"
_MARK = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_QUOTE = re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_MAX_TEXT = 1_000_000


class _Piece:
    """An unknown piece, and whether it stands inside quotes."""

    __slots__ = ("quoted", "unknown")

    def __init__(self, unknown: Unknown, quoted: bool) -> None:
        self.unknown = unknown
        self.quoted = quoted


def encoded_structure(parts: Sequence[Any]) -> Any:
    """The object or list that these pieces of a text encode; None where they are no JSON."""
    if not parts or not isinstance(parts[0], str) or parts[0].lstrip()[:1] not in ("{", "["):
        return None
    if sum(len(part) for part in parts if isinstance(part, str)) > _MAX_TEXT:
        return None
    pieces: list[_Piece] = []
    try:
        return _restored(loads(_marked(parts, pieces)), pieces)
    except (ValueError, RecursionError, EvalFault):
        return None


def _marked(parts: Sequence[Any], pieces: list[_Piece]) -> str:
    out: list[str] = []
    quoted = False
    for part in parts:
        if isinstance(part, str):
            quoted = _is_quoted_after(part, quoted)
            out.append(part)
        else:
            mark = f"{_OPEN}{len(pieces)}{_CLOSE}"
            pieces.append(_Piece(part, quoted))
            out.append(mark if quoted else f'"{mark}"')
    return "".join(out)


def _is_quoted_after(text: str, quoted: bool) -> bool:
    for _ in _QUOTE.finditer(text):
        quoted = not quoted
    return quoted


def _restored(value: Any, pieces: list[_Piece]) -> Any:
    if isinstance(value, dict):
        return _object(value, pieces)
    if isinstance(value, list):
        return [_restored(item, pieces) for item in value]
    if isinstance(value, str) and _OPEN in value:
        return _text(value, pieces)
    return value


def _object(value: dict[str, Any], pieces: list[_Piece]) -> Any:
    out: dict[str, Any] = {}
    for key, item in value.items():
        if _OPEN in key:  # what a key is decides what the object says
            unknown = _text(key, pieces)
            return Unknown(unknown.reason, cause=unknown.cause, refs=unknown.refs, given=True)
        out[key] = _restored(item, pieces)
    return out


def _text(value: str, pieces: list[_Piece]) -> Any:
    found: list[Any] = []
    for index, text in enumerate(_MARK.split(value)):
        if index % 2:
            number = int(text)
            if number >= len(pieces):
                raise ValueError("a mark that was in the text")
            found.append(pieces[number])
        elif text:
            found.append(text)
    first = next(piece for piece in found if isinstance(piece, _Piece))
    if len(found) == 1 and not first.quoted:
        return first.unknown if first.unknown.content is None else first.unknown.content
    if len(found) == 1:
        return first.unknown
    parts = tuple(piece.unknown if isinstance(piece, _Piece) else piece for piece in found)
    unknowns = [part for part in parts if isinstance(part, Unknown)]
    refs = dict.fromkeys(ref for unknown in unknowns for ref in unknown.refs)
    return Unknown(
        unknowns[0].reason, cause=unknowns[0].cause, refs=tuple(refs), given=True, parts=parts
    )


def text_with_unknowns(pieces: list[Any]) -> Unknown:
    """A text of which some is unknown: its pieces, neighbouring texts joined."""
    parts: list[Any] = []
    texts: list[str] = []
    for piece in (*pieces, None):
        if isinstance(piece, str):
            texts.append(piece)
            continue
        if any(texts):
            parts.append("".join(texts))
        texts.clear()
        if piece is not None:
            parts.append(piece)
    whole = joined([part for part in parts if isinstance(part, Unknown)], given=True)
    return Unknown(
        whole.reason,
        cause=whole.cause,
        refs=whole.refs,
        given=True,
        parts=tuple(parts),
        content=encoded_structure(parts),
    )
