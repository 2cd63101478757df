"""Names inside a pod that must fit together: volumes and mounts, variables, ports.

Most of these the API server refuses, which is better learnt before the deployment; a doubled
variable it accepts, and the last one silently wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.pods.effective import is_number
from haechi.checks.pods.view import Container, items, mapping, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_VARIABLE = re.compile(r"\$(\$|\(([A-Za-z_][A-Za-z0-9_]{0,200})\))")
_SERVICE_VARIABLE = re.compile(r"_SERVICE_(?:HOST|PORT)|_PORT(?:_[0-9]+_(?:TCP|UDP|SCTP).*)?\Z")


def _volume_names(review: Review) -> set[str]:
    """Declared volumes; a StatefulSet's claim templates are volumes as well."""
    volumes = items(pod_of(review).spec.get("volumes"))
    if review.resource.kind == "StatefulSet":
        spec = mapping(mapping(review.resource.data).get("spec"))
        templates = items(spec.get("volumeClaimTemplates"))
        volumes = [*volumes, *(mapping(t).get("metadata") for t in templates)]
    names = (mapping(volume).get("name") for volume in volumes)
    return {name for name in names if isinstance(name, str)}


def _mounts(container: Container) -> Iterator[tuple[str, int, str]]:
    """(field, index, volume) of every mount."""
    for key in ("volumeMounts", "volumeDevices"):
        if key not in container.data:
            continue
        for index, mount in enumerate(items(container.data[key])):
            name = mount.get("name") if isinstance(mount, dict) else None
            if isinstance(name, str):
                yield key, index, name


def unknown_volume(review: Review) -> Iterator[Hit]:
    """A mount of a volume that the pod does not have."""
    names: set[str] | None = None
    for container in pod_of(review).containers:
        for key, index, name in _mounts(container):
            names = _volume_names(review) if names is None else names
            if name not in names:
                yield Hit(
                    f"{named(container)} mounts volume {quoted(name)}, which the pod does not have",
                    (*container.path, key, index, "name"),
                )


def unused_volume(review: Review) -> Iterator[Hit]:
    """A volume that no container mounts."""
    pod = pod_of(review)
    volumes = items(pod.spec.get("volumes"))
    if not volumes:
        return
    used = {name for container in pod.containers for _, _, name in _mounts(container)}
    for index, volume in enumerate(volumes):
        name = mapping(volume).get("name")
        if isinstance(name, str) and name not in used:
            path = (*pod.spec_path, "volumes", index, "name")
            yield Hit(f"volume {quoted(name)} is mounted by no container", path)


def _doubled(values: Iterator[tuple[AttrPath, Any]]) -> Iterator[tuple[AttrPath, Any]]:
    """The second and later places of values that occur before."""
    seen: set[Any] = set()
    for path, value in values:
        if value in seen:
            yield path, value
        seen.add(value)


def _has_doubles(entries: Any, key: str) -> bool:
    """Whether a value of the field occurs twice; cheap, for mostly none does."""
    seen: set[str] = set()
    for entry in items(entries):
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, str):
            if value in seen:
                return True
            seen.add(value)
    return False


def _field(base: AttrPath, entries: Any, key: str) -> Iterator[tuple[AttrPath, str]]:
    for index, entry in enumerate(items(entries)):
        value = mapping(entry).get(key)
        if isinstance(value, str) and value:
            yield (*base, index, key), value


def duplicate_name(review: Review) -> Iterator[Hit]:
    """Two containers, volumes or mount points of one name: refused by the API server."""
    pod = pod_of(review)
    names = (
        ((*c.path, "name"), c.data["name"])
        for c in pod.containers
        if isinstance(c.data.get("name"), str)
    )
    for path, name in _doubled(names):
        yield Hit(f"pod has two containers named {quoted(name)}", path)
    volumes = pod.spec.get("volumes")
    if volumes and _has_doubles(volumes, "name"):
        for path, name in _doubled(_field((*pod.spec_path, "volumes"), volumes, "name")):
            yield Hit(f"pod has two volumes named {quoted(name)}", path)
    for container in pod.containers:
        mounts = container.data.get("volumeMounts")
        if mounts and _has_doubles(mounts, "mountPath"):
            base = (*container.path, "volumeMounts")
            for path, place in _doubled(_field(base, mounts, "mountPath")):
                yield Hit(f"{named(container)} mounts two volumes at {quoted(place)}", path)


def duplicate_variable(review: Review) -> Iterator[Hit]:
    """A variable set twice: the last one wins."""
    for container in pod_of(review).containers:
        env = container.data.get("env")
        if not env or not _has_doubles(env, "name"):
            continue
        for path, name in _doubled(_field((*container.path, "env"), env, "name")):
            yield Hit(
                f"{named(container)} sets variable {quoted(name)} twice, and the last one wins",
                path,
            )


def duplicate_port(review: Review) -> Iterator[Hit]:
    """A port declared twice by name or by number and protocol."""
    for container in pod_of(review).containers:
        ports = items(container.data.get("ports"))
        if len(ports) < 2:
            continue
        base = (*container.path, "ports")
        doubled = list(_doubled(_field(base, ports, "name")))
        numbers: list[tuple[AttrPath, Any]] = []
        for index, port in enumerate(ports):
            port = mapping(port)
            number, protocol = port.get("containerPort"), port.get("protocol") or "TCP"
            if is_number(number) and isinstance(protocol, str) and not port.get("hostIP"):
                numbers.append(((*base, index, "containerPort"), f"{number}/{protocol}"))
        doubled.extend(_doubled(iter(numbers)))
        for path, value in doubled:
            yield Hit(f"{named(container)} declares port {quoted(value)} twice", path)


def undefined_variable(review: Review) -> Iterator[Hit]:
    """``$(NAME)`` of a variable not set before: Kubernetes leaves the text as it is."""
    for container in pod_of(review).containers:
        env = items(container.data.get("env"))
        if not env or container.data.get("envFrom") or not _refers(env):
            continue
        defined: set[str] = set()
        for index, entry in enumerate(env):
            entry = mapping(entry)
            value, name = entry.get("value"), entry.get("name")
            if isinstance(value, str) and "$(" in value:
                missing = _undefined(value[:20_000], defined)
                if missing:
                    yield Hit(
                        f"{named(container)} refers to {quoted(missing)} without setting it before",
                        (*container.path, "env", index, "value"),
                    )
            if isinstance(name, str):
                defined.add(name)


def _refers(env: list[Any]) -> bool:
    for entry in env:
        value = entry.get("value") if isinstance(entry, dict) else None
        if isinstance(value, str) and "$(" in value:
            return True
    return False


def _undefined(value: str, defined: set[str]) -> str:
    for match in _VARIABLE.finditer(value):
        name = match.group(2)
        if name and name not in defined and not _SERVICE_VARIABLE.search(name):
            return str(name)
    return ""


def ssh_port(review: Review) -> Iterator[Hit]:
    """A shell server in a container."""
    for container in pod_of(review).containers:
        for index, port in enumerate(items(container.data.get("ports"))):
            port = mapping(port)
            if port.get("containerPort") == 22 and port.get("protocol") in (None, "TCP"):
                yield Hit(
                    f"{named(container)} opens the SSH port 22",
                    (*container.path, "ports", index, "containerPort"),
                )
