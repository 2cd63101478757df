"""Does, in a process of its own, what the live tests of the eBPF sensor look for.

Run as ``python acts.py DIRECTORY``; prints what was done as JSON (ports, addresses).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


def _files(place: Path) -> None:
    os.chdir(place)
    secret = place / "watched" / "secret"
    for name in ("watched/secret", "link", "watched/../watched/secret"):
        with Path(name).open() as file:
            file.read()
    with Path("other").open() as file:
        file.read()
    for name in ("watched/absent", str(place / "watched" / "absent")):
        try:
            Path(name).open().close()
        except FileNotFoundError:
            continue
    with Path("made").open("w") as file:
        file.write("x")
    directory = os.open(place, os.O_PATH)
    os.rename("made", "moved", src_dir_fd=directory, dst_dir_fd=directory)
    Path("moved").chmod(0o751)
    with Path("moved").open() as file:
        os.fchmod(file.fileno(), 0o640)
    os.link("moved", "second")
    Path("third").symlink_to("/etc/shadow")
    for name in ("moved", "second", "third"):
        Path(name).unlink()
    os.close(directory)
    Path("room").mkdir()
    Path("room").rmdir()
    assert secret.exists()


def _by_handle(place: Path) -> bool:
    """Open a watched file without saying its name; False where the file system has no handles."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = (ctypes.c_uint32 * 34)(128)
    mount = ctypes.c_int()
    path = str(place / "watched" / "secret").encode()
    if libc.name_to_handle_at(-100, path, handle, ctypes.byref(mount), 0) < 0:
        return False
    directory = os.open(place, os.O_RDONLY)
    opened = libc.open_by_handle_at(directory, handle, os.O_RDONLY)
    os.close(directory)
    if opened >= 0:
        os.close(opened)
    return bool(opened >= 0)


def _sockets(place: Path) -> dict[str, object]:
    done: dict[str, object] = {}
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind((address, 0))
            server.listen(3)
            client.connect(server.getsockname())
            other, _ = server.accept()
            done[address] = [server.getsockname()[1], client.getsockname()[1]]
            if family == socket.AF_INET:
                os.close(os.dup2(client.fileno(), 200))
                os.close(os.dup2(0, 201))
            other.close()
    with socket.socket(socket.AF_INET) as free:
        free.bind(("127.0.0.1", 0))
        done["refused"] = free.getsockname()[1]
    with socket.socket(socket.AF_INET) as client:
        done["refused_errno"] = client.connect_ex(("127.0.0.1", done["refused"]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        for _ in range(20):
            speaker.sendto(b"x", ("127.0.0.1", 9))
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(place / "sock"))
        server.listen()
        client.connect(str(place / "sock"))
    return done


def _privileges() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # TRACEME by a child, so that nobody becomes our tracer
    child = os.fork()
    if not child:
        libc.ptrace(0, 0, 0, 0)
        libc.unshare(0x04000000)
        os._exit(3)
    os.waitpid(child, 0)
    sleeper = subprocess.Popen(["/bin/sleep", "30"])
    os.kill(sleeper.pid, 0)
    os.kill(sleeper.pid, signal.SIGTERM)
    sleeper.wait()
    try:
        os.setuid(os.getuid())
        os.execv("/bin", ["nothing"])  # noqa: S606
    except PermissionError:
        pass


def _memory_file() -> None:
    memory = os.memfd_create("in-memory", 0)
    with Path("/bin/true").open("rb") as file:
        os.write(memory, file.read())
    child = os.fork()
    if not child:
        os.execve(memory, ["hidden", "one"], {})  # noqa: S606
    os.waitpid(child, 0)


def main(place: Path) -> None:
    _files(place)
    by_handle = _by_handle(place)
    done = _sockets(place) | {"by_handle": by_handle}
    _privileges()
    _memory_file()
    print(json.dumps(done))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
