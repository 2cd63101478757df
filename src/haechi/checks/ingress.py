"""Rules about Ingresses and Gateways: encryption, who may come in, and where it leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.checks.lookup import named
from haechi.checks.neighbours import annotations_of, beside, may_share_namespace, spec_of, texts
from haechi.checks.pods.view import items, mapping
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_NGINX = "nginx.ingress.kubernetes.io/"
_SNIPPETS = tuple(
    f"{_NGINX}{name}"
    for name in (
        "configuration-snippet",
        "server-snippet",
        "auth-snippet",
        "stream-snippet",
        "location-snippet",
        "modsecurity-snippet",
    )
)
_PLAIN_ALLOWED = {
    f"{_NGINX}ssl-redirect": "false",
    f"{_NGINX}force-ssl-redirect": "false",
    "kubernetes.io/ingress.allow-http": "true",
    "ingress.kubernetes.io/ssl-redirect": "false",
    "haproxy.org/ssl-redirect": "false",
}


def host_without_certificate(review: Review) -> Iterator[Hit]:
    """A host that no ``tls`` entry covers, in an Ingress that does have TLS."""
    body = spec_of(review.resource.data)
    entries = [mapping(entry) for entry in items(body.get("tls"))]
    if not entries or any(not items(entry.get("hosts")) for entry in entries):
        return
    covered = [host for entry in entries for host in texts(entry.get("hosts"))]
    for index, rule in enumerate(items(body.get("rules"))):
        host = mapping(rule).get("host")
        if isinstance(host, str) and not any(_covers(one, host) for one in covered):
            text = (
                f'Ingress "{review.resource.name}" serves {host}, which is not among the hosts of '
                "its tls entries"
            )
            yield Hit(text, ("spec", "rules", index, "host"))


def open_host(review: Review) -> Iterator[Hit]:
    """A rule for a wildcard host or for every host."""
    for index, rule in enumerate(items(spec_of(review.resource.data).get("rules"))):
        host = mapping(rule).get("host")
        if isinstance(host, str) and host.startswith("*"):
            what = f"every host under {host[2:]}"
        elif not host:
            what = "any host name"
        else:
            continue
        text = f'Ingress "{review.resource.name}" answers for {what}'
        yield Hit(text, ("spec", "rules", index, "host"))


def snippet(review: Review) -> Iterator[Hit]:
    """Raw nginx configuration by annotation (CVE-2021-25742)."""
    for key in _SNIPPETS:
        if key in annotations_of(review.resource.data):
            text = f'Ingress "{review.resource.name}" injects nginx configuration by {key}'
            yield Hit(text, ("metadata", "annotations", key))


def plain_http_allowed(review: Review) -> Iterator[Hit]:
    """TLS is there, and an annotation keeps plain HTTP open beside it."""
    if not items(spec_of(review.resource.data).get("tls")):
        return
    notes = annotations_of(review.resource.data)
    forced = str(notes.get(f"{_NGINX}force-ssl-redirect")).lower() == "true"
    for key, value in _PLAIN_ALLOWED.items():
        if str(notes.get(key)).lower() == value and not (forced and key == f"{_NGINX}ssl-redirect"):
            text = f'Ingress "{review.resource.name}" still answers plain HTTP because of {key}'
            yield Hit(text, ("metadata", "annotations", key))


def missing_backend(review: Review) -> Iterator[Hit]:
    """A backend Service that is not in the scope though others are, or lacks the port."""
    for path, backend in _backends(review.resource.data):
        name, port = _service(backend)
        if not name:
            continue
        found = [
            service
            for service in named(review, "core/Service", name)
            if may_share_namespace(review.resource, service)
        ]
        who = f'Ingress "{review.resource.name}"'
        if not found and beside(review, "core/Service"):
            text = (
                f'{who} leads to Service "{name}", which is not among the Services in these files'
            )
            yield Hit(text, path)
        elif found and port is not None and not any(_has_port(s.data, port) for s in found):
            yield Hit(
                f'{who} leads to port {port} of Service "{name}", which has no such port', path
            )


def missing_path_type(review: Review) -> Iterator[Hit]:
    """networking.k8s.io/v1 requires pathType: without it the API server refuses the object."""
    if review.resource.group != "networking.k8s.io" or review.resource.version != "v1":
        return
    for index, rule in enumerate(items(spec_of(review.resource.data).get("rules"))):
        for place, entry in enumerate(items(mapping(mapping(rule).get("http")).get("paths"))):
            if isinstance(entry, dict) and not entry.get("pathType"):
                text = f'Ingress "{review.resource.name}" has a path without pathType'
                yield Hit(text, ("spec", "rules", index, "http", "paths", place, "pathType"))


def open_cors(review: Review) -> Iterator[Hit]:
    """nginx allows any origin, with credentials, once CORS is switched on without an origin."""
    notes = annotations_of(review.resource.data)
    if str(notes.get(f"{_NGINX}enable-cors")).lower() != "true":
        return
    origin = str(notes.get(f"{_NGINX}cors-allow-origin", "*")).strip()
    credentials = str(notes.get(f"{_NGINX}cors-allow-credentials", "true")).lower()
    if origin == "*" and credentials == "true":
        text = f'Ingress "{review.resource.name}" answers any web origin with credentials'
        yield Hit(text, ("metadata", "annotations", f"{_NGINX}cors-allow-origin"))


def unverified_backend(review: Review) -> Iterator[Hit]:
    """TLS to the backend without checking its certificate, which is nginx's default."""
    notes = annotations_of(review.resource.data)
    protocol = str(notes.get(f"{_NGINX}backend-protocol")).upper()
    verify = str(notes.get(f"{_NGINX}proxy-ssl-verify", "off")).lower()
    if protocol in ("HTTPS", "GRPCS") and verify != "on":
        text = (
            f'Ingress "{review.resource.name}" talks {protocol} to its backend without verifying '
            "the certificate"
        )
        yield Hit(text, ("metadata", "annotations", f"{_NGINX}proxy-ssl-verify"))


