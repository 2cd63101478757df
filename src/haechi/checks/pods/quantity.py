"""Kubernetes quantities: ``500m``, ``1.5Gi``, ``1e3``. Exact, by decimal arithmetic.

Grammar of k8s.io/apimachinery/pkg/api/resource (quantity.go). Anything else is None, never an
exception: the value may have any type.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

_QUANTITY = re.compile(
    r"([+-]?)([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})"
    r"(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?\Z"
)
_SCALE = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def parse_quantity(value: Any) -> Decimal | None:
    """The number that the API server would read, or None when it refuses the value."""
    if type(value) is int:
        return Decimal(value) if abs(value) < 10**30 else None
    if isinstance(value, float):
        return _parse(repr(value))
    return _parse(value) if isinstance(value, str) and len(value) <= 64 else None


@lru_cache(maxsize=1024)
def _parse(text: str) -> Decimal | None:
    match = _QUANTITY.match(text)
    if match is None:
        return None
    sign, number, suffix = match.groups()
    amount = Decimal(number)
    if suffix in _SCALE:
        amount *= _SCALE[suffix]
    elif suffix:
        amount = amount.scaleb(int(suffix[1:]))
    return -amount if sign == "-" else amount
