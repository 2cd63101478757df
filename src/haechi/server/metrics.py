"""What Prometheus scrapes: a table of families, counters of this process, figures of the store.

Names follow Prometheus' rules under ``haechi_``. Beside them stand four names of the guide that
our first readers come with; two of those break the rules (gauges that end in ``_total``) and
are kept as they are, since dashboards out there ask for them. Labels are bounded: no workload,
address or finding is ever a label; what would grow past a bound is counted under ``(other)``.
A figure that cannot be told has no sample: no score is not a score of zero.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from haechi.model.decision_record import LATENCY_BOUNDS_US
from haechi.model.event import SEVERITY_OF_PRIORITY

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "(other)"
MOST_VALUES = 200
"""Values of one label; the rest is OTHER."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"
ADMISSION = "haechi_admission_duration_seconds"


class Family(msgspec.Struct, frozen=True):
    """One metric: its name as scraped, kind, what it says, and its labels."""

    name: str
    kind: str
    about: str
    labels: tuple[str, ...] = ()


FIGURES = (
    Family("haechi_build_info", GAUGE, "Version of the server; always 1", ("version",)),
    Family(
        "haechi_findings",
        GAUGE,
        "Findings of the branches that count, by severity and state",
        ("severity", "state"),
    ),
    Family("haechi_findings_overdue", GAUGE, "Open findings past their due date", ("severity",)),
    Family("haechi_waivers", GAUGE, "Waivers of the store", ("state",)),
    Family(
        "haechi_source_last_seen_timestamp_seconds",
        GAUGE,
        "When a source was last looked at or heard of",
        ("kind", "source"),
    ),
    Family(
        "haechi_source_gaps",
        GAUGE,
        "Things in a source's scope that were not evaluated",
        ("source",),
    ),
    Family("haechi_events_stored", GAUGE, "Events kept", ("tier",)),
    Family("haechi_event_queue_ratio", GAUGE, "How full the queue to the disk is, 0 to 1"),
    Family("haechi_store_bytes", GAUGE, "Bytes on disk", ("part",)),
    Family("haechi_store_free_bytes", GAUGE, "Bytes free on the store's disk"),
    Family(
        "haechi_feed_last_seen_timestamp_seconds",
        GAUGE,
        "When a feed was last heard",
        ("feed", "cluster"),
    ),
    Family(
        "haechi_feed_lag_seconds",
        GAUGE,
        "Age of a feed's newest event when it came",
        ("feed", "cluster"),
    ),
    Family(
        "haechi_sensor_last_seen_timestamp_seconds",
        GAUGE,
        "When a sensor last told its status",
        ("cluster", "node", "way"),
    ),
    Family(
        "haechi_sensor_lost_events",
        GAUGE,
        "Events that a sensor lost since its start: by the ring, shed, dropped, refused",
        ("cluster", "node", "outcome"),
    ),
    Family(
        "haechi_cluster_up",
        GAUGE,
        "1 followed, 0.5 in part or lagging, 0 starting or failed",
        ("cluster",),
    ),
    Family("haechi_cluster_objects", GAUGE, "Objects of a cluster that are known", ("cluster",)),
    Family("haechi_cluster_gaps", GAUGE, "Kinds that cannot be read", ("cluster",)),
    Family(
        "haechi_cluster_last_heard_timestamp_seconds",
        GAUGE,
        "When a cluster's API server was last heard",
        ("cluster",),
    ),
    Family(
        "haechi_policies",
        GAUGE,
        "Policies in force, by cluster and where (audit, webhook)",
        ("cluster", "source"),
    ),
    Family(
        "haechi_policy_faults",
        GAUGE,
        "What looks like a policy and protects nothing, or not what it seems to",
        ("cluster", "source"),
    ),
    Family(
        "haechi_policy_violations",
        GAUGE,
        "Objects that a policy does not pass, by state: failed, waived, error, not_evaluated",
        ("policy", "state"),
    ),
    Family(
        "haechi_audit_lag_seconds",
        GAUGE,
        "For how long the oldest change of a cluster has been waiting to be judged by policies",
        ("cluster",),
    ),
    Family(
        "haechi_audit_objects",
        GAUGE,
        "Objects of a cluster that policies judged",
        ("cluster",),
    ),
    Family(
        "haechi_webhook_up",
        GAUGE,
        "1 ready, 0 not ready or silent",
        ("cluster", "replica"),
    ),
    Family("haechi_responses", GAUGE, "Actions by what became of them", ("kind", "state")),
    Family(
        "haechi_responses_stopped",
        GAUGE,
        "1 while automation stands still in a cluster (or *)",
        ("cluster",),
    ),
    Family("haechi_rules_loaded", GAUGE, "Runtime rules that are on", ("source", "origin")),
    Family("haechi_profiles", GAUGE, "Learnt behaviour of workloads", ("state",)),
    Family("haechi_rule_files_failed", GAUGE, "Runtime rule files with errors: none of them run"),
    Family(
        "haechi_alerts_waiting",
        GAUGE,
        "News that wait for a receiver, and dead letters",
        ("receiver", "state"),
    ),
    Family("haechi_incidents_open", GAUGE, "Incidents that are not closed", ("level", "state")),
    Family("haechi_detections_waiting", GAUGE, "Detections that are in no incident yet"),
    Family(
        "haechi_detections_left_out",
        GAUGE,
        "Detections that were never looked at for incidents, since too many waited",
    ),
    Family(
        "haechi_correlator_lag_seconds", GAUGE, "For how long there have been detections waiting"
    ),
    Family("haechi_part_up", GAUGE, "1 well, 0.5 degraded, 0 failed", ("part",)),
    Family("haechi_audit_records_total", COUNTER, "Records of the audit log"),
    Family("haechi_audit_unsigned_records", GAUGE, "Audit records that no signed head covers yet"),
    Family("haechi_stream_clients", GAUGE, "Clients of the live stream"),
    Family("haechi_stream_skipped_total", COUNTER, "Notices that slow clients did not get"),
    Family(
        "haechi_advisories_age_seconds",
        GAUGE,
        "Age of the newest advisory of an ecosystem that is covered",
        ("ecosystem",),
    ),
    Family("haechi_advisories", GAUGE, "Advisories in force", ("ecosystem",)),
    Family(
        "haechi_advisory_source_up",
        GAUGE,
        "1 answered, 0 failed when it was last asked, 0.5 not asked yet",
        ("source",),
    ),
    Family(
        "haechi_advisory_source_since_timestamp_seconds",
        GAUGE,
        "Since when a source of advisories is as it is",
        ("source",),
    ),
    Family("haechi_sboms", GAUGE, "SBOMs by which repositories are judged"),
    Family("haechi_packages", GAUGE, "Versions of packages in stored SBOMs"),
    Family(
        "haechi_reevaluation_seconds",
        GAUGE,
        "Time that judging stored SBOMs by the newest advisories took",
    ),
    Family(
        "haechi_reevaluation_sboms",
        GAUGE,
        "SBOMs that the newest advisories concerned, by state: judged, affected",
        ("state",),
    ),
    Family(
        "haechi_proposals",
        GAUGE,
        "Proposals of upgrades, by severity and state",
        ("severity", "state"),
    ),
    Family(
        "vulnerability_scan_critical_total",
        GAUGE,
        "Open critical vulnerabilities of packages (a name of the guide; a gauge in spite of its "
        "end)",
    ),
    Family(
        "vulnerability_scan_high_total",
        GAUGE,
        "Open high vulnerabilities of packages (a name of the guide; a gauge in spite of its end)",
    ),
    Family(
        "compliance_score_percentage",
        GAUGE,
        "Overall compliance score, 0 to 100; absent until a framework was evaluated",
    ),
)
"""Read from the store at each scrape."""