def plain_listener(review: Review) -> Iterator[Hit]:
    """A Gateway without any encrypted listener."""
    entries = [mapping(entry) for entry in items(spec_of(review.resource.data).get("listeners"))]
    if any(entry.get("protocol") in ("HTTPS", "TLS") for entry in entries):
        return
    for index, entry in enumerate(entries):
        if entry.get("protocol") == "HTTP":
            text = (
                f'Gateway "{review.resource.name}" listens only in plain HTTP '
                f'(listener "{entry.get("name", index)}")'
            )
            yield Hit(text, ("spec", "listeners", index, "protocol"))
            return


def _covers(pattern: str, host: str) -> bool:
    """A wildcard in a certificate host stands for exactly one label."""
    if pattern.startswith("*."):
        head, _, tail = host.partition(".")
        return host == pattern or (bool(head) and tail == pattern[2:])
    return pattern == host


def _backends(data: Any) -> Iterator[tuple[AttrPath, Any]]:
    body = spec_of(data)
    for key in ("defaultBackend", "backend"):
        if key in body:
            yield ("spec", key), body[key]
    for index, rule in enumerate(items(body.get("rules"))):
        for place, entry in enumerate(items(mapping(mapping(rule).get("http")).get("paths"))):
            path = ("spec", "rules", index, "http", "paths", place, "backend")
            yield path, mapping(entry).get("backend")


def _service(backend: Any) -> tuple[str, int | str | None]:
    """Name and port of a backend in the v1 form or the older one."""
    entry = mapping(backend)
    service = mapping(entry.get("service"))
    if service:
        name, port = service.get("name"), mapping(service.get("port"))
        number = port.get("number", port.get("name"))
    else:
        name, number = entry.get("serviceName"), entry.get("servicePort")
    return (
        name if isinstance(name, str) else "",
        number if isinstance(number, int | str) else None,
    )


def _has_port(service: Any, wanted: int | str) -> bool:
    if spec_of(service).get("type") == "ExternalName" or wanted == "use-annotation":
        return True
    ports = [mapping(port) for port in items(spec_of(service).get("ports"))]
    return any(str(wanted) in (str(port.get("port")), str(port.get("name"))) for port in ports)


def old_annotation_prefix(review: Review) -> Iterator[Hit]:
    """``ingress.kubernetes.io/…`` on an Ingress of class nginx, which has not read it since 0.9."""
    notes = annotations_of(review.resource.data)
    body = spec_of(review.resource.data)
    if "nginx" not in (body.get("ingressClassName"), notes.get("kubernetes.io/ingress.class")):
        return
    for key in notes:
        if key.startswith("ingress.kubernetes.io/"):
            text = (
                f'Ingress "{review.resource.name}" sets {key}, which ingress-nginx does not read; '
                f"it reads nginx.{key}"
            )
            yield Hit(text, ("metadata", "annotations", key))
