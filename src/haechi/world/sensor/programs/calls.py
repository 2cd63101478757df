"""System calls whose records are their arguments: numbers, names and where relative names start.

One table; a part is a number, a text in the process's memory, or the directory that a relative
name starts from (sent only when the name is relative).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import msgspec

from haechi.world.sensor.assembler import R1, R2, R3, R7, R8, R9, R10
from haechi.world.sensor.programs.frame import HEAD, SLOT_D, Frame
from haechi.world.sensor.programs.walk import (
    path_of_descriptor,
    path_of_working_directory,
    walk_path,
)

AT_FDCWD = 0xFFFFFF9C

Width: TypeAlias = Literal["i32", "u32", "u64"]
Filter: TypeAlias = Callable[[Frame], None]


class Number(msgspec.Struct, frozen=True):
    """An argument as it is. Without a name it is not shown: calls of one shape share a program."""

    name: str
    argument: int
    width: Width = "u64"


class Text(msgspec.Struct, frozen=True):
    """A text that an argument points to.

    For a file name, ``base`` names the directory that it starts from when it is relative:
    that of the descriptor in argument ``directory``, or the working directory.
    """

    name: str
    argument: int
    base: str = ""
    directory: int | None = None


class Path(msgspec.Struct, frozen=True):
    """The path of the file behind the descriptor in an argument."""

    name: str
    argument: int


Part: TypeAlias = Number | Text | Path


class Call(msgspec.Struct, frozen=True):
    """What the record of a system call holds. ``keep`` emits a test that jumps to ``out``."""

    name: str
    parts: tuple[Part, ...]
    keep: Filter | None = None


class Layout(msgspec.Struct, frozen=True):
    """How a record of this kind lies in memory, behind its head."""

    numbers: tuple[tuple[str, Width], ...]
    texts: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of the numbers and of the texts' lengths."""
        return len(self.numbers) * 8 + len(self.texts) * 4

    def length_at(self, text: str) -> int:
        return HEAD.size + len(self.numbers) * 8 + self.texts.index(text) * 4

    def number_at(self, name: str) -> int:
        return HEAD.size + [each for each, _ in self.numbers].index(name) * 8

    def pattern(self) -> struct.Struct:
        widths = {"i32": "i4x", "u32": "I4x", "u64": "Q"}
        numbers = "".join(widths[width] for _, width in self.numbers)
        return struct.Struct(f"={numbers}{len(self.texts)}I")


def layout(call: Call) -> Layout:
    texts: list[str] = []
    for part in call.parts:
        if isinstance(part, Text):
            texts.append(part.name)
            if part.base:
                texts.append(part.base)
        elif isinstance(part, Path):
            texts.append(part.name)
    numbers = tuple((p.name, p.width) for p in call.parts if isinstance(p, Number))
    return Layout(numbers, tuple(texts))


def emit(frame: Frame, call: Call) -> None:
    """The whole program of a call in the table."""
    places = layout(call)
    frame.start_call()
    if call.keep is not None:
        call.keep(frame)
    frame.take_scratch()
    frame.head(places.size)
    for part in call.parts:
        if isinstance(part, Number):
            frame.argument(R1, part.argument)
            frame.store(8, R7, places.number_at(part.name), R1)
        elif isinstance(part, Text):
            append_name(frame, places, part)
        else:
            _append_path(frame, places, part)
    frame.finish()


def append_name(frame: Frame, places: Layout, part: Text) -> None:
    """Append a text and, when it is a relative file name, the directory it starts from."""
    if part.base:
        frame.store(8, R10, SLOT_D, R8)
    frame.argument(R3, part.argument)
    frame.append_text(places.length_at(part.name))
    if part.base:
        directory = part.directory
        load = None if directory is None else partial(frame.argument, R1, directory, bits=32)
        append_base(frame, places, part.name, part.base, load)


