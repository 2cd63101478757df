"""What intruders do, done for real and without harm: to see that the sensor sees it.

Run it as root on a bare Linux machine, beside ``haechi sensor``. Every step makes the very system
calls that its detections are about, tells the time, and cleans up: files lie in a folder of its
own below /tmp but for /etc/cron.d/haechi-example (one comment, removed at once). Nothing leaves
the machine: connections go to loopback, or nowhere from an empty network namespace. Only the
standard library is used, so the file can be copied to a test machine by itself.

    python3 examples/attack.py --list      which step must raise which detections, as JSON
    python3 examples/attack.py             all steps
    python3 examples/attack.py memfd-program setuid-copy

The steps run in a process of their own whose parent is init, so that what started this program (a
build tool, a test runner) is not among its ancestors: rules make exceptions for those.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_NEWNS, _NEWNET = 0x00020000, 0x40000000
_SEIZE = 0x4206
_LIBC = ctypes.CDLL(None, use_errno=True)
CRON = Path("/etc/cron.d/haechi-example")
SCOPE = "haechi-attack.slice/cri-containerd-" + "ab12" * 16 + ".scope"
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class CannotRun(Exception):
    """This machine lacks what a step needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``expects`` are ids of detections, each of which must be raised within a second."""

    name: str
    does: str
    expects: tuple[str, ...]
    run: Callable[[Path], None]


# --- what runs a program -------------------------------------------------------------------


def start(*words: str | Path, env: dict[str, str] | None = None) -> None:
    """A program to its end, whatever it answers."""
    command = [str(word) for word in words]
    subprocess.run(command, env=env, timeout=10, check=False, **QUIET)  # type: ignore[call-overload]


def copied(folder: Path, program: str, name: str = "") -> Path:
    """A copy of a program of this machine, which is then none of its packages' any more."""
    found = shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise CannotRun(f"there is no program {program}")
    target = folder / (name or program)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(os.path.realpath(found), target)
        target.chmod(0o755)
    return target


