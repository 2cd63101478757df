"""What a process asks of io_uring: opens, removals, renames, connections that are no system calls.

Seen when the request is handed in, so the result is not known: ``ret`` is 0, ``io_uring`` is set.
Names come from the kernel's own copy, which nobody can change any more. All opens are sent,
whatever they open: few programs open files this way.
"""

from __future__ import annotations

from functools import partial

import msgspec

from haechi.world.sensor.assembler import R1, R2, R3, R6, R7, R8, R9, R10
from haechi.world.sensor.btf import BtfError
from haechi.world.sensor.programs.calls import Layout, Width, append_base
from haechi.world.sensor.programs.frame import (
    READ_KERNEL_TEXT,
    SLOT_B,
    SLOT_D,
    Frame,
)
from haechi.world.sensor.programs.sockets import ADDRESS_BYTES

TRACEPOINT = "io_uring_submit_req"


class Name(msgspec.Struct, frozen=True):
    """A name of a request: the request's fields of its text and its directory."""

    name: str
    base: str
    field: str
    directory: str | None = None


class Request(msgspec.Struct, frozen=True):
    """A kind of request: ``numbers`` are (argument, field, bytes)."""

    type: str
    codes: tuple[int, ...]
    numbers: tuple[tuple[str, str, int], ...]
    names: tuple[Name, ...] = ()
    connects: bool = False


_OPEN = (
    ("dirfd", "io_open.dfd", 4),
    ("flags", "io_open.how.flags", 8),
    ("mode", "io_open.how.mode", 8),
)
REQUESTS = (
    Request("openat", (18, 28), _OPEN, (Name("name", "base", "io_open.filename", "io_open.dfd"),)),
    Request(
        "unlinkat",
        (36,),
        (("dirfd", "io_unlink.dfd", 4), ("flags", "io_unlink.flags", 4)),
        (Name("path", "base", "io_unlink.filename", "io_unlink.dfd"),),
    ),
    Request(
        "renameat2",
        (35,),
        (
            ("olddirfd", "io_rename.old_dfd", 4),
            ("newdirfd", "io_rename.new_dfd", 4),
            ("flags", "io_rename.flags", 4),
        ),
        (
            Name("oldpath", "oldbase", "io_rename.oldpath", "io_rename.old_dfd"),
            Name("newpath", "newbase", "io_rename.newpath", "io_rename.new_dfd"),
        ),
    ),
    Request(
        "linkat",
        (39,),
        (
            ("olddirfd", "io_link.old_dfd", 4),
            ("newdirfd", "io_link.new_dfd", 4),
            ("flags", "io_link.flags", 4),
        ),
        (
            Name("oldpath", "oldbase", "io_link.oldpath", "io_link.old_dfd"),
            Name("newpath", "newbase", "io_link.newpath", "io_link.new_dfd"),
        ),
    ),
    Request(
        "symlinkat",
        (38,),
        (("linkdirfd", "io_link.new_dfd", 4),),
        (
            Name("target", "", "io_link.oldpath"),
            Name("linkpath", "linkbase", "io_link.newpath", "io_link.new_dfd"),
        ),
    ),
    Request(
        "mkdirat",
        (37,),
        (("dirfd", "io_mkdir.dfd", 4), ("mode", "io_mkdir.mode", 2)),
        (Name("path", "base", "io_mkdir.filename", "io_mkdir.dfd"),),
    ),
    Request("connect", (16,), (("fd", "io_kiocb.cqe.fd", 4),), connects=True),
)


def layout(request: Request) -> Layout:
    signed = ("dirfd", "olddirfd", "newdirfd", "linkdirfd", "fd")
    numbers: list[tuple[str, Width]] = [
        (name, "i32" if name in signed else "u64") for name, _, _ in request.numbers
    ]
    texts = [each for name in request.names for each in (name.name, name.base) if each]
    return Layout(tuple(numbers), (*texts, "address") if request.connects else tuple(texts))


def emit(frame: Frame, requests: dict[int, Request]) -> None:
    """One program for all, by the kind of their records: ``io_uring_submit_req(request)``."""
    if frame.kernel.tracepoint_arguments(TRACEPOINT) != 1:
        raise BtfError(f"the tracepoint {TRACEPOINT} of this kernel has other arguments")
    frame.load(8, R6, R1, 0)
    frame.load(1, R9, R6, frame.kernel["io_kiocb.opcode"])
    for kind, request in requests.items():
        for code in request.codes:
            frame.jump_if(R9, "==", code, f"request.{kind}")
    frame.jump("out")
    for kind, request in requests.items():
        frame.label(f"request.{kind}")
        _fill(frame, request, kind)
        frame.jump("send")
    frame.label("send")
    frame.finish()


def _fill(frame: Frame, request: Request, kind: int) -> None:
    kernel, places = frame.kernel, layout(request)
    frame.set(R9, 0)
    frame.leave_own()
    frame.take_scratch()
    frame.head(places.size)
    frame.store_value(4, R7, 8, kind)
    for name, field, size in request.numbers:
        _field(frame, field, size)
        frame.store(8, R7, places.number_at(name), R1)
    for each in request.names:
        frame.store(8, R10, SLOT_D, R8)
        _field(frame, each.field, 8)
        frame.move(R3, R1)
        frame.compute(R3, "+", kernel["filename.name"])
        frame.read_kernel(SLOT_B, 8)
        frame.load(8, R3, R10, SLOT_B)
        frame.append_text(places.length_at(each.name), helper=READ_KERNEL_TEXT)
        if each.base and each.directory is not None:
            load = partial(_field, frame, each.directory, 4)
            append_base(frame, places, each.name, each.base, load)
    if request.connects:
        _field(frame, "io_connect.addr_len", 4)
        frame.store(8, R10, SLOT_D, R1)
        _field(frame, "io_connect.addr", 8)
        frame.move(R3, R1)
        frame.load(8, R2, R10, SLOT_D)
        frame.append_block(places.length_at("address"), ADDRESS_BYTES)


def _field(frame: Frame, field: str, size: int) -> None:
    """R1 = a field of the request; what a request is about lies at its start."""
    frame.move(R3, R6)
    frame.compute(R3, "+", frame.kernel[field])
    frame.store_value(8, R10, SLOT_B, 0)
    frame.read_kernel(SLOT_B, size)
    frame.load(8, R1, R10, SLOT_B)
