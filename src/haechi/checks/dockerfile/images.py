"""Base images: ends of life, tags, digests, and the arguments that choose them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from haechi.checks.dockerfile.view import StageView, Step, View, view_of
from haechi.engines.dockerfile.stages import PLATFORM_ARGS
from haechi.engines.image_ref import ImageRef, parse_image
from haechi.model.review import Hit, Review
from haechi.rules.tables import Ended, deprecated, ended

_ALWAYS_MOVING = frozenset({"edge", "nightly", "rolling", "master", "main", "canary", "dev"})
_MOVING = frozenset({
    "alpine", "slim", "alpine-slim", "lts", "lts-alpine", "lts-slim", "current", "stable", "jre",
    "current-alpine", "stable-slim", "stable-alpine", "mainline", "mainline-alpine", "jdk",
})  # fmt: skip


class _Used(msgspec.Struct, frozen=True):
    """An image that the build pulls, where, and whether the final image is built on it."""

    step: Step
    image: ImageRef
    kept: bool
    unresolved: bool


def _used(review: Review) -> list[_Used]:
    """All pulled images; found once for all the judges of a review."""
    found = review.memo.get("dockerfile images")
    if found is None:
        found = review.memo["dockerfile images"] = list(_find_used(view_of(review)))
    assert isinstance(found, list)
    return found


def _find_used(view: View) -> Iterator[_Used]:
    for stage in view.stages:
        yield from _source(stage)
        for step in stage.of("COPY", "RUN"):
            yield from _pulled(view, stage, step)


def _source(stage: StageView) -> Iterator[_Used]:
    declared = stage.stage
    if declared.parent is None and declared.image and declared.image.lower() != "scratch":
        image = parse_image(declared.image)
        yield _Used(stage.source, image, stage.kept, bool(declared.unresolved))


def _pulled(view: View, stage: StageView, step: Step) -> Iterator[_Used]:
    """Images that COPY --from or a mount reads; a bare word may be a stage or a build context."""
    references = [step.what.flag("from") or ""] if step.name == "COPY" else []
    references += [mount.get("from", "") for mount in step.mounts()]
    for reference in references:
        text = step.expanded(reference)
        if not text or not any(mark in text for mark in "/:@"):
            continue
        if view.stage_named(text, stage.stage.index) is None:
            yield _Used(step, parse_image(text), False, False)


def _facts(releases: tuple[Ended, ...]) -> str:
    return " and ".join(
        f"{release.product} {release.version}".rstrip() + f" (end of life {release.date})"
        for release in releases
    )


def _ended_hits(review: Review, kept: bool) -> Iterator[Hit]:
    for used in _used(review):
        if used.kept is not kept or used.unresolved:
            continue
        releases = ended(used.image)
        if releases:
            evidence = {
                "image": str(used.image),
                "ended": {item.product: item.date.isoformat() for item in releases},
                "as_of": releases[0].as_of.isoformat(),
            }
            message = f"{used.image} brings {_facts(releases)}"
            yield Hit(message, used.step.path, evidence)


def end_of_life(review: Review) -> Iterator[Hit]:
    """The final image is built on a release that gets no more security fixes."""
    return _ended_hits(review, kept=True)


def builder_end_of_life(review: Review) -> Iterator[Hit]:
    """Only the build uses the ended release."""
    return _ended_hits(review, kept=False)


def given_up(review: Review) -> Iterator[Hit]:
    """The publisher no longer updates the image."""
    for used in _used(review):
        entry = deprecated(used.image)
        if entry is not None:
            message = f"{used.image} is not updated since {entry.since}; use {entry.instead}"
            yield used.step.hit(message)


def without_tag(review: Review) -> Iterator[Hit]:
    """No tag and no digest: latest is meant."""
    for used in _used(review):
        image = used.image
        if image.tag is None and image.mutable and not used.unresolved:
            yield used.step.hit(f"{image} has neither tag nor digest")


def latest_tag(review: Review) -> Iterator[Hit]:
    """The tag latest, unless a digest pins it."""
    for used in _used(review):
        if used.image.tag == "latest" and used.image.mutable:
            yield used.step.hit(f"{used.image} follows the tag latest")


def floating_tag(review: Review) -> Iterator[Hit]:
    """A tag without any version: it follows the newest release just as latest does."""
    for used in _used(review):
        image = used.image
        moving = image.tag in _ALWAYS_MOVING or (image.official and image.tag in _MOVING)
        if moving and image.mutable:
            yield used.step.hit(f"{image} has a tag without a version")


def without_digest(review: Review) -> Iterator[Hit]:
    """A tag can be moved to another content."""
    for used in _used(review):
        if used.image.mutable and used.image.tag not in (None, "latest") and not used.unresolved:
            yield used.step.hit(f"{used.image} is not pinned by digest")


def constant_platform(review: Review) -> Iterator[Hit]:
    """FROM --platform with a fixed value; build platform variables are what it is for."""
    for stage in view_of(review).stages:
        platform = stage.stage.platform
        if platform and "$" not in platform:
            yield stage.source.hit(f"{stage.label} is fixed to the platform {platform}")


def argument_without_default(review: Review) -> Iterator[Hit]:
    """FROM needs an ARG that has no default: a plain build fails."""
    view = view_of(review)
    declared = {pair.name for pair in view.dockerfile.global_args}
    for stage in view.stages:
        for name in stage.stage.unresolved:
            if name in declared:
                yield stage.source.hit(f"FROM needs the argument {name}, which has no default")


def argument_undeclared(review: Review) -> Iterator[Hit]:
    """FROM uses a variable that no ARG before the first FROM declares: it is empty."""
    view = view_of(review)
    declared = {pair.name for pair in view.dockerfile.global_args} | PLATFORM_ARGS
    for stage in view.stages:
        for name in stage.stage.unresolved:
            if name not in declared:
                message = f"FROM uses {name}, which no ARG before the first FROM declares"
                yield stage.source.hit(message)
