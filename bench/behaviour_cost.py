"""What learning behaviour costs a server: the pass that judges a batch, with and without it.

The stream of bench/falco_stream.py (random types: the worst for the order of events) as encoded
rows, judged by our own pack, rounds with and without taking turns; CPU time, the least of the
rounds. Arguments: [EVENTS].
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

from bench.falco_stream import Stream
from haechi.engines.falco.engine import Engine
from haechi.runtime.detect import Detector, Observer, judged
from haechi.runtime.pack import builtin
from haechi.runtime.profile.profile import Habits
from haechi.runtime.profile.profiles import Profiles
from haechi.server.work.behaviour import Watching
from haechi.store.events.encoding import EncodedBatch, encode_events
from haechi.store.events.shapes import Limits

EVENTS, BATCH, ROUNDS, TARGET = 20_000, 2_000, 7, 8.0


def main(argv: Sequence[str] = ()) -> None:
    """Print all figures."""
    number = int(argv[0]) if argv else EVENTS
    events = Stream().events(number)
    limits, now_ns = Limits(), time.time_ns()
    batches = [
        encode_events(events[at : at + BATCH], limits, now_ns=now_ns)
        for at in range(0, number, BATCH)
    ]
    detector = Detector(Engine([rule for rule in builtin().rules if rule.enabled]))
    profiles = Profiles(Habits(learn_events=500, learn_s=0.0), time.time)
    watching = Watching(profiles, lambda: None)
    bare, full = [], []
    for _ in range(ROUNDS):
        bare.append(_round(batches, detector, None))
        full.append(_round(batches, detector, watching))
    added = (min(full) - min(bare)) / number * 1e6
    print(f"{number:,} events, {len(profiles.all())} profiles, "
          f"{sum(one.size() for one in profiles.all()):,} bytes")  # fmt: skip
    print(f"judging alone {min(bare) / number * 1e6:.1f} µs an event, with behaviour "
          f"{min(full) / number * 1e6:.1f}: {added:.1f} more "
          f"(target ≤ {TARGET:.0f}: {'reached' if added <= TARGET else 'MISSED'})")  # fmt: skip


def _round(batches: Sequence[EncodedBatch], detector: Detector, observer: Observer | None) -> float:
    gc.collect()
    start = time.process_time()
    for batch in batches:
        judged(batch, detector, lambda event: None, observer=observer)
    return time.process_time() - start
