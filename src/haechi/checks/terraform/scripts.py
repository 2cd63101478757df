"""What somebody wrote into a start-up script or its like, wherever a part of it is not known."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from haechi.checks.terraform.view import is_unknown, text

LONGEST = 200_000
"""Characters of a script that are looked at."""


def written(found: Any) -> Iterator[str]:
    """The text that was written: plain or in base64, of which unknown pieces are left out."""
    if found is None:
        return
    if is_unknown(found):
        for piece in (*found.parts, found.content):
            if piece is not None and not is_unknown(piece) and isinstance(piece, str):
                yield piece[:LONGEST]
        return
    word = (text(found) or "")[:LONGEST]
    try:
        yield base64.b64decode(word.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        yield word
