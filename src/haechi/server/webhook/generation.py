"""One set of policies at work: its nursery, and the evaluators that it forked.

The front speaks to a nursery in a thread of its own (loading takes seconds), to evaluators in the
event loop. An evaluator's process is held by a pidfd, which names it even after its number went to
somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from haechi.errors import ConfigError, HaechiError, InputError
from haechi.server.webhook.frames import (
    ENCODE,
    Born,
    Cell,
    Changes,
    Failed,
    Fork,
    Frames,
    Known,
    Loaded,
    News,
    Setup,
    changed,
)
from haechi.server.webhook.nursery import receive, send

if TYPE_CHECKING:
    from haechi.model.waiver import Waiver
    from haechi.server.webhook.jobs import Job

log = logging.getLogger("haechi.webhook")
NURSERY = (sys.executable, "-m", "haechi.server.webhook.nursery")
LOAD_S = 120.0
BIRTH_S = 10.0
_AT_ONCE = 1000
PAGE = os.sysconf("SC_PAGE_SIZE")
_BUFFER = memoryview(bytearray(1 << 16))
"""What evaluators say is read into it, one at a time."""
_SAID = msgspec.msgpack.Decoder(Loaded | Failed | Born)


class Evaluator(asyncio.BufferedProtocol):
    """The front's end of one evaluator. ``jobs``: what it was given and has not answered."""

    def __init__(
        self,
        cell: Cell,
        handle: int,
        pid: int,
        answered: Callable[[Evaluator, bytes], None],
        ended: Callable[[Evaluator], None],
    ) -> None:
        self.cell, self.pid = cell, pid
        self.jobs: deque[Job] = deque()
        self.killed = ""
        self.retired = False
        self.worn = ""
        self.judged = 0
        self._handle = handle
        self._born = self.memory()
        self._answered, self._ended = answered, ended
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for frame in self._frames.feed(_BUFFER[:nbytes]):
                self._answered(self, frame)
        except InputError:
            self.kill("spoke nonsense")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ended(self)

    @property
    def alive(self) -> bool:
        """True while it may be given work."""
        return self._transport is not None and not self.killed and not self.retired

    def write(self, data: bytes) -> None:
        """Give it a frame."""
        if self._transport is not None:
            self._transport.write(data)

    def kill(self, why: str) -> None:
        """End it now."""
        if not self.killed:
            self.killed = why
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def retire(self) -> None:
        """Give it nothing more; it ends when it has answered all."""
        self.retired = True
        if not self.jobs and self._transport is not None:
            self._transport.close()

    def dead(self) -> bool:
        """True once the process is gone and its cell does not change any more."""
        return bool(select.select([self._handle], [], [], 0.2)[0])

    def cpu_seconds(self) -> float | None:
        """Processor time that it used so far; None when that cannot be told."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:  # noqa: PTH123 - in the event loop
                fields = file.read().rpartition(b")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return None

    def memory(self) -> tuple[int, int]:
        """Bytes of address space, and of memory that is no file's."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:  # noqa: PTH123 - in the event loop
                size, resident, shared, *_ = file.read().split()
        except (OSError, ValueError):
            return 0, 0
        return int(size) * PAGE, (int(resident) - int(shared)) * PAGE

    def outgrown(self, most: int, limit: int) -> bool:
        """Whether it took ``most`` bytes more than at its birth, or half of what was left then."""
        size, resident = self._born
        bound = min(most, max(limit - size, 0) // 2) if limit else most
        return bool(resident) and self.memory()[1] - resident > bound

    def close(self) -> None:
        """Let go of what the system keeps for it."""
        if self._handle >= 0:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOHANG)
            os.close(self._handle)
            self._handle = -1
            self.cell.close()


