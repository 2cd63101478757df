"""Which objects a policy is about: Gatekeeper's ``match``, one function for every own policy.

``read_match`` reads it once and names what no API server would take; ``Match.matches`` answers for
a review. The object is considered as it will be and as it was (a DELETE has only the latter): one
of them suffices. A Namespace lies in itself: ``namespaces`` means its name and
``namespaceSelector`` its own labels. What depends on the labels of a Namespace that nobody has
seen is ``NotEvaluated``, unless what is known of it (its name is a label, too) decides.

As in gator, an object without a namespace is never ruled out by one. In files that is also a Pod
whose namespace is said when it is applied; it counts as namespaced for ``scope`` nevertheless.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from haechi.admit.policy import View
from haechi.checks.pods.view import mapping
from haechi.checks.reach.selectors import NAMESPACE_NAME, Labels, Selector, Unreadable, selector_of
from haechi.errors import NotEvaluated, RuleError
from haechi.model.admission import Matched
from haechi.model.review import Point, Review

ANY: Final = "*"
SOURCES: Final = ("All", "Generated", "Original")
SCOPES: Final = ("*", "Cluster", "Namespaced")
FIELDS: Final = frozenset(
    {
        "source",
        "kinds",
        "scope",
        "namespaces",
        "excludedNamespaces",
        "labelSelector",
        "namespaceSelector",
        "name",
    }
)
_SUBJECTS: Final = "match.subjects"
_CLUSTER_KINDS: Final = frozenset(
    {
        "APIService",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "ComponentStatus",
        "CSIDriver",
        "CSINode",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "GatewayClass",
        "IngressClass",
        "IPAddress",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PodSecurityPolicy",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "StorageVersion",
        "StorageVersionMigration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
        "VolumeSnapshotClass",
        "VolumeSnapshotContent",
    }
)
"""Kinds of Kubernetes' own groups that lie in no namespace; all others there do."""


class Kinds(msgspec.Struct, frozen=True):
    """One entry of ``kinds``; nothing named means everything."""

    groups: frozenset[str]
    kinds: frozenset[str]

    def takes(self, group: str, kind: str) -> bool:
        return (not self.kinds or ANY in self.kinds or kind in self.kinds) and (
            not self.groups or ANY in self.groups or group in self.groups
        )


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be matched of one object (as it will be, or as it was)."""

    group: str
    kind: str
    name: str
    generate_name: str
    namespace: str
    namespaced: bool
    labels: Mapping[str, str]

    @property
    def is_namespace(self) -> bool:
        return self.kind == "Namespace" and not self.group


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A ``match`` that was read and found to be one. Empty: everything."""

    kinds: tuple[Kinds, ...] = ()
    scope: str = ANY
    namespaces: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    labels: Selector | None = None
    namespace_labels: Selector | None = None
    name: str = ""
    source: str = "All"

    def matches(self, review: Review, view: View) -> bool:
        """Whether the policy is about this review. Raises NotEvaluated when that depends on
        labels of a Namespace that is not known."""
        if self.source != "All" and (self.source == "Generated") is not review.generated:
            return False
        known = True
        subjects = subjects_of(review)
        for subject in subjects:
            answer = self._takes(subject, review, view)
            if answer:
                return True
            known = known and answer is not None
        if not subjects:
            raise NotEvaluated(
                "the request holds neither an object nor an old one",
                do="an API server older than 1.15 sends no object with DELETE",
            )
        if not known:
            raise NotEvaluated(
                f"the labels of namespace {review.resource.namespace} are not known,"
                " and this policy chooses by them",
                do="add the Namespace to what is judged, or let haechi read it",
            )
        return False

    def about(self, group: str, kind: str) -> bool:
        """Whether objects of this kind can match at all."""
        return not self.kinds or any(entry.takes(group, kind) for entry in self.kinds)

    def matched(self) -> tuple[Matched, ...]:
        """The kinds in the terms of a webhook's registration."""
        pairs = tuple(
            (group, kind)
            for entry in self.kinds
            for group in sorted(entry.groups) or [ANY]
            for kind in sorted(entry.kinds) or [ANY]
        )
        return (Matched(kinds=pairs or ((ANY, ANY),), scope=self.scope),)

    def _takes(self, subject: Subject, review: Review, view: View) -> bool | None:
        if not (
            self.about(subject.group, subject.kind)
            and self._scope_takes(subject)
            and self._namespaces_take(subject)
            and self._name_takes(subject)
        ):
            return False
        if self.labels is not None and not self.labels.matches(Labels(values=subject.labels)):
            return False
        if self.namespace_labels is None:
            return True
        if not subject.namespace and not subject.is_namespace:
            return True
        return self.namespace_labels.matches(_namespace_labels(subject, review, view))

    def _scope_takes(self, subject: Subject) -> bool:
        if self.scope == ANY:
            return True
        inside = subject.namespaced and not subject.is_namespace
        return inside is (self.scope == "Namespaced")

    def _namespaces_take(self, subject: Subject) -> bool:
        name = subject.name if subject.is_namespace else subject.namespace
        if not name:
            return True
        if self.namespaces and not any(glob_takes(glob, name) for glob in self.namespaces):
            return False
        return not any(glob_takes(glob, name) for glob in self.excluded)

    def _name_takes(self, subject: Subject) -> bool:
        if not self.name or glob_takes(self.name, subject.name):
            return True
        # the name that will be made begins with generateName; how it ends nobody knows
        return self.name.endswith(ANY) and glob_takes(self.name, subject.generate_name)


