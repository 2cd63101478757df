"""Which of Kubernetes' own kinds an object can be that a policy is about.

Rules that mean other kinds as well (wildcards, custom resources, subresources of which nothing is
known) make it anything: a name that is unknown to all kinds of the table may be known to those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from haechi.admit.plurals import plural_of
from haechi.admit.vap.matching import Rule
from haechi.admit.vap.types import ANY, Message, Type
from haechi.rules.kubernetes_fields import field_table

_SAME: Final = frozenset({"", "status", "ephemeralcontainers", "resize", "approval", "finalize"})
"""Subresources that are asked about with the whole object."""
_OTHER: Final = {
    "scale": ("autoscaling", "Scale"),
    "eviction": ("policy", "Eviction"),
    "binding": ("", "Binding"),
    "token": ("authentication.k8s.io", "TokenRequest"),
}
_GONE: Final = "extensions"
"""A group that no API server serves any more."""


def type_of_rules(rules: Iterable[Rule]) -> Type:
    """What ``object`` is under these rules."""
    found: set[Message] = set()
    for rule in rules:
        for resource, subresource in rule.resources:
            messages = _messages(rule, resource, subresource)
            if not messages:
                return ANY
            found |= messages
    return frozenset(found) or ANY


def type_of_kinds(entries: Iterable[tuple[frozenset[str], frozenset[str]]]) -> Type:
    """What is one of these: groups with kinds in them, in every version."""
    found: set[Message] = set()
    for groups, kinds in entries:
        if not groups or not kinds or not groups - {_GONE} <= _groups():
            return ANY
        for kind in kinds:
            messages = {one for group in groups for one in _kinds().get((group, kind), {}).values()}
            if not messages:
                return ANY
            found |= messages
    return frozenset(found) or ANY


def type_of_kind(group: str, version: str, kind: str) -> Type:
    """A kind in one version, or in all that are known (``*``)."""
    versions = _kinds().get((group, kind), {})
    found = versions.values() if version == "*" else filter(None, [versions.get(version)])
    return frozenset(found) or ANY


def _messages(rule: Rule, resource: str, subresource: str) -> set[Message]:
    """Empty where it may be something unknown."""
    groups = rule.groups - {_GONE}
    if "*" in (resource, subresource) or not groups <= _groups():
        return set()
    kinds = [(group, _plurals().get((group, resource))) for group in groups]
    named = [(group, kind) for group, kind in kinds if kind is not None]
    if subresource in _SAME:
        return set(_in_versions(named, rule.versions))
    other = _OTHER.get(subresource)
    return set(_in_versions([other], frozenset("*"))) if other and named else set()


def _in_versions(kinds: Iterable[tuple[str, str]], versions: frozenset[str]) -> Iterator[Message]:
    for kind in kinds:
        for version, message in _kinds()[kind].items():
            if "*" in versions or version in versions:
                yield message


@cache
def _kinds() -> Mapping[tuple[str, str], Mapping[str, Message]]:
    found: dict[tuple[str, str], dict[str, Message]] = {}
    for group, version, kind, number in field_table().kinds:
        found.setdefault((group, kind), {})[version] = Message(number)
    return found


@cache
def _plurals() -> Mapping[tuple[str, str], str]:
    return {(group, plural_of(group, kind)): kind for group, kind in _kinds()}


@cache
def _groups() -> frozenset[str]:
    return frozenset(group for group, _ in _kinds())
