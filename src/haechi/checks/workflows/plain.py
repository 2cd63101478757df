"""Reads values of any type as what is expected there, empty when they are something else.

CI files come from strangers: every field may hold a list where a text belongs. The judges read
through these functions and therefore never raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.model.location import AttrPath

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST_NAME = 80


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """A scalar as CI reads it: ``true``, ``0``, the text; empty for everything else."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def texts(value: Any) -> tuple[str, ...]:
    """One scalar or a list of them, as texts; what is neither is left out."""
    if isinstance(value, list):
        return tuple(text(item) for item in value if text(item))
    return (text(value),) if text(value) else ()


def named(value: Any) -> Mapping[str, str]:
    """The scalars of a mapping by their keys."""
    return {str(key): text(item) for key, item in mapping(value).items()}


def is_true(value: Any) -> bool:
    """True for ``true`` and the text of it."""
    return text(value).strip().lower() == "true"


def shown(name: str) -> str:
    """A name for a message: on one line, in quotes, of bounded length."""
    line = _CONTROL.sub(" ", name).strip()
    return f'"{line[:_LONGEST_NAME]}…"' if len(line) > _LONGEST_NAME else f'"{line}"'


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; past four the rest is counted."""
    unique = list(dict.fromkeys(words))
    if len(unique) > 4:
        return f"{', '.join(unique[:3])} and {len(unique) - 3} more"
    return " and ".join(filter(None, (", ".join(unique[:-1]), unique[-1]))) if unique else ""


def scalars(value: Any, path: AttrPath = ()) -> Iterator[tuple[AttrPath, str]]:
    """Every text in a value with its path, without recursion: depth is the writer's choice."""
    stack = [(path, value)]
    while stack:
        at, item = stack.pop()
        if isinstance(item, str):
            yield at, item
        elif isinstance(item, dict):
            stack.extend(((*at, str(key)), inner) for key, inner in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend(((*at, i), item[i]) for i in reversed(range(len(item))))
