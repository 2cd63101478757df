"""``matchConstraints`` and ``matchResources``: whether a request is one that they speak of.

As the API server does it (apiserver, pkg/admission/plugin/policy/matching): selectors first, then
rules that exclude, then rules that include; a namespace that cannot be seen is an error only when
everything else says that the request is meant.

``matchPolicy: Equivalent`` (the default) also means a resource under another group or version of
the same objects. The API server converts the object then; nobody here can, so such a request is
``not_evaluated``. It is said of the few resources of Kubernetes that are served in two ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from haechi.admit.match import subjects_of
from haechi.admit.policy import View
from haechi.checks.pods.view import items, mapping
from haechi.checks.reach.selectors import (
    EVERYTHING,
    NAMESPACE_NAME,
    Labels,
    Selector,
    selector_of,
)
from haechi.errors import NotEvaluated
from haechi.model.admission import Matched
from haechi.model.review import Review

EXEMPT: Final = frozenset(
    {
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    }
)
"""Resources that no policy of this kind is asked about (plugin/policy/generic)."""
_SAME: Final = (
    (("", "v1", "events"), ("events.k8s.io", "v1", "events")),
    (
        ("autoscaling", "v1", "horizontalpodautoscalers"),
        ("autoscaling", "v2", "horizontalpodautoscalers"),
    ),
)
_NAMESPACES: Final = ("", "v1", "namespaces")


_MOST_SORTS: Final = 512
"""Sorts of requests that a policy remembers; anyone who may create CRDs can make more."""


class Asked(msgspec.Struct, frozen=True):
    """What of a request decides whether a policy is about it."""

    resource: tuple[str, str, str]
    """Group, version, plural."""
    subresource: str
    operation: str
    namespace: str
    name: str
    in_some_namespace: bool = False
    """It lies in a namespace that nobody has named yet: a Pod in a file."""
    lies_in_one: bool = False
    """Whether it lies in a namespace; a Namespace does not lie in itself here."""
    sort: tuple[str, ...] = ()
    """All that rules look at but names."""
    is_exempt: bool = False

    def __post_init__(self) -> None:
        inside = bool(self.namespace) or self.in_some_namespace
        structs.force_setattr(self, "lies_in_one", inside and not self.is_namespace)
        scope = "Namespaced" if self.lies_in_one else "Cluster"
        sort = (*self.resource, self.subresource, self.operation, scope)
        structs.force_setattr(self, "sort", sort)
        exempt = (self.resource[0], self.resource[2]) in EXEMPT
        structs.force_setattr(self, "is_exempt", exempt)

    @property
    def known_namespace(self) -> str | None:
        """Empty for what lies in none."""
        return None if self.in_some_namespace else self.namespace

    @property
    def is_namespace(self) -> bool:
        return self.resource == _NAMESPACES


def asked_by(review: Review) -> Asked:
    """What a review asks; derived once."""
    found: Asked | None = review.memo.get("vap.asked")
    if found is None:
        found = review.memo["vap.asked"] = _asked(review)
    return found


def _asked(review: Review) -> Asked:
    request: Mapping[str, Any] = review.request or {}
    plural = mapping(request.get("resource"))
    resource = (_text(plural, "group"), _text(plural, "version"), _text(plural, "resource"))
    name = _text(request, "name")
    namespace = _text(request, "namespace") or review.resource.namespace or ""
    if resource == _NAMESPACES:  # it lies in itself
        namespace = name or review.resource.name
    return Asked(
        resource=resource,
        subresource=_text(request, "subResource"),
        operation=_text(request, "operation") or "CREATE",
        namespace=namespace,
        name=name,
        in_some_namespace=not namespace and any(one.namespaced for one in subjects_of(review)),
    )


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


class Rule(msgspec.Struct, frozen=True):
    """One entry of ``resourceRules`` or ``excludeResourceRules``."""

    groups: frozenset[str]
    versions: frozenset[str]
    operations: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    """Plural and subresource, ``*`` for any."""
    names: frozenset[str]
    scope: str
    matched: Matched

    def takes(self, asked: Asked, resource: tuple[str, str, str]) -> bool:
        """Whether the rule means the request, were it about this resource."""
        group, version, plural = resource
        return (
            self._in_scope(asked)
            and ("*" in self.operations or asked.operation in self.operations)
            and ("*" in self.groups or group in self.groups)
            and ("*" in self.versions or version in self.versions)
            and any(
                one in ("*", plural) and sub in ("*", asked.subresource)
                for one, sub in self.resources
            )
            and (not self.names or asked.name in self.names)
        )

    def _in_scope(self, asked: Asked) -> bool:
        if self.scope == "*":
            return True
        return asked.lies_in_one if self.scope == "Namespaced" else not asked.lies_in_one


class MatchResources(msgspec.Struct, frozen=True, eq=False):
    """``matchConstraints`` of a policy or ``matchResources`` of a binding."""

    rules: tuple[Rule, ...]
    excluded: tuple[Rule, ...]
    namespaces: Selector
    objects: Selector
    equivalent: bool
    selects: bool = True
    """One of the selectors leaves something out."""
    sorts: dict[tuple[str, ...], bool] = msgspec.field(default_factory=dict)
    """What the rules said of sorts of requests."""

    def __post_init__(self) -> None:
        selects = not (self.namespaces.is_everything and self.objects.is_everything)
        structs.force_setattr(self, "selects", selects)

    def matches(self, review: Review, view: View) -> bool:
        """Whether a request is meant. Raises NotEvaluated when what decides is not known."""
        asked = asked_by(review)
        if not self.selects:
            return self._rules_take(asked)
        inside = self._namespace_matches(review, asked, view)
        if inside is False or not self._object_matches(review):
            return False
        if not self._rules_take(asked):
            return False
        if inside is None:
            which = f"Namespace {asked.namespace}" if asked.namespace else "its Namespace"
            raise NotEvaluated(f"the labels of {which} are not known")
        return True

    def _rules_take(self, asked: Asked) -> bool:
        """Whether the rules mean the request: the same for all of its sort, unless they name
        objects."""
        found = self.sorts.get(asked.sort)
        if found is None:
            found = not self._any(self.excluded, asked) and (
                not self.rules or self._any(self.rules, asked)
            )
            if not any(rule.names for rule in (*self.excluded, *self.rules)):
                if len(self.sorts) >= _MOST_SORTS:
                    self.sorts.clear()
                self.sorts[asked.sort] = found
        return found

    def _any(self, rules: tuple[Rule, ...], asked: Asked) -> bool:
        if any(rule.takes(asked, asked.resource) for rule in rules):
            return True
        if not self.equivalent:
            return False
        for same in _SAME:
            if asked.resource not in same:
                continue
            for other in same:
                if other != asked.resource and any(rule.takes(asked, other) for rule in rules):
                    where = "/".join(part for part in other[:2] if part)
                    raise NotEvaluated(
                        f"the policy is about {other[2]} of {where}: "
                        "the API server converts the object, which nobody here can"
                    )
        return False

    def _namespace_matches(self, review: Review, asked: Asked, view: View) -> bool | None:
        if self.namespaces.is_everything:
            return True
        if asked.in_some_namespace:
            return self.namespaces.matches(Labels(values={}, complete=False))
        if not asked.namespace and asked.resource[2] != "namespaces":
            return True
        return self.namespaces.matches(_namespace_labels(review, asked, view))

    def _object_matches(self, review: Review) -> bool:
        if self.objects.is_everything:
            return True
        bodies = (review.resource.data, review.old)
        return any(self.objects.matches(Labels(values=_labels(body))) for body in bodies if body)


def _namespace_labels(review: Review, asked: Asked, view: View) -> Labels:
    if asked.is_namespace and not asked.subresource and asked.operation in ("CREATE", "UPDATE"):
        # A request has the label already that the API server gives every Namespace; a file has not.
        return Labels(values={**_labels(review.resource.data), NAMESPACE_NAME: asked.namespace})
    known = review.namespace
    if mapping(mapping(known).get("metadata")).get("name", asked.namespace) != asked.namespace:
        known = None
    if known is None:
        known = view.namespace(asked.namespace)
    values = {**_labels(known), NAMESPACE_NAME: asked.namespace}
    return Labels(values=values, complete=known is not None)


def _labels(body: Any) -> dict[str, str]:
    labels = mapping(mapping(mapping(body).get("metadata")).get("labels"))
    return {key: value for key, value in labels.items() if isinstance(value, str)}


def read_match(value: Any) -> MatchResources:
    """Read one that ``shape`` found nothing wrong with; None is everything."""
    match = mapping(value)
    return MatchResources(
        rules=tuple(_rule(rule) for rule in items(match.get("resourceRules"))),
        excluded=tuple(_rule(rule) for rule in items(match.get("excludeResourceRules"))),
        namespaces=_selector(match.get("namespaceSelector")),
        objects=_selector(match.get("objectSelector")),
        equivalent=match.get("matchPolicy", "Equivalent") != "Exact",
    )


def _selector(value: Any) -> Selector:
    return EVERYTHING if value is None else selector_of(value)


def _rule(rule: Mapping[str, Any]) -> Rule:
    resources = tuple(items(rule.get("resources")))
    return Rule(
        groups=frozenset(items(rule.get("apiGroups"))),
        versions=frozenset(items(rule.get("apiVersions"))),
        operations=frozenset(items(rule.get("operations"))),
        resources=tuple((one.partition("/")[0], one.partition("/")[2]) for one in resources),
        names=frozenset(items(rule.get("resourceNames"))),
        scope=rule.get("scope") or "*",
        matched=Matched(
            groups=tuple(items(rule.get("apiGroups"))),
            versions=tuple(items(rule.get("apiVersions"))),
            resources=resources,
            operations=tuple(items(rule.get("operations"))),
            scope=rule.get("scope") or "*",
        ),
    )
