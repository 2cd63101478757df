"""``GET /metrics``: who may scrape, and the figures that are read from the store for it.

Scraping waits for the disk, so it runs in a thread, one at a time; scrapers that ask more often
than every second get the last answer.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from haechi import __version__
from haechi.errors import Forbidden, StoreError, Unauthenticated
from haechi.model.access import EVERYWHERE, Role
from haechi.model.severity import Severity
from haechi.server.metrics import CONTENT_TYPE, Sample, bounded
from haechi.store.records import Life

if TYPE_CHECKING:
    from haechi.server.routing import Authenticate
    from haechi.server.world import World

KEPT_SECONDS = 1.0
_UP = {"ok": 1.0, "degraded": 0.5}
_SOURCE = {"ok": 1.0, "failed": 0.0}
_COUNTED = {Life.REOPENED.value: Life.OPEN.value}
"""The state under which another one counts."""


class Scrape:
    """The ASGI application behind ``/metrics``."""

    def __init__(self, world: World, authenticate: Authenticate) -> None:
        self._world = world
        self._authenticate = authenticate
        self._lock = asyncio.Lock()
        self._last = (0.0, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scrape. Raises Unauthenticated, Forbidden."""
        request = Request(scope)
        if not self._world.settings.listen.open_metrics:
            principal = await asyncio.to_thread(self._authenticate, request, self._world)
            if principal is None:
                raise Unauthenticated(
                    "metrics need a token", do="give the scraper a token with the role viewer"
                )
            if not principal.may(Role.VIEWER, "metrics.show") or EVERYWHERE not in (
                principal.within()
            ):
                raise Forbidden("metrics are about everything: a viewer of a part may not see them")
        async with self._lock:
            at, text = self._last
            if not text or time.monotonic() - at > KEPT_SECONDS:
                text = await asyncio.to_thread(self._text)
                self._last = (time.monotonic(), text)
        response = Response(text, headers={"Content-Type": CONTENT_TYPE})
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    def _text(self) -> bytes:
        return self._world.metrics.text(figures(self._world))


def figures(world: World) -> Iterator[Sample]:
    """Samples of metrics.FIGURES. What cannot be read now has no sample."""
    yield "haechi_build_info", (__version__,), 1.0
    streams = world.hub.figures()
    yield "haechi_stream_clients", (), float(streams["clients"])
    yield "haechi_stream_skipped_total", (), float(streams["skipped"])
    for read in (
        _findings,
        _waivers,
        _sources,
        _events,
        _feeds,
        _sensors,
        _clusters,
        _policies,
        _audits,
        _rules,
        _profiles,
        _responses,
        _alerts,
        _incidents,
        _audit,
        _disk,
        _advisories,
        _packages,
        _parts,
    ):
        try:
            yield from list(read(world))
        except (StoreError, OSError):
            continue  # haechi_part_up tells that it is so


def _findings(world: World) -> Iterator[Sample]:
    from haechi.store.state.totals import totals, vulnerabilities

    with world.store.state.read() as connection:
        rows = totals(connection, world.clock().date())
    counts: dict[tuple[str, str], int] = {}
    late: dict[str, int] = {}
    for row in rows:
        place = (row.severity.value, _COUNTED.get(row.state, row.state))
        counts[place] = counts.get(place, 0) + row.count
        late[row.severity.value] = late.get(row.severity.value, 0) + row.overdue
    for place, count in counts.items():
        yield "haechi_findings", place, float(count)
    for severity, count in late.items():
        yield "haechi_findings_overdue", (severity,), float(count)
    with world.store.state.read() as connection:
        open_ = vulnerabilities(connection)
    for severity in (Severity.CRITICAL, Severity.HIGH):
        yield f"vulnerability_scan_{severity.value}_total", (), float(open_.get(severity, 0))


def _advisories(world: World) -> Iterator[Sample]:
    with world.advising.judge(world) as judge:
        states = dict(judge.database.states()) if judge is not None else {}
    now = world.clock()
    for name, state in states.items():
        yield "haechi_advisories", (name,), float(state.records)
        newest = state.newest or state.imported
        if state.covered and newest is not None:
            age = max(0.0, (now - newest).total_seconds())
            yield "haechi_advisories_age_seconds", (name,), age
    for source in world.store.state.advisories.sources():
        yield "haechi_advisory_source_up", (source.place,), _SOURCE.get(source.state, 0.5)
        since = source.since.timestamp()
        yield "haechi_advisory_source_since_timestamp_seconds", (source.place,), since


