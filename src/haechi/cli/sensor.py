"""``haechi sensor``: watch this machine; judge here, send to a server, or record to a file."""

from __future__ import annotations

import gc
import os
import platform
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from haechi.cli.plain import plain
from haechi.cli.sensor_sinks import Judge, Recorder, Sender, Sink
from haechi.errors import SensorError, UsageError

if TYPE_CHECKING:
    from haechi.cli.sensor_delivery import Delivery
    from haechi.cli.sensor_rules import Known
    from haechi.cli.sensor_shedding import Matters
    from haechi.cli.sensor_update import ServerRules
    from haechi.model.event import Event
    from haechi.world.sensor.sensor import Sensor, Wants

WAIT_S = 0.2
STATUS_S, LOSS_S = 60.0, 5.0
CLUSTER = "HAECHI_CLUSTER"
EPILOG = """\b
Examples:
  haechi sensor                           judge by the built-in rules, tell alerts here
  haechi sensor --rules my_rules.yaml --format json
  haechi sensor --server https://haechi.example.org --spool /var/spool/haechi
  haechi sensor --record attack.jsonl --pid-tree 4711
  haechi sensor --check                   what would run here, and what it cannot see

\b
Exit codes: 0 ended by a signal or --seconds, 2 it cannot run here or the rules do not load,
3 events were lost, shed, dropped or not sent.
"""


@click.command(name="sensor", epilog=EPILOG)
@click.option("--server", default="", metavar="URL", help="send events there (HAECHI_TOKEN)")
@click.option(
    "--rules",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="rule files in Falco's language, beside the built-in ones",
)
@click.option("--no-builtin", is_flag=True, help="only the rules of --rules")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option("--record", type=click.Path(path_type=Path), help="write every event to this file")
@click.option("--spool", type=click.Path(path_type=Path), help="keep events here while away")
@click.option("--spool-mib", default=1024, show_default=True, type=click.IntRange(1, 1 << 20))
@click.option("--way", type=click.Choice(["ebpf", "audit", "connector"]), help="only this way in")
@click.option("--audit-rules", is_flag=True, help="add audit rules beside another audit daemon's")
@click.option("--watch", multiple=True, metavar="PREFIX", help="tell reads of these names, too")
@click.option("--quiet", multiple=True, metavar="PREFIX", help="do not tell of writes there (eBPF)")
@click.option("--pid-tree", type=click.IntRange(1), help="only this process and those below it")
@click.option("--cluster", default="", help="the cluster's name in events (HAECHI_CLUSTER)")
@click.option("--node", default="", help="this node's name in events (default: host name)")
@click.option("--host-root", default="/", help="where the host's / is mounted (in a DaemonSet)")
@click.option("--seconds", type=click.FloatRange(0), help="end after so long")
@click.option("--check", is_flag=True, help="say what would run, what it lacks, and end")
@click.pass_context
def command(
    ctx: click.Context,
    server: str,
    files: tuple[Path, ...],
    no_builtin: bool,
    format_: str,
    record: Path | None,
    spool: Path | None,
    spool_mib: int,
    way: str | None,
    audit_rules: bool,
    watch: tuple[str, ...],
    quiet: tuple[str, ...],
    pid_tree: int | None,
    cluster: str,
    node: str,
    host_root: str,
    seconds: float | None,
    check: bool,
) -> None:
    """Watch what processes on this machine do (needs root).

    Without --server and --record events are judged here, by the built-in rules and those of
    --rules, and alerts are told on standard output. With --server every event goes there and is
    judged there.
    """
    from haechi.cli import sensor_rules
    from haechi.cli.sensor_shedding import Matters
    from haechi.cli.sensor_update import ServerRules
    from haechi.world.sensor.sensor import Place, Sensor

    if spool is not None and not server:
        raise UsageError("--spool keeps what a server should get", do="name --server")
    for prefix in (*watch, *quiet):
        if not prefix.startswith("/"):
            raise UsageError(
                f"{prefix} is not the beginning of a path", do="for example: --watch /srv/"
            )
    known = sensor_rules.known(files, builtin=not no_builtin)
    if known.problems:
        raise _unloaded(known)
    wants, open_ended = sensor_rules.wants(known.rules, watch, root=host_root)
    wants = replace(wants, quiet=quiet)
    place = Place(
        cluster=cluster or os.environ.get(CLUSTER, "") or "-",
        node=node or platform.node(),
        root=host_root,
    )
    sinks: list[Sink] = []
    matters = Matters(known.rules)
    if not check:
        sinks = _sinks(known, server, record, format_, spool, spool_mib, matters)
    try:
        sensor = Sensor(
            wants, place=place, way=way or "", within=pid_tree or 0, audit_rules=audit_rules
        )
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    if check:
        try:
            _describe(sensor, open_ended)
        finally:
            sensor.close()
        return
    _introduce(sensor, open_ended)
    # What is there now stays; what comes goes at once, in thousands: nothing to look through.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    update = ServerRules(server, known, watch, host_root, matters) if server else None
    ctx.exit(Run(sensor, sinks, update).until(seconds))


