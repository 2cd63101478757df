"""The sensor as a whole: chooses the best way in, turns records into events, keeps house.

eBPF sees most and costs least; where it is not allowed, the kernel's audit (with the process
connector beside it for forks and exits); where that is taken, the connector alone. Whichever
runs says what it cannot see, and how many events the kernel lost. What the sensor does itself is
left out by its process number, or reading ``/proc`` and sending events would make events.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from haechi.errors import SensorError
from haechi.model.event import Event
from haechi.world.sensor.build import SOURCE, Builder
from haechi.world.sensor.containers import Containers
from haechi.world.sensor.lines import Lines
from haechi.world.sensor.portrait import Portraits
from haechi.world.sensor.proc_fs import ProcFs
from haechi.world.sensor.processes import Process, Processes
from haechi.world.sensor.record import Record
from haechi.world.sensor.runtimes import Runtimes
from haechi.world.sensor.users import Users

T = TypeVar("T")
WAYS = ("ebpf", "audit", "connector")
QUIET = frozenset({"clone", "clone3", "fork", "vfork", "procexit", "chdir", "fchdir"})
"""Records that keep the table right and become events only when a rule is about them; the exit
of a container's process always does, so that its life is seen whole."""
STATUS = "sensor.status"
ALWAYS_BLIND = ("what happens in a program's memory or within an open connection",)
CALM = frozenset(
    {
        "/etc/ld.so.cache",
        "/etc/ld.so.preload",
        "/etc/locale.alias",
        "/etc/localtime",
        "/etc/nsswitch.conf",
        "/etc/ssl/openssl.cnf",
        "/usr/lib/ssl/openssl.cnf",
        "/usr/share/locale/locale.alias",
    }
)
"""What nearly every program reads at its start. Such a read is no event unless a rule names the
file; writing to one always is."""
_OPENS = frozenset({"open", "openat", "openat2"})
_SENSELESS = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What a record of wrong shapes leads to."""
_SWEEP_S = 10.0
_MANY = 2_000
_EXITS = frozenset({"procexit"})

log = logging.getLogger("haechi.sensor")


class Way(Protocol):
    """A way in."""

    @property
    def lost(self) -> int: ...
    def poll(self, timeout_s: float) -> list[Record]: ...
    def close(self) -> None: ...


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """What rules ask of the sensor: ``watch`` (beginnings of names whose reads are seen),
    ``types`` of events, costly ``fields``, variables of the ``environment``. ``quiet``:
    beginnings of names whose writes are not seen either (eBPF only)."""

    watch: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the sensor is: ``proc`` and ``root`` differ in a container that has the host's
    folders mounted."""

    cluster: str = "-"
    node: str = ""
    proc: str = "/proc"
    root: str = "/"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the sensor does, told each minute."""

    way: str
    blind: tuple[str, ...]
    events: int
    lost: int
    faults: int
    processes: int
    rss_bytes: int
    cpu_s: float


class Sensor:
    """Watches this machine. Raises SensorError when no way in can be opened."""

    def __init__(
        self,
        wants: Wants | None = None,
        *,
        place: Place | None = None,
        way: str = "",
        within: int = 0,
        audit_rules: bool = False,
        opened: tuple[str, Way] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wants = wants or Wants()
        self.place = place or Place()
        self.events_made = self.faults = 0
        self.hurried = False
        """The last look found so much that more may wait in the kernel."""
        self.refused: tuple[str, ...] = ()
        self._clock = clock
        self._swept = clock()
        self._self = os.getpid()
        self._audit_rules = audit_rules
        self._blind: tuple[str, ...] = ()
        self._beside: Way | None = None
        self._proc = ProcFs(self.place.proc)
        self._make_tables()
        self.way, self._way = opened or self._open(way)
        try:
            self.processes.load()
            self._tree = _Tree(self.processes, within) if within else None
        except BaseException:
            self.close()
            raise

    def _make_tables(self) -> None:
        users = Users(Path(self.place.root, "etc"))
        containers = Containers(self._proc, runtimes=Runtimes(Path(self.place.root)))
        self.processes = Processes(self._proc, containers, environment=self.wants.environment)
        self._portraits = Portraits(self._proc, users, self.wants.fields)
        self._builder = Builder(
            self.processes,
            self._portraits,
            users,
            prefix=_prefix(self.place.proc),
            cluster=self.place.cluster,
            node=self.place.node,
        )
        self._lines = Lines(self._builder)

    def _open(self, asked: str) -> tuple[str, Way]:
        """The best way that opens, or the one asked for."""
        if asked and asked not in WAYS:
            raise SensorError(f"there is no way {asked!r}", do=f"name one of {', '.join(WAYS)}")
        reasons = []
        for way in (asked,) if asked else WAYS:
            try:
                opened = self._opened(way)
            except SensorError as error:
                if asked:
                    raise
                reasons.append(f"{way}: {error.what}{f' ({error.why})' if error.why else ''}")
                continue
            self.refused = tuple(reasons)
            return way, opened
        raise SensorError(
            "the sensor cannot watch this machine",
            why="; ".join(reasons),
            do="run as root (CAP_BPF, CAP_PERFMON) with Linux 5.11 or newer",
        )

    def _opened(self, way: str) -> Way:
        if way == "ebpf":
            return self._ebpf()
        if way == "audit":
            return self._audit()
        from haechi.world.sensor import connector

        self._blind = connector.BLIND
        return connector.Connector(self._proc)

    def _ebpf(self) -> Way:
        try:
            from haechi.world.sensor import ebpf
        except ImportError as error:
            raise SensorError("eBPF is not built in", why=str(error)) from error
        opened = ebpf.Ebpf(
            watch=self.wants.watch, env=self.wants.environment, quiet=self.wants.quiet
        )
        self._blind = opened.blind
        return opened

    def _audit(self) -> Way:
        from haechi.world.sensor.audit import Audit
        from haechi.world.sensor.connector import Connector

        opened = Audit(watch=self.wants.watch, wanted=self.wants.types, force=self._audit_rules)
        self._blind = opened.blind
        missing = opened.unwatched(self.wants.watch)
        if missing:
            told = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
            self._blind += (f"reads of paths that are not there now: {told}",)
        try:
            self._beside = Connector(self._proc, execs=False)
        except SensorError as error:
            self._blind += (f"forks and exits ({error.what})",)
        return opened

    @property
    def blind(self) -> tuple[str, ...]:
        """What this way cannot see."""
        return (*self._blind, *ALWAYS_BLIND)

    @property
    def lost(self) -> int:
        """Records that the kernel had no room for."""
        return self._way.lost + (self._beside.lost if self._beside else 0)

    def events(self, timeout_s: float) -> list[Event]:
        """What happened; waits at most so long."""
        return self._all(timeout_s, self._builder.event)

    def lines(self, timeout_s: float) -> list[bytes]:
        """As ``events``, as lines of ``haechi.event/1``: for much less, where nobody looks."""
        return self._all(timeout_s, self._lines.line)

    def _all(self, timeout_s: float, make: Callable[[Record, Process], T]) -> list[T]:
        records = self._way.poll(timeout_s)
        self.hurried = len(records) >= _MANY
        if self._beside is not None:
            records = sorted([*records, *self._beside.poll(0.0)], key=_when)
        made: list[T] = []
        for record in records:
            if record.pid == self._self:
                continue
            try:
                event = self._one(record, make)
            except _SENSELESS as error:
                self._fault(record, error)
                continue
            if event is not None:
                made.append(event)
        self.events_made += len(made)
        if self._clock() - self._swept >= _SWEEP_S:
            self._swept = self._clock()
            self.processes.sweep(time.time_ns())
        return made

    def _one(self, record: Record, make: Callable[[Record, Process], T]) -> T | None:
        one = self.processes.of(record)
        kind = record.type
        event: T | None = None
        if self._tree is None or self._tree.holds(one, record):
            told = kind not in QUIET or kind in self.wants.types
            if kind in _OPENS and self._calm(record.args):
                told = False
            if told or (kind == "procexit" and one.container.full_id):
                event = make(record, one)
        if kind == "procexit":
            self.processes.ended(one, record)
        return event

    def _calm(self, args: dict[str, Any]) -> bool:
        path = args.get("path") or args.get("name")
        return path in CALM and not args.get("flags", 0) & 3 and path not in self.wants.watch

    def _fault(self, record: Record, error: Exception) -> None:
        """A record that makes no sense must not stop the others; the first few are told."""
        self.faults += 1
        if self.faults <= 3:
            log.warning(
                "a %s of %d is unreadable: %s", record.type, record.pid, type(error).__name__
            )

    def want(self, wants: Wants) -> None:
        """Rules ask for other things from now on. Variables of the environment stay as they
        were (the kernel's programs are made for them), and so do quiet places. SensorError when
        the places are too many; the old ones are watched on."""
        before = self.wants
        self.wants = msgspec.structs.replace(
            wants, environment=before.environment, quiet=before.quiet, watch=before.watch
        )
        self._portraits.want(wants.fields)
        again = getattr(self._way, "rewatch", None)
        if again is not None and wants.watch != before.watch:
            again(wants.watch, before.quiet)
        self.wants = msgspec.structs.replace(self.wants, watch=wants.watch)

    def status(self) -> Status:
        """How it does."""
        with Path("/proc/self/statm").open("rb") as stream:
            pages = int(stream.read(256).split()[1])
        return Status(
            way=self.way,
            blind=self.blind,
            events=self.events_made,
            lost=self.lost,
            faults=self.faults,
            processes=len(self.processes),
            rss_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
            cpu_s=round(time.process_time(), 3),
        )

    def status_event(self, more: dict[str, object] | None = None) -> Event:
        """The status as an event, so that whoever keeps events knows that this node is seen."""
        status = self.status()
        fields = {f"sensor.{key}": value for key, value in msgspec.to_builtins(status).items()}
        fields["sensor.blind"] = list(status.blind)
        fields.update({f"sensor.{key}": value for key, value in (more or {}).items()})
        return Event(
            id=self._builder.next_id(),
            ts_ns=time.time_ns(),
            source=SOURCE,
            type=STATUS,
            cluster=self.place.cluster,
            node=self.place.node,
            message=f"sensor by {status.way}: {status.events} events, {status.lost} lost",
            fields=fields,
        )

    def close(self) -> None:
        """Give everything back to the kernel."""
        if self._beside is not None:
            with contextlib.suppress(OSError):
                self._beside.close()
            self._beside = None
        if getattr(self, "_way", None) is not None:
            self._way.close()


class _Tree:
    """The processes below one: also orphans that another has adopted meanwhile."""

    def __init__(self, processes: Processes, root: int) -> None:
        if processes.known(root) is None:
            raise SensorError(f"there is no process {root}", do="name one that runs")
        self._inside = {root}

    def holds(self, one: Process, record: Record) -> bool:
        """True when the process is in the tree."""
        if one.pid not in self._inside:
            if not any(other.pid in self._inside for other in one.ancestry()[1:]):
                return False
            self._inside.add(one.pid)
        if record.type in QUIET:
            self._follow(one, record)
        return True

    def _follow(self, one: Process, record: Record) -> None:
        child = record.args.get("child_pid")
        if isinstance(child, int) and child > 0:
            self._inside.add(child)
        elif record.type in _EXITS and record.tid == record.pid:
            self._inside.discard(one.pid)


def _when(record: Record) -> int:
    return record.ts_ns


def _prefix(proc: str) -> str:
    """Unique for this start of the sensor on this boot of the machine."""
    try:
        boot = Path(proc, "sys/kernel/random/boot_id").read_text().strip().replace("-", "")[:8]
    except OSError:
        boot = "0"
    return f"{boot}-{time.time_ns() // 1000:x}"