COUNTED = (
    Family(
        "haechi_events_total",
        COUNTER,
        "Events taken since the start, repeats included",
        ("source", "priority"),
    ),
    Family("haechi_events_refused_total", COUNTER, "Events refused since the start"),
    Family("haechi_events_duplicate_total", COUNTER, "Events that came twice since the start"),
    Family(
        "haechi_detections_total",
        COUNTER,
        "Events that runtime rules held for, each once",
        ("rule", "priority"),
    ),
    Family(
        "haechi_detections_dropped_total",
        COUNTER,
        "Detections left out since one batch had too many",
    ),
    Family(
        "haechi_runtime_faults_total",
        COUNTER,
        "Faults while judging; the events were kept",
        ("stage",),
    ),
    Family(
        "haechi_feed_records_total",
        COUNTER,
        "Records of feeds by what became of them: accepted, duplicate, refused, skipped, lost",
        ("feed", "outcome"),
    ),
    Family(
        "haechi_profile_changes_total",
        COUNTER,
        "Profiles that began with another's (adopted), or had to make room (evicted)",
        ("change",),
    ),
    Family(
        "haechi_alerts_total",
        COUNTER,
        "News told to receivers by what became of them: sent, skipped, later, dead",
        ("receiver", "outcome"),
    ),
    Family("haechi_incidents_opened_total", COUNTER, "Incidents opened, by level", ("level",)),
    Family(
        "haechi_correlator_faults_total",
        COUNTER,
        "Detections, or whole rounds, that could not be made part of an incident",
    ),
    Family(
        "haechi_respond_faults_total",
        COUNTER,
        "Faults while responding; what stands is tended again",
        ("stage",),
    ),
    Family(
        "haechi_admission_decisions_total",
        COUNTER,
        "Requests at the door that webhooks told of, by outcome",
        ("outcome",),
    ),
    Family(
        "haechi_admission_duration_seconds",
        HISTOGRAM,
        "Time of webhooks to their answer",
    ),
    Family(
        "haechi_policy_audit_faults_total",
        COUNTER,
        "Faults of the background audit, by kind: run, policy (one that was stopped)",
        ("kind",),
    ),
    Family("haechi_hunts_total", COUNTER, "Hunts through stored events", ("outcome",)),
    Family("haechi_scans_total", COUNTER, "Scans received since the start", ("answer",)),
    Family(
        "haechi_http_requests_total",
        COUNTER,
        "Requests by operation and class of status",
        ("operation", "status"),
    ),
    Family(
        "haechi_http_request_duration_seconds",
        HISTOGRAM,
        "Time to the end of the answer",
        ("operation",),
    ),
    Family(
        "haechi_advisory_imports_total",
        COUNTER,
        "Imports of advisories by what became of them: done, incomplete, refused",
        ("outcome",),
    ),
    Family("haechi_sign_in_failures_total", COUNTER, "Failed sign-ins", ("reason",)),
    Family(
        "security_events_total",
        COUNTER,
        "Events taken since the start, repeats included (a name of the guide)",
        ("severity", "event_type"),
    ),
)
"""Counted while the process runs; they start at 0 with it, as counters may."""

