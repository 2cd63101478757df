"""The few facts about a Kubernetes object that a page shows beside its name.

Small on purpose, and never a value that may be secret: of Secrets and ConfigMaps the names of
their keys, of environment variables nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from haechi.checks.neighbours import labels_of, spec_of
from haechi.checks.pods.view import Container, PodView, items, mapping, view_of
from haechi.model.location import AttrPath
from haechi.model.resource import Resource

MOST = 20
"""Names of one list."""
_TEXT = 200
_LEVELS = "pod-security.kubernetes.io/enforce"

Facts = dict[str, Any]


def facts_of(resource: Resource, templates: Mapping[str, AttrPath] | None = None) -> Facts:
    """``{"replicas": 3, "images": […]}``; what is absent or of the wrong type is left out."""
    api = f"{resource.group}/{resource.version}" if resource.group else resource.version
    facts: Facts = {"apiVersion": api[:_TEXT]}
    view = view_of(resource, templates)
    if view is not None:
        facts |= _workload(resource, view)
    of_kind = _KINDS.get(resource.type)
    if of_kind is not None:
        facts |= of_kind(resource.data)
    return {key: value for key, value in facts.items() if value not in (None, "", [], {})}


def image_of(container: Container) -> str:
    """The image as written, empty when there is none or a template was not filled in."""
    image = container.data.get("image")
    text = image.strip() if isinstance(image, str) else ""
    return "" if "{{" in text or "${" in text or len(text) > 2048 else text


def account_of(view: PodView) -> str:
    """The service account that the pods run as."""
    spec = view.spec
    return _text(spec.get("serviceAccountName") or spec.get("serviceAccount")) or "default"


def _workload(resource: Resource, view: PodView) -> Facts:
    replicas = spec_of(resource.data).get("replicas")
    ports = [
        port
        for container in view.containers
        for entry in items(container.data.get("ports"))
        if isinstance(port := mapping(entry).get("containerPort"), int)
    ]
    return {
        "replicas": replicas if isinstance(replicas, int) else None,
        "schedule": _text(spec_of(resource.data).get("schedule")),
        "images": _names(map(image_of, view.containers)),
        "containers": _names(container.name for container in view.containers),
        "serviceAccount": account_of(view),
        "ports": ports[:MOST],
        **{
            name: True
            for name in ("hostNetwork", "hostPID", "hostIPC")
            if view.spec.get(name) is True
        },
        **({"privileged": True} if _privileged(view) else {}),
        "hostPaths": _names(_host_paths(view)),
    }


def _privileged(view: PodView) -> bool:
    return any(container.security.get("privileged") is True for container in view.containers)


def _host_paths(view: PodView) -> Iterator[str]:
    for volume in items(view.spec.get("volumes")):
        yield _text(mapping(mapping(volume).get("hostPath")).get("path"))


def _service(data: Any) -> Facts:
    spec = spec_of(data)
    ports = [mapping(entry).get("port") for entry in items(spec.get("ports"))]
    return {
        "type": _text(spec.get("type")) or "ClusterIP",
        "ports": [port for port in ports if isinstance(port, int)][:MOST],
        "externalIPs": _names(map(_text, items(spec.get("externalIPs")))),
    }


def _ingress(data: Any) -> Facts:
    spec = spec_of(data)
    hosts = (_text(mapping(rule).get("host")) for rule in items(spec.get("rules")))
    return {
        "hosts": _names(hosts),
        "tls": bool(items(spec.get("tls"))),
        "class": _text(spec.get("ingressClassName")),
    }


def _route(data: Any) -> Facts:
    return {"hosts": _names(map(_text, items(spec_of(data).get("hostnames"))))}


def _secret(data: Any) -> Facts:
    found = mapping(data)
    keys = [*mapping(found.get("data")), *mapping(found.get("stringData"))]
    return {"type": _text(found.get("type")), "keys": _names(map(str, keys))}


def _config_map(data: Any) -> Facts:
    found = mapping(data)
    keys = [*mapping(found.get("data")), *mapping(found.get("binaryData"))]
    return {"keys": _names(map(str, keys))}


def _role(data: Any) -> Facts:
    return {"rules": len(items(mapping(data).get("rules")))}


def _binding(data: Any) -> Facts:
    ref = mapping(mapping(data).get("roleRef"))
    named = (mapping(entry) for entry in items(mapping(data).get("subjects")))
    return {
        "role": f"{_text(ref.get('kind'))} {_text(ref.get('name'))}".strip(),
        "subjects": _names(f"{_text(s.get('kind'))} {_text(s.get('name'))}".strip() for s in named),
    }


def _account(data: Any) -> Facts:
    mounts = mapping(data).get("automountServiceAccountToken")
    return {"automountServiceAccountToken": mounts if isinstance(mounts, bool) else None}


def _namespace(data: Any) -> Facts:
    return {"podSecurity": _text(labels_of(data).get(_LEVELS))}


def _network_policy(data: Any) -> Facts:
    return {"policyTypes": _names(map(_text, items(spec_of(data).get("policyTypes"))))}


_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute")
_RBAC = "rbac.authorization.k8s.io"
_KINDS: Mapping[str, Callable[[Any], Facts]] = {
    "core/Service": _service,
    "core/Secret": _secret,
    "core/ConfigMap": _config_map,
    "core/ServiceAccount": _account,
    "core/Namespace": _namespace,
    "networking.k8s.io/Ingress": _ingress,
    "extensions/Ingress": _ingress,
    "networking.k8s.io/NetworkPolicy": _network_policy,
    f"{_RBAC}/Role": _role,
    f"{_RBAC}/ClusterRole": _role,
    f"{_RBAC}/RoleBinding": _binding,
    f"{_RBAC}/ClusterRoleBinding": _binding,
    **{f"gateway.networking.k8s.io/{kind}": _route for kind in _ROUTES},
}


def _text(value: Any) -> str:
    return value[:_TEXT] if isinstance(value, str) else ""


def _names(values: Any) -> list[str]:
    """Distinct names that are not empty, in their order, at most MOST."""
    return [name[:_TEXT] for name in dict.fromkeys(values) if name][:MOST]
