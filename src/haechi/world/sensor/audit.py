"""The kernel's audit as a way in, where eBPF is not allowed.

One program at a time may take the audit's records. Where another one does (auditd), it is never
pushed away: records are then read from the multicast group, and no rules are added, so that only
what that machine's own rules report is seen. Otherwise the sensor registers itself, adds its
rules, and puts everything back when it ends; rules of a sensor that was killed are found by their
key and removed at the next start. Programs never wait for the audit while the sensor runs
(``backlog_wait_time`` 0): records may be lost, and are counted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
from collections.abc import Callable, Sequence

import msgspec

from haechi.errors import SensorError
from haechi.world.sensor.audit_parse import Assembly
from haechi.world.sensor.audit_rules import is_ours, machine, rules, watchable
from haechi.world.sensor.netlink import AUDIT, DUMP, REQUEST, Netlink
from haechi.world.sensor.record import Record

BLIND = (
    "short-lived containers may not be recognised: the audit says no cgroup, /proc is asked",
    "the protocol and local end of connections, and data sent without connect, are not seen",
    "reads of watched files are seen on this machine's own file systems, not in containers",
    "names of memfd files, module parameters and calls of 32-bit programs are not seen",
    "io_uring passes by the audit of system calls",
)
GUEST = (
    "another audit daemon runs: only what its rules report is seen (audit_rules(7)); give"
    " --audit-rules to add the sensor's rules beside them",
)
_GET, _SET, _ADD, _DELETE, _LIST = 1000, 1001, 1011, 1012, 1013
_ENABLED, _PID, _BACKLOG, _WAIT = 0x1, 0x4, 0x10, 0x20
_LOG_GROUP = 1
_BACKLOG_LIMIT = 8192
_LOOK_S = 5.0
_MOST_RULES = 256


class Status(msgspec.Struct, frozen=True):
    """``struct audit_status``."""

    mask: int = 0
    enabled: int = 0
    failure: int = 0
    pid: int = 0
    rate: int = 0
    backlog_limit: int = 0
    lost: int = 0
    backlog: int = 0
    features: int = 0
    wait: int = 0

    def packed(self) -> bytes:
        """As the kernel takes it."""
        return struct.pack("=10I", *msgspec.structs.astuple(self))


def status_of(body: bytes) -> Status:
    """Older kernels say less: what is missing is 0."""
    return Status(*struct.unpack("=10I", body[:40].ljust(40, b"\0")))


class Audit:
    """Takes records. ``force`` adds rules although another daemon takes the records."""

    def __init__(
        self,
        *,
        watch: Sequence[str] = (),
        wanted: frozenset[str] = frozenset(),
        force: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        found = machine()
        if found is None:
            raise SensorError("the audit's calls are not known for this machine's architecture")
        self._arch, self._calls = found
        self._assembly = Assembly({number: name for name, number in self._calls.items()})
        self._clock = clock
        self._wanted = wanted
        self._rules: list[bytes] = []
        self._left_out = 0
        self._looked = float("-inf")
        self._control = Netlink(AUDIT)
        self._events: Netlink | None = None
        try:
            self._before = self._status()
            self.guest = self._before.pid not in (0, os.getpid())
            self._start(watch, force)
        except OSError as error:
            self.close()
            raise _unable(error) from error
        except SensorError:
            self.close()
            raise

    def _start(self, watch: Sequence[str], force: bool) -> None:
        before = self._before
        if before.enabled == 2 and not self.guest:
            raise SensorError("the audit is locked (enabled 2)", do="it opens at the next boot")
        self._remove_leftovers(force)
        if self.guest:
            self._events = Netlink(AUDIT, groups=_LOG_GROUP)
            if force:
                self._add(watch)
            return
        if before.failure == 2:
            raise SensorError(
                "this machine stops when an audit record is lost (failure 2)",
                do="run auditd and let the sensor read beside it, or use --way connector",
            )
        self._events = Netlink(AUDIT)
        self._events.ask(_SET, Status(mask=_PID, pid=os.getpid()).packed())
        self._set(_WAIT, wait=0)
        if before.backlog_limit < _BACKLOG_LIMIT:
            self._set(_BACKLOG, backlog_limit=_BACKLOG_LIMIT)
        self._add(watch)
        if not before.enabled:
            self._set(_ENABLED, enabled=1)

    @property
    def blind(self) -> tuple[str, ...]:
        """What cannot be seen this way."""
        if self.guest and not self._rules:
            return (*GUEST, *BLIND)
        if self._left_out:
            return (*BLIND, f"reads of {self._left_out} watched paths: more rules than are added")
        return BLIND

    @property
    def lost(self) -> int:
        """Records that the kernel threw away since the start, as it counts them, and calls that
        were given up half read."""
        now = self._clock()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            with contextlib.suppress(OSError):
                self._last = self._status().lost
        thrown = max(0, getattr(self, "_last", 0) - self._before.lost)
        full = self._events.overruns if self._events else 0
        return thrown + full + self._assembly.cut

    def poll(self, timeout_s: float) -> list[Record]:
        """What happened; waits at most so long."""
        if self._events is None:
            return []
        found = []
        for kind, _, body in self._events.messages(timeout_s):
            record = self._assembly.take(kind, body)
            if record is not None:
                found.append(record)
        return found

    def rewatch(self, watch: Sequence[str], quiet: Sequence[str] = ()) -> None:
        """Watch other paths: the rules are made anew. The audit knows no quiet ones."""
        if self._rules:
            old, self._rules = self._rules, []
            self._add(watch)
            self._delete([rule for rule in old if rule not in self._rules])

    def unwatched(self, watch: Sequence[str]) -> list[str]:
        """Paths that the audit cannot watch, because they are not there."""
        return [path for path in watch if watchable(path) is None]

    def close(self) -> None:
        """Take our rules away and put back what was changed."""
        self._delete(self._rules)
        self._rules = []
        if self._events is not None:
            if not self.guest:
                self._restore(self._events)
            self._events.close()
            self._events = None
        self._control.close()

    def _restore(self, events: Netlink) -> None:
        before = self._before
        with contextlib.suppress(OSError, SensorError):
            if not before.enabled:
                self._set(_ENABLED, enabled=0)
            self._set(_WAIT, wait=before.wait)
            if before.backlog_limit < _BACKLOG_LIMIT:
                self._set(_BACKLOG, backlog_limit=before.backlog_limit)
            events.ask(_SET, Status(mask=_PID, pid=0).packed())

    def _status(self) -> Status:
        for _, body in self._control.ask(_GET, b"", REQUEST):
            return status_of(body)
        raise OSError(errno.ENODATA, "the audit says nothing about itself")

    def _set(self, mask: int, *, enabled: int = 0, backlog_limit: int = 0, wait: int = 0) -> None:
        wanted = Status(mask=mask, enabled=enabled, backlog_limit=backlog_limit, wait=wait)
        self._control.ask(_SET, wanted.packed())

    def _add(self, watch: Sequence[str]) -> None:
        wanted = self._wanted
        made = rules(self._arch, self._calls, watch, wanted=wanted, itself=os.getpid())
        self._left_out = 0
        for number, rule in enumerate(made):
            if number >= _MOST_RULES:
                self._left_out += 1
                continue
            try:
                self._control.ask(_ADD, rule)
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL) and number > 3:
                    continue  # a watched path went away, or cannot be watched where it lies
                raise
            self._rules.append(rule)

    def _delete(self, mine: Sequence[bytes]) -> None:
        for rule in mine:
            with contextlib.suppress(OSError):
                self._control.ask(_DELETE, rule)

    def _remove_leftovers(self, force: bool) -> None:
        """Rules of a sensor that was killed. Beside another daemon only when told to add some."""
        if self.guest and not force:
            return
        listed = self._control.ask(_LIST, b"", REQUEST | DUMP)
        self._delete([body for _, body in listed if is_ours(body)])


def _unable(error: OSError) -> SensorError:
    return SensorError(
        "the kernel's audit cannot be used",
        why=str(error),
        do="it needs CAP_AUDIT_CONTROL and CAP_AUDIT_READ in the first user and pid namespace",
    )
