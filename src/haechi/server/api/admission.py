"""Admission: decisions as webhooks tell them, one explained, what happened at the door by time,
and how the background audit of each cluster does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import msgspec

from haechi.errors import Forbidden, UsageError
from haechi.model.access import ANY, NONE, Role
from haechi.model.decision_record import LATENCY_BOUNDS_US, SCHEMA, DecisionBatch
from haechi.server.endpoint import MIB, Call, Operation
from haechi.server.shapes_admission import (
    AdmissionLatency,
    AdmissionPoint,
    AdmissionSummary,
    CoverageList,
    DecisionsAnswer,
    DecisionShown,
    NamespaceTally,
    PolicyTally,
    PolicyWords,
)
from haechi.store.records import Page, Record
from haechi.store.state.admission_counts import minute_of
from haechi.store.state.admission_records import DecisionFilter, StoredDecision, StoredPolicy
from haechi.store.state.policy_infos import policy_key

LIMIT = 16 * MIB
POINTS = 120
"""Steps of a summary at most."""
_FILTER = tuple(field.name for field in msgspec.structs.fields(DecisionFilter))
_LONGEST = dt.timedelta(days=90)
_EARLY, _LATE = dt.timedelta(days=60), dt.timedelta(hours=1)


class DecisionsAsk(DecisionFilter, frozen=True, kw_only=True):
    """A filter, and which part of the list; the newest first."""

    limit: int = 100
    cursor: str | None = None


class SummaryAsk(Record, frozen=True, kw_only=True):
    """A time (the last day unless said), and where."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    cluster: list[str] = []
    namespace: list[str] = []


def sent(call: Call) -> DecisionsAnswer:
    """Take a batch of a webhook."""
    batch: DecisionBatch = call.body
    if batch.schema != SCHEMA:
        raise UsageError(
            f'the schema is "{batch.schema[:60]}", not "{SCHEMA}"',
            where="schema",
            do="send what `haechi webhook` of this version sends",
        )
    cluster = batch.cluster or _own_cluster(call)
    if not any(r.namespace == ANY and r.cluster in (ANY, cluster) for r in call.within):
        raise Forbidden(
            f"{call.principal.id} may not tell decisions of the cluster {cluster[:80]!r}",
            why="a webhook speaks for all namespaces of its cluster",
            do="use a token with the role operator in all namespaces of the cluster",
        )
    fit, refused = _fit(batch, call.now)
    if not call.world.settings.admission.record_reviews:
        fit = _without_reviews(fit)
    taken = call.world.store.state.decisions.take(fit, cluster)
    if taken:
        _count(call, fit)
    records = len(fit.records) if taken else 0
    return DecisionsAnswer(taken=records, again=not taken, refused=refused)


def _own_cluster(call: Call) -> str:
    clusters = {reach.cluster for reach in call.within}
    return clusters.pop() if len(clusters) == 1 and ANY not in clusters else NONE


def _fit(batch: DecisionBatch, now: dt.datetime) -> tuple[DecisionBatch, dict[int, str]]:
    """The batch without what cannot be of now, or is larger than it says."""
    first, last = now - _EARLY, now + _LATE
    early, late = int(first.timestamp() * 1e9), int(last.timestamp() * 1e9)
    refused = {
        place: "its time is far from this server's"
        for place, one in enumerate(batch.records)
        if not early <= one.at_ns <= late
    }
    fit = msgspec.structs.replace(
        batch,
        records=tuple(one for place, one in enumerate(batch.records) if place not in refused),
        tallies=_timely(batch.tallies, first, last),
        latencies=_timely(batch.latencies, first, last),
    )
    return fit, refused


def _without_reviews(batch: DecisionBatch) -> DecisionBatch:
    records = (
        msgspec.structs.replace(one, review=b"", review_missing="off") for one in batch.records
    )
    return msgspec.structs.replace(batch, records=tuple(records))


