"""Images that a workflow or pipeline runs: how firmly they are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from haechi.engines.image_ref import ImageRef
from haechi.model.location import AttrPath
from haechi.model.review import Hit

RunImage = tuple[str, ImageRef, AttrPath]
"""Who runs it, in words; the image; where it is named."""


def floating(images: Iterable[RunImage]) -> Iterator[Hit]:
    """Those that follow latest."""
    for label, image, path in images:
        if image.floating:
            yield Hit(f"{label} runs the image {image.short_name} at latest", path)


def tagged(images: Iterable[RunImage]) -> Iterator[Hit]:
    """Those at a tag, without a digest."""
    for label, image, path in images:
        if image.mutable and not image.floating:
            yield Hit(f"{label} runs the image {image} without a digest", path)