def in_child(work: Callable[[], None]) -> None:
    """Work in a process of its own, whose namespaces and root end with it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except OSError as error:
            os.write(2, f"attack: {error}\n".encode())
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise CannotRun("the machine did not allow it")


def call(name: str, *args: int | bytes | None) -> int:
    """A function of the C library. Raises OSError."""
    result: int = getattr(_LIBC, name)(*args)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


# --- the steps -----------------------------------------------------------------------------


def read_shadow(folder: Path) -> None:
    start(copied(folder, "cat"), "/etc/shadow")


def read_environment(folder: Path) -> None:
    start(copied(folder, "cat"), f"/proc/{os.getpid()}/environ")


def reverse_shell(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        port = server.getsockname()[1]
        child = os.fork()
        if child == 0:
            with contextlib.suppress(OSError):
                peer = socket.create_connection(("127.0.0.1", port), timeout=5)
                peer.setblocking(True)
                for standard in (0, 1, 2):
                    os.dup2(peer.fileno(), standard)
                os.execv("/bin/sh", ["sh"])
            os._exit(1)
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"exit 0\n")
            os.waitpid(child, 0)


def write_cron(folder: Path) -> None:
    if not CRON.parent.is_dir():
        raise CannotRun(f"there is no folder {CRON.parent}")
    try:
        CRON.write_text("# written by haechi's example attack, and removed at once\n")
    finally:
        CRON.unlink(missing_ok=True)


def write_authorized_keys(folder: Path) -> None:
    keys = folder / "home/.ssh/authorized_keys"
    keys.parent.mkdir(parents=True, exist_ok=True)
    keys.write_text("# no key\n")


def preload_library(folder: Path) -> None:
    start("/bin/true", env={"LD_PRELOAD": f"{folder}/absent.so", "PATH": "/usr/bin:/bin"})


def run_from_memory(folder: Path) -> None:
    program = copied(folder, "true").read_bytes()

    def work() -> None:
        memory = os.memfd_create("haechi-example")
        os.write(memory, program)
        os.execve(memory, ["haechi-example"], {})

    in_child(work)


def take_hold(folder: Path) -> None:
    child = os.fork()
    if child == 0:
        time.sleep(10)
        os._exit(0)
    try:
        call("ptrace", _SEIZE, child, None, None)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def set_setuid_bit(folder: Path) -> None:
    copied(folder, "true", "kept").chmod(0o4755)


def run_hidden(folder: Path) -> None:
    start(copied(folder, "true", ".hidden/dropped"))


def erase_history(folder: Path) -> None:
    history = folder / "home/.bash_history"
    history.parent.mkdir(parents=True, exist_ok=True)
    history.write_text("id\n")
    history.unlink()


def run_encoded(folder: Path) -> None:
    start("/bin/sh", "-c", "echo dHJ1ZQo= | base64 -d | sh")


def pretend_to_mine(folder: Path) -> None:
    start(copied(folder, "sleep", "xmrig"), "-o", "stratum+tcp://127.0.0.1:3333")


def read_token(folder: Path) -> None:
    program = copied(folder, "cat")
    token = Path("/run/secrets/kubernetes.io/serviceaccount/token")

    def work() -> None:
        call("unshare", _NEWNS)
        call("mount", b"none", b"/", None, 0x4000 | 0x40000, None)
        call("mount", b"tmpfs", b"/run", b"tmpfs", 0, None)
        token.parent.mkdir(parents=True)
        token.write_text("no token\n")
        start(program, token)

    in_child(work)


def ask_metadata(folder: Path) -> None:
    probe = folder / "probe"
    shutil.copyfile(os.path.realpath(sys.executable), probe)
    probe.chmod(0o755)
    libraries = sysconfig.get_config_var("LIBDIR") or ""
    said = "import socket;socket.socket().connect_ex(('169.254.169.254',80))"

    def work() -> None:
        call("unshare", _NEWNET)
        home = {"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": libraries}
        start(probe, "-S", "-c", said, env=home)

    in_child(work)


def keep_rights(folder: Path) -> None:
    start("/bin/sh", "-p", "-c", "true")


def write_release_agent(folder: Path) -> None:
    (folder / "release_agent").write_text("/nothing\n")


def shell_in_container(folder: Path) -> None:
    def work() -> None:
        child, terminal = pty.fork()
        if child == 0:
            os.execv("/bin/sh", ["sh", "-c", "exit 0"])
        with contextlib.suppress(OSError):
            while os.read(terminal, 1024):
                pass
        os.waitpid(child, 0)

    in_container(work)


def new_namespace_in_container(folder: Path) -> None:
    in_container(lambda: _none(call("unshare", _NEWNS)))


def enter_namespace_in_container(folder: Path) -> None:
    def work() -> None:
        with open("/proc/self/ns/uts", "rb") as own:
            call("setns", own.fileno(), 0)

    in_container(work)


def change_root_in_container(folder: Path) -> None:
    if not Path("/mnt").is_dir():
        raise CannotRun("there is no folder /mnt")
    in_container(lambda: os.chroot("/mnt"))


def _none(_: int) -> None:
    return None


def in_container(work: Callable[[], None]) -> None:
    """Work in a control group that is named as those of containers are: for a sensor, that is one."""
    group = control_group()

    def inside() -> None:
        (group / "cgroup.procs").write_text("0")
        work()

    in_child(inside)


def control_group() -> Path:
    """A group of version 2. It stays until the end, as a container's does: what it is called is
    read by its number, which says nothing any more when it is gone."""
    group = group_root() / SCOPE
    try:
        group.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"a control group cannot be made: {error.strerror}") from error
    return group


def group_root() -> Path:
    roots = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")]
    root = next((root for root in roots if (root / "cgroup.procs").is_file()), None)
    if root is None:
        raise CannotRun("control groups of version 2 are not mounted")
    return root


def leave_groups() -> None:
    """Take the group away again, if one was made."""
    with contextlib.suppress(OSError, CannotRun):
        group = group_root() / SCOPE
        group.rmdir()
        group.parent.rmdir()


def step(run: Callable[[Path], None], name: str, does: str, *expects: str) -> Step:
    return Step(name=name, does=does, expects=expects, run=run)


STEPS = (
    step(
        read_shadow,
        "read-shadow",
        "reads the password hashes with a copied cat",
        "detect-password-hashes-read",
    ),
    step(
        read_environment,
        "read-environment",
        "reads the environment of another process",
        "detect-process-environment-read",
    ),
    step(
        reverse_shell,
        "reverse-shell",
        "gives a shell to a connection on loopback",
        "detect-socket-as-standard-input",
    ),
    step(write_cron, "cron-job", "writes and removes a scheduled job", "detect-cron-changed"),
    step(
        write_authorized_keys,
        "authorized-keys",
        "writes authorized_keys in a folder of its own",
        "detect-authorized-keys-written",
    ),
    step(
        preload_library,
        "preload",
        "starts a program with LD_PRELOAD to /tmp",
        "detect-preloaded-temporary-library",
    ),
    step(
        run_from_memory,
        "memfd-program",
        "runs a program that has no file",
        "detect-fileless-execution",
    ),
    step(take_hold, "ptrace", "takes hold of its own child", "detect-process-injected"),
    step(
        set_setuid_bit,
        "setuid-copy",
        "sets the setuid bit on a copied program",
        "detect-setuid-bit-set",
    ),
    step(
        run_hidden,
        "hidden-program",
        "runs a program from a hidden folder below /tmp",
        "detect-hidden-temporary-program",
    ),
    step(
        erase_history,
        "erase-history",
        "deletes a shell's history",
        "detect-shell-history-erased",
    ),
    step(
        run_encoded,
        "encoded-command",
        "decodes a command and runs it",
        "detect-encoded-command",
    ),
    step(
        pretend_to_mine,
        "miner",
        "starts something that calls itself a miner",
        "detect-miner-started",
    ),
    step(
        read_token,
        "read-token",
        "reads a service account's token (an empty one)",
        "detect-service-account-token-read",
    ),
    step(
        ask_metadata,
        "ask-metadata",
        "asks the metadata service, without a network",
        "detect-metadata-service-asked",
    ),
    step(
        keep_rights,
        "privileged-shell",
        "starts a shell that keeps its rights",
        "detect-privileged-shell",
    ),
    step(
        write_release_agent,
        "release-agent",
        "writes a file called release_agent",
        "detect-release-agent-written",
    ),
    step(
        shell_in_container,
        "container-shell",
        "opens a terminal in what counts as a container",
        "detect-shell-in-container",
    ),
    step(
        new_namespace_in_container,
        "container-unshare",
        "makes a namespace in a container",
        "detect-namespace-made-in-container",
    ),
    step(
        enter_namespace_in_container,
        "container-setns",
        "enters a namespace in a container",
        "detect-namespace-entered",
    ),
    step(
        change_root_in_container,
        "container-chroot",
        "changes the root in a container",
        "detect-chroot-to-host",
    ),
)


# --- the program ---------------------------------------------------------------------------


def main(words: Sequence[str]) -> int:
    """Exit code 0 when every step ran, 3 when some could not, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="attack.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--list", action="store_true", help="the steps and what they must raise")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between steps")
    parser.add_argument("--json", action="store_true", help="tell the steps as JSON lines")
    parser.add_argument(
        "--in-container", action="store_true", help="all steps in what a sensor takes for one"
    )
    parser.add_argument("steps", nargs="*", metavar="STEP")
    told = parser.parse_args(words)
    by_name = {one.name: one for one in STEPS}
    unknown = [name for name in told.steps if name not in by_name]
    if unknown:
        parser.error(f"there is no step {unknown[0]}; --list shows them")
    chosen = [by_name[name] for name in told.steps] or list(STEPS)
    if told.list:
        print(json.dumps([_told(one) for one in chosen], indent=2))
        return 0
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        print("attack: this needs root on Linux", file=sys.stderr)
        return 2
    return detached(
        lambda: perform(chosen, told.pause, as_json=told.json, contained=told.in_container)
    )


