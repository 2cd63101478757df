"""The process that loads policies once and forks evaluators: ``python -m …nursery FD``.

Compiling takes up to seconds, forking milliseconds: an evaluator that had to be killed is replaced
at once, and all share the memory of what was compiled (``gc.freeze``). The nursery has one thread
and opens nothing, so that forking it is safe. A new set of policies is a new nursery: what does
not load never touches those that work.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence

import msgspec

from haechi.errors import ConfigError, HaechiError
from haechi.model.coverage import Gap
from haechi.server.webhook.evaluator import evaluate, limit_memory
from haechi.server.webhook.frames import (
    ENCODE,
    LENGTH,
    Born,
    Cell,
    Failed,
    Fork,
    Loaded,
    News,
    Setup,
)
from haechi.server.webhook.judging import Judge
from haechi.server.webhook.knowledge import Knowledge
from haechi.server.webhook.waiving import Waiving

_ORDERS = msgspec.msgpack.Decoder(Fork | News)


def main(arguments: Sequence[str]) -> int:
    """Serve the front on the socket whose number is given."""
    channel = socket.socket(fileno=int(arguments[0]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    whole = receive(channel)[0]
    if whole is None:
        return 0
    setup = msgspec.msgpack.decode(whole, type=Setup)
    limit_memory(setup.memory_bytes)
    knowledge = Knowledge()
    try:
        judge, loaded = load(setup, knowledge)
    except (HaechiError, MemoryError, RecursionError) as error:
        send(channel, ENCODE(Failed(_words(error))))
        return 1
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    signal.signal(signal.SIGCHLD, _reap)
    send(channel, ENCODE(loaded))
    return serve(channel, judge, knowledge)


def load(setup: Setup, knowledge: Knowledge) -> tuple[Judge, Loaded]:
    """Compile the policies. Raises HaechiError."""
    from haechi.admit.load import load_policies
    from haechi.admit.recording import Sampling
    from haechi.world.manifests import objects_of

    began = time.monotonic()
    gaps: list[Gap] = []
    resources = [one for text in setup.texts for one in objects_of(text.data, text.name, gaps)]
    if gaps:  # nobody knows what it would refuse
        raise ConfigError(
            "what cannot be read may be a policy",
            why="; ".join(f"{gap.path}: {gap.reason}" for gap in gaps[:3]),
            do="mend it, or move it out of the folder",
        )
    policies = load_policies(resources, packs=setup.packs)
    sampling = Sampling() if setup.records else None
    waiving = Waiving.of(setup.waivers)
    judge = Judge(
        policies,
        knowledge,
        cluster=setup.cluster,
        sampling=sampling,
        bodies=setup.bodies,
        waiving=waiving,
    )
    loaded = Loaded(
        generation=policies.generation,
        policies=policies.infos(),
        reads=sorted(policies.reads),
        mutators=[one.info for one in policies.mutators],
        faults=list(policies.faults),
        waivers=waiving.count,
        seconds=time.monotonic() - began,
    )
    return judge, loaded


def serve(channel: socket.socket, judge: Judge, knowledge: Knowledge) -> int:
    """Fork whenever the front asks, until it goes away."""
    while True:
        order, handed = receive(channel, descriptors=2)
        if order is None:
            return 0
        match _ORDERS.decode(order):
            case News(changes=changes):
                knowledge.take(changes)
                judge.waiving.take(changes)
            case Fork():
                # While it is not reaped its number belongs to nobody else.
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
                pid = os.fork()
                if pid == 0:
                    _live(channel, handed, judge, knowledge)
                _tell(channel, pid, handed)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _live(
    channel: socket.socket, handed: Sequence[int], judge: Judge, knowledge: Knowledge
) -> None:
    """The life of an evaluator; it never returns into the nursery's."""
    code = 1
    try:
        channel.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        own = socket.socket(fileno=handed[0])
        cell = Cell(handed[1])
        os.close(handed[1])
        with contextlib.suppress(ConnectionError):
            evaluate(own, cell, judge, knowledge)
        code = 0
    finally:
        os._exit(code)


def _tell(channel: socket.socket, pid: int, handed: Sequence[int]) -> None:
    for descriptor in handed:
        os.close(descriptor)
    handle = os.pidfd_open(pid)
    try:
        send(channel, ENCODE(Born(pid)), handle)
    finally:
        os.close(handle)


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def send(channel: socket.socket, payload: bytes, *descriptors: int) -> None:
    """One frame; descriptors go with its first bytes."""
    data = LENGTH.pack(len(payload)) + payload
    sent = socket.send_fds(channel, [data], list(descriptors)) if descriptors else 0
    channel.sendall(data[sent:])


def receive(channel: socket.socket, *, descriptors: int = 0) -> tuple[bytes | None, list[int]]:
    """One frame and what came with it; None at the end."""
    handed: list[int] = []
    head = b""
    while len(head) < LENGTH.size:
        if descriptors:
            part, more, _, _ = socket.recv_fds(channel, LENGTH.size - len(head), descriptors)
            handed += more
        else:
            part = channel.recv(LENGTH.size - len(head))
        if not part:
            return None, handed
        head += part
    left = LENGTH.unpack(head)[0]
    parts: list[bytes] = []
    while left:
        part = channel.recv(min(left, 1 << 20))
        if not part:
            return None, handed
        parts.append(part)
        left -= len(part)
    return b"".join(parts), handed


def _words(error: BaseException) -> str:
    if isinstance(error, HaechiError):
        return error.explain()
    return (
        "loading needs more memory than it may have"
        if isinstance(error, MemoryError)
        else "the policies are nested too deeply"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
