"""Normal work and attacks for bench/behaviour.py: a web server and jobs, as if in containers.

``python -m bench.behaviour_work`` with ``web FOLDER PORT``, ``visit PORT SEED SECONDS``, ``jobs
FOLDER SEED SECONDS`` or ``attack PORT``.
What is done is drawn by the seed: the same kinds of work in another order and mix, a few of them
seldom (rotating the log, counting packages), so that another seed does things for the first time.
Attacks happen in a child of the server (``POST /attack/NAME``), as after a break-in; those of
examples/attack.py among them. Nothing leaves the machine: connections go to loopback.
"""

from __future__ import annotations

import gzip
import http.client
import http.server
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from examples import attack

PAGES, DATABASE_PORT = 40, 15_432
CONTAINERS = {"web": "aa11" * 16, "jobs": "bb22" * 16}
SLICE = "haechi-bench.slice"
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
FROM_EXAMPLES = (
    "read-shadow", "read-environment", "reverse-shell", "cron-job", "authorized-keys",
    "memfd-program", "ptrace", "setuid-copy", "hidden-program", "encoded-command", "miner",
)  # fmt: skip


def enter(name: str) -> None:
    """Go into the control group that is named as this container's. Raises OSError."""
    group = attack.group_root() / SLICE / f"cri-containerd-{CONTAINERS[name]}.scope"
    group.mkdir(parents=True, exist_ok=True)
    (group / "cgroup.procs").write_text("0")


def leave() -> None:
    """Take the groups away, once nobody is in them."""
    for name in CONTAINERS.values():
        group = attack.group_root() / SLICE / f"cri-containerd-{name}.scope"
        if group.is_dir():
            group.rmdir()
    if (attack.group_root() / SLICE).is_dir():
        (attack.group_root() / SLICE).rmdir()


def prepare(folder: Path) -> None:
    """The site, its data, and what only an intruder would look at."""
    for place in ("site", "data", "log", "private", "spool"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for number in range(PAGES):
        (folder / f"site/page{number}.html").write_text(f"<p>{number}</p>" * 50)
    for number in range(8):
        (folder / f"data/table{number}.csv").write_text("a,b\n1,2\n" * 200)
    for name in ("customers.sql", "keys.pem"):
        (folder / f"private/{name}").write_text("nothing of worth\n")


def run(*words: str) -> None:
    """A program to its end, whatever it answers."""
    subprocess.run(words, timeout=10, check=False, **QUIET)  # type: ignore[call-overload]


# --- normal work ---------------------------------------------------------------------------


class Site(http.server.BaseHTTPRequestHandler):
    """Pages from files, a query to the database now and then, a log, and the way in."""

    folder = Path()

    def do_GET(self) -> None:
        name = Path(self.path).name
        page = self.folder / "site" / name
        body = page.read_bytes() if page.is_file() else b""
        if "query" in self.path:
            body = self._asked()
        if "export" in self.path:
            run("/bin/gzip", "-kf", str(self.folder / "data/table1.csv"))
        with (self.folder / "log/access.log").open("a") as log:
            log.write(f"{self.path}\n")
        self._answer(200 if body else 404, body)

    def do_POST(self) -> None:
        name = Path(self.path).name
        child = os.fork()
        if child == 0:
            code = 1
            try:
                ATTACKS[name](self.folder)
                code = 0
            except (OSError, KeyError, attack.CannotRun, subprocess.SubprocessError) as error:
                os.write(2, f"{name}: {error}\n".encode())
            finally:
                os._exit(code)
        fault = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self._answer(500 if fault else 200, b"done")

    def _asked(self) -> bytes:
        with socket.create_connection(("127.0.0.1", DATABASE_PORT), timeout=5) as peer:
            return peer.recv(16) or b"-"

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def web(folder: Path, port: int) -> None:
    """Serve until it is ended."""
    enter("web")
    Site.folder = folder
    http.server.HTTPServer(("127.0.0.1", port), Site).serve_forever()


def visit(port: int, seed: int, seconds: float) -> None:
    """Visitors: mostly pages, some queries, a few exports and dead links."""
    draw, end = random.Random(seed), time.monotonic() + seconds  # noqa: S311
    while time.monotonic() < end:
        kind = draw.choices(("page", "query", "export", "gone"), (80, 15, 4, 1))[0]
        path = f"/page{draw.randrange(PAGES)}.html" if kind == "page" else f"/{kind}"
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        asked.request("GET", path)
        asked.getresponse().read()
        asked.close()
        time.sleep(draw.uniform(0.01, 0.06))


def jobs(folder: Path, seed: int, seconds: float) -> None:
    """What cron would start: often, now and then, seldom."""
    enter("jobs")
    draw, end = random.Random(seed), time.monotonic() + seconds  # noqa: S311
    table = str(folder / "data/table2.csv")

    def rotated() -> None:
        log, old = folder / "log/jobs.log", folder / "log/jobs.log.1"
        log.touch()
        log.rename(old)
        with gzip.open(folder / "log/jobs.log.1.gz", "wb") as packed:
            packed.write(old.read_bytes())
        old.unlink()

    def spooled() -> None:
        file = folder / f"spool/job-{draw.randrange(10**6)}"
        file.write_text("x")
        file.unlink()

    work: dict[Callable[[], None], int] = {
        lambda: run("/bin/sh", "-c", f"sort {table} | uniq -c | tail -1"): 30,
        lambda: run("/usr/bin/sha256sum", str(folder / "data/table3.csv")): 30,
        lambda: run("/bin/cat", "/etc/hostname", "/etc/passwd"): 15,
        spooled: 15,
        lambda: run("/bin/tar", "-cf", str(folder / "spool/all.tar"), str(folder / "data")): 5,
        lambda: run("/usr/bin/find", str(folder / "site"), "-newer", table): 5,
        rotated: 2,
        lambda: run("/usr/bin/dpkg-query", "-l"): 2,
        lambda: run("/bin/sh", "-c", "df / > /dev/null; date > /dev/null"): 2,
    }
    while time.monotonic() < end:
        draw.choices(list(work), list(work.values()))[0]()
        time.sleep(draw.uniform(0.02, 0.15))


# --- attacks -------------------------------------------------------------------------------


def look_around(folder: Path) -> None:
    for words in (
        ("id",),
        ("uname", "-a"),
        ("cat", "/proc/mounts"),
        ("find", "/root", "-maxdepth", "1"),
    ):
        run(*words)  # fmt: skip


def take_private_files(folder: Path) -> None:
    for file in sorted((folder / "private").iterdir()):
        shutil.copyfile(file, f"/tmp/{file.name}.haechi-bench")
        Path(f"/tmp/{file.name}.haechi-bench").unlink()


def try_neighbours(folder: Path) -> None:
    for port in (22, 2379, 3306, 6379, 10_250):
        with socket.socket() as peer:
            peer.settimeout(0.2)
            peer.connect_ex(("127.0.0.1", port))


def listen_behind(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 4444)):
        time.sleep(0.05)


