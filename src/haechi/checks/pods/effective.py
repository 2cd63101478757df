"""Which security setting counts for a container: its own, or else the pod's.

The API server merges ``securityContext`` field by field: a value in the container wins in both
directions, and an explicit null is the same as nothing. A value that several containers inherit
from the pod is one cause, so ``each`` reports it once, at the pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

import msgspec

from haechi.checks.pods.view import Container, PodView
from haechi.checks.pods.words import named
from haechi.model.location import AttrPath


class Setting(msgspec.Struct, frozen=True):
    """A value in force, where it stands, and who says it."""

    value: Any
    path: AttrPath
    who: str


def setting(pod: PodView, container: Container, key: str) -> Any:
    """The value of ``securityContext.<key>`` in force for the container, or None."""
    own = container.security.get(key)
    return pod.security.get(key) if own is None else own


def source(pod: PodView, container: Container, key: str) -> Setting:
    """The value in force and where it stands; a missing one stands in the container."""
    own = container.security.get(key)
    inherited = pod.security.get(key)
    if own is None and inherited is not None:
        return Setting(inherited, (*pod.spec_path, "securityContext", key), "pod")
    return Setting(own, (*container.path, "securityContext", key), named(container))


def each(pod: PodView, key: str) -> Iterator[tuple[Setting, Container]]:
    """Every value in force, with the first container that it is in force for."""
    inherited = pod.security.get(key)
    for container in pod.containers:
        own = container.security.get(key)
        if own is not None:
            path = (*container.path, "securityContext", key)
            yield Setting(own, path, named(container)), container
        elif inherited is not None:
            yield Setting(inherited, (*pod.spec_path, "securityContext", key), "pod"), container
            inherited = None


def says(value: Any, expected: bool) -> bool:
    """True when the value says ``expected``, if only as text.

    A boolean written as text is refused by the API server, which is a finding of its own
    (``k8s-security-context-type``) and must not be reported a second time as missing.
    """
    if isinstance(value, str):
        return value.lower() == ("true" if expected else "false")
    return value is expected


def is_number(value: Any) -> TypeGuard[int]:
    """True for integers; YAML's booleans are integers to Python only."""
    return type(value) is int
