"""All programs for one kernel: assembled, loaded, put behind the dispatcher, attached.

System calls are seen at the raw tracepoint ``sys_exit``: one short program jumps by the call's
number into the program of that call (a tail call), so a call that nobody asked for costs only
the lookup. Where a program does not load, the kernel lacks something: it is named in ``missing``
and the others run. Calls of 32-bit programs have other numbers and are not looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from haechi.world.sensor.assembler import R0, R1, R2, R3, R6, Assembler, AssemblyError
from haechi.world.sensor.bpf import BTF_RAW_TRACEPOINT, Bpf, BpfError
from haechi.world.sensor.btf import BtfError
from haechi.world.sensor.decode import (
    Kind,
    SockOffsets,
    connection,
    executed,
    opened,
    plain,
)
from haechi.world.sensor.kernel import Kernel
from haechi.world.sensor.programs import calls, files, processes, sockets
from haechi.world.sensor.programs.frame import CURRENT_TASK, PID_TGID, TAIL_CALL, Frame, Maps
from haechi.world.sensor.programs.numbers import LIMIT, NUMBERS
from haechi.world.sensor.programs.walk import emit_functions

TS_COMPAT, TIF_32BIT = 2, 1 << 22
"""The running call is a 32-bit one: x86, aarch64."""


class Program:
    """One program: its kind of record, how it is emitted and how its records are decoded."""

    __slots__ = ("emit", "kind", "name", "tracepoint")

    def __init__(
        self, name: str, kind: Kind, emit: Callable[[Frame], None], tracepoint: str = "sys_exit"
    ) -> None:
        self.name = name
        self.kind = kind
        self.emit = emit
        self.tracepoint = tracepoint


def programs(kernel: Kernel, env: frozenset[str]) -> list[Program]:
    """Every program that this kernel's machine can have, the process ones first."""
    found = _process_programs(env)
    offsets = SockOffsets({name: kernel[f"sock_common.{name}"] for name in sockets.SOCK_FIELDS})
    for name in processes.EXECS:
        kind = Kind(name, processes.FAILED, plain(processes.FAILED))
        found.append(Program(name, kind, partial(processes.emit_failed, name=name)))
    for open_ in files.OPENS:
        kind = Kind(open_.name, files.LAYOUT, opened(files.LAYOUT, open_.name))
        found.append(Program(open_.name, kind, partial(files.emit, call=open_)))
    for call in calls.CALLS:
        places = calls.layout(call)
        name = "fchmodat" if call.name == "fchmodat2" else call.name
        kind = Kind(name, places, plain(places))
        found.append(Program(call.name, kind, partial(calls.emit, call=call)))
    for socket_ in sockets.SOCKET_CALLS:
        places = sockets.layout(socket_)
        kind = Kind(socket_.name, places, connection(places, socket_.name, offsets))
        found.append(Program(socket_.name, kind, partial(sockets.emit, call=socket_)))
    known = NUMBERS[kernel.machine]
    return [each for each in found if each.tracepoint != "sys_exit" or each.name in known]


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


def assemble(program: Program, frame: Frame) -> bytes:
    program.emit(frame)
    emit_functions(frame)
    return frame.assemble()


def assemble_dispatcher(kernel: Kernel, table: int) -> bytes:
    """``sys_exit(regs, ret)``: jump by the call's number; fall through when there is nothing."""
    code = Assembler()
    code.move(R6, R1)
    if kernel.machine == "x86_64":
        code.call(CURRENT_TASK)
        code.load(4, R1, R0, kernel["task_struct.thread_info.status"])
        code.jump_if(R1, "&", TS_COMPAT, "out")
    else:
        code.call(CURRENT_TASK)
        code.load(8, R1, R0, kernel["task_struct.thread_info.flags"])
        code.jump_if(R1, "&", TIF_32BIT, "out")
    code.load(8, R3, R6, 0)
    code.load(4, R3, R3, kernel.call_number)
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

    BpfError when not even the first can be loaded: then it is not one program that is at fault.
    """
    suite = Suite()
    number_of = NUMBERS[kernel.machine]
    ready: list[int] = []
    same: dict[bytes, int] = {}
    for index, program in enumerate(programs(kernel, env)):
        if wanted is not None and program.kind.type not in wanted:
            continue
        number = number_of[program.name] if program.tracepoint == "sys_exit" else None
        frame = Frame(kernel, maps, None if number else LIMIT + index, own=own, watermark=watermark)
        try:
            code = assemble(program, frame)
            if code not in same:
                same[code] = _load(bpf, kernel, program, code)
                suite.loaded.append(same[code])
        except (BtfError, AssemblyError, BpfError) as error:
            suite.missing[program.name] = _reason(error)
            continue
        kind = LIMIT + index if number is None else number
        suite.names[kind] = program.name
        suite.kinds[kind] = program.kind
        if number is None:
            ready.append(same[code])
        else:
            bpf.update(table, struct.pack("=I", number), struct.pack("=I", same[code]))
    ready.append(_dispatcher(bpf, kernel, table))
    suite.loaded.append(ready[-1])
    suite.attached += [bpf.attach(fd) for fd in ready]
    return suite


def _load(bpf: Bpf, kernel: Kernel, program: Program, code: bytes) -> int:
    return bpf.load(
        code,
        name=f"haechi_{program.name}",
        attach=BTF_RAW_TRACEPOINT,
        target=kernel.tracepoint(program.tracepoint),
    )


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
