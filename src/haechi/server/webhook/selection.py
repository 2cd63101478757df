"""Which policies a request concerns, found once for each kind of request.

A policy that names other kinds must cost nothing. The choice only ever leaves out what surely
does not apply: versions are not looked at, since the API server converts objects to the version
that the webhook asked for (``matchPolicy: Equivalent``), and a policy that does not say what it
matches is asked always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.policies import PolicySet
from haechi.checks.pods.view import TEMPLATES
from haechi.model.admission import FailureChoice, Matched, PolicyInfo

_MOST = 2048
"""Kinds of requests that are remembered; anyone who may create CRDs can make more."""
_Sort = tuple[bool, str, str, str, str]
_POD: _Sort = (False, "", "Pod", "pods", "")


class Chosen(msgspec.Struct, frozen=True, eq=False):
    """The policies of one sort of request. ``numbers``: theirs in the whole set."""

    policies: PolicySet
    numbers: tuple[int, ...]


class Selection:
    """The policies of a set by sort of request."""

    def __init__(self, policies: PolicySet) -> None:
        self._all = policies
        self._found: dict[_Sort, Chosen] = {}

    def of(self, request: Mapping[str, Any], *, closed: bool) -> Chosen:
        """Policies for a request in the group that fails closed, or in the one that fails open."""
        kind, resource = request.get("kind"), request.get("resource")
        kind = kind if isinstance(kind, dict) else {}
        resource = resource if isinstance(resource, dict) else {}
        sort = (
            closed,
            str(kind.get("group", "")),
            str(kind.get("kind", "")),
            str(resource.get("resource", "")),
            str(request.get("subResource", "")),
        )
        found = self._found.get(sort)
        if found is None:
            if len(self._found) >= _MOST:
                self._found.clear()
            found = self._found[sort] = self._chosen(sort)
        return found

    def _chosen(self, sort: _Sort) -> Chosen:
        closed, group, kind, _, subresource = sort
        choice = FailureChoice.FAIL if closed else FailureChoice.IGNORE
        template = not subresource and f"{group or 'core'}/{kind}" in TEMPLATES
        numbers = tuple(
            number
            for number, policy in enumerate(self._all.policies)
            if policy.info.failure is choice
            and (concerns(policy.info, sort) or (template and concerns(policy.info, _POD)))
        )
        chosen = PolicySet(
            [self._all.policies[number] for number in numbers], rollout=self._all.rollout
        )
        return Chosen(chosen, numbers)


def concerns(info: PolicyInfo, sort: _Sort) -> bool:
    """False when the policy surely does not apply to this sort of request."""
    return not info.matched or any(_may_match(matched, sort) for matched in info.matched)


def _may_match(matched: Matched, sort: _Sort) -> bool:
    _, group, kind, resource, subresource = sort
    if not matched.kinds and not matched.resources:
        return _among(matched.groups, group)
    if any(a in ("*", group) and b in ("*", kind) for a, b in matched.kinds):
        return True
    if not matched.resources or not _among(matched.groups, group):
        return False
    return any(_is_named(pattern, resource, subresource) for pattern in matched.resources)


def _among(words: Sequence[str], word: str) -> bool:
    return "*" in words or word in words or not words


def _is_named(pattern: str, resource: str, subresource: str) -> bool:
    """``pods``, ``pods/exec``, ``pods/*``, ``*/scale``, ``*``, ``*/*`` as webhooks' rules are."""
    head, _, tail = pattern.partition("/")
    if head not in ("*", resource):
        return False
    if pattern == "*/*":
        return True
    return tail in ("*", subresource) if tail else not subresource
