"""Values that have the form of a credential and are none: documentation, tests, templates.

Random values hold no run of equal or counting characters and no word of six letters; what
vendors print in their documentation mostly does. Long values (keys in DER) may hold such runs.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

_LONG = 200
_RUN = 8
_SAME = re.compile(rb"([^A])\1{7}|A{24}")
"""Zero bytes are ``A`` in base64: tokens that carry numbers hold a dozen of them in a row."""
_WORDS = re.compile(
    rb"(?i)example|sample|placeholder|change_?me|redacted|replace|insert_?|dummy|foobar"
    rb"|your[-_]?(?:api|key|token|secret|pass|own|app|access|client)|y0ur|notreal|not_?a_?real"
    rb"|x{6}|\*{4}|\.\.\.|<[a-z_ -]+>|deadbeef|cafebabe|abcdefghij|1234567890|0123456789"
)


def is_sham(value: bytes) -> bool:
    """True for a value that stands in for a credential."""
    if len(value) > _LONG:
        return False
    return bool(_WORDS.search(value) or _SAME.search(value)) or _is_plain(value)


def _is_plain(value: bytes) -> bool:
    """Few different characters, or a run of characters that count up or down."""
    tail = value[len(value) // 3 :]  # behind what the vendor puts first
    if len(tail) >= 8 and len(set(tail)) <= 3:
        return True
    up = down = 1
    for one, two in itertools.pairwise(value):
        up = up + 1 if two - one == 1 else 1
        down = down + 1 if one - two == 1 else 1
        if up >= _RUN or down >= _RUN:
            return True
    return False


def entropy(value: bytes) -> float:
    """Shannon entropy in bits per character."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values()) if size else 0.0
