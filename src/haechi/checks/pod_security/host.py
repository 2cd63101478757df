"""What a pod may not share with its node: namespaces, paths, ports, privileges, host processes."""

from __future__ import annotations

from typing import Any

from haechi.checks.pod_security.result import (
    CheckResult,
    Place,
    containers,
    plural,
    quoted,
    setters,
)
from haechi.checks.pod_security.subject import (
    Container,
    Subject,
    attribute,
    context_place,
    entries,
    fields,
    named,
    text,
)

_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBED = frozenset({*_PROBES, "lifecycle"})
_HOOKS = ("postStart", "preStop")
_HANDLERS = ("httpGet", "tcpSocket")


def host_namespaces(pod: Subject) -> CheckResult | None:
    """hostNetwork, hostPID, hostIPC: absent or false."""
    spec = pod.spec
    if not (spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC")):
        return None
    bad = [name for name in _NAMESPACES if spec.get(name)]
    detail = ", ".join(f"{name}=true" for name in bad)
    places = tuple(Place(attribute(name)) for name in bad)
    return CheckResult("hostNamespaces", False, "host namespaces", detail, places)


def host_path_volumes(pod: Subject) -> CheckResult | None:
    """No volume is a path of the node."""
    volumes = pod.spec.get("volumes")
    if not volumes:
        return None
    bad = [
        (index, named(volume))
        for index, volume in enumerate(entries(volumes))
        if fields(volume).get("hostPath") is not None
    ]
    if not bad:
        return None
    names = [name for _, name in bad]
    detail = f"{plural('volume', 'volumes', len(names))} {quoted(names)}"
    places = tuple(Place(attribute("volumes", index, "hostPath")) for index, _ in bad)
    return CheckResult("hostPathVolumes", False, "hostPath volumes", detail, places)


def host_ports(pod: Subject) -> CheckResult | None:
    """No container takes a port of the node."""
    if "ports" not in pod.parts:
        return None
    names: list[str] = []
    ports: set[str] = set()
    places: list[Place] = []
    for container in pod.containers:
        bad = False
        for index, port in enumerate(entries(container.data.get("ports"))):
            number = fields(port).get("hostPort")
            if number:
                bad = True
                ports.add(text(number))
                places.append(container.place("ports", index, "hostPort"))
        if bad:
            names.append(container.name)
    if not names:
        return None
    detail = (
        f"{containers(names)} {plural('uses', 'use', len(names))} "
        f"{plural('hostPort', 'hostPorts', len(ports))} {', '.join(sorted(ports))}"
    )
    return CheckResult("hostPorts", False, "hostPort", detail, tuple(places))


def host_probes(pod: Subject) -> CheckResult | None:
    """Probes and hooks call the pod itself: ``host`` would have the kubelet call anybody."""
    if _PROBED.isdisjoint(pod.parts):
        return None
    found = [
        (container, *called)
        for container in pod.containers
        if not _PROBED.isdisjoint(container.data)
        for called in _hosts(container)
    ]
    if not found:
        return None
    names = {container.name for container, _, _ in found}
    hosts = {host for _, _, host in found}
    places = tuple(place for _, place, _ in found)
    detail = (
        f"{containers(sorted(names))} {plural('uses', 'use', len(names))} "
        f"{plural('probe or lifecycle host', 'probe or lifecycle hosts', len(hosts))} "
        f"{quoted(sorted(hosts))}"
    )
    return CheckResult(
        "hostProbesAndHostLifecycle", False, "probe or lifecycle host", detail, places
    )


def _hosts(container: Container) -> list[tuple[Place, str]]:
    data = container.data
    found: list[tuple[Place, str]] = []
    for probe in _PROBES:
        if probe in data:
            _called(found, container, data[probe], (probe,))
    if "lifecycle" in data:
        hooks = fields(data["lifecycle"])
        for hook in _HOOKS:
            _called(found, container, hooks.get(hook), ("lifecycle", hook))
    return found


def _called(
    found: list[tuple[Place, str]], container: Container, handler: Any, path: tuple[str, ...]
) -> None:
    if isinstance(handler, dict):
        for way in _HANDLERS:
            host = way in handler and fields(handler[way]).get("host")
            if host:
                found.append((container.place(*path, way, "host"), text(host)))


def privileged(pod: Subject) -> CheckResult | None:
    """No container is privileged."""
    if "privileged" not in pod.fields:
        return None
    bad = [container for container in pod.containers if container.security.get("privileged")]
    if not bad:
        return None
    detail = f"{containers([c.name for c in bad])} must not set securityContext.privileged=true"
    places = tuple(container.context("privileged") for container in bad)
    return CheckResult("privileged", False, "privileged", detail, places)


def windows_host_process(pod: Subject) -> CheckResult | None:
    """No process runs on a Windows node itself."""
    if "windowsOptions" not in pod.fields:
        return None
    path = ("windowsOptions", "hostProcess")
    own = bool(fields(pod.security.get("windowsOptions")).get("hostProcess"))
    bad = [
        container
        for container in pod.containers
        if fields(container.security.get("windowsOptions")).get("hostProcess")
    ]
    if not own and not bad:
        return None
    who = setters(own, [container.name for container in bad])
    places = [context_place(*path)] if own else []
    places += [container.context(*path) for container in bad]
    detail = f"{who} must not set securityContext.windowsOptions.hostProcess=true"
    return CheckResult("windowsHostProcess", False, "hostProcess", detail, tuple(places))
