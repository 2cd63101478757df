"""Connections: who speaks with whom, read from the kernel's socket behind the descriptor.

The socket itself says family, protocol and both ends; the address that the process gave is sent
too, since a failed or datagram call leaves none in the socket. Both are taken apart in user
space (``decode``), where the offsets are the same numbers.
"""

from __future__ import annotations

import msgspec

from haechi.world.sensor.assembler import R0, R1, R2, R3, R4, R7, R9, R10
from haechi.world.sensor.kernel import Kernel
from haechi.world.sensor.programs.calls import Layout, Number
from haechi.world.sensor.programs.frame import (
    BOOT_TIME,
    MAP_LOOKUP,
    MAP_UPDATE,
    READ_KERNEL,
    READ_USER,
    SLOT_A,
    SLOT_B,
    SLOT_C,
    SLOT_D,
    SLOT_THREAD,
    SLOT_WIDE,
    Frame,
)
from haechi.world.sensor.programs.walk import find_file

ADDRESS_BYTES = 110
"""The longest socket address (a UNIX path)."""
EVERY_NS = 30_000_000_000
"""The same datagram conversation of a process is sent again after this."""
RECENT_KEY = 24

_SOCKET = 0o140000
SLOT_SOCK = -144


class SocketCall(msgspec.Struct, frozen=True):
    """``fd`` and ``address`` are argument numbers; fd None stands for the result."""

    name: str
    fd: int | None
    address: int | None = None
    numbers: tuple[Number, ...] = ()
    success: bool = False
    datagrams: bool = False
    message: int | None = None


_FD = Number("fd", 0, "i32")
SOCKET_CALLS = (
    SocketCall("connect", 0, 1, (_FD,)),
    SocketCall("bind", 0, 1, (_FD,)),
    SocketCall("listen", 0, None, (_FD, Number("backlog", 1, "i32"))),
    SocketCall("accept", None, None, (), success=True),
    SocketCall("accept4", None, None, (), success=True),
    SocketCall("sendto", 0, 4, (_FD, Number("size", 2, "u64")), datagrams=True),
    SocketCall("sendmsg", 0, None, (_FD,), datagrams=True, message=1),
    SocketCall("dup", None, None, (Number("oldfd", 0, "i32"),), success=True),
    SocketCall(
        "dup2", None, None, (Number("oldfd", 0, "i32"), Number("newfd", 1, "i32")), success=True
    ),
    SocketCall(
        "dup3",
        None,
        None,
        (Number("oldfd", 0, "i32"), Number("newfd", 1, "i32"), Number("flags", 2, "u32")),
        success=True,
    ),
)


def layout(call: SocketCall) -> Layout:
    """The numbers of the call, protocol and type, then the socket and the given address."""
    numbers = tuple((each.name, each.width) for each in call.numbers)
    return Layout((*numbers, ("proto", "u32"), ("type", "u32")), ("sock", "address"))


def common_bytes(kernel: Kernel) -> int:
    """How much of the socket's head must be read on this kernel."""
    last = max(kernel[f"sock_common.{name}"] for name in SOCK_FIELDS)
    return (last + 16 + 7) & ~7


SOCK_FIELDS = (
    "skc_family",
    "skc_daddr",
    "skc_rcv_saddr",
    "skc_dport",
    "skc_num",
    "skc_v6_daddr",
    "skc_v6_rcv_saddr",
)


def emit(frame: Frame, call: SocketCall) -> None:
    kernel, places = frame.kernel, layout(call)
    frame.start_call()
    if call.success:
        frame.jump_if(R9, "s<", 0, "out")
    _take_address(frame, call)
    if call.fd is None:
        frame.move(R1, R9)
    else:
        frame.argument(R1, call.fd, bits=32)
    _find_sock(frame)
    frame.take_scratch()
    if call.datagrams:
        _keep_new_datagrams(frame)
    frame.head(places.size)
    for number in call.numbers:
        frame.argument(R1, number.argument)
        frame.store(8, R7, places.number_at(number.name), R1)
    for name, field in (("proto", "sk_protocol"), ("type", "sk_type")):
        frame.load(8, R3, R10, SLOT_SOCK)
        frame.compute(R3, "+", kernel[f"sock.{field}"])
        frame.store_value(8, R10, SLOT_A, 0)
        frame.read_kernel(SLOT_A, 2)
        frame.load(8, R1, R10, SLOT_A)
        frame.store(8, R7, places.number_at(name), R1)
    size = common_bytes(kernel)
    frame.set(R2, size)
    frame.load(8, R3, R10, SLOT_SOCK)
    frame.append_block(places.length_at("sock"), size, helper=READ_KERNEL)
    _append_address(frame, call, places)
    frame.finish()


def _take_address(frame: Frame, call: SocketCall) -> None:
    """SLOT_C = where the process's address lies, SLOT_D = how long it is."""
    if call.message is not None:
        frame.argument(R3, call.message)
        frame.read_user(SLOT_D, 16)
        # msg_name and msg_namelen: SLOT_D holds the first, SLOT_C (above it) the second
        frame.load(8, R1, R10, SLOT_D)
        frame.load(4, R2, R10, SLOT_C)
    elif call.address is not None:
        frame.argument(R1, call.address)
        frame.argument(R2, call.address + 1, bits=32)
    else:
        return
    frame.store(8, R10, SLOT_C, R1)
    frame.store(8, R10, SLOT_D, R2)
    if call.datagrams:
        frame.jump_if(R1, "==", 0, "out")


