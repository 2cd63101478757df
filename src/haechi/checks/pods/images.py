"""Image references: what moves under a tag, what cannot be pulled, what should not run.

Each reference is read once per review. Text with a template's placeholder in it is nobody's
image and is left alone, as is a bare word that only an overlay makes an image of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from haechi.checks.pods.lifespan import is_service
from haechi.checks.pods.view import Container, items, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.engines.image_ref import ImageRef, parse_image
from haechi.model.review import Hit, Review
from haechi.rules.tables import deprecated, ended, image_table

_PLACEHOLDER = re.compile(
    r"\$|\{\{|<[^>]*>|\A[{\[(@%#_][\w .-]*[}\])@%#_]\Z|\A[A-Z][A-Z0-9_]*(?::|\Z)"
)
_MOVING = frozenset(
    [
        "alpha",
        "beta",
        "canary",
        "current",
        "dev",
        "develop",
        "development",
        "edge",
        "head",
        "lts",
        "main",
        "master",
        "mainline",
        "next",
        "nightly",
        "prod",
        "production",
        "release",
        "rolling",
        "snapshot",
        "stable",
        "staging",
        "test",
        "testing",
        "trunk",
        "unstable",
    ]
)
_ADDRESS = re.compile(r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-f:]+\]|localhost)(?::[0-9]+)?\Z")
_TOOLBOXES = frozenset(
    {
        "amouat/network-utils",
        "arunvelsriram/utils",
        "nicolaka/netshoot",
        "praqma/network-multitool",
        "raesene/alpine-nettools",
        "wbitt/network-multitool",
    }
)
_IDLE = re.compile(
    r"\bsleep\s+(?:infinity|inf|[0-9]{5,}|[0-9]+d)\b|\btail\s+-f\s+/dev/null\b"
    r"|\bwhile\s+(?:true|:|\[\s*1\s*\])\s*;\s*do\s+sleep\s+[0-9a-z]+\s*;?\s*done\b"
)
_SHELL_IMAGES = frozenset(
    [
        "alpine",
        "amazonlinux",
        "bash",
        "busybox",
        "centos",
        "debian",
        "fedora",
        "kalilinux/kali-rolling",
        "rockylinux",
        "ubuntu",
    ]
)


class _Image(msgspec.Struct, frozen=True):
    """A reference and what the rules ask of it. The same few images recur in many pods."""

    ref: ImageRef
    valid: bool
    latest: bool
    moving: bool


@lru_cache(maxsize=2048)
def _read(text: str) -> _Image | None:
    if not text or _PLACEHOLDER.search(text):
        return None
    ref = parse_image(text)
    if _is_stand_in(ref):
        return None
    latest = ref.floating and ref.digest is None
    moving = ref.mutable and ref.tag is not None and ref.tag.lower() in _MOVING
    return _Image(ref, ref.valid, latest, moving)


def _is_stand_in(ref: ImageRef) -> bool:
    """A bare word that no registry serves: a name for kustomize or skaffold to replace."""
    bare = ref.tag is None and ref.digest is None and ref.official and ref.valid
    return bare and ref.short_name not in image_table().official


def _images(review: Review) -> list[tuple[Container, _Image]]:
    known: list[tuple[Container, _Image]] | None = review.memo.get("pods.images")
    if known is None:
        known = []
        for container in pod_of(review).containers:
            text = container.data.get("image")
            image = _read(text) if isinstance(text, str) and len(text) < 4096 else None
            if image is not None:
                known.append((container, image))
        review.memo["pods.images"] = known
    return known


def latest(review: Review) -> Iterator[Hit]:
    """``latest``, said or implied."""
    for container, image in _images(review):
        if image.latest:
            how = "the tag latest" if image.ref.tag else "no tag, which means latest"
            yield Hit(
                f"{named(container)} uses image {quoted(image.ref)} with {how}",
                (*container.path, "image"),
            )


def moving_tag(review: Review) -> Iterator[Hit]:
    """A tag that is meant to move, such as a branch's name."""
    for container, image in _images(review):
        if image.moving:
            yield Hit(
                f"{named(container)} uses image {quoted(image.ref)} with a moving tag",
                (*container.path, "image"),
            )


