"""``paramKind`` and ``paramRef``: the objects that a policy is evaluated with, one by one.

Order and words are those of CollectParams (apiserver, pkg/admission/plugin/policy/generic). Where
the view does not know all objects of a kind, one that is not found may still exist: that is "not
known", never "not found".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from haechi.admit.match import lies_in_namespaces
from haechi.admit.policy import View
from haechi.checks.pods.view import mapping
from haechi.checks.reach.selectors import Labels, Selector, selector_of
from haechi.errors import NotEvaluated
from haechi.model.resource import Resource

_CRDS: Final = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
_BUILT_IN: Final = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"})
"""Groups of Kubernetes without a dot; the others end in ``.k8s.io``."""


class Unbound(Exception):
    """No evaluation is possible: the binding is wrongly configured, or Deny is its answer."""


class ParamKind(msgspec.Struct, frozen=True):
    """``paramKind`` of a policy."""

    api_version: str
    kind: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def built_in(self) -> bool:
        """Whether it is a kind of Kubernetes itself."""
        return self.group in _BUILT_IN or self.group.endswith(".k8s.io")

    def __str__(self) -> str:
        return f"{self.api_version}, Kind={self.kind}"


class ParamRef(msgspec.Struct, frozen=True):
    """``paramRef`` of a binding."""

    name: str
    namespace: str
    selector: Selector | None
    deny_missing: bool


def read_kind(value: Any) -> ParamKind | None:
    """``paramKind``, which ``shape`` found right."""
    kind = mapping(value)
    return ParamKind(kind["apiVersion"], kind["kind"]) if kind else None


def read_ref(value: Any) -> ParamRef | None:
    """``paramRef``, which ``shape`` found right."""
    if value is None:
        return None
    ref = mapping(value)
    selector = ref.get("selector")
    return ParamRef(
        name=ref.get("name") or "",
        namespace=ref.get("namespace") or "",
        selector=None if selector is None else selector_of(selector),
        deny_missing=ref.get("parameterNotFoundAction") == "Deny",
    )


def collect(
    kind: ParamKind | None, ref: ParamRef | None, namespace: str | None, view: View
) -> Sequence[Any]:
    """The params to evaluate with; one None where the policy takes none. ``namespace`` is that of
    the request, None when it is not known. Raises Unbound, NotEvaluated."""
    if kind is None or ref is None:
        return (None,)
    place = _place(kind, ref, namespace, view)
    found = list(_found(kind, ref, place, view))
    if found:
        return found
    if not view.knows(kind.group, kind.kind):
        asked = f"{kind.kind} {ref.name}" if ref.name else f"the {kind.kind} objects selected"
        raise NotEvaluated(f"params: whether there is {asked} is not known")
    if ref.deny_missing:
        raise Unbound("no params found for policy binding with `Deny` parameterNotFoundAction")
    return ()


def _place(kind: ParamKind, ref: ParamRef, namespace: str | None, view: View) -> str | None:
    """The namespace to look in; None for a kind that lies in none."""
    namespaced = _is_namespaced(kind, view)
    if namespaced is None:
        # Nobody knows the kind. What is there tells, and the binding's own word.
        kinds = view.objects(kind.api_version, kind.kind)
        namespaced = bool(ref.namespace) or any(_namespace(body) for body in kinds)
    if not namespaced:
        if ref.namespace:
            raise Unbound(
                "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
            )
        return None
    place = ref.namespace or namespace
    if place is None:
        raise NotEvaluated("params: the namespace of the object is not known")
    if not place:
        raise Unbound(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    return place


def _is_namespaced(kind: ParamKind, view: View) -> bool | None:
    if kind.built_in:
        return lies_in_namespaces(kind.group, kind.kind)
    for body in view.objects(*_CRDS):
        if _defines(body, kind):
            return bool(mapping(body.get("spec")).get("scope") == "Namespaced")
    return None


def _defines(body: Mapping[str, Any], kind: ParamKind) -> bool:
    spec = mapping(body.get("spec"))
    return spec.get("group") == kind.group and mapping(spec.get("names")).get("kind") == kind.kind


def _namespace(body: Mapping[str, Any]) -> Any:
    return mapping(body.get("metadata")).get("namespace")


def _found(kind: ParamKind, ref: ParamRef, place: str | None, view: View) -> Iterator[Any]:
    if ref.name:
        found = view.get(kind.api_version, kind.kind, place, ref.name)
        if found is not None:
            yield found
        return
    for body in view.objects(kind.api_version, kind.kind, place):
        labels = mapping(mapping(body.get("metadata")).get("labels"))
        texts = {key: value for key, value in labels.items() if isinstance(value, str)}
        if ref.selector is not None and ref.selector.matches(Labels(values=texts)):
            yield body


def is_known(kind: ParamKind, resources: Sequence[Resource]) -> bool:
    """Whether the documents, or Kubernetes itself, know the kind."""
    return kind.built_in or any(
        (resource.kind == kind.kind and resource.group == kind.group)
        or (resource.kind == _CRDS[1] and _defines(resource.data, kind))
        for resource in resources
    )
