"""Runtime: events per CPU-second through all public syscall rules, latency of one, equality.

The stream is that of ``bench/falco_stream.py``: its mix of types, 20 fields an event, at most
0.1 % matching, the same at each run. Rates are of process CPU time, best of several rounds; "from
JSON" decodes lines of ``haechi.event/1`` and judges. What matched is compared with the tree
walker, and so is a sample of the rest. Arguments: [EVENTS].
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from bench.falco_public import SYSCALL, public_rules
from bench.falco_stream import FIELDS, MIX, Stream
from haechi.engines.falco import tree
from haechi.engines.falco.engine import Engine
from haechi.model.event import Event

EVENTS = 50_000
ROUNDS = 7
SAMPLE = 200
TARGETS = {"decoded": 300_000, "json": 100_000, "p99": 100.0}


def best_rate(work: Callable[[], int]) -> float:
    """Events per CPU-second, the best of the rounds."""
    rates = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.process_time()
        count = work()
        rates.append(count / (time.process_time() - start))
    return max(rates)


def decoded(engine: Engine, events: Sequence[Event]) -> tuple[float, int]:
    """(rate, events that matched) of events that are there already."""
    matched = 0

    def work() -> int:
        nonlocal matched
        judge = engine.judge
        matched = 0
        for event in events:
            if judge(event):
                matched += 1
        return len(events)

    return best_rate(work), matched


def from_json(engine: Engine, lines: Sequence[bytes]) -> float:
    """Rate of lines decoded and judged."""

    def work() -> int:
        judge = engine.judge
        decode = msgspec.json.Decoder(Event).decode
        for line in lines:
            judge(decode(line))
        return len(lines)

    return best_rate(work)


def latencies(engine: Engine, events: Sequence[Event]) -> tuple[float, float]:
    """(p50, p99) of a single event in microseconds, the best round: wall time, clock included."""
    found = []
    clock = time.perf_counter_ns
    for _ in range(3):
        taken = []
        for event in events:
            start = clock()
            engine.judge(event)
            taken.append(clock() - start)
        cuts = statistics.quantiles(taken, n=100)
        found.append((cuts[98] / 1000, cuts[49] / 1000))
    p99, p50 = min(found)
    return p50, p99


def differences(engine: Engine, events: Sequence[Event]) -> int:
    """Events on which the engine and the tree walker differ."""
    wrong = 0
    for event in events:
        walked = tuple(r for r in engine.rules if tree.holds(r.condition, event, r.source))
        wrong += engine.judge(event) != walked
    return wrong


def main(argv: Sequence[str] = ()) -> None:
    """Print all figures."""
    rules = public_rules(*SYSCALL)
    if not rules:
        print("the public rules are not here: HAECHI_FALCO_RULES=folder names them")
        return
    events = Stream().events(int(argv[0]) if argv else EVENTS)
    lines = [msgspec.json.encode(event) for event in events]
    start = time.process_time()
    engine = Engine(rules)
    engine.warm()
    made = time.process_time() - start
    opens = sum(count for kind, count in MIX.items() if kind.startswith("open"))
    print(f"{len(rules)} rules; {len(events):,} events of {len(MIX)} types, "
          f"{opens / sum(MIX.values()):.0%} opens, {FIELDS} fields each "
          f"({min(len(e.fields) for e in events)}-{max(len(e.fields) for e in events)}), "
          f"{statistics.mean(map(len, lines)):.0f} bytes of JSON")  # fmt: skip
    rate, matched = decoded(engine, events)
    print(f"code for every type: {made:.2f} CPU s; {matched} events match "
          f"({matched / len(events):.3%})")  # fmt: skip
    _told("decoded events/s per CPU-s", rate, TARGETS["decoded"])
    _told("JSON events/s per CPU-s", from_json(engine, lines), TARGETS["json"])
    p50, p99 = latencies(engine, events)
    print(f"one event: p50 {p50:.1f} µs, p99 {p99:.1f} µs (target < {TARGETS['p99']:.0f})")
    some = [event for event in events if engine.judge(event)] + events[:SAMPLE]
    print(f"against the tree walker: {differences(engine, some)} of {len(some)} events differ; "
          f"{sum(engine.faults.values())} faults")  # fmt: skip
    _sensor(argv)


def _told(what: str, rate: float, target: float) -> None:
    word = "reached" if rate >= target else "MISSED"
    print(f"{what}: {rate:,.0f} (target {target:,.0f}: {word})")


def _sensor(argv: Sequence[str]) -> None:
    """The part from the kernel to the store, where it is built (``bench/runtime_sensor.py``)."""
    if importlib.util.find_spec("bench.runtime_sensor") is not None:
        importlib.import_module("bench.runtime_sensor").main(argv)
