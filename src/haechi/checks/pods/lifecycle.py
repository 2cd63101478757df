"""Probes, shutdown and restart: whether the kubelet's care for the containers can work.

Probes are asked of containers that keep running in workloads that keep running. A Job's
container or an init container is done when it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.pods.effective import is_number
from haechi.checks.pods.host import PROBES, handlers_of
from haechi.checks.pods.lifespan import CONTROLLED, JOBS, is_service
from haechi.checks.pods.view import Container, items, mapping, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_SLEEP = re.compile(r"\bsleep\s+([0-9]{1,6})\b")
_DEFAULT_GRACE = 30


def _asked(review: Review, probe: str) -> Iterator[Container]:
    if not is_service(review):
        return
    for container in pod_of(review).main:
        # Without an address of its own a sidecar is nobody's backend.
        if not container.is_sidecar and not container.data.get(probe):
            yield container


def readiness(review: Review) -> Iterator[Hit]:
    """No readiness probe: traffic arrives before the container can serve it."""
    for container in _asked(review, "readinessProbe"):
        yield Hit(f"{named(container)} has no readiness probe", (*container.path, "readinessProbe"))


def liveness(review: Review) -> Iterator[Hit]:
    """No liveness probe: a hung process is never restarted."""
    for container in _asked(review, "livenessProbe"):
        yield Hit(f"{named(container)} has no liveness probe", (*container.path, "livenessProbe"))


def _handler(probe: Mapping[str, Any]) -> dict[str, Any]:
    return {key: probe[key] for key in _HANDLERS if key in probe}


def _patience(probe: Mapping[str, Any]) -> int:
    """Seconds of failure until the probe acts."""
    failures, period = probe.get("failureThreshold", 3), probe.get("periodSeconds", 10)
    return failures * period if is_number(failures) and is_number(period) else 0


def identical_probes(review: Review) -> Iterator[Hit]:
    """Liveness acts on what readiness sees, and no later: load becomes a restart."""
    for container in pod_of(review).main:
        alive = mapping(container.data.get("livenessProbe"))
        ready = mapping(container.data.get("readinessProbe"))
        if not alive or not ready:
            continue
        handler = _handler(alive)
        if handler and handler == _handler(ready) and _patience(alive) <= _patience(ready):
            yield Hit(
                f"{named(container)} has the same liveness and readiness probe",
                (*container.path, "livenessProbe"),
            )


def _probed_ports(review: Review) -> list[tuple[Container, AttrPath, Any]]:
    """(container, path, port) of every probe and hook over the network, found once per review."""
    known: list[tuple[Container, AttrPath, Any]] | None = review.memo.get("pods.probed_ports")
    if known is None:
        known = review.memo["pods.probed_ports"] = [
            (container, (*path, kind, "port"), action["port"])
            for container in pod_of(review).containers
            for path, handler in handlers_of(container.data)
            for kind in ("httpGet", "tcpSocket")
            if "port" in (action := mapping(handler.get(kind)))
        ]
    return known


def unknown_port_name(review: Review) -> Iterator[Hit]:
    """A probe of a named port that the container does not declare can only fail."""
    for container, path, port in _probed_ports(review):
        if not isinstance(port, str) or _declares(container, port):
            continue
        if not port.isdigit() and "$" not in port and "{{" not in port:
            probe = path[0] if path[0] != "lifecycle" else path[1]
            yield Hit(
                f"{named(container)} has a {probe} on port {quoted(port)}, which the container "
                "does not declare",
                (*container.path, *path),
            )


def _declares(container: Container, name: str) -> bool:
    for port in items(container.data.get("ports")):
        if isinstance(port, dict) and port.get("name") == name:
            return True
    return False


def undeclared_port(review: Review) -> Iterator[Hit]:
    """A probe of a port number beside those that the container declares."""
    reported: set[AttrPath] = set()
    for container, path, port in _probed_ports(review):
        if not is_number(port) or container.path in reported:
            continue
        declared = [
            mapping(p).get("containerPort")
            for p in items(container.data.get("ports"))
            if mapping(p).get("protocol") in (None, "TCP")
        ]
        if declared and port not in declared:
            reported.add(container.path)
            probe = path[0] if path[0] != "lifecycle" else path[1]
            yield Hit(
                f"{named(container)} has a {probe} on port {port}, not among its ports",
                (*container.path, *path),
            )


def init_probe(review: Review) -> Iterator[Hit]:
    """Probes and hooks of a plain init container: refused by the API server."""
    for container in pod_of(review).containers:
        if container.role != "initContainers" or container.is_sidecar:
            continue
        for key in (*PROBES, "lifecycle"):
            if container.data.get(key):
                yield Hit(
                    f"{named(container)} sets {key}, which the API server refuses there",
                    (*container.path, key),
                )
                break


def no_grace(review: Review) -> Iterator[Hit]:
    """Killed without notice."""
    pod = pod_of(review)
    grace = pod.spec.get("terminationGracePeriodSeconds")
    if is_number(grace) and grace <= 0:
        yield Hit(
            "pod is killed without time to shut down (terminationGracePeriodSeconds: 0)",
            (*pod.spec_path, "terminationGracePeriodSeconds"),
        )


def hook_outlasts_grace(review: Review) -> Iterator[Hit]:
    """A preStop sleep that takes the whole grace period: the process gets none of it."""
    pod = pod_of(review)
    grace = pod.spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)
    if not is_number(grace) or grace <= 0:
        return
    for container in pod.containers:
        if "lifecycle" not in container.data:
            continue
        slept = _slept(mapping(mapping(container.data["lifecycle"]).get("preStop")))
        if slept >= grace:
            yield Hit(
                f"{named(container)} sleeps {slept} s in preStop of a grace period of {grace} s",
                (*container.path, "lifecycle", "preStop"),
            )


def _slept(hook: Mapping[str, Any]) -> int:
    seconds = mapping(hook.get("sleep")).get("seconds")
    if is_number(seconds):
        return seconds
    words = items(mapping(hook.get("exec")).get("command"))
    text = " ".join(word for word in words if isinstance(word, str))[:4000]
    match = _SLEEP.search(text) if "sleep" in text else None
    return int(match.group(1)) if match else 0


def restart_policy(review: Review) -> Iterator[Hit]:
    """A restart policy that the owner's kind does not allow: refused by the API server."""
    pod = pod_of(review)
    policy, kind = pod.spec.get("restartPolicy"), review.resource.type
    if kind in JOBS:
        wrong, wanted = policy not in ("OnFailure", "Never"), "OnFailure or Never"
    elif kind in CONTROLLED:
        wrong, wanted = policy not in (None, "Always"), "Always"
    else:
        wrong, wanted = policy not in (None, "Always", "OnFailure", "Never"), "a known policy"
    if wrong and pod.spec:
        has = (
            f"has restartPolicy {quoted(policy)}" if policy is not None else "sets no restartPolicy"
        )
        yield Hit(
            f"{review.resource.kind} {has}, and the API server accepts only {wanted}",
            (*pod.spec_path, "restartPolicy"),
        )


def naked_pod(review: Review) -> Iterator[Hit]:
    """A Pod that nothing owns is gone with its node."""
    resource = review.resource
    if resource.type != "core/Pod":
        return
    metadata = mapping(mapping(resource.data).get("metadata"))
    if metadata.get("ownerReferences"):
        return
    annotations = mapping(metadata.get("annotations"))
    if "kubernetes.io/config.mirror" in annotations or "helm.sh/hook" in annotations:
        return
    if pod_of(review).spec.get("restartPolicy") in ("Never", "OnFailure"):
        return  # runs once by intent
    yield Hit("Pod has no controller that would replace it", ("kind",))