def append_base(
    frame: Frame, places: Layout, name: str, base: str, load: Callable[[], None] | None
) -> None:
    """The directory, when the text at SLOT_D (its place in the record) is relative.

    ``load`` puts the descriptor of the directory into R1; None stands for the working directory.
    """
    done, ready, here = frame.fresh("base"), frame.fresh("ready"), frame.fresh("here")
    frame.store_value(4, R7, places.length_at(base), 0)
    frame.load(4, R1, R7, places.length_at(name))
    frame.jump_if(R1, "==", 0, done)
    frame.load(8, R2, R10, SLOT_D)
    frame.move(R1, R7)
    frame.combine(R1, "+", R2)
    frame.load(1, R1, R1, 0)
    frame.jump_if(R1, "==", ord("/"), done)
    if load is not None:
        load()
        frame.set(R2, AT_FDCWD)
        frame.jump_if_register(R1, "==", R2, here)
        path_of_descriptor(frame, done)
        frame.jump(ready)
    frame.label(here)
    path_of_working_directory(frame)
    # one place that walks: the verifier goes through the whole walk for each
    frame.label(ready)
    walk_path(frame)
    frame.append_walk(places.length_at(base))
    frame.label(done)


def _append_path(frame: Frame, places: Layout, part: Path) -> None:
    done = frame.fresh("path")
    frame.store_value(4, R7, places.length_at(part.name), 0)
    frame.argument(R1, part.argument, bits=32)
    path_of_descriptor(frame, done)
    walk_path(frame)
    frame.append_walk(places.length_at(part.name))
    frame.label(done)


# what is kept
_PTRACE_KEPT = (0, 4, 5, 6, 13, 15, 16, 0x4205, 0x4206)
"""TRACEME, POKETEXT, POKEDATA, POKEUSR, SETREGS, SETFPREGS, ATTACH, SETREGSET, SEIZE."""


def _keep_ptrace(frame: Frame) -> None:
    frame.argument(R1, 0)
    for request in _PTRACE_KEPT:
        frame.jump_if(R1, "==", request, "keep")
    frame.jump("out")
    frame.label("keep")


def _keep_kill(frame: Frame) -> None:
    """Signals to others; 0 only asks whether a process is there."""
    frame.argument(R1, 1, bits=32)
    frame.jump_if(R1, "==", 0, "out")
    frame.argument(R1, 0, bits=32)
    frame.load(8, R2, R10, -8)
    frame.compute(R2, ">>", 32)
    frame.jump_if_register(R1, "==", R2, "out")


def _keep_socket(frame: Frame) -> None:
    """All but plain streams and datagrams of UNIX, INET, INET6 and NETLINK of any type."""
    frame.argument(R1, 0, bits=32)
    frame.jump_if(R1, "==", 16, "out")
    frame.jump_if(R1, "==", 1, "out")
    frame.jump_if(R1, "==", 2, "internet")
    frame.jump_if(R1, "!=", 10, "keep")
    frame.label("internet")
    frame.argument(R1, 1, bits=32)
    frame.compute(R1, "&", 15)
    frame.jump_if(R1, "<=", 2, "out")
    frame.label("keep")


ENOENT, EEXIST = -2, -17


def _keep_done(frame: Frame) -> None:
    """Not what changed nothing since nothing, or the same, was there: programs try that a lot."""
    frame.jump_if(R9, "==", ENOENT, "out")
    frame.jump_if(R9, "==", EEXIST, "out")


def _file(name: str = "path", argument: int = 0, directory: int | None = None) -> Text:
    base = {
        "oldpath": "oldbase",
        "newpath": "newbase",
        "linkpath": "linkbase",
        "source": "sourcebase",
    }.get(name, "base")
    return Text(name, argument, base=base, directory=directory)


def _dirfd(argument: int = 0, name: str = "dirfd") -> Number:
    return Number(name, argument, "i32")


