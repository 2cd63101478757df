"""Who may see and do what: roles, their reach over clusters and namespaces. Pure.

Every question "may this principal …?" is answered here, so that the API, the live stream and
the tests of the whole matrix ask the same code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum

import msgspec

ANY = "*"
NONE = "-"
"""Cluster or namespace of a thing that has none: a file's finding, a node's event."""


class Role(StrEnum):
    """Each role may do all that the ones before it may.

    viewer sees; operator pushes results and events and tends findings (owner, due date);
    approver waives and decides; admin manages users, tokens and settings.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """True when this role may do what ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Reach(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One rectangle of what can be reached: a cluster and a namespace, each exact or ``*``."""

    cluster: str = ANY
    namespace: str = ANY

    def covers(self, cluster: str, namespace: str) -> bool:
        """True when a thing of this cluster and namespace (``-``: of none) is within reach."""
        return self.cluster in (ANY, cluster) and self.namespace in (ANY, namespace)


EVERYWHERE = Reach()


class Grant(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A role within a reach."""

    role: Role
    reach: Reach = EVERYWHERE


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever asks: a user, a token or a pipeline, with grants.

    ``id`` is stable and stands in the audit log (``user:ana``, ``token:ci-shop``,
    ``oidc:https://issuer#subject``). ``permissions``, where set, narrows what the grants would
    allow to these operation ids (a pipeline's token may only push scans). ``repositories``,
    where set, are globs of the repositories that it may push for.
    """

    id: str
    name: str
    grants: tuple[Grant, ...] = ()
    permissions: frozenset[str] | None = None
    repositories: tuple[str, ...] | None = None
    expires: dt.datetime | None = None

    def may(self, role: Role, operation: str) -> bool:
        """True when some grant has this role and the operation is not narrowed away."""
        if self.permissions is not None and operation not in self.permissions:
            return False
        return any(grant.role.includes(role) for grant in self.grants)

    def within(self, role: Role = Role.VIEWER) -> tuple[Reach, ...]:
        """Where it has at least this role; empty: nowhere. Queries are narrowed to it."""
        return simplest(grant.reach for grant in self.grants if grant.role.includes(role))

    def reaches(self, role: Role, cluster: str, namespace: str) -> bool:
        """True when it has this role for a thing of this cluster and namespace."""
        return covered(self.within(role), cluster, namespace)


def covered(within: Iterable[Reach], cluster: str, namespace: str) -> bool:
    """True when one of the reaches covers the thing."""
    return any(reach.covers(cluster, namespace) for reach in within)


def simplest(reaches: Iterable[Reach]) -> tuple[Reach, ...]:
    """The same reach without rectangles that lie in others, sorted (a stable cache key)."""
    every = sorted(set(reaches))
    return tuple(
        one
        for one in every
        if not any(other != one and other.covers(one.cluster, one.namespace) for other in every)
    )
