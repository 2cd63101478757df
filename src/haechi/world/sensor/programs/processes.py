"""New programs, new processes and their ends; failed attempts to run a program.

A successful exec is seen at ``sched_process_exec``, when the new program's arguments lie in its
own memory (nobody else can change them) and its file is known; only failures come from the
call's end, where the arguments are still those of the caller.
"""

from __future__ import annotations

from haechi.world.sensor.assembler import R0, R1, R2, R3, R4, R6, R7, R9, R10
from haechi.world.sensor.programs.calls import ENOENT, Layout, Text, append_name
from haechi.world.sensor.programs.frame import (
    CURRENT_TASK,
    PID_TGID,
    READ_KERNEL_TEXT,
    SLOT_A,
    SLOT_B,
    SLOT_C,
    SLOT_PATH,
    SLOT_THREAD,
    Frame,
)
from haechi.world.sensor.programs.walk import path_of_working_directory, walk_path

EXECUTED = Layout(
    (
        ("cap_effective", "u64"),
        ("cap_permitted", "u64"),
        ("cap_inheritable", "u64"),
        ("argv_size", "u64"),
        ("env_size", "u64"),
        ("magic", "u64"),
        ("upper", "u64"),
        ("tty", "u64"),
        ("ino", "u64"),
        ("dev", "u32"),
        ("pgid", "u32"),
        ("sid", "u32"),
    ),
    ("filename", "path", "cwd", "argv", "env"),
)
ARGV_BYTES = 4096
ENV_BYTES = 8190
"""As much as the largest record leaves."""
FORKED = Layout(
    (("child_pid", "i32"), ("child_tid", "i32"), ("child_vpid", "i32"), ("flags", "u64")), ()
)
NAMESPACES = {
    "mnt_ns": 0x20000,
    "cgroup_ns": 0x02000000,
    "uts_ns": 0x04000000,
    "ipc_ns": 0x08000000,
    "pid_ns_for_children": 0x20000000,
    "net_ns": 0x40000000,
}
"""Fields of nsproxy and the CLONE_NEW… flags that change them."""
NEW_USER = 0x10000000
EXITED = Layout((("status", "u32"),), ())
FAILED = Layout((("dirfd", "i32"),), ("filename", "base"))

EXECS = {"execve": (0, None), "execveat": (1, 0)}
"""The arguments that hold the file's name and its directory."""

PID_TYPES = {"pgid": 2, "sid": 3}
"""Places in ``signal_struct.pids`` (``enum pid_type``, so since 4.19)."""

OVERLAY_MAGIC = 0x794C7630


def emit_executed(frame: Frame, *, env: bool) -> None:
    kernel, places = frame.kernel, EXECUTED
    frame.load(8, R6, R1, 16)
    frame.set(R9, 0)
    frame.leave_own()
    frame.take_scratch()
    frame.head(places.size)
    _capabilities(frame)
    frame.load(8, R3, R6, kernel["linux_binprm.filename"])
    frame.append_text(places.length_at("filename"), helper=READ_KERNEL_TEXT)
    _file(frame)
    frame.append_walk(places.length_at("path"))
    path_of_working_directory(frame)
    walk_path(frame)
    frame.append_walk(places.length_at("cwd"))
    _memory(frame, "arg", "argv", ARGV_BYTES, wanted=True)
    _memory(frame, "env", "env", ENV_BYTES, wanted=env)
    _terminal(frame)
    _groups(frame)
    frame.finish()


def _capabilities(frame: Frame) -> None:
    kernel, places = frame.kernel, EXECUTED
    frame.call(CURRENT_TASK)
    frame.load(8, R1, R0, kernel["task_struct.cred"])
    for name in ("effective", "permitted", "inheritable"):
        # one u64 or two u32: the same bytes
        frame.move(R3, R1)
        frame.compute(R3, "+", kernel[f"cred.cap_{name}"])
        frame.store(8, R10, SLOT_C, R1)
        frame.read_kernel(SLOT_A, 8)
        frame.load(8, R2, R10, SLOT_A)
        frame.store(8, R7, places.number_at(f"cap_{name}"), R2)
        frame.load(8, R1, R10, SLOT_C)


