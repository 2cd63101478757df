"""What the first screen is put together from: one caller's view of the store at one time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from haechi.model.access import EVERYWHERE, Reach, simplest
from haechi.rules.catalogue import Catalogue
from haechi.rules.schema import JudgeKind, Rule
from haechi.server.endpoint import Call
from haechi.store.records import Life

if TYPE_CHECKING:
    from haechi.store.store import Store

LIVE = [Life.OPEN, Life.REOPENED]
"""What counts as open: a waived finding does not."""
DAY = dt.timedelta(days=1)


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """``rights`` is where the caller may see; ``within`` is what of it was asked for."""

    store: Store
    catalogue: Catalogue
    rights: tuple[Reach, ...]
    within: tuple[Reach, ...]
    now: dt.datetime
    url: str

    @property
    def today(self) -> dt.date:
        return self.now.date()

    @property
    def sees_all(self) -> bool:
        """True when nothing is kept from the caller."""
        return EVERYWHERE in self.rights


def desk_of(call: Call, clusters: Iterable[str] = (), namespaces: Iterable[str] = ()) -> Desk:
    """The desk of a call, narrowed to clusters and namespaces (none: all of them)."""
    return Desk(
        store=call.world.store,
        catalogue=call.world.catalogue,
        rights=simplest(call.within),
        within=narrowed(call.within, clusters, namespaces),
        now=call.now,
        url=call.url,
    )


def narrowed(
    within: Iterable[Reach], clusters: Iterable[str] = (), namespaces: Iterable[str] = ()
) -> tuple[Reach, ...]:
    """The reach within some clusters and namespaces; never more than before."""
    asked = [
        Reach(cluster=cluster, namespace=namespace)
        for cluster in (list(clusters) or [EVERYWHERE.cluster])
        for namespace in (list(namespaces) or [EVERYWHERE.namespace])
    ]
    common = (reach.overlap(one) for reach in within for one in asked)
    return simplest(reach for reach in common if reach is not None)


_DOMAINS = {JudgeKind.PATTERN: "secrets", JudgeKind.FALCO: "runtime"}


def domain_of(rule: Rule) -> str:
    """The domain that a rule's findings count to."""
    return _DOMAINS.get(rule.judge, "iac")


def first_sentence(text: str) -> str:
    """The first sentence of a rule's text, without its full stop."""
    flat = " ".join(text.split())
    end = flat.find(". ")
    return (flat[:end] if end > 0 else flat).rstrip(".")
