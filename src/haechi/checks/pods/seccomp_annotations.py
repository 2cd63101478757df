"""The alpha seccomp annotations, which Kubernetes has ignored since 1.27.

Whoever still writes them believes to be confined. Where a ``seccompProfile`` field does the work
besides, the annotation is merely litter; where not, the container has no filter at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.pods.effective import setting
from haechi.checks.pods.view import Container, PodView, mapping, pod_of
from haechi.checks.pods.words import listed, quoted
from haechi.model.review import Hit, Review

POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"


def covered_by_annotation(pod: PodView, container: Container) -> bool:
    """True when a dead annotation was meant to give this container a profile."""
    annotations = mapping(pod.metadata.get("annotations"))
    return POD_ANNOTATION in annotations or CONTAINER_PREFIX + container.name in annotations


def _annotations(pod: PodView) -> Iterator[tuple[str, list[Container]]]:
    """Each dead annotation with those containers it was for that have no working profile."""
    annotations = mapping(pod.metadata.get("annotations"))
    for key in map(str, annotations):
        if key == POD_ANNOTATION:
            meant = list(pod.containers)
        elif key.startswith(CONTAINER_PREFIX):
            meant = [c for c in pod.containers if c.name == key.removeprefix(CONTAINER_PREFIX)]
        else:
            continue
        bare = [c for c in meant if not mapping(setting(pod, c, "seccompProfile")).get("type")]
        yield key, bare


def dead_annotation(review: Review) -> Iterator[Hit]:
    """Annotation ignored, and nothing else confines the container."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    for key, bare in _annotations(pod):
        if bare:
            names = listed(quoted(container.name) for container in bare)
            yield Hit(
                f"annotation {key} has been ignored since Kubernetes 1.27 and no seccompProfile "
                f"replaces it: {names} without a system call filter",
                (*pod.path, "metadata", "annotations", key),
            )


def leftover_annotation(review: Review) -> Iterator[Hit]:
    """Annotation ignored, the field works: harmless but dead."""
    pod = pod_of(review)
    for key, bare in _annotations(pod):
        if not bare:
            yield Hit(
                f"annotation {key} is dead since Kubernetes 1.27; harmless, for seccompProfile "
                "does its work",
                (*pod.path, "metadata", "annotations", key),
            )
