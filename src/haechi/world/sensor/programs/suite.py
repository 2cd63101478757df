"""All programs for one kernel: assembled, loaded, put behind the dispatcher, attached.

System calls are seen at the raw tracepoint ``sys_exit``: one short program jumps by the call's
number into the program of that call (a tail call), so a call that nobody asked for costs only
the lookup. Where a program does not load, the kernel lacks something: it is named in ``missing``
and the others run. On x86 calls of 32-bit programs (and ``int 0x80`` of any) have numbers and
registers of their own, so they have programs of their own, behind LIMIT in the table.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import partial

from haechi.world.sensor.assembler import (
    R0,
    R1,
    R2,
    R3,
    R6,
    R7,
    Assembler,
    AssemblyError,
)
from haechi.world.sensor.bpf import BTF_RAW_TRACEPOINT, Bpf, BpfError
from haechi.world.sensor.btf import BtfError
from haechi.world.sensor.decode import (
    Kind,
    SockOffsets,
    connection,
    executed,
    opened,
    plain,
    requested,
)
from haechi.world.sensor.kernel import Kernel
from haechi.world.sensor.programs import calls, files, processes, rings, sockets
from haechi.world.sensor.programs.frame import CURRENT_TASK, PID_TGID, TAIL_CALL, Frame, Maps
from haechi.world.sensor.programs.numbers import I386, LIMIT, NUMBERS
from haechi.world.sensor.programs.walk import emit_functions

FIRST_KIND = 2 * LIMIT
"""Kinds below are numbers of calls."""
RING_KINDS = FIRST_KIND + 256
TS_COMPAT, TIF_32BIT = 2, 1 << 22
"""The running call is a 32-bit one: x86, aarch64."""


ALIASES = {"fchmodat2": "fchmodat", "open_by_handle_at": "openat", "move_mount": "mount"}
"""Calls that do the same as a better known one, which rules ask for, come as that."""


class Program:
    """One program: its kind of record, how it is emitted and how its records are decoded."""

    __slots__ = ("emit", "kind", "more", "name", "tracepoint")

    def __init__(
        self,
        name: str,
        kind: Kind,
        emit: Callable[[Frame], None],
        tracepoint: str = "sys_exit",
        more: dict[int, Kind] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.more = more or {}
        self.emit = emit
        self.tracepoint = tracepoint


def programs(
    kernel: Kernel, env: frozenset[str], wanted: frozenset[str] | None = None
) -> list[Program]:
    """Every program of ``wanted`` types (all: None) that the machine can have, processes first."""
    found = _process_programs(env)
    offsets = SockOffsets({name: kernel[f"sock_common.{name}"] for name in sockets.SOCK_FIELDS})
    for name in processes.EXECS:
        kind = Kind(name, processes.FAILED, plain(processes.FAILED))
        found.append(Program(name, kind, partial(processes.emit_failed, name=name)))
    for open_ in files.OPENS:
        kind = Kind(
            ALIASES.get(open_.name, open_.name), files.LAYOUT, opened(files.LAYOUT, open_.name)
        )
        found.append(Program(open_.name, kind, partial(files.emit, call=open_)))
    for call in calls.CALLS:
        places = calls.layout(call)
        kind = Kind(ALIASES.get(call.name, call.name), places, plain(places))
        found.append(Program(call.name, kind, partial(calls.emit, call=call)))
    for socket_ in sockets.SOCKET_CALLS:
        places = sockets.layout(socket_)
        kind = Kind(socket_.name, places, connection(places, socket_.name, offsets))
        found.append(Program(socket_.name, kind, partial(sockets.emit, call=socket_)))
    known = NUMBERS[kernel.machine]
    return [
        each
        for each in (*found, *_ring_programs(wanted))
        if (each.tracepoint != "sys_exit" or each.name in known)
        and (wanted is None or each.kind.type in wanted)
    ]


def _process_programs(env: frozenset[str]) -> list[Program]:
    return [
        Program(
            "exec",
            Kind("execve", processes.EXECUTED, executed(processes.EXECUTED, env)),
            partial(processes.emit_executed, env=bool(env)),
            "sched_process_exec",
        ),
        Program(
            "fork",
            Kind("clone", processes.FORKED, plain(processes.FORKED)),
            processes.emit_forked,
            "sched_process_fork",
        ),
        Program(
            "exit",
            Kind("procexit", processes.EXITED, plain(processes.EXITED)),
            processes.emit_exited,
            "sched_process_exit",
        ),
    ]


def _ring_programs(wanted: frozenset[str] | None) -> list[Program]:
    """At most one, for all wanted kinds of requests."""
    chosen = {
        RING_KINDS + index: each
        for index, each in enumerate(rings.REQUESTS)
        if wanted is None or each.type in wanted
    }
    kinds = {
        kind: Kind(each.type, rings.layout(each), requested(rings.layout(each)))
        for kind, each in chosen.items()
    }
    emit = partial(rings.emit, requests=chosen)
    return [
        Program("io_uring", first, emit, rings.TRACEPOINT, more=kinds)
        for first in list(kinds.values())[:1]
    ]


def assemble(program: Program, frame: Frame) -> bytes:
    program.emit(frame)
    emit_functions(frame)
    return frame.assemble()


def assemble_dispatcher(kernel: Kernel, table: int) -> bytes:
    """``sys_exit(regs, ret)``: jump by the call's number; fall through when there is nothing."""
    code = Assembler()
    code.move(R6, R1)
    code.load(8, R7, R6, 0)
    code.load(4, R7, R7, kernel.call_number)
    # beyond the calls lie those of 32-bit programs
    code.jump_if(R7, ">=", LIMIT, "out")
    code.call(CURRENT_TASK)
    if kernel.machine == "x86_64":
        code.load(4, R1, R0, kernel["task_struct.thread_info.status"])
        code.compute(R1, "&", TS_COMPAT)
        code.jump_if(R1, "==", 0, "wide")
        code.compute(R7, "+", LIMIT)
        code.label("wide")
    else:
        code.load(8, R1, R0, kernel["task_struct.thread_info.flags"])
        code.jump_if(R1, "&", TIF_32BIT, "out")
    code.move(R3, R7)
    code.move(R1, R6)
    code.load_map(R2, table)
    code.call(TAIL_CALL)
    code.label("out")
    code.exit(0)
    return code.assemble()


