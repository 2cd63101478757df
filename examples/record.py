"""Record the example attack: sensor, quiet work and attack together, made fit to be published.

    sudo .venv/bin/python -m examples.record examples/attack.events.jsonl

What ends up in the file: the events of the attack and of a few ordinary commands run before it
(some of which come close: ``su`` reads the password hashes, too). What does not: events of
anybody else on the machine, its name, its folders, and fields that no rule of the pack asks.

The attack runs in a control group that is named as a container's. No container runtime is there to
be asked whose it is: what one would answer (a pod of the sample shop, POD) is written to its
events afterwards.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from examples import attack

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 300_000
NODE = "node-1"
WORK = "-m examples.record --work"
POD = {
    "k8s.ns.name": "shop",
    "k8s.pod.name": "cart-7d4b9c8f6d-x2x4z",
    "container.name": "cart",
    "container.image.repository": "registry.shop.example/cart",
    "container.image.tag": "latest",
}
QUIET_WORK = (
    ("/bin/ls", "/etc"),
    ("/bin/cat", "/etc/passwd"),
    ("/usr/bin/id",),
    ("/bin/su", "root", "-c", "true"),
    ("/bin/sh", "-c", "umask"),
)
"""Commands that must set off nothing."""
_KEPT = re.compile(
    r"(proc\.(name|exe|exepath|cmdline|args|pname|pcmdline|aname|tty|pid|ppid|vpid|env|cwd"
    r"|apid|is_exe_upper_layer|is_exe_from_memfd)|user\.(name|uid|loginuid)|group\.gid|evt\.(res|rawres)"
    r"|evt\.arg\..+|fd\..+|container\.(id|name|image\.repository|privileged)|k8s\..+)\Z"
)
_DULL = frozenset({"evt.arg.tid", "evt.arg.pid", "evt.arg.ptid", "evt.arg.comm", "evt.arg.cwd"})
_DULL_TYPES = frozenset({"clone", "procexit", "close", "fchdir", "chdir", "socket"})


def main(words: Sequence[str]) -> int:
    """Exit code 0 when the file was written, 2 when it could not be."""
    if len(words) != 1 or os.geteuid() != 0:
        print("record: python -m examples.record FILE, as root", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.jsonl"
        recorded(raw)
        lines = [json.loads(line) for line in raw.read_text(encoding="utf-8").splitlines()]
    text = "".join(f"{json.dumps(one, separators=(',', ':'))}\n" for one in published(lines))
    if not text or len(text) > LARGEST:
        print(f"record: {len(text):,} bytes, of {LARGEST:,} that may be", file=sys.stderr)
        return 2
    Path(words[0]).write_text(text, encoding="utf-8")
    print(f"record: {text.count(chr(10))} events, {len(text):,} bytes")
    return 0


def recorded(raw: Path) -> None:
    """Run it all, with every event of the machine in a file."""
    sensor = subprocess.Popen(
        [sys.executable, "-m", "haechi", "sensor", "--record", str(raw), "--no-builtin"]
        + ["--watch", "/etc/", "--watch", "/proc/", "--watch", "/run/secrets/"],
        cwd="/",
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(6)
        subprocess.run([sys.executable, *WORK.split()], cwd=ROOT, check=False, timeout=120)
        time.sleep(3)
    finally:
        sensor.terminate()
        sensor.wait(timeout=30)


def do_work() -> int:
    for command in QUIET_WORK:
        subprocess.run(command, check=False, **attack.QUIET)  # type: ignore[call-overload]
    return attack.main(["--json", "--pause", "0.1", "--in-container"])


def published(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events of the work, without what is nobody's business."""
    number = 0
    for event in sorted(events, key=lambda one: one["ts_ns"]):
        fields = event["fields"]
        ours = [str(line) for line in fields.get("proc.acmdline", [])]
        if not any(line.endswith(WORK) for line in ours):
            continue
        if event["type"] in _DULL_TYPES or _is_dull(event):
            continue
        number += 1
        kept = {
            key: value for key, value in fields.items() if _KEPT.match(key) and key not in _DULL
        }
        if event.get("container_id"):
            event["namespace"] = POD["k8s.ns.name"]
            kept |= POD
        yield _neutral({**event, "id": f"attack-{number}", "node": NODE, "fields": kept})


def _is_dull(event: dict[str, Any]) -> bool:
    """What every program does when it starts, and what this interpreter does."""
    fields = event["fields"]
    name = str(fields.get("fd.name", ""))
    flags = str(fields.get("evt.arg.flags"))
    reading = event["type"].startswith("open") and "O_RDONLY" in flags
    libraries = ("/lib", "/usr/lib", "/etc/ld.so", "/usr/share", "/proc/filesystems", "/proc/self")
    return reading and (name.startswith(libraries) or name.endswith((".py", ".pyc")) or not name)


def _neutral(event: dict[str, Any]) -> dict[str, Any]:
    """This machine's folders and its first process by common names."""
    text = json.dumps(event)
    python = sysconfig.get_config_var("prefix")
    for own, common in ((str(ROOT), "/opt/haechi"), (python, "/usr"), (sys.prefix, "/usr")):
        text = text.replace(str(own), common)
    event = json.loads(text)
    names = event["fields"].get("proc.aname", [])
    last = max((at for at, name in enumerate(names) if name.startswith("python")), default=0)
    event["fields"]["proc.aname"] = [*names[: last + 1], "systemd"]
    if pids := event["fields"].get("proc.apid"):
        event["fields"]["proc.apid"] = [*pids[: last + 1], 1]
    if event["fields"].get("proc.ppid") == 1:
        event["fields"] |= {"proc.pname": "systemd", "proc.pcmdline": "/sbin/init"}
    return dict(event)


if __name__ == "__main__":
    sys.exit(do_work() if sys.argv[1:] == ["--work"] else main(sys.argv[1:]))
