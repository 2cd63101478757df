"""A child that judges: reads reviews, writes answers, and may be killed at any moment.

It is forked by the nursery with the policies compiled already. Before each policy it writes into
its cell which one that is. Its memory is limited, the kernel takes it before the front when
memory is short, and an alarm of the kernel's ends it should the front be gone while a policy
loops: a signal's default action needs no interpreter lock.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from pathlib import Path

from haechi.server.webhook.frames import (
    CHANGES,
    Cell,
    Frames,
    Message,
    Route,
    answered,
    review_of,
)
from haechi.server.webhook.judging import Judge
from haechi.server.webhook.knowledge import Knowledge

ALARM_S = 30
"""No review takes that long: API servers wait 30 s at most."""
_READ = 1 << 18
"""Read into one buffer: one of its own for each review would be mapped and unmapped each time."""
_OOM_SCORE = "700"


def evaluate(channel: socket.socket, cell: Cell, judge: Judge, knowledge: Knowledge) -> None:
    """Answer until the front closes the channel."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    frames = Frames()
    routes = tuple(Route)
    buffer = memoryview(bytearray(_READ))
    while size := channel.recv_into(buffer):
        for frame in frames.feed(buffer[:size]):
            if frame[0] == Message.REVIEW:
                _answer(memoryview(frame), channel, cell, judge, routes)
            else:
                changes = CHANGES.decode(memoryview(frame)[1:])
                knowledge.take(changes)
                judge.waiving.take(changes)


def _answer(
    frame: memoryview,
    channel: socket.socket,
    cell: Cell,
    judge: Judge,
    routes: tuple[Route, ...],
) -> None:
    number, route, off, body = review_of(frame)
    signal.alarm(ALARM_S)
    answer = judge.answer(routes[route], body, off, cell, number)
    signal.alarm(0)
    cell.write(number, Cell.NOTHING)
    channel.sendall(answered(number, answer.result, answer.response, answer.notes))


def limit_memory(size: int) -> None:
    """No more than ``size`` bytes of address space for this process and its children; and no
    core file, which would hold reviews."""
    import resource

    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