def _timely(several: Sequence[msgspec.Struct], first: dt.datetime, last: dt.datetime) -> tuple:  # type: ignore[type-arg]
    least, most = minute_of(first), minute_of(last)
    return tuple(one for one in several if least <= one.minute <= most)  # type: ignore[attr-defined]


def _count(call: Call, batch: DecisionBatch) -> None:
    metrics = call.world.metrics
    for one in batch.tallies:
        if one.policy == "":
            metrics.count("haechi_admission_decisions_total", one.outcome.value, by=one.count)
    for latency in batch.latencies:
        metrics.admission_latency(latency.buckets, latency.sum_us)


def filter_of(ask: DecisionFilter) -> DecisionFilter:
    """The filter alone: a cursor belongs to a filter, not to the size of a page."""
    return DecisionFilter(**{name: getattr(ask, name) for name in _FILTER})


def listed(call: Call) -> Page[StoredDecision]:
    """One page of the list."""
    ask: DecisionsAsk = call.query
    return call.world.store.state.decisions.page(
        filter_of(ask), within=call.within, limit=ask.limit, cursor=ask.cursor
    )


def rows(call: Call) -> Iterator[StoredDecision]:
    """All rows, for the twins."""
    return call.world.store.state.decisions.each(filter_of(call.query), within=call.within)


def shown(call: Call) -> DecisionShown:
    """One decision explained."""
    from haechi.admit.recording import unpacked

    state = call.world.store.state
    decision, words, body, missing = state.decisions.show(call.params["id"], within=call.within)
    request = unpacked(body) if body else None
    known = {
        one.info.id: one
        for one in state.policies.all(within=call.within)
        if one.cluster == decision.cluster
    }
    named = dict.fromkeys(verdict.policy for verdict in words.verdicts)
    return DecisionShown(
        decision=decision,
        groups=words.groups,
        warnings=words.warnings,
        patches=words.patches,
        verdicts=words.verdicts,
        verdicts_left_out=words.verdicts_left_out,
        policies=[_words(known[name]) for name in named if name in known],
        request=request,
        request_missing="damaged" if body and request is None else missing,
    )


def _words(one: StoredPolicy) -> PolicyWords:
    info = one.info
    return PolicyWords(
        id=info.id,
        key=one.key,
        title=info.title,
        description=info.description,
        fix=info.fix,
        severity=info.severity,
        file=info.file,
        line=info.line,
        object=info.object,
    )


def summed(call: Call) -> AdmissionSummary:
    """What happened at the door in a time."""
    ask: SummaryAsk = call.query
    since, until, step = _time(ask, call.now)
    state = call.world.store.state
    counted = state.admissions.counted(
        since,
        until,
        step=step,
        within=call.within,
        cluster=ask.cluster,
        namespace=ask.namespace,
    )
    titles = {one.info.id: one.info.title for one in state.policies.all(within=call.within)}
    outcomes: dict[str, int] = {}
    for (_, word), count in counted.points.items():
        outcomes[word] = outcomes.get(word, 0) + count
    webhooks = state.admissions.webhooks(call.now, within=call.within)
    return AdmissionSummary(
        since=since,
        until=until,
        step_s=step * 60,
        total=sum(outcomes.values()),
        outcomes=outcomes,
        points=_points(counted.points, since, until, step),
        latency=_latency(
            *state.admissions.latency(since, until, within=call.within, cluster=ask.cluster)
        ),
        policies=[
            PolicyTally(
                policy=name,
                cluster=cluster,
                key=policy_key(cluster, name) if name in titles else "",
                title=titles.get(name, ""),
                total=sum(words.values()),
                outcomes=words,
            )
            for (cluster, name), words in counted.policies.items()
        ],
        namespaces=[
            NamespaceTally(
                cluster=cluster, namespace=namespace, total=sum(words.values()), outcomes=words
            )
            for (cluster, namespace), words in counted.namespaces.items()
        ],
        webhooks=[one for one in webhooks if not ask.cluster or one.cluster in ask.cluster],
        recorded=state.decisions.recorded(within=call.within),
    )