def _find_sock(frame: Frame) -> None:
    """SLOT_SOCK = the ``struct sock`` behind the descriptor in R1; leave when it is no socket."""
    kernel = frame.kernel
    find_file(frame)
    frame.jump_if(R0, "==", 0, "out")
    frame.store(8, R10, SLOT_A, R0)
    frame.move(R3, R0)
    frame.compute(R3, "+", kernel["file.f_inode"])
    frame.read_kernel(SLOT_B, 8)
    frame.load(8, R3, R10, SLOT_B)
    frame.compute(R3, "+", kernel["inode.i_mode"])
    frame.read_kernel(SLOT_B, 2)
    frame.load(2, R1, R10, SLOT_B)
    frame.compute(R1, "&", 0o170000)
    frame.jump_if(R1, "!=", _SOCKET, "out")
    frame.load(8, R3, R10, SLOT_A)
    frame.compute(R3, "+", kernel["file.private_data"])
    frame.read_kernel(SLOT_B, 8)
    frame.load(8, R3, R10, SLOT_B)
    frame.compute(R3, "+", kernel["socket.sk"])
    frame.read_kernel(SLOT_SOCK, 8)
    frame.load(8, R1, R10, SLOT_SOCK)
    frame.jump_if(R1, "==", 0, "out")


def _keep_new_datagrams(frame: Frame) -> None:
    """Leave unless a datagram to an address that this process has not spoken to lately."""
    kernel = frame.kernel
    frame.load(8, R3, R10, SLOT_SOCK)
    frame.compute(R3, "+", kernel["sock.sk_type"])
    frame.store_value(8, R10, SLOT_A, 0)
    frame.read_kernel(SLOT_A, 2)
    frame.load(2, R1, R10, SLOT_A)
    frame.jump_if(R1, "==", 1, "out")
    # the key: process and the address's first 20 bytes (family, port, v4 or half of v6)
    for place in (0, 8, 16):
        frame.store_value(8, R10, SLOT_WIDE + place, 0)
    frame.load(8, R2, R10, SLOT_D)
    frame.jump_if(R2, "<=", 20, "short")
    frame.set(R2, 20)
    frame.label("short")
    frame.jump_if(R2, "==", 0, "out")
    frame.move(R1, R10)
    frame.compute(R1, "+", SLOT_WIDE + 4)
    frame.load(8, R3, R10, SLOT_C)
    frame.call(READ_USER)
    frame.load(4, R1, R10, SLOT_THREAD + 4)
    frame.store(4, R10, SLOT_WIDE, R1)
    frame.call(BOOT_TIME)
    frame.store(8, R10, SLOT_A, R0)
    frame.load_map(R1, frame.maps.recent)
    _recent_key(frame)
    frame.call(MAP_LOOKUP)
    frame.jump_if(R0, "==", 0, "new")
    frame.load(8, R1, R0, 0)
    frame.load(8, R2, R10, SLOT_A)
    frame.combine(R2, "-", R1)
    frame.set(R3, EVERY_NS)
    frame.jump_if_register(R2, "<", R3, "out")
    frame.label("new")
    frame.load_map(R1, frame.maps.recent)
    _recent_key(frame)
    frame.move(R3, R10)
    frame.compute(R3, "+", SLOT_A)
    frame.set(R4, 0)
    frame.call(MAP_UPDATE)


def _recent_key(frame: Frame) -> None:
    frame.move(R2, R10)
    frame.compute(R2, "+", SLOT_WIDE)


def _append_address(frame: Frame, call: SocketCall, places: Layout) -> None:
    length_at = places.length_at("address")
    if call.address is not None or call.message is not None:
        frame.load(8, R2, R10, SLOT_D)
        frame.load(8, R3, R10, SLOT_C)
        frame.append_block(length_at, ADDRESS_BYTES)
        return
    _append_unix_name(frame, length_at)


def _append_unix_name(frame: Frame, length_at: int) -> None:
    """The name that a UNIX socket is bound to (an accepted one carries its listener's)."""
    kernel = frame.kernel
    frame.store_value(4, R7, length_at, 0)
    if not kernel.has("unix_sock.addr"):
        return
    frame.load(8, R3, R10, SLOT_SOCK)
    frame.compute(R3, "+", kernel["sock_common.skc_family"])
    frame.read_kernel(SLOT_A, 2)
    frame.load(2, R1, R10, SLOT_A)
    frame.jump_if(R1, "!=", 1, "nounix")
    frame.load(8, R3, R10, SLOT_SOCK)
    frame.compute(R3, "+", kernel["unix_sock.addr"])
    frame.read_kernel(SLOT_B, 8)
    frame.load(8, R3, R10, SLOT_B)
    frame.jump_if(R3, "==", 0, "nounix")
    frame.compute(R3, "+", kernel["unix_address.len"])
    frame.read_kernel(SLOT_C, 4)
    frame.load(4, R2, R10, SLOT_C)
    frame.load(8, R3, R10, SLOT_B)
    frame.compute(R3, "+", kernel["unix_address.name"])
    frame.append_block(length_at, ADDRESS_BYTES, helper=READ_KERNEL)
    frame.label("nounix")