class Generation:
    """One loaded set of policies. ``start`` in a thread; the rest in the event loop."""

    def __init__(self, setup: Setup, *, number: int, program: Sequence[str] = NURSERY) -> None:
        self.setup, self.number = setup, number
        self._program = program
        self.loaded = Loaded(generation="", policies=[])
        self.evaluators: list[Evaluator] = []
        self.retired = False
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._lock = threading.Lock()
        self._kept = threading.Lock()
        self._news: dict[tuple[str, str, str, str], Known] = {}
        self._unknown: list[tuple[str, str]] | None = None
        self._waivers: list[Waiver] | None = None
        self._unborn: list[list[Changes]] = []

    def start(self, known: Changes) -> None:
        """Load the policies in a new nursery that knows ``known``. Raises ConfigError when they
        cannot be loaded; blocks."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*self._program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # signals of a terminal are for the front
            )
        self._channel = ours
        ours.settimeout(LOAD_S)
        try:
            send(ours, ENCODE(self.setup))
            said, _ = receive(ours)
        except OSError as error:
            self.close()
            raise ConfigError("loading the policies did not end", why=str(error)) from error
        found = _SAID.decode(said) if said is not None else Failed("its process ended")
        if not isinstance(found, Loaded):
            self.close()
            what = found.what if isinstance(found, Failed) else "it spoke out of turn"
            raise ConfigError("the policies cannot be loaded", why=what)
        self.loaded = found
        ours.settimeout(BIRTH_S)
        self.tell(known)

    def fork(self) -> tuple[socket.socket, Cell, int, int]:
        """A new evaluator: its channel, cell, pidfd and pid. Raises ConfigError when the nursery
        does not answer; blocks for milliseconds."""
        ours, theirs = socket.socketpair()
        cell, descriptor = Cell.made()
        try:
            with self._lock, theirs:
                if self._channel is None:
                    raise ConfigError("the nursery is closed")
                self._pass_on(self._channel)
                send(self._channel, ENCODE(Fork()), theirs.fileno(), descriptor)
                said, handed = receive(self._channel, descriptors=1)
            found = _SAID.decode(said) if said is not None else None
            if not isinstance(found, Born) or not handed:
                raise ConfigError("the nursery ended")
        except (OSError, HaechiError) as error:
            ours.close()
            cell.close()
            raise ConfigError("no evaluator could be started", why=str(error)) from error
        finally:
            os.close(descriptor)
        return ours, cell, handed[0], found.pid

    def tell(self, changes: Changes) -> None:
        """News for those that are born from now on. They are kept, the newest of each object, until
        the nursery is needed: the event loop must not wait for it."""
        with self._kept:
            for known in changes.objects:
                self._news[known.api_version, known.kind, known.namespace, known.name] = known
            if changes.unknown is not None:
                self._unknown = changes.unknown
            if changes.waivers is not None:
                self._waivers = changes.waivers
        for missed in self._unborn:
            missed.append(changes)

    def tell_all(self, changes: Changes) -> None:
        """News for all."""
        self.tell(changes)
        frame = changed(changes)
        for evaluator in self.evaluators:
            evaluator.write(frame)

    @contextlib.contextmanager
    def unborn(self) -> Iterator[list[Changes]]:
        """What is told while an evaluator is being born: it may have been forked before it."""
        missed: list[Changes] = []
        self._unborn.append(missed)
        try:
            yield missed
        finally:
            self._unborn = [one for one in self._unborn if one is not missed]

    def _pass_on(self, channel: socket.socket) -> None:
        """Tell the nursery what was kept for it; in a thread. OSError."""
        with self._kept:
            news, self._news = self._news, {}
            unknown, self._unknown = self._unknown, None
            waivers, self._waivers = self._waivers, None
        several = list(news.values())
        for start in range(0, len(several), _AT_ONCE):
            send(channel, ENCODE(News(Changes(several[start : start + _AT_ONCE]))))
        if unknown is not None or waivers is not None:
            send(channel, ENCODE(News(Changes([], unknown, waivers))))

    @property
    def alive(self) -> bool:
        """True while it can fork."""
        return self._process is not None and self._process.poll() is None

    def retire(self) -> None:
        """Give its evaluators nothing more; they end when they have answered."""
        self.retired = True
        for evaluator in list(self.evaluators):
            evaluator.retire()
        self.close()

    def close(self) -> None:
        """End the nursery. Evaluators live on until their channels are closed."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def require_whole(old: Loaded, new: Loaded) -> None:
    """A set that lost policies and has faults that the one in force has not is a set that somebody
    broke: it would allow what is refused. Raises ConfigError."""
    known = {(fault.kind, fault.what) for fault in old.faults}
    faults = [one for one in new.faults if one.fatal and (one.kind, one.what) not in known]
    kept = {info.id for info in (*new.policies, *new.mutators)}
    lost = [info.id for info in (*old.policies, *old.mutators) if info.id not in kept]
    if faults and lost:
        raise ConfigError(
            f"{len(lost)} policies in force would be lost ({', '.join(lost[:3])})",
            why="; ".join(f"{one.file}: {one.what}" for one in faults[:3]),
            do="mend what is at fault, or remove it",
        )
