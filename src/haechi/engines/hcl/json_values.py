"""JSON as Go reads it: half of a surrogate pair is U+FFFD, numbers are those of Terraform.

Python keeps such a half, which no file, hash or report can hold afterwards.
"""

from __future__ import annotations

import json
import re
from typing import Any

from haechi.engines.hcl.operators import decimal
from haechi.engines.hcl.values import MAX_DIGITS, EvalFault, whole

_HALF = re.compile(r"\\u[dD][89abcdefABCDEF]")


def loads(text: str | bytes, *, strict: bool = True) -> Any:
    """The value. Raises ValueError, RecursionError; EvalFault for a number that is too large."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    value = json.loads(
        text, parse_float=_fraction, parse_int=_integer, parse_constant=_none, strict=strict
    )
    return _whole(value) if _HALF.search(text) else value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


def _fraction(text: str) -> int | float:
    return whole(decimal(float(text)))


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise EvalFault("a number is too large")
    return int(text)


def _none(text: str) -> Any:
    raise ValueError(text)
