"""How the internet comes in: from an entry through a Service to the workloads behind it.

Entries are Ingresses, Gateway API routes, and Services of type LoadBalancer or NodePort or with
external addresses. Files show intent, not firewalls: an entry that says it is internal (cloud
annotations, source ranges) is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from haechi.checks.labels import map_selects
from haechi.checks.neighbours import annotations_of, may_share_namespace, spec_of
from haechi.checks.pods.view import items, mapping, view_of
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Scope

_INTERNAL = (
    "service.beta.kubernetes.io/aws-load-balancer-internal",
    "service.beta.kubernetes.io/aws-load-balancer-scheme",
    "service.beta.kubernetes.io/azure-load-balancer-internal",
    "networking.gke.io/load-balancer-type",
    "cloud.google.com/load-balancer-type",
    "alb.ingress.kubernetes.io/scheme",
    "service.beta.kubernetes.io/oci-load-balancer-internal",
)
_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")


@dataclass(frozen=True, slots=True)
class Hop:
    """One resource on the way; ``path`` is the value that leads on to the next."""

    resource: Resource
    path: AttrPath = ()


@dataclass(frozen=True, slots=True)
class Way:
    """Entry → (Service) → workload."""

    hops: tuple[Hop, ...]

    @property
    def workload(self) -> Resource:
        return self.hops[-1].resource


def ways_in(scope: Scope, templates: Mapping[str, AttrPath] | None = None) -> list[Way]:
    """Every way from outside the cluster to a workload of the scope; one per workload and entry."""
    ways = []
    for entry, service in _entries(scope):
        hops = (
            (entry,) if service is entry.resource else (entry, Hop(service, ("spec", "selector")))
        )
        ways += [Way((*hops, Hop(workload))) for workload in _selected(service, scope, templates)]
    return ways


def _entries(scope: Scope) -> Iterator[tuple[Hop, Resource]]:
    for service in scope.of_type("core/Service"):
        path = _outward(service)
        if path is not None:
            yield Hop(service, path), service
    for group in ("networking.k8s.io", "extensions"):
        for ingress in scope.of_type(f"{group}/Ingress"):
            if not _says_internal(ingress):
                yield from _through(ingress, _ingress_backends(ingress), scope)
    for kind in _ROUTES:
        for route in scope.of_type(f"gateway.networking.k8s.io/{kind}"):
            yield from _through(route, _route_backends(route), scope)


def _outward(service: Resource) -> AttrPath | None:
    """The field that opens a Service to the outside, or None."""
    wanted = spec_of(service.data)
    if _says_internal(service):
        return None
    if items(wanted.get("externalIPs")):
        return ("spec", "externalIPs")
    if wanted.get("type") == "NodePort":
        return ("spec", "type")
    ranges = items(wanted.get("loadBalancerSourceRanges"))
    if wanted.get("type") == "LoadBalancer" and (not ranges or "0.0.0.0/0" in ranges):
        return ("spec", "type")
    return None


def _says_internal(resource: Resource) -> bool:
    notes = annotations_of(resource.data)
    return any(str(notes.get(key, "")).lower() in ("true", "internal") for key in _INTERNAL)


def _through(
    entry: Resource, backends: Iterator[tuple[str, AttrPath]], scope: Scope
) -> Iterator[tuple[Hop, Resource]]:
    services = [s for s in scope.of_type("core/Service") if may_share_namespace(entry, s)]
    for name, path in backends:
        named = [service for service in services if service.name == name]
        for service in _closest(entry, named, scope):
            yield Hop(entry, path), service


def _closest(
    resource: Resource, candidates: Sequence[Resource], scope: Scope
) -> Sequence[Resource]:
    near = scope.near(resource, candidates)
    return near or candidates


def _ingress_backends(ingress: Resource) -> Iterator[tuple[str, AttrPath]]:
    wanted = spec_of(ingress.data)
    for key in ("defaultBackend", "backend"):
        name = _backend(wanted.get(key))
        if name:
            yield name, ("spec", key)
    for index, rule in enumerate(items(wanted.get("rules"))):
        http = mapping(mapping(rule).get("http"))
        for number, path in enumerate(items(http.get("paths"))):
            name = _backend(mapping(path).get("backend"))
            if name:
                at = ("spec", "rules", index, "http", "paths", number, "backend")
                yield name, at


def _backend(value: Any) -> str:
    backend = mapping(value)
    name = mapping(backend.get("service")).get("name") or backend.get("serviceName")
    return name if isinstance(name, str) else ""


def _route_backends(route: Resource) -> Iterator[tuple[str, AttrPath]]:
    for index, rule in enumerate(items(spec_of(route.data).get("rules"))):
        for number, ref in enumerate(items(mapping(rule).get("backendRefs"))):
            name = mapping(ref).get("name")
            if isinstance(name, str) and mapping(ref).get("kind", "Service") == "Service":
                yield name, ("spec", "rules", index, "backendRefs", number)


def _selected(
    service: Resource, scope: Scope, templates: Mapping[str, AttrPath] | None
) -> Sequence[Resource]:
    selector = spec_of(service.data).get("selector")
    matching = []
    for workload in scope.workloads():
        if not may_share_namespace(service, workload):
            continue
        view = view_of(workload, templates)
        if view is not None and map_selects(selector, mapping(view.metadata.get("labels"))):
            matching.append(workload)
    return _closest(service, matching, scope)
