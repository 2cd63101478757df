"""What a pipeline takes from elsewhere: images, included files, components."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.workflows.downloads import download_run
from haechi.checks.workflows.gitlab.view import image_of, pipeline_of
from haechi.checks.workflows.images import RunImage, floating, tagged
from haechi.checks.workflows.plain import mapping, sequence, shown, text
from haechi.checks.workflows.uses import Pin, pin_of
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_FULL_VERSION = re.compile(r"v?\d+\.\d+\.\d+")


def floating_image(review: Review) -> Iterator[Hit]:
    """An image that follows latest."""
    return floating(_images(review))


def tagged_image(review: Review) -> Iterator[Hit]:
    """An image at a tag, without a digest."""
    return tagged(_images(review))


def _images(review: Review) -> Iterator[RunImage]:
    """Images and services, each place once, with the first job that runs them."""
    seen: set[AttrPath] = set()
    for job in pipeline_of(review).jobs:
        if "trigger" in job.parts[0].data:
            continue
        services, at = job.field("services")
        places = [job.field("image")]
        places += [(item, (*at, number)) for number, item in enumerate(sequence(services))]
        for value, path in places:
            found = image_of(value, path)
            if found is not None and found[1] not in seen:
                seen.add(found[1])
                yield job.label, *found


def remote_include(review: Review) -> Iterator[Hit]:
    """A file from any address of the network that becomes part of the pipeline."""
    for entry, path in _includes(review):
        remote = text(mapping(entry).get("remote"))
        if isinstance(entry, str) and entry.startswith(("http://", "https://")):
            remote = entry
        if not remote or (remote.startswith("https://") and text(mapping(entry).get("integrity"))):
            continue
        how = "in clear text " if remote.startswith("http://") else ""
        yield Hit(f"the pipeline includes a file from {shown(_host(remote))} {how}as it is", path)


def unpinned_include(review: Review) -> Iterator[Hit]:
    """A file of another project, or a component, that follows a branch."""
    for entry, path in _includes(review):
        project, component = (text(mapping(entry).get(key)) for key in ("project", "component"))
        if project:
            ref = text(mapping(entry).get("ref"))
            if "$" not in ref and pin_of(ref) in (Pin.NONE, Pin.BRANCH):
                what = f"the branch {ref}" if ref else "its default branch"
                yield Hit(f"the pipeline includes a file of {project} at {what}", path)
        elif component:
            name, _, ref = component.rpartition("@")
            if "$" not in ref and not _FULL_VERSION.match(ref) and pin_of(ref) is not Pin.HASH:
                yield Hit(
                    f"the pipeline includes the component {name or component} at "
                    f"{ref if name else 'no version'}, which moves",
                    path,
                )


def _includes(review: Review) -> Iterator[tuple[Any, AttrPath]]:
    value = mapping(review.resource.data).get("include")
    if isinstance(value, list):
        for number, entry in enumerate(value):
            yield entry, ("include", number)
    elif value is not None:
        yield value, ("include",)


def _host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0].rpartition("@")[2]


def download(review: Review) -> Iterator[Hit]:
    """``curl … | bash``."""
    for job, line in pipeline_of(review).lines():
        found = download_run(line.script)
        if found:
            yield Hit(f"{job.label} runs what {found} downloads without looking at it", line.path)