def no_digest(review: Review) -> Iterator[Hit]:
    """A version tag without digest; latest and moving tags have findings of their own."""
    for container, image in _images(review):
        if image.ref.digest is None and not image.latest and not image.moving:
            yield Hit(
                f"{named(container)} does not pin image {quoted(image.ref)} by digest",
                (*container.path, "image"),
            )


def stale_pull(review: Review) -> Iterator[Hit]:
    """A tag that moves, pulled only when the node has none."""
    for container, image in _images(review):
        if not image.moving and not image.latest:
            continue
        policy = container.data.get("imagePullPolicy")
        # Kubernetes defaults to Always for latest, to IfNotPresent for any other tag.
        if policy == "IfNotPresent" or (policy is None and image.moving):
            yield Hit(
                f"{named(container)} runs whatever {quoted(image.ref)} the node happens to have",
                (*container.path, "imagePullPolicy"),
            )


def never_pulled(review: Review) -> Iterator[Hit]:
    """``Never``: the image's origin is the node's disk."""
    for container in pod_of(review).containers:
        if container.data.get("imagePullPolicy") == "Never":
            yield Hit(
                f"{named(container)} never pulls its image and trusts what lies on the node",
                (*container.path, "imagePullPolicy"),
            )


def invalid(review: Review) -> Iterator[Hit]:
    """A reference that no runtime accepts."""
    for container, image in _images(review):
        if not image.valid:
            fault = "a malformed digest" if image.ref.digest is not None else "an invalid reference"
            yield Hit(
                f"{named(container)} has {fault} as image: {quoted(container.data['image'])}",
                (*container.path, "image"),
            )


def address_registry(review: Review) -> Iterator[Hit]:
    """A registry named by address, which certificates rarely cover."""
    for container, image in _images(review):
        if _ADDRESS.match(image.ref.registry):
            yield Hit(
                f"{named(container)} pulls from the registry at {quoted(image.ref.registry)[1:-1]}",
                (*container.path, "image"),
            )


@lru_cache(maxsize=2048)
def _outlived(ref: ImageRef) -> str:
    for release in ended(ref):
        return f"{release.product} {release.version}, unsupported since {release.date}".replace(
            "  ", " "
        )
    given_up = deprecated(ref)
    return f"which its publisher gave up on {given_up.since}" if given_up else ""


def end_of_life(review: Review) -> Iterator[Hit]:
    """A release that gets no security fixes any more."""
    for container, image in _images(review):
        outlived = _outlived(image.ref)
        if outlived:
            yield Hit(
                f"{named(container)} uses image {quoted(image.ref)}: {outlived}",
                (*container.path, "image"),
            )


def docker_in_docker(review: Review) -> Iterator[Hit]:
    """A container engine inside the container."""
    for container, image in _images(review):
        ref = image.ref
        name, tag = ref.short_name, ref.tag or ""
        if (name == "docker" and "dind" in tag.split("-")) or name.endswith(
            ("/dind", "/docker-dind")
        ):
            yield Hit(
                f"{named(container)} runs a Docker daemon ({quoted(ref)[1:-1]})",
                (*container.path, "image"),
            )


def toolbox(review: Review) -> Iterator[Hit]:
    """A network toolbox, or an idle shell, left running in a service."""
    if not is_service(review):
        return
    for container, image in _images(review):
        ref = image.ref
        if container.role != "containers":
            continue
        if ref.short_name in _TOOLBOXES:
            yield Hit(
                f"{named(container)} keeps the toolbox {quoted(ref.short_name)} running",
                (*container.path, "image"),
            )
        elif ref.short_name in _SHELL_IMAGES and _IDLE.search(_command(container)):
            yield Hit(
                f"{named(container)} only keeps a shell of {quoted(ref.short_name)} at hand",
                (*container.path, "command" if "command" in container.data else "args"),
            )


def _command(container: Container) -> str:
    words = [*items(container.data.get("command")), *items(container.data.get("args"))]
    return " ".join(word for word in words if isinstance(word, str))[:4000]