EVERYTHING = Match()


def matches(match: Mapping[str, Any], review: Review, view: View) -> bool:
    """``read_match`` and ``Match.matches`` in one, for whoever asks once."""
    return read_match(match).matches(review, view)


def glob_takes(glob: str, text: str) -> bool:
    """``*`` counts at the beginning and at the end only, and must be written to be one."""
    if glob.startswith(ANY):
        inner = glob[1:]
        return inner.removesuffix(ANY) in text if glob.endswith(ANY) else text.endswith(inner)
    return text.startswith(glob[:-1]) if glob.endswith(ANY) else glob == text


def read_match(value: Any, *, at: str = "spec.match") -> Match:
    """Read a ``match``. Raises RuleError, with the field, for what Gatekeeper would refuse, and
    for fields that it does not have (they would be dropped, and the policy apply to more)."""
    if value is None:
        return EVERYTHING
    if not isinstance(value, dict):
        raise RuleError("a match is a mapping", where=at)
    unknown = sorted(str(key) for key in value if key not in FIELDS)
    if unknown:
        raise RuleError(
            f"a match has no field {unknown[0]!r}",
            do=f"fields are {', '.join(sorted(FIELDS))}",
            where=f"{at}.{unknown[0]}",
        )
    return Match(
        kinds=_kinds(value.get("kinds"), f"{at}.kinds"),
        scope=_choice(value.get("scope"), SCOPES, ANY, f"{at}.scope"),
        namespaces=_texts(value.get("namespaces"), f"{at}.namespaces"),
        excluded=_texts(value.get("excludedNamespaces"), f"{at}.excludedNamespaces"),
        labels=_selector(value.get("labelSelector"), f"{at}.labelSelector"),
        namespace_labels=_selector(value.get("namespaceSelector"), f"{at}.namespaceSelector"),
        name=_text(value.get("name"), f"{at}.name"),
        source=_choice(value.get("source"), SOURCES, "All", f"{at}.source"),
    )