def _one(name: str, second: str = "", *, path: str = "path") -> Call:
    """``call(path, number)``"""
    return Call(name, (_file(path), Number(second, 1, "u32")), _keep_done)


def _one_at(name: str, third: str, fourth: str = "") -> Call:
    """``call(dirfd, path, number, number)``"""
    parts = (_dirfd(), _file("path", 1, 0), Number(third, 2, "u32"), Number(fourth, 3, "u32"))
    return Call(name, parts, _keep_done)


def _two(name: str) -> Call:
    """``call(oldpath, newpath)``"""
    return Call(name, (_file("oldpath"), _file("newpath", 1)), _keep_done)


def _two_at(name: str, fifth: str = "") -> Call:
    """``call(olddirfd, oldpath, newdirfd, newpath, number)``"""
    parts = (
        _dirfd(0, "olddirfd"),
        _file("oldpath", 1, 0),
        _dirfd(2, "newdirfd"),
        _file("newpath", 3, 2),
        Number(fifth, 4, "u32"),
    )
    return Call(name, parts, _keep_done)


CALLS: tuple[Call, ...] = (
    _two("rename"),
    _two("link"),
    _two_at("renameat"),
    _two_at("renameat2", "flags"),
    _two_at("linkat", "flags"),
    _one("unlink"),
    _one("rmdir"),
    _one("mkdir", "mode"),
    _one("chmod", "mode"),
    _one("chdir"),
    _one("chroot"),
    _one("umount2", "flags", path="target"),
    _one_at("unlinkat", "flags"),
    _one_at("mkdirat", "mode"),
    _one_at("fchmodat", "mode"),
    _one_at("fchmodat2", "mode", "flags"),
    Call("symlink", (Text("target", 0), _file("linkpath", 1)), _keep_done),
    Call(
        "symlinkat",
        (Text("target", 0), _dirfd(1, "linkdirfd"), _file("linkpath", 2, 1)),
        _keep_done,
    ),
    Call("fchmod", (Number("fd", 0, "i32"), Number("mode", 1, "u32"), Path("path", 0))),
    Call("fchdir", (Number("fd", 0, "i32"), Number("", 1, "u32"), Path("path", 0))),
    Call("socket", (_dirfd(0, "domain"), _dirfd(1, "type"), _dirfd(2, "proto")), _keep_socket),
    Call("ptrace", (Number("request", 0, "u64"), Number("pid", 1, "i32")), _keep_ptrace),
    Call("setns", (Number("fd", 0, "i32"), Number("nstype", 1, "u32"))),
    Call("unshare", (Number("flags", 0, "u64"),)),
    Call("setuid", (Number("uid", 0, "i32"),)),
    Call("setgid", (Number("gid", 0, "i32"),)),
    Call(
        "setresuid", (Number("ruid", 0, "i32"), Number("euid", 1, "i32"), Number("suid", 2, "i32"))
    ),
    Call("init_module", (Text("params", 2),)),
    Call(
        "finit_module",
        (Number("fd", 0, "i32"), Text("params", 1), Number("flags", 2, "u32"), Path("path", 0)),
    ),
    Call("bpf", (Number("cmd", 0, "i32"),)),
    Call("io_uring_setup", (Number("entries", 0, "u32"),)),
    Call("userfaultfd", (Number("flags", 0, "u32"),)),
    Call("memfd_create", (Text("name", 0), Number("flags", 1, "u32"))),
    # the newer way to mount: what was made or taken before is put in its place
    Call(
        "move_mount",
        (
            _file("source", 1, 0),
            _file("target", 3, 2),
            Number("flags", 4, "u32"),
        ),
    ),
    Call(
        "mount",
        (
            Text("source", 0),
            _file("target", 1),
            Text("fstype", 2),
            Number("flags", 3, "u64"),
        ),
    ),
    Call("kill", (Number("pid", 0, "i32"), Number("signal", 1, "i32")), _keep_kill),
)
