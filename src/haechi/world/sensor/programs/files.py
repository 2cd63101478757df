"""Opening of files: which opens are sent, and with what.

At the end of the call the file is there behind its descriptor, so the path is that of the file
itself: symbolic links, relative names and a name that another thread changes meanwhile hide
nothing. Opens for reading are sent only below watched prefixes, those that may write always
(but for pipes, terminals, /dev/null and quiet prefixes). A failed open has no file: it is sent
when it was to write, or when its name is absolute and watched.
"""

from __future__ import annotations

import msgspec

from haechi.world.sensor.assembler import R0, R1, R2, R3, R7, R9, R10
from haechi.world.sensor.programs.calls import Layout, Text, append_name
from haechi.world.sensor.programs.frame import (
    QUIET,
    READ_USER_TEXT,
    SLOT_A,
    SLOT_B,
    SLOT_C,
    TEXT_BYTES,
    WALK,
    WALK_BYTES,
    WATCHED,
    Frame,
)
from haechi.world.sensor.programs.walk import find_file, judge_path, path_of_file, walk_path

WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, the bit of O_TMPFILE."""
ENXIO = -6
_TYPE, _PIPE, _CHARACTER, _SOCKET = 0o170000, 0o010000, 0o020000, 0o140000
SLOT_FILE = -136
SLOT_HOW = -168
SLOT_INODE = -176


class Open(msgspec.Struct, frozen=True):
    """Where a call of the family has its arguments; ``how`` is openat2's structure."""

    name: str
    file: int | None
    flags: int | None = None
    mode: int | None = None
    directory: int | None = None
    how: int | None = None


OPENS = (
    Open("open", 0, flags=1, mode=2),
    Open("openat", 1, flags=2, mode=3, directory=0),
    Open("openat2", 1, how=2, directory=0),
    Open("creat", 0, mode=1),
    # no name: the handle stands for the file itself
    Open("open_by_handle_at", None, flags=2),
)
LAYOUT = Layout(
    (
        ("flags", "u64"),
        ("mode", "u32"),
        ("dirfd", "i32"),
        ("ino", "u64"),
        ("dev", "u32"),
        ("f_mode", "u32"),
    ),
    ("path", "name", "base"),
)


def emit(frame: Frame, call: Open) -> None:
    frame.start_call()
    _take_flags(frame, call)
    frame.take_scratch()
    frame.store_value(8, R10, SLOT_FILE, 0)
    frame.store_value(8, R10, SLOT_INODE, 0)
    frame.jump_if(R9, "s<", 0, "failed")
    _judge_opened(frame)
    frame.jump("send")
    frame.label("failed")
    _judge_failed(frame, call)
    frame.label("send")
    _fill(frame, call)
    frame.finish()


def _take_flags(frame: Frame, call: Open) -> None:
    """SLOT_HOW = flags, SLOT_HOW + 8 = mode."""
    if call.how is not None:
        frame.store_value(8, R10, SLOT_HOW, 0)
        frame.store_value(8, R10, SLOT_HOW + 8, 0)
        frame.argument(R3, call.how)
        frame.read_user(SLOT_HOW, 16)
        return
    if call.flags is None:
        frame.set(R1, 0o1 | 0o100 | 0o1000)
    else:
        frame.argument(R1, call.flags, bits=32)
    frame.store(8, R10, SLOT_HOW, R1)
    if call.mode is None:
        frame.set(R1, 0)
    else:
        frame.argument(R1, call.mode, bits=32)
    frame.store(8, R10, SLOT_HOW + 8, R1)


def _judge_opened(frame: Frame) -> None:
    """Leave unless the opened file is to be sent; its path stands in the walk's place."""
    frame.move(R1, R9)
    find_file(frame)
    frame.jump_if(R0, "==", 0, "out")
    frame.store(8, R10, SLOT_FILE, R0)
    path_of_file(frame)
    walk_path(frame)
    frame.store(8, R10, SLOT_C, R0)
    judge_path(frame)
    frame.jump_if(R0, "==", WATCHED, "send")
    # a path that was cut may be a watched one
    frame.load(4, R1, R7, 12)
    frame.jump_if(R1, "!=", 0, "send")
    frame.jump_if(R0, "==", QUIET, "out")
    frame.load(8, R1, R10, SLOT_HOW)
    frame.jump_if(R1, "&", WRITING, "writing")
    frame.jump("out")
    frame.label("writing")
    _leave_boring(frame)


