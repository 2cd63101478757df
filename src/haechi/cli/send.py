"""``haechi runtime send``: a recorded file of events to a server, in batches."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from haechi.cli.plain import plain
from haechi.errors import InputError, LimitExceeded, UsageError

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.runtime.decode.refusal import Decoded

KINDS = ("native", "falco", "tetragon", "kubernetes-audit", "hubble", "envoy")
BATCH, MOST_HELD, MOST_LINE = 1_000, 200_000, 4 << 20
_SHOWN = 5
EPILOG = """\b
Examples:
  haechi runtime send examples/attack.events.jsonl --now
  haechi runtime send falco.json.gz --kind falco --cluster prod
  kubectl logs -n kube-system tetragon-x2 -c export-stdout | haechi runtime send - --kind tetragon

\b
An event that was sent before counts once, so a file may be sent again after a failure.
Exit codes: 0 all was taken, 2 it could not be sent, 3 some records were refused.
"""


@click.command(name="send", epilog=EPILOG)
@click.argument("file", metavar="FILE|-")
@click.option("--kind", type=click.Choice(KINDS), default="native", show_default=True)
@click.option("--now", "shift", is_flag=True, help="move all times so that the last event is now")
@click.option("--cluster", default="-", help="where the events are of, if they do not say so")
@click.option("--node", default="", help="the node, likewise")
@click.option("--server", metavar="URL", help="the server  [HAECHI_SERVER]")
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    kind: str,
    shift: bool,
    cluster: str,
    node: str,
    server: str | None,
) -> None:
    """Send a file of recorded events to a server.

    FILE has JSON lines: events of haechi (haechi.event/1), or records as the product of --kind
    writes them. A file that ends in .gz is unpacked.
    """
    from haechi.client.http import Client

    sending = _Sending(kind, cluster, node)
    if file == "-":
        held = _held(sending.events(sys.stdin.buffer)) if shift else None
        offset = _offset(held) if held is not None else 0
        events = iter(held) if held is not None else sending.events(sys.stdin.buffer)
    else:
        path = Path(file)
        offset = _offset(_Sending(kind, cluster, node).file(path)) if shift else 0
        events = sending.file(path)
    with Client(server) as client:
        for batch in _batches(events, offset):
            sending.told(client.send_events(batch))
    for why in sending.reasons:
        click.echo(plain(f"refused: {why}"), err=True)
    click.echo(plain(sending.summary()), err=True)
    ctx.exit(3 if sending.refused else 0)


class _Sending:
    """Reads a file and counts what became of it."""

    def __init__(self, kind: str, cluster: str, node: str) -> None:
        self._kind, self._cluster, self._node = kind, cluster, node
        self.accepted = self.duplicates = self.refused = self.skipped = 0
        self.reasons: list[str] = []

    def file(self, path: Path) -> Iterator[Event]:
        """The events of a file."""
        try:
            opener: Any = gzip.open if path.suffix == ".gz" else Path.open
            with opener(path, "rb") as stream:
                yield from self.events(stream)
        except (OSError, EOFError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{path} cannot be read", why=why) from error

    def events(self, stream: BinaryIO) -> Iterator[Event]:
        """The events of lines; what is refused is counted."""
        from haechi.runtime.sources import decoder

        decode = decoder(self._kind)
        while line := stream.readline(MOST_LINE + 1):
            if len(line) > MOST_LINE:
                raise LimitExceeded(f"a line is longer than {MOST_LINE >> 20} MiB")
            if not line.isspace():
                found = decode(line, cluster=self._cluster, node=self._node)
                self._noted(found)
                yield from found.events

    def _noted(self, found: Decoded) -> None:
        self.skipped += found.skipped
        for one in found.refusals:
            self._refuse(f"{one.why}: {one.sample}")

    def _refuse(self, why: str) -> None:
        self.refused += 1
        if len(self.reasons) < _SHOWN:
            self.reasons.append(why)

    def told(self, answer: dict[str, Any]) -> None:
        """What the server said of a batch."""
        self.accepted += answer["accepted"]
        self.duplicates += answer["duplicates"]
        for one in answer["refused"]:
            self._refuse(str(one["why"]))

    def summary(self) -> str:
        """One line."""
        parts = [f"{self.accepted} events were taken"]
        parts += [f"{self.duplicates} were there already"] if self.duplicates else []
        parts += [f"{self.skipped} records are no events"] if self.skipped else []
        parts += [f"{self.refused} were refused"] if self.refused else []
        return ", ".join(parts)


def _held(events: Iterable[Event]) -> list[Event]:
    found = list(islice(events, MOST_HELD + 1))
    if len(found) > MOST_HELD:
        raise UsageError(
            f"--now holds at most {MOST_HELD:,} events of standard input", do="name a file"
        )
    return found


def _offset(events: Iterable[Event]) -> int:
    """What to add to every time so that the last event is now."""
    last = max((event.ts_ns for event in events), default=None)
    return 0 if last is None else time.time_ns() - last


def _batches(events: Iterator[Event], offset: int) -> Iterator[list[Event]]:
    from msgspec.structs import replace

    while some := list(islice(events, BATCH)):
        yield [replace(one, ts_ns=one.ts_ns + offset) for one in some] if offset else some