class Run:
    """The loop: read, hand on, tell the status, look for new rules of the server."""

    def __init__(self, sensor: Sensor, sinks: list[Sink], update: ServerRules | None) -> None:
        self._sensor = sensor
        self._sinks = sinks
        self._update = update
        self._stopping = False
        self._last = (time.monotonic(), 0)
        self._looked = 0.0
        self._lost_told = 0

    def until(self, seconds: float | None) -> int:
        """Until a signal, or so long. The exit code."""
        ends = time.monotonic() + seconds if seconds is not None else float("inf")
        before = {one: signal.signal(one, self._stop) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._tell_status()
            while not self._stopping and time.monotonic() < ends:
                self._turn()
                if self._update is not None and (wants := self._update.wants()) is not None:
                    self._want(wants)
                if self._due():
                    self._tell_status()
            self._hand_on(self._sensor.events(0.0))
            self._tell_status()
        finally:
            lost = self._lost()
            try:
                self._sensor.close()
            finally:
                whole = [sink.close() for sink in self._sinks]
                for one, handler in before.items():
                    signal.signal(one, handler)
        return 0 if all(whole) and not lost else 3

    def _lost(self) -> int:
        lost = self._sensor.lost
        if lost:
            sys.stderr.write(f"haechi: the kernel had no room for {lost} events\n")
        return lost

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _turn(self) -> None:
        """What happened goes on; as mere lines where nobody here looks at it."""
        only = self._sinks[0] if len(self._sinks) == 1 else None
        if isinstance(only, Sender) and not only.looks(hurried=self._sensor.hurried):
            only.take_lines(self._sensor.lines(WAIT_S))
        else:
            self._hand_on(self._sensor.events(WAIT_S))

    def _hand_on(self, events: list[Event]) -> None:
        if events:
            for sink in self._sinks:
                sink.take(events)

    def _want(self, wants: Wants) -> None:
        """Watch what other rules ask for; the old places stay where that cannot be done."""
        unseen = wants.environment - self._sensor.wants.environment
        if unseen:
            names = ", ".join(sorted(unseen)[:20])
            sys.stderr.write(plain(f"haechi: seen after a restart only: the variables {names}\n"))
        try:
            self._sensor.want(wants)
        except SensorError as error:
            sys.stderr.write(plain(f"haechi: the new rules' places are not watched: {error}\n"))

    def _due(self) -> bool:
        """Each minute; and soon when more was lost than was told."""
        now = time.monotonic()
        if now - self._last[0] >= STATUS_S:
            return True
        if now - max(self._last[0], self._looked) < LOSS_S:
            return False
        self._looked = now
        return self._lost_so_far() > self._lost_told

    def _lost_so_far(self) -> int:
        return self._sensor.lost + sum(sink.lost for sink in self._sinks)

    def _tell_status(self) -> None:
        self._lost_told = self._lost_so_far()
        now, before = time.monotonic(), self._last
        made = self._sensor.events_made
        self._last = (now, made)
        more: dict[str, object] = {}
        if now > before[0]:
            more["rate"] = round((made - before[1]) / (now - before[0]), 1)
        for sink in self._sinks:
            more.update(sink.told())
        self._hand_on([self._sensor.status_event(more)])


def _sinks(
    known: Known,
    server: str,
    record: Path | None,
    format_: str,
    spool: Path | None,
    spool_mib: int,
    matters: Matters,
) -> list[Sink]:
    sinks: list[Sink] = []
    if record is not None:
        sinks.append(Recorder(record))
    if server:
        sinks.append(Sender(_delivery(server, spool, spool_mib, matters)))
    if not sinks:
        from haechi.engines.falco.engine import Engine

        engine = Engine(known.rules)
        engine.warm()
        sinks.append(Judge(engine, format_))
    return sinks


def _delivery(server: str, spool: Path | None, spool_mib: int, matters: Matters) -> Delivery:
    from haechi.cli.sensor_delivery import Delivery
    from haechi.cli.sensor_spool import Spool
    from haechi.client.http import Client

    client = Client(server)
    kept = Spool(spool, spool_mib << 20) if spool is not None else None
    return Delivery(client, spool=kept, matters=matters)


def _unloaded(known: Known) -> UsageError:
    told = [str(problem) for problem in known.problems[:10]]
    more = len(known.problems) - len(told)
    return UsageError(
        "some rules do not load", why="; ".join(told) + (f"; {more} more" if more > 0 else "")
    )


def _introduce(sensor: Sensor, open_ended: tuple[str, ...]) -> None:
    for line in _words(sensor, open_ended):
        sys.stderr.write(plain(f"haechi: {line}\n"))


def _words(sensor: Sensor, open_ended: tuple[str, ...]) -> list[str]:
    lines = [f"watching by {sensor.way}; {len(sensor.wants.watch)} places are watched for reads"]
    lines += [f"not possible here: {reason}" for reason in sensor.refused]
    lines += [f"not seen: {what}" for what in sensor.blind]
    if open_ended:
        shown = ", ".join(open_ended[:5]) + (" …" if len(open_ended) > 5 else "")
        lines.append(
            f"{len(open_ended)} rules are about reads of files anywhere and see the watched"
            f" places alone: {shown} (--watch PREFIX adds some)"
        )
    return lines


def _describe(sensor: Sensor, open_ended: tuple[str, ...]) -> None:
    told = [
        f"machine: Linux {platform.release()} {platform.machine()}",
        *_words(sensor, open_ended),
        f"processes known: {len(sensor.processes)}",
    ]
    for line in told:
        sys.stdout.write(plain(line) + "\n")
