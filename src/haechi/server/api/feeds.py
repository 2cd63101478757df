"""Feeds: records as Falco, Tetragon, the API server's audit, Hubble, Envoy and applications send
them, and how each feed does.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Annotated

import msgspec

from haechi.errors import Forbidden, NotFound, UsageError
from haechi.model.access import ANY, NONE, Reach, Role
from haechi.runtime.sources import KINDS, decoder, mapping_of
from haechi.server.endpoint import MIB, Call, Operation
from haechi.server.shapes import FeedAnswer
from haechi.server.work.feeding import Feed, Records, feed_in
from haechi.store.records import DeadLetter, FeedStatus, Page, Record

LIMIT = 16 * MIB
_Name = Annotated[str, msgspec.Meta(max_length=400, pattern=r"^[^\x00-\x1f\x7f*]*$")]


class FeedQuery(Record, frozen=True, kw_only=True):
    """Where the records come from, as far as they do not say so themselves. ``mapping`` is the
    name of a declared one, for the kind ``application``. Without ``cluster`` it is the one that
    the sender's token is for, if that is one alone: API servers drop a URL's query."""

    cluster: _Name = ""
    node: _Name = ""
    mapping: str = ""


class FeedsAsk(Record, frozen=True, kw_only=True):
    """Feeds of one kind, or all."""

    kind: str = ""


class LettersAsk(Record, frozen=True, kw_only=True):
    """Of one feed by its id, or all; newest first."""

    feed: str = ""
    limit: int = 100


def sent(call: Call) -> Future[FeedAnswer]:
    """Take what a product sends."""
    kind, ask = call.params["kind"], call.query
    if kind not in KINDS:
        raise NotFound(f"there is no kind of feed {kind[:40]!r}", do=f"one of: {', '.join(KINDS)}")
    cluster = ask.cluster or _own_cluster(call)
    if not any(reach.overlap(Reach(cluster=cluster)) for reach in call.within):
        raise Forbidden(
            f"{call.principal.id} may not send for the cluster {cluster[:80]!r}",
            do="send for a cluster of your token: ?cluster=…",
        )
    if ask.mapping and kind != "application":
        raise UsageError("only `application` takes a mapping", where="query.mapping")
    mappings = call.world.settings.runtime.mappings
    mapping = mapping_of(ask.mapping, mappings) if kind == "application" else None
    decode = decoder(kind, mapping)
    now_ns = int(call.now.timestamp()) * 10**9
    found = decode(call.body, cluster=cluster, node=ask.node, now_ns=now_ns)
    feed = Feed(
        id=f"{kind}:{ask.mapping}" if ask.mapping else kind,
        kind=kind,
        way="http",
        cluster=cluster,
        place=ask.mapping,
    )
    records = Records(
        events=found.events, refusals=found.refusals, skipped=found.skipped, lost=found.lost
    )
    return feed_in(call.world, feed, records, call.within)


def _own_cluster(call: Call) -> str:
    clusters = {reach.cluster for reach in call.within}
    return clusters.pop() if len(clusters) == 1 and ANY not in clusters else NONE


def listed(call: Call) -> Page[FeedStatus]:
    """Every feed within reach."""
    rows = [
        one
        for one in call.world.store.state.feeds.all(within=call.within)
        if call.query.kind in ("", one.kind)
    ]
    return Page(items=rows, total=len(rows))


def letters(call: Call) -> Page[DeadLetter]:
    """What could not be taken."""
    ask: LettersAsk = call.query
    rows = call.world.store.state.feeds.letters(
        within=call.within, id=ask.feed, limit=min(ask.limit, 1000)
    )
    return Page(items=rows)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="feeds.list",
        method="GET",
        path="/feeds",
        role=Role.VIEWER,
        summary="List the feeds: what came, what was refused, when last, how late",
        handler=listed,
        query=FeedsAsk,
        answer=Page[FeedStatus],
        rows=lambda call: iter(listed(call).items),
    ),
    Operation(
        id="feeds.letters",
        method="GET",
        path="/feeds/letters",
        role=Role.VIEWER,
        summary="The newest records that feeds could not take, and why",
        handler=letters,
        query=LettersAsk,
        answer=Page[DeadLetter],
    ),
    Operation(
        id="feeds.send",
        method="POST",
        path="/feeds/{kind}",
        role=Role.OPERATOR,
        summary="Take records as a product sends them (kinds: falco, tetragon, kubernetes-audit, "
        "hubble, envoy, application); answered once they are durable",
        handler=sent,
        query=FeedQuery,
        body=bytes,
        answer=FeedAnswer,
        limit=LIMIT,
        sends=True,
    ),
)
