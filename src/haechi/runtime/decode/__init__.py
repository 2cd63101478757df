"""What sources send, made into events: one module for each feed, all of them pure.

``read(kind, record, cluster=…)`` takes the bytes of a line or of a request (one JSON document, an
array, or one a line) or an object that is decoded already. It never raises for what a record
says: what is no event of that feed is a ``Refusal``, whatever else came becomes an event that the
store accepts, its texts cut (``haechi.cut`` names what) and its time put right (``haechi.clock``
keeps what was claimed) where that is needed.

Read in this order: ``refusal`` (what is given back), ``documents`` (bytes to objects), ``bounds``
and ``times`` (what is made to fit), ``building`` (where every event is made), then any feed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from haechi.errors import UsageError
from haechi.runtime.decode.documents import Record
from haechi.runtime.decode.refusal import Decoded as Decoded
from haechi.runtime.decode.refusal import Refusal as Refusal

FEEDS = {
    "falco": "haechi.runtime.decode.falco",
    "tetragon": "haechi.runtime.decode.tetragon",
    "kubernetes-audit": "haechi.runtime.decode.kubernetes_audit",
    "hubble": "haechi.runtime.decode.hubble",
    "envoy": "haechi.runtime.decode.envoy",
    "native": "haechi.runtime.decode.native",
}
"""Feeds that need no configuration, by the name that addresses and settings use. The module's
``read`` is imported when it is first asked for. ``application`` needs its mapping and is made by
``application.Application``."""


def reader(kind: str) -> Callable[..., Decoded]:
    """The ``read`` of a feed: ``read(record, *, cluster, node="", now_ns=None) -> Decoded``.

    Raises UsageError for a feed that there is not.
    """
    module = FEEDS.get(kind)
    if module is None:
        raise UsageError(f"there is no feed `{kind}`", do=f"use one of {', '.join(FEEDS)}")
    return cast("Callable[..., Decoded]", import_module(module).read)


def read(
    kind: str, record: Record, *, cluster: str, node: str = "", now_ns: int | None = None
) -> Decoded:
    """The events of a record of a feed. Raises UsageError for a feed that there is not."""
    return reader(kind)(record, cluster=cluster, node=node, now_ns=now_ns)