def _leave_boring(frame: Frame) -> None:
    """Pipes, sockets, terminals and /dev/null and the like are written all the time."""
    kernel = frame.kernel
    _read_inode(frame)
    frame.move(R3, R0)
    frame.compute(R3, "+", kernel["inode.i_mode"])
    frame.read_kernel(SLOT_A, 2)
    frame.load(2, R1, R10, SLOT_A)
    frame.compute(R1, "&", _TYPE)
    frame.jump_if(R1, "==", _PIPE, "out")
    frame.jump_if(R1, "==", _SOCKET, "out")
    frame.jump_if(R1, "!=", _CHARACTER, "send")
    frame.load(8, R3, R10, SLOT_INODE)
    frame.compute(R3, "+", kernel["inode.i_rdev"])
    frame.read_kernel(SLOT_A, 4)
    frame.load(4, R1, R10, SLOT_A)
    frame.move(R2, R1)
    frame.compute(R2, ">>", 20)
    frame.jump_if(R2, "==", 5, "out")
    frame.jump_if(R2, "==", 1, "memory")
    frame.jump_if(R2, "<", 136, "send")
    frame.jump_if(R2, "<=", 143, "out")
    frame.jump("send")
    frame.label("memory")
    # null, zero, full, random, urandom; mem, port, kmsg are sent
    frame.compute(R1, "&", 0xFFFFF)
    for minor in (3, 5, 7, 8, 9):
        frame.jump_if(R1, "==", minor, "out")


def _read_inode(frame: Frame) -> None:
    """R0 and SLOT_INODE = the inode of SLOT_FILE."""
    frame.load(8, R3, R10, SLOT_FILE)
    frame.compute(R3, "+", frame.kernel["file.f_inode"])
    frame.read_kernel(SLOT_INODE, 8)
    frame.load(8, R0, R10, SLOT_INODE)


def _judge_failed(frame: Frame, call: Open) -> None:
    if call.file is None:
        frame.jump("out")
        return
    frame.store_value(8, R10, SLOT_C, WALK_BYTES)
    # no terminal, no reader of the pipe
    frame.jump_if(R9, "==", ENXIO, "out")
    frame.load(8, R1, R10, SLOT_HOW)
    frame.jump_if(R1, "&", WRITING, "send")
    # the name goes where a path is built, its key before it
    frame.move(R1, R7)
    frame.compute(R1, "+", WALK)
    frame.set(R2, TEXT_BYTES)
    frame.argument(R3, call.file)
    frame.call(READ_USER_TEXT)
    frame.jump_if(R0, "s<", 2, "out")
    frame.jump_if(R0, ">", TEXT_BYTES, "out")
    frame.load(1, R1, R7, WALK)
    frame.jump_if(R1, "!=", ord("/"), "out")
    frame.set(R0, 0)
    judge_path(frame)
    frame.jump_if(R0, "!=", WATCHED, "out")


def _fill(frame: Frame, call: Open) -> None:
    places = LAYOUT
    frame.head(places.size)
    for name, slot in (("flags", SLOT_HOW), ("mode", SLOT_HOW + 8)):
        frame.load(8, R1, R10, slot)
        frame.store(8, R7, places.number_at(name), R1)
    if call.directory is None:
        frame.set(R1, -100)
    else:
        frame.argument(R1, call.directory)
    frame.store(8, R7, places.number_at("dirfd"), R1)
    for name in ("ino", "dev", "f_mode"):
        frame.store_value(8, R7, places.number_at(name), 0)
    _fill_file(frame)
    # the path first: finding the name's directory uses its place
    frame.store_value(4, R7, places.length_at("path"), 0)
    frame.load(8, R1, R10, SLOT_FILE)
    frame.jump_if(R1, "==", 0, "nopath")
    frame.load(8, R0, R10, SLOT_C)
    frame.append_walk(places.length_at("path"))
    frame.store_value(4, R7, places.length_at("base"), 0)
    if call.file is None:
        frame.store_value(4, R7, places.length_at("name"), 0)
        frame.label("nopath")
        return
    frame.argument(R3, call.file)
    frame.append_text(places.length_at("name"))
    frame.jump("ready")
    frame.label("nopath")
    append_name(frame, places, Text("name", call.file, base="base", directory=call.directory))
    frame.label("ready")


def _fill_file(frame: Frame) -> None:
    kernel, places = frame.kernel, LAYOUT
    frame.load(8, R1, R10, SLOT_FILE)
    frame.jump_if(R1, "==", 0, "nofile")
    frame.move(R3, R1)
    frame.compute(R3, "+", kernel["file.f_mode"])
    frame.read_kernel(SLOT_A, 4)
    frame.load(4, R1, R10, SLOT_A)
    frame.store(8, R7, places.number_at("f_mode"), R1)
    _read_inode(frame)
    frame.move(R3, R0)
    frame.compute(R3, "+", kernel["inode.i_ino"])
    frame.read_kernel(SLOT_A, 8)
    frame.load(8, R1, R10, SLOT_A)
    frame.store(8, R7, places.number_at("ino"), R1)
    frame.load(8, R3, R10, SLOT_INODE)
    frame.compute(R3, "+", kernel["inode.i_sb"])
    frame.read_kernel(SLOT_A, 8)
    frame.load(8, R3, R10, SLOT_A)
    frame.compute(R3, "+", kernel["super_block.s_dev"])
    frame.read_kernel(SLOT_B, 4)
    frame.load(4, R1, R10, SLOT_B)
    frame.store(8, R7, places.number_at("dev"), R1)
    frame.label("nofile")
