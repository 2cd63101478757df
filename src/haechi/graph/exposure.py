"""How the internet comes in: from an entry through a Service to the workloads behind it.

Entries are Ingresses, Gateway API routes, and Services of type LoadBalancer or NodePort or with
external addresses. Files show intent, not firewalls: an entry that says it is internal (cloud
annotations, source ranges) is not counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.checks.exposure import INTERNAL_ANNOTATIONS
from haechi.checks.labels import map_selects
from haechi.checks.neighbours import annotations_of, may_share_namespace, spec_of
from haechi.checks.pods.view import items, mapping, view_of
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Scope

_INTERNAL: Mapping[str, tuple[str, ...]] = {
    **INTERNAL_ANNOTATIONS,
    "alb.ingress.kubernetes.io/scheme": ("internal",),
    "kubernetes.io/ingress.class": ("gce-internal",),
}
_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute")
_EVERYWHERE = ("0.0.0.0/0", "::/0")


class Hop(msgspec.Struct, frozen=True):
    """One resource on the way; ``path`` is the value that leads on to the next."""

    resource: Resource
    path: AttrPath = ()


class Way(msgspec.Struct, frozen=True):
    """Entry → (Service) → workload."""

    hops: tuple[Hop, ...]

    @property
    def workload(self) -> Resource:
        return self.hops[-1].resource


def ways_in(scope: Scope, templates: Mapping[str, AttrPath] | None = None) -> list[Way]:
    """Every way from outside the cluster to a workload of the scope; one per workload and entry."""
    return list(_Map(scope, templates).ways())


def services_to_workloads(
    scope: Scope, templates: Mapping[str, AttrPath] | None = None
) -> Iterator[tuple[Resource, Resource]]:
    """(Service, workload) wherever a Service picks pods, open to the outside or not."""
    joined = _Map(scope, templates)
    for service in scope.of_type("core/Service"):
        for workload in joined.selected(service):
            yield service, workload


def routes_to_services(scope: Scope) -> Iterator[tuple[Hop, str, str, Sequence[Resource]]]:
    """(entry, name, namespace or empty, Services of that name) of every backend that an Ingress or
    a route names; no Services where the scope has none."""
    joined = _Map(scope, None)
    for entry, name, namespace in joined.backends(internal=True):
        yield entry, name, namespace, joined.services(entry.resource, name, namespace)


def is_outward(service: Resource) -> bool:
    """True when a Service is open to the outside by what the files say."""
    return _outward(service) is not None


class _Map:
    """Services by name and workloads by label, looked up once: a scope may hold thousands."""

    def __init__(self, scope: Scope, templates: Mapping[str, AttrPath] | None) -> None:
        self._scope = scope
        self._services: dict[str, list[Resource]] = defaultdict(list)
        self._labels: dict[int, Mapping[str, Any]] = {}
        self._by_label: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for service in scope.of_type("core/Service"):
            self._services[service.name].append(service)
        for workload in scope.workloads():
            view = view_of(workload, templates)
            labels = mapping(view.metadata.get("labels")) if view else {}
            self._labels[id(workload)] = labels
            for key, value in labels.items():
                if isinstance(value, str):
                    self._by_label[key, value].append(workload)

    def ways(self) -> Iterator[Way]:
        for entry, service in self._entries():
            inner = () if service is entry.resource else (Hop(service, ("spec", "selector")),)
            for workload in self.selected(service):
                yield Way((entry, *inner, Hop(workload)))

    def _entries(self) -> Iterator[tuple[Hop, Resource]]:
        for service in self._scope.of_type("core/Service"):
            path = _outward(service)
            if path is not None:
                yield Hop(service, path), service
        for entry, name, namespace in self.backends():
            for service in self.services(entry.resource, name, namespace):
                yield entry, service

    def backends(self, *, internal: bool = False) -> Iterator[tuple[Hop, str, str]]:
        """(entry, Service's name, its namespace or empty) of Ingresses and routes."""
        for group in ("networking.k8s.io", "extensions"):
            for ingress in self._scope.of_type(f"{group}/Ingress"):
                if internal or not _says_internal(ingress):
                    for name, path in _ingress_backends(ingress):
                        yield Hop(ingress, path), name, ""
        for kind in _ROUTES:
            for route in self._scope.of_type(f"gateway.networking.k8s.io/{kind}"):
                for name, namespace, path in _route_backends(route):
                    yield Hop(route, path), name, namespace

    def services(self, entry: Resource, name: str, namespace: str) -> Sequence[Resource]:
        """The Services that an entry means by a name."""
        named = [
            service
            for service in self._services.get(name, ())
            if (
                service.namespace in (None, namespace)
                if namespace
                else may_share_namespace(entry, service)
            )
        ]
        return self._closest(entry, named)

    def _closest(self, resource: Resource, candidates: Sequence[Resource]) -> Sequence[Resource]:
        return self._scope.near(resource, candidates) or candidates

    def selected(self, service: Resource) -> Sequence[Resource]:
        """The workloads whose pods a Service picks."""
        selector = mapping(spec_of(service.data).get("selector"))
        pair = next(((k, v) for k, v in selector.items() if isinstance(v, str)), None)
        matching = [
            workload
            for workload in (self._by_label.get(pair, ()) if pair else ())
            if may_share_namespace(service, workload)
            and map_selects(selector, self._labels[id(workload)])
        ]
        return self._closest(service, matching)


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
    limited = ranges and not any(everywhere in ranges for everywhere in _EVERYWHERE)
    return ("spec", "type") if wanted.get("type") == "LoadBalancer" and not limited else None


def _says_internal(resource: Resource) -> bool:
    notes = annotations_of(resource.data)
    return any(
        key in notes and (not values or str(notes[key]).lower() in values)
        for key, values in _INTERNAL.items()
    )


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


def _route_backends(route: Resource) -> Iterator[tuple[str, str, AttrPath]]:
    """(name, namespace or empty, path) of the Services behind a route that a Gateway serves.

    A route whose parents are Services steers traffic within a mesh and opens nothing.
    """
    wanted = spec_of(route.data)
    parents = [mapping(parent).get("kind", "Gateway") for parent in items(wanted.get("parentRefs"))]
    if parents and all(kind == "Service" for kind in parents):
        return
    for index, rule in enumerate(items(wanted.get("rules"))):
        for number, ref in enumerate(items(mapping(rule).get("backendRefs"))):
            name, namespace = mapping(ref).get("name"), mapping(ref).get("namespace")
            if isinstance(name, str) and mapping(ref).get("kind", "Service") == "Service":
                at = ("spec", "rules", index, "backendRefs", number)
                yield name, namespace if isinstance(namespace, str) else "", at
