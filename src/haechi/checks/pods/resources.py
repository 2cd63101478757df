"""Requests and limits: the missing ones, and those that limit nothing or are refused.

A missing memory limit lets one container starve the node; a missing CPU limit is a choice many
make on purpose, hence only a remark. A LimitRange in the same namespace supplies defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from haechi.checks.lookup import by_namespace
from haechi.checks.pods.quantity import parse_quantity
from haechi.checks.pods.view import Container, PodView, items, mapping, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review


def _resources(container: Container, which: str) -> Mapping[str, Any]:
    return mapping(mapping(container.data.get("resources")).get(which))


def _pod_says(pod: PodView, which: str, name: str) -> bool:
    """Resources of the whole pod (``spec.resources``, Kubernetes 1.34)."""
    return name in mapping(mapping(pod.spec.get("resources")).get(which))


def _defaulted(review: Review, keys: tuple[str, ...], name: str) -> bool:
    """True when a LimitRange of the namespace fills the value in."""
    resource = review.resource
    for limit_range in by_namespace(review, "core/LimitRange").get(resource.namespace, ()):
        for limit in items(mapping(mapping(limit_range.data).get("spec")).get("limits")):
            limit = mapping(limit)
            if limit.get("type") == "Container" and any(
                name in mapping(limit.get(key)) for key in keys
            ):
                return True
    return False


def memory_limit(review: Review) -> Iterator[Hit]:
    """No ceiling on memory."""
    pod = pod_of(review)
    bare = [c for c in pod.main if "memory" not in _resources(c, "limits")]
    if not bare or _pod_says(pod, "limits", "memory"):
        return
    if _defaulted(review, ("default",), "memory"):
        return
    for container in bare:
        requested = "memory" in _resources(container, "requests")
        said = "no memory limit" if requested else "neither a memory limit nor a memory request"
        yield Hit(
            f"{named(container)} has {said}", (*container.path, "resources", "limits", "memory")
        )


def cpu_request(review: Review) -> Iterator[Hit]:
    """The scheduler counts nothing and the container gets what is left."""
    pod = pod_of(review)
    bare = [
        c
        for c in pod.main
        if "cpu" not in _resources(c, "requests") and "cpu" not in _resources(c, "limits")
    ]
    if not bare or _pod_says(pod, "requests", "cpu") or _pod_says(pod, "limits", "cpu"):
        return
    if _defaulted(review, ("default", "defaultRequest"), "cpu"):
        return
    for container in bare:
        path = (*container.path, "resources", "requests", "cpu")
        yield Hit(f"{named(container)} requests no CPU", path)


def cpu_limit(review: Review) -> Iterator[Hit]:
    """CPU requested but not limited; one that requests none is ``cpu_request``'s finding."""
    pod = pod_of(review)
    for container in pod.main:
        if "cpu" in _resources(container, "limits") or "cpu" not in _resources(
            container, "requests"
        ):
            continue
        if not _pod_says(pod, "limits", "cpu"):
            path = (*container.path, "resources", "limits", "cpu")
            yield Hit(f"{named(container)} has no CPU limit", path)


def ephemeral_storage(review: Review) -> Iterator[Hit]:
    """Memory is bounded, but not what the pod writes to the node's disk.

    Where no limit is set at all, that is the finding; this would only repeat it.
    """
    pod = pod_of(review)
    for container in pod.main:
        limits = _resources(container, "limits")
        if not limits or "ephemeral-storage" in limits:
            continue
        yield Hit(
            f"{named(container)} has no ephemeral-storage limit",
            (*container.path, "resources", "limits", "ephemeral-storage"),
        )
        return


_Amount = tuple[Container, str, str, Any, Decimal | None]


def _amounts(review: Review) -> list[_Amount]:
    """(container, limits or requests, name, value, amount) of every quantity, read once."""
    known: list[_Amount] | None = review.memo.get("pods.amounts")
    if known is None:
        known = review.memo["pods.amounts"] = [
            (container, which, str(name), value, parse_quantity(value))
            for container in pod_of(review).containers
            if "resources" in container.data
            for which in ("limits", "requests")
            for name, value in _resources(container, which).items()
        ]
    return known


def zero_limit(review: Review) -> Iterator[Hit]:
    """A limit of 0 reads as the strictest one and means none."""
    for container, which, name, _, amount in _amounts(review):
        if which == "limits" and name in ("memory", "cpu") and amount == 0:
            yield Hit(
                f"{named(container)} sets a {name} limit of 0, which means no limit",
                (*container.path, "resources", "limits", name),
            )


def request_over_limit(review: Review) -> Iterator[Hit]:
    """More requested than allowed: the API server refuses the pod."""
    limits: dict[tuple[AttrPath, str], Decimal] = {}
    for container, which, name, _, amount in _amounts(review):
        if amount is None:
            continue
        if which == "limits":
            limits[container.path, name] = amount
            continue
        limit = limits.get((container.path, name), amount)
        if limit is not amount and amount > limit > 0:
            yield Hit(
                f"{named(container)} requests more {quoted(name)[1:-1]} than its limit allows, "
                "which the API server refuses",
                (*container.path, "resources", "requests", name),
            )


def invalid_quantity(review: Review) -> Iterator[Hit]:
    """A number that Kubernetes cannot read, or memory in thousandths of a byte."""
    for container, which, name, value, amount in _amounts(review):
        if amount is None or amount.is_signed():
            if isinstance(value, str) and ("$" in value or "{{" in value):
                continue  # a template's placeholder
            fault = "which is no quantity"
        elif name == "memory" and isinstance(value, str) and value.endswith("m"):
            fault = "which is thousandths of a byte"
        else:
            continue
        yield Hit(
            f"{named(container)} has {quoted(value)} as {quoted(name)[1:-1]} in {which}, {fault}",
            (*container.path, "resources", which, name),
        )


def unbounded_memory_volume(review: Review) -> Iterator[Hit]:
    """An emptyDir in memory without sizeLimit, where some container has no memory limit."""
    pod = pod_of(review)
    for index, volume in enumerate(items(pod.spec.get("volumes"))):
        empty = mapping(mapping(volume).get("emptyDir"))
        if empty.get("medium") != "Memory" or empty.get("sizeLimit") is not None:
            continue
        if _pod_says(pod, "limits", "memory"):
            return
        if all("memory" in _resources(c, "limits") for c in pod.main):
            return
        yield Hit(
            f"volume {quoted(volume.get('name'))} lives in memory without a sizeLimit",
            (*pod.spec_path, "volumes", index, "emptyDir", "sizeLimit"),
        )
