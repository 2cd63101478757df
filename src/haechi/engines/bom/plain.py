"""Values of a document that nobody checked, taken at their word where they have the right type."""

from __future__ import annotations

from typing import Any


def text(value: Any) -> str:
    """A text as it is; anything else that stands in its place says nothing."""
    return value if isinstance(value, str) else ""


def mappings(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list; whatever else it holds, or is, is passed over."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """The texts of a list."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
