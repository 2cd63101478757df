"""How messages name things: containers by role and name, values quoted, short and printable.

Names come from files that anybody may have written, so control characters and endless strings
must not reach a terminal or a report through a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from haechi.checks.pods.view import Container

_ROLES = {
    "containers": "container",
    "initContainers": "init container",
    "ephemeralContainers": "ephemeral container",
}
_LONGEST = 80


def quoted(value: Any) -> str:
    """The value in double quotes, without control characters, cut at 80 characters."""
    text = value if isinstance(value, str) else str(value)[: _LONGEST + 1]
    text = "".join(c if c.isprintable() else "?" for c in text[: _LONGEST + 1])
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return f'"{text}"'


def named(container: Container) -> str:
    """``container "app"``, ``init container "migrate"``."""
    return f"{_ROLES.get(container.role, 'container')} {quoted(container.name)}"


def listed(values: Iterable[Any], most: int = 6) -> str:
    """Names in a sentence, at most ``most`` of them."""
    names = [str(v)[:_LONGEST] for v in values]
    shown = ", ".join("".join(c if c.isprintable() else "?" for c in n) for n in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
