"""A child of a hunt: judges parts of the stored events by the rules that it was given.

It runs with limits of memory and is ended by its parent, or by the end of its input.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from haechi.errors import StoreError
from haechi.runtime.hunt_wire import Found, Setup, Work, receive, send
from haechi.store.events.cold import Gone
from haechi.store.events.hunting import FilePart, Raw, SealedReader, event
from haechi.store.events.question import Question

if TYPE_CHECKING:
    from haechi.engines.falco.engine import Engine
    from haechi.engines.falco.ruleset import Rule
    from haechi.model.event import Event

MEMORY_BYTES = 4 << 30
_encode = msgspec.json.Encoder().encode


class Judge:
    """The rules of a hunt over parts of its events."""

    def __init__(self, setup: Setup) -> None:
        self._engine = engine_of(setup)
        self._reader = SealedReader(Path(setup.folder))
        self._question = Question(setup.ask, setup.within)

    def found(self, work: Work) -> Found:
        """What a part holds."""
        try:
            return self._found(work)
        except Gone:
            return Found(fault="a file of sealed events is gone")
        except StoreError as error:
            return Found(fault=error.what)

    def _found(self, work: Work) -> Found:
        counts: Counter[str] = Counter()
        shown: list[tuple[int, int, int, bytes]] = []
        scanned = faults = 0
        judge = self._engine.judge
        for raw in self._rows(work):
            scanned += 1
            one = event(raw)
            try:
                rules = judge(one)
            except Exception:  # noqa: BLE001  a rule's fault on an event costs that verdict
                faults += 1
                continue
            for rule in rules:
                counts[rule.name] += 1
                if work.limit:
                    shown.append((raw[1], raw[0], len(shown), match(rule, raw[0], one)))
            if len(shown) > 2 * work.limit:
                shown = nlargest(work.limit, shown)
        best = nlargest(work.limit, shown)
        return Found(
            scanned=scanned, counts=dict(counts), matches=[one[3] for one in best], faults=faults
        )

    def _rows(self, work: Work) -> Iterator[Raw]:
        if isinstance(work.part, FilePart):
            for some in self._reader.rows(work.part, self._question):
                yield from some
        else:
            yield from work.part.rows

    def close(self) -> None:
        """Let go of the files."""
        self._reader.close()


def engine_of(setup: Setup) -> Engine:
    """The rules that are wanted, compiled: also those that are off."""
    from haechi.engines.falco.engine import Engine
    from haechi.runtime.rulebook import SAVED, BookFile, assembled, builtin_pack

    files = [BookFile(name=name, text=text, origin=SAVED) for name, text in setup.texts]
    book = assembled(files, builtin=builtin_pack() if setup.builtin else None)
    wanted = set(setup.wanted)
    return Engine(
        [msgspec.structs.replace(one.rule, enabled=True) for one in book.rules if one.key in wanted]
    )


def match(rule: Rule, seq: int, found: Event) -> bytes:
    """A match as it is told, in JSON."""
    from haechi.engines.falco.output import render

    try:
        output = render(rule.output, found)
    except Exception:  # noqa: BLE001  the match counts more than its words
        output = rule.name
    told: dict[str, Any] = {
        "rule": rule.name,
        "priority": rule.priority,
        "source": rule.source,
        "tags": list(rule.tags),
        "output": output[:8_000],
        "event": {"seq": seq, "event": found},
        "would_have_fired": True,
    }
    return _encode(told)


def main(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Serve one hunt."""
    frame = receive(stdin)
    if frame is None:
        return
    judge = Judge(msgspec.msgpack.decode(frame, type=Setup))
    decode = msgspec.msgpack.Decoder(Work).decode
    try:
        send(stdout, Found())  # ready
        while (frame := receive(stdin)) is not None:
            send(stdout, judge.found(decode(frame)))
    finally:
        judge.close()


def _limit() -> None:
    """Memory is bounded, and when the machine has too little, this goes before the server."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")
    except OSError:  # no Linux, or not allowed
        return


if __name__ == "__main__":
    _limit()
    main(sys.stdin.buffer, sys.stdout.buffer)
