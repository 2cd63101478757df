"""The pod as the checks read it: walked once, with the names of all fields that it sets anywhere.

Most pods set few of the fields that the standards speak of. ``fields`` (of all security contexts)
and ``parts`` (of all containers) let a check answer at once when nobody sets what it looks for.

Nothing here trusts the shape: an API server refuses a pod whose fields have wrong types, a file
may hold one. What has a wrong type counts as the value that is not allowed, never as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.checks.pod_security.result import Place
from haechi.model.location import AttrPath

_ROLES = ("initContainers", "containers", "ephemeralContainers")
_SHOWN_NUMBERS = 1 << 64
_NOTHING: Mapping[str, Any] = {}


class Container(msgspec.Struct, frozen=True, gc=False):
    """A container; ``security`` is its securityContext, empty when it has none."""

    name: str
    data: Mapping[str, Any]
    security: Mapping[str, Any]
    role: str
    index: int

    def place(self, *path: str | int) -> Place:
        """The place of a value within this container."""
        return Place(("spec", self.role, self.index, *path), self.name)

    def context(self, *path: str | int) -> Place:
        """The place of a value within its security context."""
        return Place(("spec", self.role, self.index, "securityContext", *path), self.name)


class Subject:
    """A pod under review: its containers in upstream's order, and what they set."""

    __slots__ = ("containers", "fields", "metadata", "parts", "security", "spec")

    def __init__(self, metadata: Any, spec: Any) -> None:
        self.metadata: Mapping[str, Any] = metadata if type(metadata) is dict else fields(metadata)
        self.spec: Mapping[str, Any] = spec if type(spec) is dict else fields(spec)
        security = self.spec.get("securityContext")
        self.security: Mapping[str, Any] = security if type(security) is dict else _NOTHING
        self.fields = set(self.security)
        self.parts: set[str] = set()
        found: list[Container] = []
        for role in _ROLES:
            value = self.spec.get(role)
            if value:
                self._walk(role, value if type(value) is list else [value], found)
        self.containers = found

    def _walk(self, role: str, bodies: list[Any], found: list[Container]) -> None:
        for index, body in enumerate(bodies):
            if type(body) is not dict:
                body = fields(body)
            context = body.get("securityContext")
            if type(context) is dict:
                self.fields.update(context)
            else:
                context = _NOTHING
            self.parts.update(body)
            name = body.get("name")
            found.append(
                Container(name if type(name) is str else text(name), body, context, role, index)
            )

    @property
    def is_windows(self) -> bool:
        """Whether the pod says that it runs on Windows."""
        return "os" in self.spec and fields(self.spec["os"]).get("name") == "windows"

    @property
    def has_own_users(self) -> bool:
        """Whether it runs in a user namespace: its root is nobody on the node."""
        return self.spec.get("hostUsers") is False

    def annotations(self) -> Mapping[str, Any]:
        """The pod's annotations, whatever their values are."""
        return fields(self.metadata.get("annotations"))


def fields(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else _NOTHING


def entries(value: Any) -> list[Any]:
    """The items of a list; a single value that stands in its place is one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def text(value: Any) -> str:
    """The value as it is shown; upstream reads a missing one as empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < _SHOWN_NUMBERS else "a large number"
    if value is None:
        return ""
    return "{...}" if isinstance(value, dict) else "[...]" if isinstance(value, list) else "?"


def named(item: Any) -> str:
    """The name of an item of a list."""
    return text(fields(item).get("name"))


def context_place(*path: str | int) -> Place:
    """The place of a value in the pod's own security context."""
    return Place(("spec", "securityContext", *path))


def attribute(*path: str | int) -> AttrPath:
    """A path within the pod's spec."""
    return ("spec", *path)
