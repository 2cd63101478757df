"""``haechi runtime send``: a recorded file of events to a server, in batches."""

from __future__ import annotations

import gzip
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from haechi.cli.asking import server_option
from haechi.cli.plain import plain
from haechi.errors import ConfigError, InputError, LimitExceeded, UsageError
from haechi.model.counting import counted

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.runtime.decode.application import Mapping
    from haechi.runtime.decode.refusal import Decoded
    from haechi.runtime.sources import Decode

KINDS = ("native", "falco", "tetragon", "kubernetes-audit", "hubble", "envoy", "application")
BATCH, MOST_HELD, MOST_LINE, MOST_MAPPING = 1_000, 200_000, 4 << 20, 1 << 20
_SHOWN = 5
EPILOG = """\b
Examples:
  haechi runtime send examples/attack.events.jsonl --now
  haechi runtime send falco.json.gz --kind falco --cluster prod
  haechi runtime send shop.log --kind application --mapping shop.mapping.yaml --cluster prod
  kubectl logs -n kube-system tetragon-x2 -c export-stdout | haechi runtime send - --kind tetragon

\b
An event that was sent before counts once, so a file may be sent again after a failure.
Exit codes: 0 all was taken, 2 it could not be sent, 3 some records were refused.
"""


@click.command(name="send", epilog=EPILOG)
@click.argument("file", metavar="FILE|-")
@click.option("--kind", type=click.Choice(KINDS), default="native", show_default=True)
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="what a line means (kind application), written as under runtime.mappings.<name>",
)
@click.option("--now", "shift", is_flag=True, help="move all times so that the last event is now")
@click.option("--cluster", default="-", help="where the events are of, if they do not say so")
@click.option("--node", default="", help="the node, likewise")
@server_option
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    kind: str,
    mapping: Path | None,
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

    decode = _decoder(kind, mapping)
    sending = _Sending(decode, cluster, node)
    if file == "-":
        held = _held(sending.events(sys.stdin.buffer)) if shift else None
        offset = _offset(held) if held is not None else 0
        events = iter(held) if held is not None else sending.events(sys.stdin.buffer)
    else:
        path = Path(file)
        offset = _offset(_Sending(decode, cluster, node).file(path)) if shift else 0
        events = sending.file(path)
    with Client(server) as client:
        for batch in _batches(events, offset):
            sending.told(client.send_events(batch))
    for why in sending.reasons:
        click.echo(plain(f"refused: {why}"), err=True)
    click.echo(plain(sending.summary()), err=True)
    ctx.exit(3 if sending.refused else 0)


def _decoder(kind: str, mapping: Path | None) -> Decode:
    from haechi.runtime.sources import decoder

    if kind != "application":
        if mapping is not None:
            raise UsageError("--mapping is for --kind application")
        return decoder(kind)
    if mapping is None:
        raise UsageError("lines of applications need a mapping", do="name its file: --mapping FILE")
    return decoder(kind, _mapping(mapping))


def _mapping(path: Path) -> Mapping:
    """The mapping of a file. InputError, ConfigError."""
    from haechi.engines.typed import convert, read_single
    from haechi.engines.values import Limits
    from haechi.runtime.decode.application import Mapping

    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_MAPPING + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read", why=error.strerror or str(error)) from error
    if len(data) > MOST_MAPPING:
        raise LimitExceeded(f"{path} is larger than {MOST_MAPPING >> 10} KiB")
    limits = Limits(size=MOST_MAPPING, documents=10, values=20_000, depth=20)
    document = read_single(data, str(path), limits=limits)
    if document is None:
        raise ConfigError(f"{path} holds no mapping", do="see docs/guide/sources.md")
    return convert(document, Mapping, str(path))


class _Sending:
    """Reads a file and counts what became of it."""

    def __init__(self, decode: Decode, cluster: str, node: str) -> None:
        self._decode, self._cluster, self._node = decode, cluster, node
        self.accepted = self.duplicates = self.refused = self.skipped = 0
        self.by_rule: Counter[str] = Counter()
        self.detections = 0
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
        number = 0
        while line := stream.readline(MOST_LINE + 1):
            if len(line) > MOST_LINE:
                raise LimitExceeded(f"a line is longer than {MOST_LINE >> 20} MiB")
            number += 1
            if not line.isspace():
                # Two equal lines of an application are two events; the same file again is not.
                found = self._decode(
                    line, cluster=self._cluster, node=self._node, place=f"line {number}"
                )
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
        self.detections += answer.get("detections", 0)
        self.by_rule.update(answer.get("by_rule") or {})
        for one in answer["refused"]:
            self._refuse(str(one["why"]))

    def summary(self) -> str:
        """One line."""
        parts = [f"{self.accepted} events were taken"]
        if self.detections:
            made = counted(self.detections, "detection")
            parts += [f"{made} by {counted(len(self.by_rule), 'rule')}"]
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