def _file(frame: Frame) -> None:
    """Facts of the program's file; R0 = where its path begins."""
    kernel, places = frame.kernel, EXECUTED
    frame.load(8, R1, R6, kernel["linux_binprm.file"])
    frame.load(8, R2, R1, kernel["file.f_inode"])
    frame.load(8, R3, R2, kernel["inode.i_ino"])
    frame.store(8, R7, places.number_at("ino"), R3)
    frame.load(8, R3, R2, kernel["inode.i_sb"])
    frame.load(4, R4, R3, kernel["super_block.s_dev"])
    frame.store(8, R7, places.number_at("dev"), R4)
    frame.load(8, R4, R3, kernel["super_block.s_magic"])
    frame.store(8, R7, places.number_at("magic"), R4)
    frame.store_value(8, R7, places.number_at("upper"), 0)
    frame.store_value(8, R10, SLOT_B, 0)
    # not on the stack of the path yet: the overlay's inode holds its upper dentry
    frame.set(R3, OVERLAY_MAGIC)
    frame.jump_if_register(R4, "!=", R3, "overlay")
    frame.move(R3, R2)
    frame.compute(R3, "+", _upper_dentry(frame))
    frame.read_kernel(SLOT_B, 8)
    frame.load(8, R2, R10, SLOT_B)
    frame.store(8, R7, places.number_at("upper"), R2)
    frame.label("overlay")
    frame.load(8, R3, R6, kernel["linux_binprm.file"])
    frame.compute(R3, "+", kernel["file.f_path"])
    frame.read_kernel(SLOT_PATH, 16)
    walk_path(frame)


def _upper_dentry(frame: Frame) -> int:
    """From the inode to the overlay's pointer behind it."""
    kernel = frame.kernel
    if kernel.knows("ovl_inode"):
        return kernel["ovl_inode.__upperdentry"] - kernel["ovl_inode.vfs_inode"]
    # overlay as a module: its structure has had this order since 4.13
    return kernel.size("inode")


def _memory(frame: Frame, field: str, name: str, limit: int, *, wanted: bool) -> None:
    """A piece of the new program's memory between two addresses of its ``mm``."""
    kernel, places = frame.kernel, EXECUTED
    frame.call(CURRENT_TASK)
    frame.load(8, R1, R0, kernel["task_struct.mm"])
    frame.load(8, R3, R1, kernel[f"mm_struct.{field}_start"])
    frame.load(8, R2, R1, kernel[f"mm_struct.{field}_end"])
    frame.combine(R2, "-", R3)
    frame.store(8, R7, places.number_at(f"{name}_size"), R2)
    if not wanted:
        frame.store_value(4, R7, places.length_at(name), 0)
        return
    frame.append_block(places.length_at(name), limit)


def _terminal(frame: Frame) -> None:
    """The controlling terminal's device number as /proc writes it, 0 for none."""
    kernel, places = frame.kernel, EXECUTED
    frame.store_value(8, R7, places.number_at("tty"), 0)
    frame.call(CURRENT_TASK)
    frame.load(8, R1, R0, kernel["task_struct.signal"])
    frame.load(8, R1, R1, kernel["signal_struct.tty"])
    frame.jump_if(R1, "==", 0, "noterminal")
    frame.load(4, R2, R1, kernel["tty_struct.index"])
    frame.load(8, R1, R1, kernel["tty_struct.driver"])
    frame.load(4, R3, R1, kernel["tty_driver.minor_start"])
    frame.combine(R2, "+", R3)
    frame.load(4, R3, R1, kernel["tty_driver.major"])
    frame.compute(R3, "<<", 8)
    frame.combine(R2, "|", R3)
    frame.store(8, R7, places.number_at("tty"), R2)
    frame.label("noterminal")


def _groups(frame: Frame) -> None:
    """The numbers of process group and session in the first pid namespace."""
    kernel, places = frame.kernel, EXECUTED
    for name, kind in PID_TYPES.items():
        frame.call(CURRENT_TASK)
        frame.load(8, R3, R0, kernel["task_struct.signal"])
        frame.compute(R3, "+", kernel["signal_struct.pids"] + 8 * kind)
        frame.read_kernel(SLOT_B, 8)
        frame.load(8, R3, R10, SLOT_B)
        frame.compute(R3, "+", kernel["pid.numbers"] + kernel["upid.nr"])
        frame.store_value(8, R10, SLOT_A, 0)
        frame.read_kernel(SLOT_A, 4)
        frame.load(4, R2, R10, SLOT_A)
        frame.store(8, R7, places.number_at(name), R2)