def _packages(world: World) -> Iterator[Sample]:
    state = world.store.state
    sboms, _, packages = state.bills.counts()
    yield "haechi_sboms", (), float(sboms)
    yield "haechi_packages", (), float(packages)
    for place, count in state.proposals.counts().items():
        yield "haechi_proposals", place, float(count)
    last = state.advisories.last()
    if last is not None:
        yield "haechi_reevaluation_seconds", (), last.seconds
        yield "haechi_reevaluation_sboms", ("judged",), float(last.sboms)
        yield "haechi_reevaluation_sboms", ("affected",), float(last.affected)


def _profiles(world: World) -> Iterator[Sample]:
    if not world.behaviour.on:
        return
    states = Counter(one.state.value for one in world.behaviour.profiles.all())
    for state in ("learning", "active", "frozen"):
        yield "haechi_profiles", (state,), float(states[state])


def _incidents(world: World) -> Iterator[Sample]:
    for (level, state), number in world.store.state.incidents.tally().items():
        yield "haechi_incidents_open", (level, state), float(number)
    told = world.correlating.figures()
    yield "haechi_detections_waiting", (), float(told["waiting"])
    yield "haechi_detections_left_out", (), float(told.get("left_out", 0))
    yield "haechi_correlator_lag_seconds", (), told["lag_s"]


def _responses(world: World) -> Iterator[Sample]:
    actions = world.store.state.actions
    for (kind, state), count in actions.counts().items():
        yield "haechi_responses", (kind, state), float(count)
    halts = {one.scope: float(one.stopped) for one in actions.halts()}
    if world.respond.halt_file(world).exists():
        halts["*"] = 1.0
    for scope, stopped in list(halts.items())[:200]:
        yield "haechi_responses_stopped", (scope,), stopped


def _alerts(world: World) -> Iterator[Sample]:
    for name, tally in world.store.state.alerts.tallies().items():
        yield "haechi_alerts_waiting", (name, "waiting"), float(tally.waiting)
        yield "haechi_alerts_waiting", (name, "dead"), float(tally.dead)


def _waivers(world: World) -> Iterator[Sample]:
    today = world.clock().date()
    for state in ("active", "expired", "revoked"):
        page = world.store.state.waivers.page(
            within=(EVERYWHERE,), state=state, limit=1, cursor=None, today=today
        )
        yield "haechi_waivers", (state,), float(page.total or 0)


def _sources(world: World) -> Iterator[Sample]:
    found = world.store.state.sources.all(within=(EVERYWHERE,))
    seen = [
        (one.kind, one.name, one.last_seen.timestamp())
        for one in found
        if one.last_seen is not None
    ]
    for kind in sorted({kind for kind, _, _ in seen}):
        newest = sorted(((n, at) for k, n, at in seen if k == kind), key=lambda pair: -pair[1])
        for name, at in list(newest)[:200]:
            yield "haechi_source_last_seen_timestamp_seconds", (kind, name), at
    gaps = [(one.name, float(one.gaps)) for one in found if one.kind == "repository"]
    for name, count in bounded(sorted(gaps, key=lambda pair: -pair[1])):
        yield "haechi_source_gaps", (name,), count


def _events(world: World) -> Iterator[Sample]:
    told = world.store.events.figures()
    options = world.store.events.options
    for tier in ("hot", "cold"):
        if told.get(f"{tier}_events") is not None:
            yield "haechi_events_stored", (tier,), float(told[f"{tier}_events"])
    full = max(
        told["queued_events"] / options.queue_events, told["queued_bytes"] / options.queue_bytes
    )
    yield "haechi_event_queue_ratio", (), full
    yield "haechi_store_bytes", ("hot",), float(told.get("hot_file_bytes", 0))
    yield "haechi_store_bytes", ("cold",), float(told.get("cold_bytes", 0))


