"""References to actions, reusable workflows and images: what runs may change without a commit."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.workflows.expressions import is_dynamic
from haechi.checks.workflows.images import RunImage, floating, tagged
from haechi.checks.workflows.plain import mapping, text
from haechi.checks.workflows.uses import Kind, Pin, Uses
from haechi.checks.workflows.view import view_of
from haechi.engines.image_ref import ImageRef, parse_image
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review


def references(review: Review) -> Iterator[tuple[str, Uses, AttrPath]]:
    """Every ``uses:`` with the label of its step or job and its path."""
    for job in view_of(review).jobs:
        if job.uses is not None:
            yield job.label, job.uses, (*job.path, "uses")
        for step in job.steps:
            if step.uses is not None:
                yield step.label, step.uses, (*step.path, "uses")


def on_branch(review: Review) -> Iterator[Hit]:
    """An action or reusable workflow that follows a branch."""
    for label, uses, path in references(review):
        if uses.remote and uses.pin is Pin.BRANCH:
            kind = _kind(uses)
            yield Hit(f"{label} runs the {kind} {uses.name} at the branch {uses.ref}", path)


def on_tag(review: Review) -> Iterator[Hit]:
    """The same at a tag."""
    for label, uses, path in references(review):
        if uses.remote and uses.pin is Pin.TAG:
            kind = _kind(uses)
            yield Hit(
                f"{label} runs the {kind} {uses.name} at {uses.ref}, a tag that can be moved", path
            )


def without_version(review: Review) -> Iterator[Hit]:
    """No reference, or a cut-off commit hash: GitHub refuses both."""
    for label, uses, path in references(review):
        if not uses.remote:
            continue
        if uses.pin is Pin.NONE:
            yield Hit(f"{label} names {uses.name} without a version, which GitHub refuses", path)
        elif uses.pin is Pin.SHORT_HASH:
            yield Hit(
                f"{label} names {uses.name} at the cut-off hash {uses.ref}; GitHub takes only "
                "whole ones",
                path,
            )


def _kind(uses: Uses) -> str:
    return "reusable workflow" if uses.kind is Kind.WORKFLOW else "action"


def floating_image(review: Review) -> Iterator[Hit]:
    """An image that follows latest."""
    return floating(_images(review))


def tagged_image(review: Review) -> Iterator[Hit]:
    """An image at a tag, without a digest."""
    return tagged(_images(review))


def _images(review: Review) -> Iterator[RunImage]:
    """Images of containers, services and ``docker://``; those known only at run time left out."""
    workflow = view_of(review)
    for label, uses, path in references(review):
        if uses.kind is Kind.DOCKER and uses.image is not None and not is_dynamic(uses.written):
            yield label, uses.image, path
    for job in workflow.jobs:
        yield from _container(job.label, job.data.get("container"), (*job.path, "container"))
        for name, service in mapping(job.data.get("services")).items():
            yield from _container(job.label, service, (*job.path, "services", name))
    runs = mapping(mapping(review.resource.data).get("runs")) if workflow.composite else {}
    image = text(runs.get("image"))
    if image.startswith("docker://") and not is_dynamic(image):
        yield "the action", parse_image(image.removeprefix("docker://")), ("runs", "image")


def _container(
    label: str, value: object, path: AttrPath
) -> Iterator[tuple[str, ImageRef, AttrPath]]:
    inside = isinstance(value, dict)
    image = text(mapping(value).get("image")) if inside else text(value)
    if image.strip() and not is_dynamic(image):
        image = image.strip().removeprefix("docker://")
        yield label, parse_image(image), (*path, "image") if inside else path
