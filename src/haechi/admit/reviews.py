"""Making the one ``Review``: of a file's object, of a live object, of a request, of a pod to be.

``Review.request`` always has the shape of ``AdmissionReview.request`` without the two objects
(they are ``resource.data`` and ``old``), so a policy that reads ``request`` or ``input.review``
finds the same there whoever asks. For files and the audit it is what creating the object would
have been, by nobody: ``userInfo`` is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from haechi.admit.plurals import plural_of
from haechi.admit.policy import View
from haechi.checks.pods.view import TEMPLATES, mapping
from haechi.model.keys import k8s_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Locator, Resource
from haechi.model.review import Point, Review

POD = "core/Pod"
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_KIND = ("group", "version", "kind")
_RESOURCE = ("group", "version", "resource")
_NO_OBJECT: Mapping[str, Any] = {}


class Generated(msgspec.Struct, frozen=True):
    """The pod that a workload would create. ``path`` leads to its template in the workload."""

    review: Review
    path: AttrPath


def review_of(
    resource: Resource,
    view: View,
    *,
    point: Point,
    operation: str = "CREATE",
    old: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
) -> Review:
    """The review of an object that nobody sent: a file's, or one that lives in the cluster."""
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    plural = {
        "group": resource.group,
        "version": resource.version,
        "resource": plural_of(resource.group, resource.kind),
    }
    request: dict[str, Any] = {
        "uid": "",
        "kind": kind,
        "resource": plural,
        "requestKind": kind,
        "requestResource": plural,
        "name": resource.name,
        "operation": operation,
        "userInfo": dict(user or {}),
        "dryRun": False,
    }
    if resource.namespace:
        request["namespace"] = resource.namespace
    return Review(
        resource=resource,
        old=old,
        request=request,
        namespace=_namespace(resource, view),
        point=point,
    )


def review_of_request(
    request: Mapping[str, Any], view: View, *, cluster: str = "", point: Point = Point.ADMISSION
) -> Review:
    """The review of ``AdmissionReview.request`` as the API server sent it.

    Of a DELETE the object that goes is what is judged, as policies of all formats expect it in
    ``old``; ``resource.data`` is empty then.
    """
    body, old = request.get("object"), request.get("oldObject")
    kind = mapping(request.get("kind"))
    shown = body if isinstance(body, dict) else old if isinstance(old, dict) else {}
    name = request.get("name") or mapping(shown.get("metadata")).get("name") or ""
    namespace = request.get("namespace") or mapping(shown.get("metadata")).get("namespace")
    group = _text(kind.get("group"))
    if (group, kind.get("kind")) == ("", "Namespace"):
        namespace = None  # API servers name a Namespace as its own: it lies in none
    resource = Resource(
        key=k8s_key(
            group=group,
            kind=_text(kind.get("kind")),
            namespace=_text(namespace) or None,
            name=_text(name),
            cluster=cluster,
        ),
        kind=_text(kind.get("kind")),
        group=group,
        version=_text(kind.get("version")),
        namespace=_text(namespace) or None,
        name=_text(name),
        data=body if isinstance(body, dict) else _NO_OBJECT,
        locate=nowhere,
    )
    rest = {key: value for key, value in request.items() if key not in ("object", "oldObject")}
    return Review(
        resource=resource,
        old=old if isinstance(old, dict) else None,
        request=rest,
        namespace=_namespace(resource, view),
        point=point,
    )


def request_fault(request: Mapping[str, Any]) -> str:
    """What keeps a request from being one, or nothing. A policy would not apply to a request that
    does not say what it is about, and so let it through unseen."""
    kind, resource = request.get("kind"), request.get("resource")
    operation = request.get("operation")
    if operation not in _OPERATIONS:
        return f"operation must be one of {', '.join(_OPERATIONS)}"
    if not isinstance(kind, dict) or not all(_is_text(kind, name) for name in _KIND):
        return "kind must name group, version and kind"
    if not isinstance(resource, dict) or not all(_is_text(resource, name) for name in _RESOURCE):
        return "resource must name group, version and resource"
    for name in ("namespace", "name", "subResource"):
        if not isinstance(request.get(name), str | None):
            return f"{name} must be text"
    body, old = request.get("object"), request.get("oldObject")
    if not (isinstance(body, dict | None) and isinstance(old, dict | None)):
        return "object and oldObject must be objects"
    if body is None and operation in ("CREATE", "UPDATE"):
        return f"there is no object to {operation}"
    return ""


def _is_text(value: Mapping[str, Any], name: str) -> bool:
    text = value.get(name)
    return isinstance(text, str) and (bool(text) or name == "group")


def generated_pod(review: Review) -> Generated | None:
    """The review of the pod that this workload would create; None when it creates none."""
    resource = review.resource
    path = TEMPLATES.get(resource.type)
    if not path or not resource.data:
        return None
    request = review.request or {}
    if request.get("operation", "CREATE") not in ("CREATE", "UPDATE") or request.get("subResource"):
        return None
    template: Any = resource.data
    for part in path:
        template = mapping(template).get(str(part))
    template = mapping(template)
    if not mapping(template.get("spec")):
        return None
    return Generated(_pod_review(review, template, path), path)


def _pod_review(review: Review, template: Mapping[str, Any], path: AttrPath) -> Review:
    owner = review.resource
    metadata = {**mapping(template.get("metadata")), "name": f"{owner.name}-pod"}
    if owner.namespace:
        metadata["namespace"] = owner.namespace
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    pod = Resource(
        key=k8s_key(group="", kind="Pod", namespace=owner.namespace, name=metadata["name"]),
        kind="Pod",
        version="v1",
        namespace=owner.namespace,
        name=metadata["name"],
        data=body,
        locate=_beneath(owner.locate, path),
        file=owner.file,
    )
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    plural = {"group": "", "version": "v1", "resource": "pods"}
    request = {
        **(review.request or {}),
        "kind": kind,
        "requestKind": kind,
        "resource": plural,
        "requestResource": plural,
        "name": pod.name,
        "operation": "CREATE",
    }
    return structs.replace(review, resource=pod, old=None, request=request, generated=True, memo={})


def _beneath(locate: Locator, path: AttrPath) -> Locator:
    return lambda inner: locate((*path, *inner))


def nowhere(path: AttrPath) -> Location:
    """Places of an object that comes from no file."""
    return Location(path="")


def _namespace(resource: Resource, view: View) -> Mapping[str, Any] | None:
    """The Namespace it lies in; None for what lies in none, Namespaces among them."""
    return view.namespace(resource.namespace) if resource.namespace else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
