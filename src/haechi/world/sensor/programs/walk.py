"""Functions that programs call: the file behind a descriptor, the path of a dentry, the verdict.

``walk`` follows a dentry to the process's own root, over mount points, and writes the path
backwards. It takes no locks: a tree that is renamed at that instant may give a mixed path, as
with every reader that must not sleep.
"""

from __future__ import annotations

from haechi.world.sensor.assembler import (
    R0,
    R1,
    R2,
    R3,
    R4,
    R6,
    R7,
    R8,
    R9,
    R10,
    AssemblyError,
)
from haechi.world.sensor.programs.frame import (
    CURRENT_TASK,
    CUT_PATH,
    KEY_TEXT,
    MAP_LOOKUP,
    READ_KERNEL,
    SETTLE,
    SLOT_PATH,
    WALK,
    WALK_BYTES,
    Frame,
)

DEPTH = 40
"""Steps towards the root, mounts included; deeper paths are cut and marked so."""


def find_file(frame: Frame) -> None:
    """R0 = the ``struct file`` of the descriptor in R1, or 0."""
    frame.functions.add("file")
    frame.call_label("file")


def path_of_file(frame: Frame) -> None:
    """SLOT_PATH = the path (mount and dentry) of the file in R0."""
    frame.move(R3, R0)
    frame.compute(R3, "+", frame.kernel["file.f_path"])
    frame.read_kernel(SLOT_PATH, 16)


def path_of_descriptor(frame: Frame, none: str) -> None:
    """SLOT_PATH = the path of the descriptor in R1; jump when there is no such file."""
    find_file(frame)
    frame.jump_if(R0, "==", 0, none)
    path_of_file(frame)


def path_of_working_directory(frame: Frame) -> None:
    kernel = frame.kernel
    frame.call(CURRENT_TASK)
    frame.load(8, R3, R0, kernel["task_struct.fs"])
    frame.compute(R3, "+", kernel["fs_struct.pwd"])
    frame.read_kernel(SLOT_PATH, 16)


def walk_path(frame: Frame) -> None:
    """Write out the path in SLOT_PATH; R0 = where it begins."""
    kernel = frame.kernel
    frame.functions.add("walk")
    frame.settle()
    frame.move(R1, R7)
    frame.load(8, R2, R10, SLOT_PATH + kernel["path.dentry"])
    frame.load(8, R3, R10, SLOT_PATH + kernel["path.mnt"])
    frame.call_label("walk")


def judge_path(frame: Frame) -> None:
    """R0 = the trie's verdict on the path that begins at R0, 0 for none."""
    frame.functions.add("judge")
    frame.move(R1, R7)
    frame.move(R2, R0)
    frame.call_label("judge")


def emit_functions(frame: Frame) -> None:
    """Put the functions that were asked for behind the program."""
    emitters = {"file": _file, "walk": _walk, "judge": _judge}
    for name in sorted(frame.functions):
        frame.label(name)
        emitters[name](frame)


def _file(frame: Frame) -> None:
    kernel = frame.kernel
    frame.low32(R1)
    frame.move(R6, R1)
    frame.call(CURRENT_TASK)
    frame.load(8, R1, R0, kernel["task_struct.files"])
    frame.load(8, R1, R1, kernel["files_struct.fdt"])
    frame.load(4, R2, R1, kernel["fdtable.max_fds"])
    frame.jump_if_register(R6, ">=", R2, "file.none")
    frame.load(8, R3, R1, kernel["fdtable.fd"])
    frame.compute(R6, "<<", 3)
    frame.combine(R3, "+", R6)
    frame.store_value(8, R10, -8, 0)
    frame.read_kernel(-8, 8)
    frame.load(8, R0, R10, -8)
    frame.exit()
    frame.label("file.none")
    frame.exit(0)


def _judge(frame: Frame) -> None:
    """R1 scratch, R2 where the path begins."""
    frame.move(R3, R1)
    frame.compute(R3, "+", WALK - 4)
    frame.combine(R3, "+", R2)
    frame.set(R4, WALK_BYTES)
    frame.combine(R4, "-", R2)
    frame.jump_if(R4, "<=", KEY_TEXT, "judge.fits")
    frame.set(R4, KEY_TEXT)
    frame.label("judge.fits")
    frame.compute(R4, "<<", 3)
    frame.store(4, R3, 0, R4)
    frame.load_map(R1, frame.maps.watch)
    frame.move(R2, R3)
    frame.call(MAP_LOOKUP)
    frame.jump_if(R0, "==", 0, "judge.none")
    frame.load(4, R0, R0, 0)
    frame.label("judge.none")
    frame.exit()


# the walk's own stack: root path (16), dentry's name (parent, length, text: 24), mount (24)
_ROOT, _NAME, _MOUNT = -16, -40, -64
_COUNT = -72
SPAN = 24