def _time(ask: SummaryAsk, now: dt.datetime) -> tuple[dt.datetime, dt.datetime, int]:
    """Whole steps of so many minutes; of an hour and more where minutes are merged already."""
    until = ask.until or now
    since = ask.since or until - dt.timedelta(days=1)
    if not since < until:
        raise UsageError("must lie before `until`", where="query.since")
    if until - since > _LONGEST:
        raise UsageError(f"at most {_LONGEST.days} days at a time", where="query.since")
    minutes = max(1, -(-int((until - since).total_seconds()) // 60))
    step = next((one for one in (1, 5, 15, 60) if minutes <= one * POINTS), 0)
    step = step or 60 * -(-minutes // (60 * POINTS))
    if now - since > dt.timedelta(days=2):
        step = max(step, 60)
    first = minute_of(since) // step * step
    last = -(-(int(until.timestamp()) // 60 + 1) // step) * step
    return _at(first), _at(last), step


def _at(minute: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(minute * 60, dt.UTC)


def _points(
    counts: dict[tuple[int, str], int], since: dt.datetime, until: dt.datetime, step: int
) -> list[AdmissionPoint]:
    found: dict[int, dict[str, int]] = {
        minute: {} for minute in range(minute_of(since), minute_of(until), step)
    }
    for (minute, word), count in counts.items():
        found.setdefault(minute, {})[word] = count
    return [
        AdmissionPoint(at=_at(minute), total=sum(words.values()), outcomes=words)
        for minute, words in sorted(found.items())
    ]


def _latency(buckets: list[int], sum_us: int) -> AdmissionLatency:
    count = sum(buckets)
    return AdmissionLatency(
        count=count,
        mean_ms=round(sum_us / count / 1_000, 3) if count else None,
        p50_ms=_percentile(buckets, count, 0.5),
        p90_ms=_percentile(buckets, count, 0.9),
        p99_ms=_percentile(buckets, count, 0.99),
        bounds_us=list(LATENCY_BOUNDS_US),
        buckets=buckets,
    )


def _percentile(buckets: list[int], count: int, share: float) -> float | None:
    below, wanted = 0, count * share
    for bound, number in zip(LATENCY_BOUNDS_US, buckets, strict=False):
        below += number
        if count and below >= wanted:
            return bound / 1_000
    return None


def covered_(call: Call) -> CoverageList:
    """The audit of clusters that are reached whole."""
    return CoverageList(items=call.world.store.state.policy_states.coverage(within=call.within))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="admission.send",
        method="POST",
        path="/admission/decisions",
        role=Role.OPERATOR,
        summary="Take what a webhook tells of its decisions (haechi.decisions/1): counts, "
        "details, how it does; a batch that comes again counts once",
        handler=sent,
        body=DecisionBatch,
        answer=DecisionsAnswer,
        limit=LIMIT,
        sends=True,
    ),
    Operation(
        id="admission.decisions",
        method="GET",
        path="/admission/decisions",
        role=Role.VIEWER,
        summary="List decisions at the door, newest first: all that were not plainly allowed, "
        "and a sample of the rest",
        handler=listed,
        query=DecisionsAsk,
        answer=Page[StoredDecision],
        rows=rows,
    ),
    Operation(
        id="admission.decision",
        method="GET",
        path="/admission/decisions/{id}",
        role=Role.VIEWER,
        summary="One decision explained: what each policy said, and the request without secrets",
        handler=shown,
        answer=DecisionShown,
    ),
    Operation(
        id="admission.summary",
        method="GET",
        path="/admission/summary",
        role=Role.VIEWER,
        summary="What happened at the door: by time, policy and namespace, how long it took, and "
        "the webhooks that were heard",
        handler=summed,
        query=SummaryAsk,
        answer=AdmissionSummary,
    ),
    Operation(
        id="admission.coverage",
        method="GET",
        path="/admission/coverage",
        role=Role.VIEWER,
        summary="How the background audit of each cluster does: kinds, objects, gaps, lag",
        handler=covered_,
        answer=CoverageList,
    ),
)