def emit_forked(frame: Frame) -> None:
    """``sched_process_fork(parent, child)``: new processes, not new threads."""
    kernel, places = frame.kernel, FORKED
    frame.load(8, R6, R1, 8)
    frame.call(PID_TGID)
    frame.store(8, R10, SLOT_THREAD, R0)
    frame.compute(R0, ">>", 32)
    # our own children are sent: they are other processes
    frame.load(4, R1, R6, kernel["task_struct.tgid"])
    frame.jump_if_register(R0, "==", R1, "out")
    frame.set(R9, 0)
    frame.take_scratch()
    frame.head(places.size)
    for name, field in (("child_pid", "tgid"), ("child_tid", "pid")):
        frame.load(4, R1, R6, kernel[f"task_struct.{field}"])
        frame.store(8, R7, places.number_at(name), R1)
        frame.move(R9, R1)
    frame.store(8, R7, places.number_at("child_vpid"), R9)
    frame.store(8, R7, 32, R9)
    _child_inner_pid(frame)
    _namespaces(frame)
    frame.finish()


def _namespaces(frame: Frame) -> None:
    """The flags of clone that gave the child other namespaces; the rest is not known here."""
    kernel = frame.kernel
    frame.set(R9, 0)
    frame.call(CURRENT_TASK)
    for owner, fields in (("nsproxy", NAMESPACES), ("cred", {"user_ns": NEW_USER})):
        frame.load(8, R1, R0, kernel[f"task_struct.{owner}"])
        frame.load(8, R2, R6, kernel[f"task_struct.{owner}"])
        for field, flag in fields.items():
            if not kernel.has(f"{owner}.{field}"):
                continue
            same = frame.fresh("same")
            frame.load(8, R3, R1, kernel[f"{owner}.{field}"])
            frame.load(8, R4, R2, kernel[f"{owner}.{field}"])
            frame.jump_if_register(R3, "==", R4, same)
            frame.compute(R9, "|", flag)
            frame.label(same)
    frame.store(8, R7, FORKED.number_at("flags"), R9)


def _child_inner_pid(frame: Frame) -> None:
    kernel, places = frame.kernel, FORKED
    frame.load(8, R1, R6, kernel["task_struct.thread_pid"])
    frame.load(4, R4, R1, kernel["pid.level"])
    frame.jump_if(R4, "==", 0, "outer")
    frame.store(8, R10, SLOT_A, R4)
    frame.move(R3, R6)
    frame.compute(R3, "+", kernel["task_struct.thread_pid"])
    frame.read_kernel(SLOT_B, 8)
    frame.load(8, R3, R10, SLOT_B)
    frame.load(8, R4, R10, SLOT_A)
    frame.compute(R4, "*", kernel.size("upid"))
    frame.combine(R3, "+", R4)
    frame.compute(R3, "+", kernel["pid.numbers"] + kernel["upid.nr"])
    frame.read_kernel(SLOT_B, 4)
    frame.load(4, R1, R10, SLOT_B)
    frame.store(8, R7, places.number_at("child_vpid"), R1)
    frame.label("outer")


def emit_exited(frame: Frame) -> None:
    """``sched_process_exit``: the last thread of a process."""
    kernel, places = frame.kernel, EXITED
    if kernel.tracepoint_arguments("sched_process_exit") > 1:
        frame.load(8, R2, R1, 8)
        frame.compute(R2, "&", 0xFF)
        frame.load(8, R6, R1, 0)
        frame.jump_if(R2, "==", 0, "out")
    else:
        frame.load(8, R6, R1, 0)
        frame.load(8, R1, R6, kernel["task_struct.signal"])
        frame.load(4, R1, R1, kernel["signal_struct.live"])
        frame.jump_if(R1, "!=", 0, "out")
    frame.set(R9, 0)
    frame.leave_own()
    frame.take_scratch()
    frame.head(places.size)
    frame.load(4, R1, R6, kernel["task_struct.exit_code"])
    frame.store(8, R7, places.number_at("status"), R1)
    frame.finish()


def emit_failed(frame: Frame, name: str) -> None:
    """The end of an exec that did not happen."""
    places = FAILED
    argument, directory = EXECS[name]
    frame.start_call()
    frame.jump_if(R9, "s>=", 0, "out")
    # the search through PATH
    frame.jump_if(R9, "==", ENOENT, "out")
    frame.take_scratch()
    frame.head(places.size)
    if directory is None:
        frame.set(R1, -100)
    else:
        frame.argument(R1, directory)
    frame.store(8, R7, places.number_at("dirfd"), R1)
    append_name(frame, places, Text("filename", argument, base="base", directory=directory))
    frame.finish()