Sample = tuple[str, tuple[str, ...], float]
"""Name of the family, values of its labels, value."""


class Metrics:
    """What one server counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._values: dict[tuple[str, int], set[str]] = {}
        self._counters: dict[str, Counter] = {}
        self._durations: Histogram | None = None
        self._admission = _Told(next(one for one in COUNTED if one.name == ADMISSION))
        self._registry.register(self._admission)
        for family in COUNTED:
            if family.name == ADMISSION:
                continue
            if family.kind == HISTOGRAM:
                self._durations = Histogram(
                    family.name,
                    family.about,
                    family.labels,
                    registry=self._registry,
                    buckets=BUCKETS,
                )
            else:
                self._counters[family.name] = Counter(
                    family.name, family.about, family.labels, registry=self._registry
                )
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter of COUNTED."""
        counter = self._counters[name]
        bounded = [self._bounded(name, place, value) for place, value in enumerate(labels)]
        (counter.labels(*bounded) if bounded else counter).inc(by)

    def request(self, operation: str, status: int, seconds: float) -> None:
        """One answered request. ``operation`` is an operation's id, never a path."""
        self.count("haechi_http_requests_total", operation, f"{status // 100}xx")
        if self._durations is not None:
            self._durations.labels(operation).observe(seconds)

    def admission_latency(self, buckets: Sequence[int], sum_us: int) -> None:
        """A histogram of a webhook's answers, by LATENCY_BOUNDS_US."""
        self._admission.add(buckets, sum_us / 1e6)

    def events(self, tally: Mapping[tuple[str, str, str], int]) -> None:
        """Accepted events as counts by (source, priority, type)."""
        for (source, priority, kind), number in tally.items():
            self.count("haechi_events_total", source, priority or "none", by=number)
            severity = SEVERITY_OF_PRIORITY.get(priority, "info")
            self.count("security_events_total", severity, kind, by=number)

    def text(self, figures: Iterable[Sample]) -> bytes:
        """What ``/metrics`` answers with (CONTENT_TYPE); ``figures`` are samples of FIGURES."""
        read = CollectorRegistry()
        read.register(_Figures(list(figures)))
        return generate_latest(read) + generate_latest(self._registry)

    def _bounded(self, name: str, place: int, value: str) -> str:
        known = self._values.setdefault((name, place), set())
        if value in known:
            return value
        if len(known) >= MOST_VALUES:
            return OTHER
        known.add(value)
        return value


class _Told(Collector):
    """A histogram that others counted: prometheus-client's own takes single values alone."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._lock = threading.Lock()
        self._buckets = [0] * (len(LATENCY_BOUNDS_US) + 1)
        self._sum = 0.0

    def add(self, buckets: Sequence[int], seconds: float) -> None:
        """Add counts of as many buckets."""
        with self._lock:
            self._buckets = [a + b for a, b in zip(self._buckets, buckets, strict=True)]
            self._sum += seconds

    def collect(self) -> Iterator[Metric]:
        """The one family."""
        with self._lock:
            buckets, seconds = list(accumulate(self._buckets)), self._sum
        bounds = [*(f"{bound / 1e6:g}" for bound in LATENCY_BOUNDS_US), "+Inf"]
        family = HistogramMetricFamily(self._family.name, self._family.about)
        family.add_metric((), buckets=list(zip(bounds, buckets, strict=True)), sum_value=seconds)
        yield family


class _Figures(Collector):
    """FIGURES as prometheus-client wants them: every family, also one without a sample."""

    def __init__(self, figures: Iterable[Sample]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All families with their samples."""
        made = {family.name: _empty(family) for family in FIGURES}
        for name, labels, value in self._figures:
            made[name].add_metric(labels, value)  # type: ignore[attr-defined]
        return iter(made.values())


def _empty(family: Family) -> Metric:
    if family.kind == COUNTER:
        return CounterMetricFamily(
            family.name.removesuffix("_total"), family.about, labels=family.labels
        )
    return GaugeMetricFamily(family.name, family.about, labels=family.labels)


def bounded(pairs: Iterable[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """At most MOST_VALUES of the pairs; the rest is added up under OTHER."""
    rest, more = 0.0, False
    for number, (value, count) in enumerate(pairs):
        if number < MOST_VALUES:
            yield value, count
        else:
            rest, more = rest + count, True
    if more:
        yield OTHER, rest
