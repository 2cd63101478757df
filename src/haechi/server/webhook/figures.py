"""What the webhook counts, and the page that Prometheus reads.

Plain dictionaries: a review costs a fraction of a microsecond here. Labels are bounded: reasons
and routes are words of ours, kinds and policies are cut at a number, and no object is a label.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from haechi.server.webhook.frames import Route

MOST_LABELS = 500
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ABOUT = {
    "haechi_admission_requests_total": "Reviews answered, by route, outcome and kind",
    "haechi_admission_unjudged_total": "Reviews answered by group without a judgement, by reason",
    "haechi_admission_refused_total": "HTTP requests that were no review, by reason",
    "haechi_admission_policy_total": "What policies said, by policy and outcome",
    "haechi_admission_policy_strikes_total": "Policies past their deadline or memory",
    "haechi_admission_evaluators_ended_total": "Evaluators that ended, by cause",
    "haechi_admission_reloads_total": "Sets of policies loaded, by result",
    "haechi_admission_decisions_dropped_total": "Decisions not told to the server, by reason",
    "haechi_admission_status_writes_total": "Statuses of policies written, by result",
    "haechi_admission_waiver_polls_total": "Times the server was asked for waivers, by result",
    "haechi_admission_certificate_reloads_total": "Served certificates exchanged, by result",
}


class Figures:
    """Counters and one histogram."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter[tuple[tuple[str, str], ...]]] = {
            name: Counter() for name in _ABOUT
        }
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self.started = time.time()

    def count(self, name: str, **labels: str) -> None:
        """One more."""
        counter = self._counters[f"haechi_admission_{name}_total"]
        key = tuple(labels.items())
        if key not in counter and len(counter) >= MOST_LABELS:
            key = tuple((label, "(other)") for label in labels)
        counter[key] += 1

    def request(self, route: Route, outcome: str, kind: str, seconds: float) -> None:
        """A review that was answered."""
        self.count("requests", route=route.path, outcome=outcome, kind=kind)
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def total(self, name: str, **labels: str) -> int:
        """The sum of the counters that have these labels."""
        wanted = set(labels.items())
        counter = self._counters[f"haechi_admission_{name}_total"]
        return sum(count for key, count in counter.items() if wanted <= set(key))

    def text(self, gauges: Mapping[str, tuple[str, float]], info: Mapping[str, str]) -> bytes:
        """The page. ``gauges``: name → (about, value); ``info``: labels of the set in force."""
        lines: list[str] = []
        for name, counter in self._counters.items():
            lines += _head(name, "counter", _ABOUT[name])
            lines += [f"{name}{_labels(key)} {count}" for key, count in sorted(counter.items())]
        lines += self._histogram()
        for name, (about, value) in gauges.items():
            lines += _head(name, "gauge", about)
            lines.append(f"{name} {value:g}")
        lines += _head("haechi_admission_policies_info", "gauge", "The set of policies in force")
        lines.append(f"haechi_admission_policies_info{_labels(info.items())} 1")
        return ("\n".join(lines) + "\n").encode()

    def _histogram(self) -> Iterator[str]:
        name = "haechi_admission_duration_seconds"
        yield from _head(name, "histogram", "From a review's last byte to its answer")
        total = 0
        for bound, count in zip((*BUCKETS, "+Inf"), self._buckets, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._seconds:.6f}"
        yield f"{name}_count {total}"


def _head(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