class Suite:
    """The loaded programs. ``fds`` are everything to close, attachments first."""

    def __init__(self) -> None:
        self.kinds: dict[int, Kind] = {}
        self.names: dict[int, str] = {}
        self.missing: dict[str, str] = {}
        self.attached: list[int] = []
        self.loaded: list[int] = []
        self.first_error: BpfError | None = None

    def close(self) -> None:
        for fd in (*self.attached, *self.loaded):
            os.close(fd)


def load(
    bpf: Bpf,
    kernel: Kernel,
    maps: Maps,
    table: int,
    *,
    wanted: frozenset[str] | None,
    own: int,
    watermark: int,
    env: frozenset[str],
) -> Suite:
    """Load and attach; ``table`` is the map of programs by call number.

    BpfError when none can be loaded: then it is not one program that is at fault.
    """
    suite = Suite()
    loader = _Loader(bpf, kernel, maps, table, own=own, watermark=watermark)
    try:
        ready = _load_all(loader, suite, kernel, programs(kernel, env, wanted))
        if suite.first_error is not None and not suite.loaded:
            raise suite.first_error
        ready.append(_dispatcher(bpf, kernel, table))
        suite.loaded.append(ready[-1])
        # one after the other: BpfError in the middle must find the earlier ones in the list
        for fd in ready:
            suite.attached.append(bpf.attach(fd))
    except BaseException:
        suite.close()
        raise
    return suite


def _load_all(
    loader: _Loader,
    suite: Suite,
    kernel: Kernel,
    found: list[Program],
) -> list[int]:
    """The programs of tracepoints of their own, ready to be attached; the rest is in the table."""
    ready: list[int] = []
    for index, program in enumerate(found):
        if program.tracepoint != "sys_exit":
            fd = loader.load(suite, program, FIRST_KIND + index)
            ready += [] if fd is None else [fd]
            continue
        loader.put(suite, program, NUMBERS[kernel.machine].get(program.name))
        if kernel.narrow_calls:
            loader.put(suite, program, I386.get(program.name), narrow=True)
    return ready


class _Loader:
    """Assembles and loads; programs of the same code are loaded once."""

    def __init__(
        self, bpf: Bpf, kernel: Kernel, maps: Maps, table: int, *, own: int, watermark: int
    ) -> None:
        self._bpf, self._kernel, self._maps, self._table = bpf, kernel, maps, table
        self._own, self._watermark = own, watermark
        self._same: dict[bytes, int] = {}

    def put(
        self, suite: Suite, program: Program, number: int | None, *, narrow: bool = False
    ) -> None:
        """Load the program of a call and make the dispatcher find it."""
        if number is None:
            return
        fd = self.load(suite, program, None, narrow=narrow)
        if fd is None:
            return
        kind = number + LIMIT if narrow else number
        suite.names[kind] = f"{program.name} (32-bit)" if narrow else program.name
        suite.kinds[kind] = program.kind
        self._bpf.update(self._table, struct.pack("=I", kind), struct.pack("=I", fd))

    def load(
        self, suite: Suite, program: Program, kind: int | None, *, narrow: bool = False
    ) -> int | None:
        frame = Frame(
            self._kernel,
            self._maps,
            kind,
            own=self._own,
            watermark=self._watermark,
            narrow=narrow,
        )
        try:
            code = assemble(program, frame)
            if code not in self._same:
                self._same[code] = self._bpf.load(
                    code,
                    name=f"haechi_{program.name}",
                    attach=BTF_RAW_TRACEPOINT,
                    target=self._kernel.tracepoint(program.tracepoint),
                )
                suite.loaded.append(self._same[code])
        except (BtfError, AssemblyError, BpfError) as error:
            if isinstance(error, BpfError):
                suite.first_error = suite.first_error or error
            suite.missing[f"{program.name} (32-bit)" if narrow else program.name] = _reason(error)
            return None
        if kind is not None:
            suite.kinds |= program.more or {kind: program.kind}
            suite.names |= dict.fromkeys(program.more or (kind,), program.name)
        return self._same[code]


def _reason(error: Exception) -> str:
    """The fault and the last words of the verifier."""
    log = getattr(error, "log", "").strip().splitlines()
    return "; ".join([str(error), *log[-6:]])


def _dispatcher(bpf: Bpf, kernel: Kernel, table: int) -> int:
    return bpf.load(
        assemble_dispatcher(kernel, table),
        name="haechi_calls",
        attach=BTF_RAW_TRACEPOINT,
        target=kernel.tracepoint("sys_exit"),
    )


def assemble_own() -> bytes:
    """A program that gives the id of the process that runs it."""
    code = Assembler()
    code.call(PID_TGID)
    code.compute(R0, ">>", 32)
    code.exit()
    return code.assemble()
