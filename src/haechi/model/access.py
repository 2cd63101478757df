"""Who may see and do what: roles, their reach over clusters and namespaces. Pure.

Every question "may this principal …?" is answered here, so that the API, the live stream and
the tests of the whole matrix ask the same code.
"""

from __future__ import annotations

import datetime as dt
import re
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

    def overlap(self, other: Reach) -> Reach | None:
        """Where both reach; None: nowhere."""
        cluster = _common(self.cluster, other.cluster)
        namespace = _common(self.namespace, other.namespace)
        if cluster is None or namespace is None:
            return None
        return Reach(cluster=cluster, namespace=namespace)


def _common(one: str, other: str) -> str | None:
    if one == ANY:
        return other
    return one if other in (ANY, one) else None


EVERYWHERE = Reach()


class Grant(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A role within a reach."""

    role: Role
    reach: Reach = EVERYWHERE

    def includes(self, other: Grant) -> bool:
        """True when whoever has this grant has the other one, too."""
        mine, its = self.reach, other.reach
        return self.role.includes(other.role) and mine.covers(its.cluster, its.namespace)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever asks: a user, a token or a pipeline, with grants.

    ``id`` is stable and stands in the audit log (``user:ana``, ``token:ci-shop``,
    ``oidc:https://issuer#subject``). ``permissions``, where set, narrows what the grants would
    allow to these operation ids (a pipeline's token may only push scans). ``repositories``,
    where set, are globs of the repositories that it may push for, and ``refs`` of the branches.
    """

    id: str
    name: str
    grants: tuple[Grant, ...] = ()
    permissions: frozenset[str] | None = None
    repositories: tuple[str, ...] | None = None
    refs: tuple[str, ...] | None = None
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

    def may_push(self, repository: str, ref: str = "") -> bool:
        """True when it may push what was found in this repository (a URL) and branch."""
        return (
            self.repositories is None or matches(repository_name(repository), self.repositories)
        ) and (self.refs is None or matches(ref, self.refs))

    def may_grant(
        self,
        grants: Iterable[Grant],
        permissions: frozenset[str] | None = None,
        repositories: tuple[str, ...] | None = None,
    ) -> bool:
        """True when nothing of it is more than what this principal has itself.

        A glob of repositories is within its own only when it is one of them word by word.
        """
        return (
            all(any(mine.includes(one) for mine in self.grants) for one in grants)
            and _narrower(permissions, self.permissions)
            and _narrower(
                None if repositories is None else frozenset(repositories),
                None if self.repositories is None else frozenset(self.repositories),
            )
        )


def _narrower(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return other is None or (one is not None and one <= other)


def matches(text: str, globs: Iterable[str]) -> bool:
    """``*`` is any text, slashes included; everything else stands for itself."""
    return any(
        re.fullmatch(".*".join(map(re.escape, glob.split(ANY))), text, re.DOTALL) for glob in globs
    )


def repository_name(url: str) -> str:
    """How a repository is compared: without ``.git``, a slash at the end, the folder of a project
    inside (``//deploy``), and capitals of the scheme and host (paths keep theirs: some hosts
    tell them apart)."""
    scheme, mark, rest = url.strip().partition("://")
    if not mark:
        return scheme.partition("//")[0].removesuffix("/").removesuffix(".git")
    rest = rest.partition("//")[0].removesuffix("/").removesuffix(".git")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}"


def meet(grants: Iterable[Grant], others: Iterable[Grant]) -> tuple[Grant, ...]:
    """What both allow: of each pair the lesser role where the two reaches overlap."""
    both = list(others)
    every = {
        Grant(role=a.role if b.role.includes(a.role) else b.role, reach=reach)
        for a in grants
        for b in both
        if (reach := a.reach.overlap(b.reach)) is not None
    }
    return tuple(
        sorted(
            one for one in every if not any(other != one and other.includes(one) for other in every)
        )
    )


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