def _kinds(value: Any, at: str) -> tuple[Kinds, ...]:
    found: list[Kinds] = []
    for number, entry in enumerate(_list(value, at)):
        here = f"{at}[{number}]"
        if not isinstance(entry, dict):
            raise RuleError("an entry of kinds names apiGroups and kinds", where=here)
        unknown = sorted(str(key) for key in entry if key not in ("apiGroups", "kinds"))
        if unknown:
            raise RuleError(
                f"an entry of kinds has no field {unknown[0]!r}",
                do="write apiGroups (without version) and kinds",
                where=f"{here}.{unknown[0]}",
            )
        groups = _texts(entry.get("apiGroups"), f"{here}.apiGroups")
        kinds = _texts(entry.get("kinds"), f"{here}.kinds")
        found.append(Kinds(frozenset(groups), frozenset(kinds)))
    return tuple(found)


def _selector(value: Any, at: str) -> Selector | None:
    if value is None:
        return None
    try:
        return selector_of(value)
    except Unreadable as fault:
        raise RuleError(f"no label selector: {fault}", where=at) from fault


def _choice(value: Any, choices: tuple[str, ...], usual: str, at: str) -> str:
    text = _text(value, at) or usual
    if text not in choices:
        raise RuleError(f"{text!r} is none of {', '.join(choices)}", where=at)
    return text


def _texts(value: Any, at: str) -> tuple[str, ...]:
    entries = _list(value, at)
    return tuple(_text(entry, f"{at}[{number}]") for number, entry in enumerate(entries))


def _list(value: Any, at: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RuleError("this is a list", where=at)
    return value


def _text(value: Any, at: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RuleError("this is text", where=at)
    return value


def subjects_of(review: Review) -> tuple[Subject, ...]:
    """The object as it will be and as it was, as far as there is one; derived once a review."""
    found: tuple[Subject, ...] | None = review.memo.get(_SUBJECTS)
    if found is None:
        bodies = (review.resource.data, review.old)
        found = tuple(_subject(review, one) for one in bodies if one and isinstance(one, dict))
        review.memo[_SUBJECTS] = found
    return found


def _subject(review: Review, body: Mapping[str, Any]) -> Subject:
    resource, metadata = review.resource, mapping(body.get("metadata"))
    group, kind = resource.group, resource.kind
    written = body.get("apiVersion"), body.get("kind")
    if isinstance(written[0], str) and isinstance(written[1], str):
        group, kind = written[0].rpartition("/")[0], written[1]
    namespace = resource.namespace or _plain(metadata.get("namespace"))
    labels = mapping(metadata.get("labels"))
    name = _plain(metadata.get("name"))
    subject = Subject(
        group=group,
        kind=kind,
        name=name or ("" if metadata.get("generateName") else resource.name),
        generate_name=_plain(metadata.get("generateName")),
        namespace=namespace,
        namespaced=bool(namespace)
        or (review.point is Point.FILE and lies_in_namespaces(group, kind)),
        labels={key: value for key, value in labels.items() if isinstance(value, str)},
    )
    if subject.is_namespace and subject.name:
        own = {**subject.labels, NAMESPACE_NAME: subject.name}
        return structs.replace(subject, labels=own)
    return subject


def _namespace_labels(subject: Subject, review: Review, view: View) -> Labels:
    if subject.is_namespace:
        return Labels(values=subject.labels)
    found = review.namespace
    if mapping(mapping(found).get("metadata")).get("name", subject.namespace) != subject.namespace:
        found = None
    if found is None:
        found = view.namespace(subject.namespace)
    labels = mapping(mapping(mapping(found).get("metadata")).get("labels"))
    values = {key: value for key, value in labels.items() if isinstance(value, str)}
    # the API server gives every Namespace this label, and nobody can change it
    values[NAMESPACE_NAME] = subject.namespace
    return Labels(values=values, complete=found is not None)


def lies_in_namespaces(group: str, kind: str) -> bool:
    """Whether a kind of Kubernetes itself lies in namespaces, by what is known of it."""
    own = "." not in group or group.endswith(".k8s.io")
    return own and kind not in _CLUSTER_KINDS


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else ""
