"""The feeds of the configuration: files that the server reads itself, by the collecting loop.

A batch is delivered as one that was posted would be; then its place is written to the store. A
full queue or disk holds a feed up, and nothing else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from haechi.runtime.processor import SecurityEventProcessor
from haechi.runtime.sources import Batch, FeedSettings, Source, opened
from haechi.server.work.feeding import Feed, Records, failed, feed_in, kept

if TYPE_CHECKING:
    from haechi.server.world import World


async def follow_feeds(world: World) -> None:
    """Read the configured feeds until cancelled."""
    if not world.settings.runtime.feeds:
        return
    processor = await asyncio.to_thread(processor_of, world)
    await processor.process_security_events()


def processor_of(world: World) -> SecurityEventProcessor:
    """The collecting loop over the configured feeds, from where each left off. The guide's metric
    is counted on the way in, with that of every other path."""
    feeds: dict[int, Feed] = {}
    sources: list[Source] = []
    for settings in world.settings.runtime.feeds:
        feed = _feed(settings)
        checkpoint = world.store.state.feeds.checkpoint(feed.cluster, feed.id)
        source = opened(settings, world.settings.runtime.mappings, checkpoint=checkpoint)
        sources.append(source)
        feeds[id(source)] = feed

    async def deliver(source: Source, batch: Batch) -> None:
        feed = feeds[id(source)]
        records = Records(
            events=batch.events, refusals=batch.refusals, skipped=batch.skipped, lost=batch.lost
        )
        future = await asyncio.to_thread(feed_in, world, feed, records, follows=True)
        told = await asyncio.wrap_future(future)
        await asyncio.to_thread(kept, world, feed, records, told, batch.checkpoint)

    async def told(source: Source, error: str) -> None:
        await asyncio.to_thread(failed, world, feeds[id(source)], error)

    return SecurityEventProcessor(sources, deliver=deliver, failed=told)


def _feed(settings: FeedSettings) -> Feed:
    way = "stdin" if settings.file == "-" else "file"
    return Feed(
        id=settings.id, kind=settings.kind, way=way, cluster=settings.cluster, place=settings.file
    )
