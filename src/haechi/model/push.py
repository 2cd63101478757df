"""``haechi.push/1``: what a run of the program sends to the server.

It carries the report (``haechi.scan/1``) as it is, what the run saw (resources and how they
hang together), and its scope: the server marks as fixed only what lies within the scope that
this run really covered.
"""

from __future__ import annotations

from typing import Any

import msgspec

from haechi.model.bill import Bill

SCHEMA = "haechi.push/1"
UNJUDGED = "notJudged"
"""The attribute of a package of which nobody can tell whether something is known against it."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run looked.

    ``repository`` is a URL without credentials (or ``dir:<name>``); a project in a folder of it
    adds ``//folder``. ``ref`` is a branch ("" where there is none), ``default`` says that it is
    the branch whose findings count, ``pipeline`` is the URL of the run.
    """

    repository: str
    ref: str = ""
    commit: str = ""
    default: bool = True
    cluster: str = "-"
    pipeline: str = ""


class PushScope(msgspec.Struct, frozen=True, kw_only=True):
    """What was covered: the domains, a folder ("" is the whole), whether the tree was looked
    at, and how much of git's history (``full``, ``part``, ``none``)."""

    domains: tuple[str, ...]
    within: str = ""
    tree: bool = True
    history: str = "none"


class PushedResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was seen. ``attributes`` are small facts (replicas, digest, base image)."""

    key: str
    kind: str
    name: str
    namespace: str = "-"
    cluster: str = "-"
    file: str = ""
    line: int = 0
    owner: str = ""
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


class PushedEdge(msgspec.Struct, frozen=True, kw_only=True):
    """``src`` and ``dst`` are keys. Kinds: ``declares`` (repository or file → resource, lock
    file → vulnerable package),
    ``runs`` (workload → image), ``uses`` (workload → service account, secret, config map),
    ``selects`` (service → workload), ``routes`` (ingress, route → service), ``builds``
    (Dockerfile → image), ``from`` (Dockerfile → base image), ``grants`` (service account →
    role)."""

    src: str
    kind: str
    dst: str


class PushedRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Words of a rule that the server may not know (a rule of one's own, another version)."""

    id: str
    title: str
    severity: str
    why: str = ""
    fix: str = ""


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """The document. ``report`` is a decoded ``haechi.scan/1``; ``packages`` are there when the run
    looked at dependencies."""

    schema: str
    origin: Origin
    scope: PushScope
    report: dict[str, Any]
    resources: tuple[PushedResource, ...] = ()
    edges: tuple[PushedEdge, ...] = ()
    rules: tuple[PushedRule, ...] = ()
    packages: Bill | None = None