def perform(
    steps: Sequence[Step], pause: float, *, as_json: bool, contained: bool = False
) -> int:
    """All steps, each told with the time at which it began."""
    failed = 0
    if contained:
        (control_group() / "cgroup.procs").write_text("0")
    with tempfile.TemporaryDirectory(prefix="haechi-attack-", dir="/tmp") as folder:
        for one in steps:
            started = time.time_ns()
            fault = ""
            try:
                one.run(Path(folder))
            except (CannotRun, OSError, subprocess.SubprocessError) as error:
                fault = str(error)
                failed += 1
            tell(one, started, fault, as_json=as_json)
            time.sleep(pause)
    leave_groups()
    return 3 if failed else 0


def tell(one: Step, started: int, fault: str, *, as_json: bool) -> None:
    """One line about a step that ran, or could not."""
    if as_json:
        print(json.dumps({**_told(one), "started_ns": started, "fault": fault}), flush=True)
        return
    clock = time.strftime("%H:%M:%S", time.localtime(started // 10**9))
    outcome = f"could not run: {fault}" if fault else f"expects {', '.join(one.expects)}"
    print(f"{clock}.{started // 10**6 % 1000:03}  {one.name:<18} {one.does}; {outcome}", flush=True)


def _told(one: Step) -> dict[str, object]:
    return {"step": one.name, "does": one.does, "expects": list(one.expects)}


def detached(work: Callable[[], int]) -> int:
    """Work in a process whose parent is init; its exit code comes back through a pipe."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        middle = os.getpid()
        if os.fork() == 0:
            code = 2
            try:
                while os.getppid() == middle:
                    time.sleep(0.001)
                code = work()
            finally:
                os.write(writing, bytes([code]))
                os._exit(code)
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    return answer[0] if answer else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
