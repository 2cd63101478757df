"""The lists of SPDX's licence list 3.28: identifiers of licences and of exceptions."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def identifiers() -> dict[str, str]:
    """Lower case → identifier, of all licences."""
    return _listed("ids.txt")


@cache
def exceptions() -> dict[str, str]:
    """Lower case → identifier, of all exceptions."""
    return _listed("exceptions.txt")


def _listed(name: str) -> dict[str, str]:
    text = Path(__file__).with_name(name).read_text(encoding="ascii")
    return {word.lower(): word for word in text.split()}


def is_single(expression: str) -> bool:
    """True for one licence of the list, which documents name by ``id``."""
    return expression.lower() in identifiers()
