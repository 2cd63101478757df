"""Clusters as the API shows them."""

from __future__ import annotations

import datetime as dt

from haechi.store.records import Record


class ClusterKind(Record, frozen=True, kw_only=True):
    """One kind of object. ``state``: followed, starting, absent (the cluster has no such kind),
    refused (no right to read it), failed; ``why`` of the latter two."""

    type: str
    objects: int
    state: str
    why: str = ""


class ClusterShown(Record, frozen=True, kw_only=True):
    """A cluster that this server knows. ``state``: starting, connected, partial (some kinds may
    not be read), lagging (something has not been heard of), failed, dump (read from a folder).
    ``objects``, ``gaps`` and ``kinds`` are for those who see all of the cluster; else they are
    absent. ``heard`` is the last word of the server, ``changed`` the last change, ``since`` how
    far back its past is kept."""

    name: str
    source: str
    state: str
    why: str = ""
    version: str = ""
    objects: int | None = None
    gaps: list[str] | None = None
    kinds: list[ClusterKind] | None = None
    heard: dt.datetime | None = None
    changed: dt.datetime | None = None
    since: dt.datetime | None = None


class ClusterList(Record, frozen=True, kw_only=True):
    """All of them that the asker may see, by name."""

    items: list[ClusterShown]
