"""A netlink socket: messages in and out, and how many the kernel threw away.

Only what the audit and the connector need. A full socket shows as ENOBUFS, once for any number of
messages that were lost; both protocols carry numbers by which their readers tell how many.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
from collections.abc import Iterator

from haechi.errors import SensorError

HEADER = struct.Struct("=IHHII")
"""length, type, flags, sequence number, port (``struct nlmsghdr``)"""
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
NOOP, ERROR, DONE = 1, 2, 3
AUDIT, CONNECTOR = 9, 11
_ROOM = 8 << 20
_PIECE = 64 << 10
_SO_RCVBUFFORCE = 33
_MOST_AT_ONCE = 4096


class Netlink:
    """One socket. ``overruns`` counts how often the kernel found it full."""

    def __init__(self, protocol: int, *, groups: int = 0) -> None:
        self.overruns = 0
        self._number = 0
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        except OSError as error:
            raise _refused(protocol, error) from error
        try:
            self._grow()
            self._socket.bind((0, groups))
            self._socket.setblocking(False)
        except OSError as error:
            self._socket.close()
            raise _refused(protocol, error) from error
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def _grow(self) -> None:
        """The larger buffer needs a right that a container may lack; the smaller one does too."""
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, _ROOM)
                return

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    @property
    def port(self) -> int:
        """The number by which the kernel knows this socket."""
        return int(self._socket.getsockname()[0])

    def send(self, kind: int, payload: bytes, flags: int = REQUEST | ACK) -> int:
        """Send a message to the kernel; its sequence number."""
        self._number += 1
        length = HEADER.size + len(payload)
        self._socket.sendto(HEADER.pack(length, kind, flags, self._number, 0) + payload, (0, 0))
        return self._number

    def wait(self, timeout_s: float) -> bool:
        """True when something can be read."""
        return bool(self._poll.poll(max(0, int(timeout_s * 1000))))

    def messages(self, timeout_s: float = 0.0) -> Iterator[tuple[int, int, bytes]]:
        """(type, sequence number, payload) of what is there now, at most some thousands. Only
        the kernel is listened to: any process may write to such a socket."""
        if timeout_s and not self.wait(timeout_s):
            return
        for _ in range(_MOST_AT_ONCE):
            try:
                raw, sender = self._socket.recvfrom(_PIECE)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            if sender[0] == 0:
                yield from split(raw)

    def ask(self, kind: int, payload: bytes, flags: int = REQUEST | ACK) -> list[tuple[int, bytes]]:
        """Send and take the answers: up to the acknowledgement when one is asked for, to the end
        of a list, else the first. Raises OSError as the kernel says."""
        number = self.send(kind, payload, flags)
        answers: list[tuple[int, bytes]] = []
        for _ in range(200):
            for got, sequence, body in self.messages(0.1):
                if sequence != number:
                    continue
                if got == ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    if not flags & DUMP:
                        return answers
                elif got == DONE:
                    return answers
                else:
                    answers.append((got, body))
                    if not flags & (DUMP | ACK):
                        return answers
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def split(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages of one datagram; one that is cut short ends it. The audit gives lengths
    without the header, so the last message has what is left."""
    place = 0
    while len(raw) - place >= HEADER.size:
        length, kind, _, number, _ = HEADER.unpack_from(raw, place)
        end = place + max(length, HEADER.size)
        if length < HEADER.size or end > len(raw) or kind >= 1000:
            end = len(raw)
        yield kind, number, raw[place + HEADER.size : end]
        place = end + 3 & ~3


def _refused(protocol: int, error: OSError) -> SensorError:
    what = "audit" if protocol == AUDIT else "process connector"
    return SensorError(
        f"the kernel's {what} cannot be listened to",
        why=str(error),
        do="run as root, in the host's pid and network namespace",
    )