def _walk(frame: Frame) -> None:
    """R1 scratch, R2 dentry, R3 vfsmount. R6 scratch, R7 dentry, R8 position, R9 mount."""
    kernel = frame.kernel
    dentry_at, dentry_size = _span(
        kernel["dentry.d_parent"], kernel["dentry.d_name.len"], kernel["dentry.d_name.name"]
    )
    mount_at, mount_size = _span(
        kernel["mount.mnt_parent"],
        kernel["mount.mnt_mountpoint"],
        kernel["mount.mnt"] + kernel["vfsmount.mnt_root"],
    )
    frame.move(R6, R1)
    frame.move(R7, R2)
    frame.move(R9, R3)
    frame.store_value(4, R6, SETTLE, WALK_BYTES)
    frame.load(4, R8, R6, SETTLE)
    frame.jump_if(R8, "<=", WALK_BYTES, "walk.known")
    frame.set(R8, WALK_BYTES)
    frame.label("walk.known")
    frame.store_value(8, R10, _ROOT, 0)
    frame.store_value(8, R10, _ROOT + 8, 0)
    frame.call(CURRENT_TASK)
    frame.load(8, R3, R0, kernel["task_struct.fs"])
    frame.compute(R3, "+", kernel["fs_struct.root"])
    frame.read_kernel(_ROOT, 16)
    _read_mount(frame, mount_at, mount_size)
    frame.store_value(8, R10, _COUNT, 0)

    frame.label("walk.step")
    frame.load(8, R1, R10, _COUNT)
    frame.jump_if(R1, ">=", DEPTH, "walk.cut")
    frame.compute(R1, "+", 1)
    frame.store(8, R10, _COUNT, R1)
    frame.load(8, R1, R10, _ROOT + kernel["path.dentry"])
    frame.jump_if_register(R1, "!=", R7, "walk.read")
    frame.load(8, R1, R10, _ROOT + kernel["path.mnt"])
    frame.jump_if_register(R1, "==", R9, "walk.end")
    frame.label("walk.read")
    frame.move(R3, R7)
    frame.compute(R3, "+", dentry_at)
    frame.read_kernel(_NAME, dentry_size)
    frame.jump_if(R0, "!=", 0, "walk.cut")
    root_at = _MOUNT + kernel["mount.mnt"] + kernel["vfsmount.mnt_root"] - mount_at
    frame.load(8, R1, R10, root_at)
    frame.jump_if_register(R1, "==", R7, "walk.mount")
    frame.load(8, R1, R10, _NAME + kernel["dentry.d_parent"] - dentry_at)
    frame.jump_if_register(R1, "==", R7, "walk.alone")
    frame.load(4, R2, R10, _NAME + kernel["dentry.d_name.len"] - dentry_at)
    frame.load(8, R3, R10, _NAME + kernel["dentry.d_name.name"] - dentry_at)
    frame.move(R7, R1)
    frame.label("walk.name")
    frame.compute(R2, "&", 255)
    frame.move(R1, R8)
    frame.combine(R1, "-", R2)
    frame.compute(R1, "-", 1)
    # through memory, so that the verifier forgets what it derived and finds every step alike:
    # with a bound of its own for each step it would follow all 2^DEPTH ways
    frame.store(4, R6, SETTLE, R1)
    frame.load(4, R1, R6, SETTLE)
    frame.jump_if(R1, ">", WALK_BYTES, "walk.cut")
    frame.move(R8, R1)
    frame.move(R1, R6)
    frame.compute(R1, "+", WALK)
    frame.combine(R1, "+", R8)
    frame.store_value(1, R1, 0, ord("/"))
    frame.compute(R1, "+", 1)
    frame.call(READ_KERNEL)
    frame.jump("walk.step")

    # a mount's root: go on where it is mounted
    frame.label("walk.mount")
    frame.load(8, R1, R10, _MOUNT + kernel["mount.mnt_parent"] - mount_at)
    frame.load(8, R7, R10, _MOUNT + kernel["mount.mnt_mountpoint"] - mount_at)
    frame.compute(R1, "+", kernel["mount.mnt"])
    frame.jump_if_register(R1, "==", R9, "walk.end")
    frame.move(R9, R1)
    _read_mount(frame, mount_at, mount_size)
    frame.jump("walk.step")

    # neither below something nor mounted: the name is all there is (memfd:…, pipe:…)
    frame.label("walk.alone")
    frame.jump_if(R8, "!=", WALK_BYTES, "walk.end")
    frame.load(4, R2, R10, _NAME + kernel["dentry.d_name.len"] - dentry_at)
    frame.load(8, R3, R10, _NAME + kernel["dentry.d_name.name"] - dentry_at)
    frame.compute(R2, "&", 255)
    frame.combine(R8, "-", R2)
    frame.jump_if(R8, "s<", 0, "walk.cut")
    frame.move(R1, R6)
    frame.compute(R1, "+", WALK)
    frame.combine(R1, "+", R8)
    frame.call(READ_KERNEL)
    frame.move(R0, R8)
    frame.exit()

    frame.label("walk.cut")
    frame.load(4, R1, R6, 12)
    frame.compute(R1, "|", CUT_PATH)
    frame.store(4, R6, 12, R1)
    frame.label("walk.end")
    frame.jump_if(R8, "!=", WALK_BYTES, "walk.out")
    frame.compute(R8, "-", 1)
    frame.move(R1, R6)
    frame.compute(R1, "+", WALK)
    frame.combine(R1, "+", R8)
    frame.store_value(1, R1, 0, ord("/"))
    frame.label("walk.out")
    frame.move(R0, R8)
    frame.exit()


def _read_mount(frame: Frame, at: int, size: int) -> None:
    frame.move(R3, R9)
    frame.compute(R3, "+", at - frame.kernel["mount.mnt"])
    frame.read_kernel(_MOUNT, size)
    frame.jump_if(R0, "!=", 0, "walk.cut")


def _span(*offsets: int) -> tuple[int, int]:
    """Start and size of the shortest piece that holds these three fields, all ≤ 8 bytes."""
    start, size = min(offsets), max(offsets) + 8 - min(offsets)
    if size > SPAN:
        raise AssemblyError(f"fields at {offsets} lie too far apart on this kernel")
    return start, size