def erase_traces(folder: Path) -> None:
    (folder / "log/access.log").unlink(missing_ok=True)


def read_configuration(folder: Path) -> None:
    for name in ("/etc/passwd", "/etc/group", "/etc/fstab", "/etc/ssh/sshd_config", "/etc/crontab"):
        if Path(name).is_file():
            Path(name).read_bytes()


def shell(folder: Path) -> None:
    run("/bin/bash", "-c", "echo owned > /dev/null; ls / > /dev/null")


def of_examples(name: str) -> Callable[[Path], None]:
    """A step of examples/attack.py, in a folder of its own."""
    step = next(one for one in attack.STEPS if one.name == name)

    def work(folder: Path) -> None:
        place = Path("/tmp/haechi-bench-attack")
        place.mkdir(exist_ok=True)
        try:
            step.run(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    return work


ATTACKS: dict[str, Callable[[Path], None]] = {
    "look-around": look_around,
    "private-files": take_private_files,
    "try-neighbours": try_neighbours,
    "listen": listen_behind,
    "erase-log": erase_traces,
    "read-configuration": read_configuration,
    "shell": shell,
    **{name: of_examples(name) for name in FROM_EXAMPLES},
}


def attacked(port: int, pause: float = 0.7) -> list[tuple[str, int, int, bool]]:
    """Do each of them: (name, began, ended (ns), whether it went well)."""
    done = []
    for name in ATTACKS:
        began = time.time_ns()
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        asked.request("POST", f"/attack/{name}")
        well = asked.getresponse().status == 200
        asked.close()
        time.sleep(pause)
        done.append((name, began, time.time_ns(), well))
    return done


def main(words: list[str]) -> None:
    """One of the parts."""
    match words:
        case ["web", folder, port]:
            web(Path(folder), int(port))
        case ["jobs", folder, seed, seconds]:
            jobs(Path(folder), int(seed), float(seconds))
        case ["visit", port, seed, seconds]:
            visit(int(port), int(seed), float(seconds))
        case ["attack", port]:
            print(json.dumps(attacked(int(port))))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
