"""Ways on which an address reaches pods under another address: then no policy can know it.

A NodePort or LoadBalancer with ``externalTrafficPolicy: Cluster`` may send a request on from a
node; an Ingress or route answers it in a proxy and sends its own. Both are read from the objects,
for the pods in question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.checks.pods.view import items, mapping
from haechi.checks.reach import Pod
from haechi.model.resource import Resource
from haechi.respond.isolate_target import selector_matches

_OUTWARD = ("NodePort", "LoadBalancer")
_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute")
_PROXIED = "answers for the address and sends its own requests on"


def doors(objects: Sequence[Resource], pods: Sequence[Pod], namespace: str) -> Iterator[str]:
    """Why traffic of an outside address may come in under another one."""
    services = [
        one
        for one in objects
        if one.type == "core/Service"
        and one.namespace == namespace
        and any(selector_matches(one, pod.labels) for pod in pods)
    ]
    names = {one.name for one in services}
    for one in services:
        spec = mapping(mapping(one.data).get("spec"))
        local = spec.get("externalTrafficPolicy") == "Local"
        if spec.get("type") in _OUTWARD and not local:
            yield f"{one.label} ({spec['type']}, not externalTrafficPolicy: Local) may send it on"
    for one in objects:
        found = [name for name, space in _backends(one) if name in names and space == namespace]
        if found:
            yield f"{one.label} {_PROXIED}"


def _backends(one: Resource) -> Iterator[tuple[str, str]]:
    """Services (name, namespace) behind an Ingress or a route of the Gateway API."""
    spec = mapping(mapping(one.data).get("spec"))
    own = one.namespace or "default"
    if one.kind == "Ingress":
        yield _ingress(mapping(spec.get("defaultBackend"))), own
        for rule in items(spec.get("rules")):
            for path in items(mapping(mapping(rule).get("http")).get("paths")):
                yield _ingress(mapping(mapping(path).get("backend"))), own
    elif one.kind in _ROUTES:
        for rule in items(spec.get("rules")):
            for entry in items(mapping(rule).get("backendRefs")):
                backend = mapping(entry)
                yield str(backend.get("name")), str(backend.get("namespace") or own)


def _ingress(backend: Mapping[str, Any]) -> str:
    return str(mapping(backend.get("service")).get("name") or backend.get("serviceName") or "")
