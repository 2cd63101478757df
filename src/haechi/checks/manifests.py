"""Judges of how an object is written, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.model.location import format_path
from haechi.model.review import Hit, Review


def duplicate_key(review: Review) -> Iterator[Hit]:
    """A key that stands twice in one mapping: the first value never reaches the cluster."""
    for path in review.resource.duplicates:
        text = f"{format_path(path)} is written twice; only the last value reaches the cluster"
        yield Hit(text, path)
