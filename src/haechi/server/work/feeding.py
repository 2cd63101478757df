"""Records of a feed into events, events into the store, and what became of them into the feed's
figures: the same for what is posted and for what is read from files.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.model.access import EVERYWHERE, Reach
from haechi.server.shapes import FeedAnswer, Refused
from haechi.server.work.intake import Taken, take
from haechi.store.records import FeedCounts
from haechi.store.state.feeds import Heard

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.runtime.decode.refusal import Refusal
    from haechi.server.world import World

MOST_TOLD = 1_000
_LETTERS = 20
"""Dead letters of one batch that are kept."""
_OUTCOMES = ("accepted", "duplicates", "refused", "skipped", "lost")


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends, as the feed's figures name it."""

    id: str
    kind: str
    way: str
    cluster: str
    place: str = ""


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """What a decoder made of a batch."""

    events: Sequence[Event] = ()
    refusals: Sequence[Refusal] = ()
    skipped: int = 0
    lost: int = 0


def feed_in(
    world: World,
    feed: Feed,
    records: Records,
    within: Sequence[Reach] = (EVERYWHERE,),
    *,
    follows: bool = False,
) -> Future[FeedAnswer]:
    """Take a batch; the future resolves once its events are durable. ``follows``: whoever waits
    tells the figures by ``kept``, with its place. Raises StoreBusy."""
    now = world.clock()
    batch = world.store.events.encode_events(records.events, within=within)
    refused = [
        *(Refused(index=place, why=one.why) for place, one in enumerate(records.refusals)),
        *(Refused(index=one.index, why=one.why) for one in batch.refused),
    ]
    letters = [(one.why, one.sample) for one in records.refusals]
    letters += [(one.why, _sample(records.events[one.index])) for one in batch.refused]
    world.metrics.count("haechi_events_refused_total", by=len(refused))
    newest = max((event.ts_ns for event in records.events), default=None)
    answer: Future[FeedAnswer] = Future()

    def settle(taken: Taken) -> None:
        counts = FeedCounts(
            accepted=taken.accepted,
            duplicates=taken.duplicates,
            refused=len(refused),
            skipped=records.skipped,
            lost=records.lost,
        )
        _count(world, feed, counts)
        if not follows:  # in memory alone: this is the writer's thread
            heard = _heard(feed, now, counts, newest, letters)
            world.store.state.feeds.heard(heard)
        if not answer.set_running_or_notify_cancel():
            return  # whoever asked is gone; what is durable stays
        answer.set_result(
            FeedAnswer(
                accepted=taken.accepted,
                duplicates=taken.duplicates,
                refused=refused if follows else refused[:MOST_TOLD],
                skipped=records.skipped,
                lost=records.lost,
                detections=taken.detections,
                by_rule=taken.by_rule,
            )
        )

    if not batch.rows:
        settle(Taken())
        return answer

    def durable(done: Future[Taken]) -> None:
        error = done.exception()
        if error is None:
            settle(done.result())
        elif answer.set_running_or_notify_cancel():
            answer.set_exception(error)

    take(world, batch, within, now).add_done_callback(durable)
    return answer


def kept(world: World, feed: Feed, records: Records, told: FeedAnswer, checkpoint: Any) -> None:
    """A follower's place and figures, durable when it returns."""
    newest = max((event.ts_ns for event in records.events), default=None)
    counts = FeedCounts(
        accepted=told.accepted,
        duplicates=told.duplicates,
        refused=len(told.refused),
        skipped=told.skipped,
        lost=told.lost,
    )
    letters = [(one.why, one.sample) for one in records.refusals]
    stored = told.refused[len(records.refusals) :]
    letters += [(one.why, _sample(records.events[one.index])) for one in stored]
    heard = _heard(feed, world.clock(), counts, newest, letters)
    world.store.state.feeds.keep(msgspec.structs.replace(heard, checkpoint=checkpoint))


def failed(world: World, feed: Feed, why: str) -> None:
    """A follower could not go on."""
    heard = _heard(feed, world.clock(), FeedCounts(), None, [])
    world.store.state.feeds.keep(msgspec.structs.replace(heard, error=why[:500]))


def _heard(
    feed: Feed,
    now: dt.datetime,
    counts: FeedCounts,
    newest_ns: int | None,
    letters: list[tuple[str, str]],
) -> Heard:
    from haechi.store.events.question import from_ns

    return Heard(
        cluster=feed.cluster,
        id=feed.id,
        kind=feed.kind,
        way=feed.way,
        place=feed.place,
        at=now,
        counts=counts,
        last_event=None if newest_ns is None else from_ns(newest_ns),
        letters=tuple(letters[:_LETTERS]),
    )


def _count(world: World, feed: Feed, counts: FeedCounts) -> None:
    for name in _OUTCOMES:
        number = getattr(counts, name)
        if number:
            outcome = "duplicate" if name == "duplicates" else name
            world.metrics.count("haechi_feed_records_total", feed.kind, outcome, by=number)


def _sample(event: Event) -> str:
    from haechi.runtime.decode.refusal import sample

    return sample(f"{event.source} {event.type} {event.id} {event.message}")
