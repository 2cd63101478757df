"""Behaviour on recordings of the own sensor: false alarms a workload-day, attacks found.

Root, live. Three recordings of two workloads (bench/behaviour_work.py): normal work to learn from,
normal work of another seed, attacks from within the server while normal work goes on. Learning
and judging are two processes with a store between them: what is judged comes out of its snapshots.
Time is stretched: each recording stands for a day, so that windows and hours of learning are those
of the product; that is how figures a day come about. An alarm is a detection with
``haechi.behaviour`` ≥ the threshold, or (behaviour alone, which the product never tells of by
itself) any such event; the same done by the same workload counts once an hour. The first detection
freezes the profiles, as its incident does. Arguments: [SECONDS of each recording].
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
from examples.attack import CannotRun

from bench import behaviour_work as work
from haechi.errors import SensorError
from haechi.model.event import Event
from haechi.runtime.profile.profile import Habits

SECONDS = 60.0
DAY, NODE = 86_400.0, "bench"
HABITS = Habits(learn_events=300, learn_s=0.9 * DAY)
THRESHOLDS = (0.95, 0.99, 0.995)
_LINE = msgspec.json.Decoder(Event).decode


class Seen(NamedTuple):
    """What was said of one event that is rare or was detected."""

    at_ns: int
    workload: str
    done: str
    behaviour: float
    rules: tuple[str, ...]


def main(argv: Sequence[str] = ()) -> None:
    """Record, learn, judge, print."""
    match list(argv):
        case ["learn", store, file, stretch]:
            _learn(Path(store), Path(file), float(stretch))
        case ["judge", store, file, stretch, out]:
            _judge(Path(store), Path(file), float(stretch), Path(out))
        case _:
            _bench(float(argv[0]) if argv else SECONDS)


def _bench(seconds: float) -> None:
    if os.geteuid() != 0:
        print("skipped: the sensor and control groups need root")
        return
    with tempfile.TemporaryDirectory(prefix="haechi-behaviour-") as name:
        folder = Path(name)
        try:
            attacks = _recorded(folder, seconds)
        except (SensorError, OSError, CannotRun) as error:
            print(f"skipped: {error}")
            return
        store = folder / "store"
        stretch = str(DAY / seconds)
        _child("learn", str(store), str(folder / "learn.jsonl"), stretch)
        for part in ("normal", "attack"):
            out = str(folder / f"{part}.seen")
            _child("judge", str(store), str(folder / f"{part}.jsonl"), stretch, out)
        _report(folder, seconds, attacks)


def _child(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "bench", "behaviour", *words], check=True)


# --- recording -----------------------------------------------------------------------------


def container_of(event: Event) -> str:
    """The short id of its container."""
    return str(event.fields.get("container.id"))[:12]


class Recorder(threading.Thread):
    """Writes what the sensor sees of our two containers."""

    def __init__(self, watch: Sequence[str]) -> None:
        from haechi.world.sensor.sensor import Place, Sensor, Wants

        super().__init__(daemon=True)
        self.sensor = Sensor(Wants(watch=tuple(watch)), place=Place(node=NODE))
        self.file: Path | None = None
        self.counts: Counter[str] = Counter()
        self._ours = {one[:12] for one in work.CONTAINERS.values()}
        self._ended = threading.Event()

    def run(self) -> None:
        encode = msgspec.json.encode
        while not self._ended.is_set():
            events = self.sensor.events(0.2)
            file = self.file
            if file is None:
                continue
            ours = [
                one for one in events if str(one.fields.get("container.id", ""))[:12] in self._ours
            ]
            self.counts[file.stem] += len(ours)
            with file.open("ab") as stream:
                stream.writelines(encode(one) + b"\n" for one in ours)

    def end(self) -> None:
        """Stop, and close the sensor."""
        self._ended.set()
        self.join()
        self.sensor.close()


def _recorded(folder: Path, seconds: float) -> list[list[object]]:
    """The three recordings. Raises SensorError, OSError."""
    site = folder / "shop"
    work.prepare(site)
    recorder = Recorder((f"{site}/", "/etc/", "/proc/", "/run/secrets/", "/root/"))
    recorder.start()
    database = socket.create_server(("127.0.0.1", work.DATABASE_PORT))
    threading.Thread(target=_answers, args=(database,), daemon=True).start()
    try:
        for seed, part in ((1, "learn"), (2, "normal"), (3, "attack")):
            recorder.file = folder / f"{part}.jsonl"
            recorder.file.touch()
            attacks = _worked(site, seed, seconds, attack=part == "attack")
            time.sleep(0.5)
            recorder.file = None
        print(f"sensor by {recorder.sensor.way}, {recorder.sensor.lost} lost; events of ours: "
              f"{dict(recorder.counts)}")  # fmt: skip
        return attacks
    finally:
        recorder.end()
        database.close()
        work.leave()


def _answers(database: socket.socket) -> None:
    while True:
        try:
            peer, _ = database.accept()
        except OSError:
            return
        with peer:
            peer.sendall(b"row\n")


def _worked(site: Path, seed: int, seconds: float, *, attack: bool) -> list[list[object]]:
    """The server anew, its visitors, the jobs; attacks in the midst."""
    port = _free()
    words = [sys.executable, "-m", "bench.behaviour_work"]
    server = subprocess.Popen([*words, "web", str(site), str(port)])
    others: list[subprocess.Popen[bytes]] = []
    try:
        _until(lambda: _listens(port))
        others = [
            subprocess.Popen([*words, "visit", str(port), str(seed), str(seconds)]),
            subprocess.Popen([*words, "jobs", str(site), str(seed), str(seconds)]),
        ]
        done: list[list[object]] = []
        if attack:
            time.sleep(seconds / 6)
            said = subprocess.run([*words, "attack", str(port)], check=True, stdout=subprocess.PIPE)
            done = msgspec.json.decode(said.stdout, type=list[list[object]])
        for one in others:
            one.wait(seconds + 60)
        return done
    finally:
        for one in (server, *others):
            one.kill()
            one.wait()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as peer:
        return peer.connect_ex(("127.0.0.1", port)) == 0


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not holds():
        if time.monotonic() > end:
            raise OSError("the server does not listen")
        time.sleep(0.05)


# --- learning and judging ------------------------------------------------------------------


class Clock:
    """Stretched time: of the events, from where the last process left off."""

    def __init__(self, at: float, stretch: float) -> None:
        self.at = self._base = at
        self._stretch = stretch
        self._first = 0

    def see(self, ts_ns: int) -> None:
        self._first = self._first or ts_ns
        self.at = max(self.at, self._base + (ts_ns - self._first) / 1e9 * self._stretch)

    def __call__(self) -> float:
        return self.at


def _events(file: Path) -> Iterator[Event]:
    with file.open("rb") as stream:
        for line in stream:
            yield _LINE(line)


def _learn(folder: Path, file: Path, stretch: float) -> None:
    from haechi.runtime.profile.profiles import Profiles
    from haechi.server.work.behaviour import _row
    from haechi.store.store import Store

    clock = Clock(1_790_000_000.0, stretch)
    profiles = Profiles(HABITS, clock)
    taken, number = time.process_time(), 0
    for event in _events(file):
        clock.see(event.ts_ns)
        if profiles.wants(event.source, event.type):
            profiles.observe(event)
            number += 1
    taken = time.process_time() - taken
    store = Store.open(folder)
    try:
        store.state.profiles.save(profiles.read(_row, profiles.saved()))
    finally:
        store.close()
    for one in profiles.all():
        print(f"learnt {one.workload.image} {one.workload.command}: {one.state.value}, "
              f"{one.events:,} events, {one.size():,} bytes")  # fmt: skip
    print(
        f"{number:,} events learnt in {taken / max(1, number) * 1e6:.1f} µs each, reading included"
    )


def _judge(folder: Path, file: Path, stretch: float, out: Path) -> None:
    from haechi.engines.falco.engine import Engine
    from haechi.runtime.pack import builtin
    from haechi.runtime.profile.profiles import Profiles
    from haechi.runtime.profile.snapshot import loaded
    from haechi.store.store import Store

    store = Store.open(folder)
    try:
        rows = list(store.state.profiles.each(most=2_000))
    finally:
        store.close()
    clock = Clock(max(row.changed for row in rows) / 1e6 + 3600, stretch)
    profiles = Profiles(HABITS, clock)
    profiles.restore([loaded(row.body, HABITS, clock.at) for row in rows])
    engine = Engine([rule for rule in builtin().rules if rule.enabled])
    seen = []
    for event in _events(file):
        clock.see(event.ts_ns)
        rules = tuple(rule.name for rule in engine.judge(event))
        look = profiles.observe(event) if profiles.wants(event.source, event.type) else None
        told = profiles.tell(look) if look is not None else None
        if rules:  # an incident opens, and nothing is learnt while it is
            profiles.hold({f"host:{event.cluster}/{event.node}"})
        rare = told is not None and (told.behaviour or 0) >= THRESHOLDS[0]
        if rules or rare:
            done = (
                "; ".join(part.value for part in told.parts if part.value) if told else event.type
            )
            behaviour = told.behaviour or 0.0 if told else 0.0
            name = container_of(event)
            seen.append(Seen(event.ts_ns, name, done, behaviour, rules))
    out.write_bytes(msgspec.json.encode(seen))


# --- figures -------------------------------------------------------------------------------


Way = Callable[[Seen], bool]


def _ways() -> Iterator[tuple[str, Way]]:
    """What may count as an alarm."""
    yield "rules alone", _by_rule
    for limit in THRESHOLDS:
        yield f"behaviour alone ≥ {limit}", partial(_rare, limit)
    for limit in THRESHOLDS:
        yield f"rules, ranked first ≥ {limit}", partial(_both, limit)
    for limit in THRESHOLDS:
        yield f"rules or behaviour ≥ {limit}", partial(_either, limit)


def _by_rule(one: Seen) -> bool:
    return bool(one.rules)


def _rare(limit: float, one: Seen) -> bool:
    return one.behaviour >= limit


def _both(limit: float, one: Seen) -> bool:
    return bool(one.rules) and one.behaviour >= limit


def _either(limit: float, one: Seen) -> bool:
    return bool(one.rules) or one.behaviour >= limit


def _report(folder: Path, seconds: float, attacks: list[list[object]]) -> None:
    normal, under = (
        msgspec.json.decode((folder / f"{part}.seen").read_bytes(), type=list[Seen])
        for part in ("normal", "attack")
    )
    days = len(work.CONTAINERS)
    print("\nnormal work of another seed, after a restart: each recording of "
          f"{seconds:.0f} s stands for a day, so this is {days} workload-days")  # fmt: skip
    went = [(str(a[0]), int(str(a[1])), int(str(a[2]))) for a in attacks if a[3]]
    for name in [str(a[0]) for a in attacks if not a[3]]:
        print(f"  could not run: {name}")
    print(f"{'':32}{'false alarms a workload-day':>28}   attacks found of {len(went)}")
    for name, holds in _ways():
        alarms = len({(o.workload, o.done, _hour(o, seconds)) for o in normal if holds(o)})
        found = [a for a in went if any(holds(o) and _of(o, a) for o in under)]
        print(f"{name:32}{alarms / days:>20.1f} ({alarms:>4})   {len(found)}")
    limit = THRESHOLDS[1]
    rare = {a[0] for a in went if any(_rare(limit, o) and _of(o, a) for o in under)}
    ruled = {a[0] for a in went if any(o.rules and _of(o, a) for o in under)}
    every = [a[0] for a in went]
    print(f"by behaviour ≥ {limit} and by no rule: {_listed(every, rare - ruled)}")
    print(f"by neither: {_listed(every, set(every) - rare - ruled)}")
    rarest = Counter((o.workload, o.done) for o in normal if _rare(limit, o))
    for (name, done), count in rarest.most_common(6):
        print(f"  a false alarm of behaviour: {name} {done} ×{count}")


def _listed(every: Sequence[str], some: set[str]) -> str:
    return ", ".join(one for one in every if one in some) or "none"


def _hour(one: Seen, seconds: float) -> int:
    return int(one.at_ns / 1e9 * DAY / seconds // 3600)


def _of(one: Seen, attack: tuple[str, int, int]) -> bool:
    """Whether it happened during an attack, in the workload that was attacked."""
    return one.workload == work.CONTAINERS["web"][:12] and attack[1] <= one.at_ns <= attack[2]