def _feeds(world: World) -> Iterator[Sample]:
    feeds = world.store.state.feeds.all(within=(EVERYWHERE,))
    for one in sorted(feeds, key=lambda feed: feed.last_seen or world.started)[-200:]:
        if one.last_seen is not None:
            at = one.last_seen.timestamp()
            yield "haechi_feed_last_seen_timestamp_seconds", (one.id, one.cluster), at
        if one.lag_s is not None:
            yield "haechi_feed_lag_seconds", (one.id, one.cluster), one.lag_s


def _sensors(world: World) -> Iterator[Sample]:
    for one in world.sensors.all(world.clock())[-200:]:
        at = one.heard.timestamp()
        yield "haechi_sensor_last_seen_timestamp_seconds", (one.cluster, one.node, one.way), at
        for outcome, number in one.counts.items():
            yield "haechi_sensor_lost_events", (one.cluster, one.node, outcome), float(number)


def _clusters(world: World) -> Iterator[Sample]:
    for one in world.clusters.states()[:200]:
        up = {"connected": 1.0, "dump": 1.0, "partial": 0.5, "lagging": 0.5}.get(one.state, 0.0)
        yield "haechi_cluster_up", (one.name,), up
        yield "haechi_cluster_objects", (one.name,), float(one.objects)
        yield "haechi_cluster_gaps", (one.name,), float(len(one.gaps))
        if one.heard is not None:
            yield "haechi_cluster_last_heard_timestamp_seconds", (one.name,), one.heard.timestamp()


def _policies(world: World) -> Iterator[Sample]:
    state = world.store.state
    known = state.policies.all(within=(EVERYWHERE,))
    places = Counter((one.cluster, o.source) for one in known for o in one.origins)
    for place, number in sorted(places.items())[:200]:
        yield "haechi_policies", place, float(number)
    faults = Counter(
        (one.cluster, one.source) for one in state.policies.faults(within=(EVERYWHERE,))
    )
    for place, number in sorted(faults.items())[:200]:
        yield "haechi_policy_faults", place, float(number)
    sums: dict[tuple[str, str], int] = {}
    for (_, policy), places_ in state.policy_states.counts(within=(EVERYWHERE,)).items():
        for one in places_.values():
            for word in ("failed", "waived", "error", "not_evaluated"):
                sums[policy, word] = sums.get((policy, word), 0) + getattr(one, word)
    for labels, number in sorted(sums.items(), key=lambda pair: -pair[1])[:800]:
        yield "haechi_policy_violations", labels, float(number)


def _audits(world: World) -> Iterator[Sample]:
    state = world.store.state
    for one in state.policy_states.coverage(within=(EVERYWHERE,))[:200]:
        yield "haechi_audit_objects", (one.cluster,), float(one.objects)
        if one.lag_s is not None:
            yield "haechi_audit_lag_seconds", (one.cluster,), one.lag_s
    for hook in state.admissions.webhooks(world.clock(), within=(EVERYWHERE,))[:200]:
        up = float(hook.ready and not hook.silent)
        yield "haechi_webhook_up", (hook.cluster, hook.replica), up


def _rules(world: World) -> Iterator[Sample]:
    rules = world.watch.rulebook(world)
    if not rules.ready:
        return
    book = rules.book
    on = Counter((one.rule.source, one.origin) for one in book.rules if one.enabled)
    for labels, number in sorted(on.items()):
        yield "haechi_rules_loaded", labels, float(number)
    yield "haechi_rule_files_failed", (), float(len(book.left_out))


def _audit(world: World) -> Iterator[Sample]:
    head = world.store.audit.head()
    yield "haechi_audit_records_total", (), float(world.store.audit.size)
    yield "haechi_audit_unsigned_records", (), float(head.unsigned)


def _disk(world: World) -> Iterator[Sample]:
    folder = world.store.folder
    names = (folder.state_db, folder.state_db.with_name(f"{folder.state_db.name}-wal"))
    state = sum(file.stat().st_size for file in names if file.exists())
    log = sum(file.stat().st_size for file in folder.audit.rglob("*") if file.is_file())
    yield "haechi_store_bytes", ("state",), float(state)
    yield "haechi_store_bytes", ("audit",), float(log)
    yield "haechi_store_free_bytes", (), float(shutil.disk_usage(folder.path).free)


def _parts(world: World) -> Iterator[Sample]:
    from haechi.server.readiness import parts

    for part in parts(world):
        yield "haechi_part_up", (part.name,), _UP.get(part.state, 0.0)
