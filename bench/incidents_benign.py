"""Ordinary work on this machine, recorded by the live sensor (root), as incidents see it.

What is done is what machines do all day: packages installed and removed, environments made,
repositories cloned, programs compiled and tested, logs rotated, daily jobs run. Each job is made
to look as if cron or a login had started it, so that jobs have nothing in common that this bench
put there. The recording can be kept and judged again: ``--recording FILE``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.measure import HAECHI
from haechi.model.access import EVERYWHERE
from haechi.model.event import Event

JOBS = (
    "apt-get update -qq",
    "apt-get install -y -qq --no-install-recommends hello",
    "dpkg -l | wc -l; dpkg -V hello",
    "apt-get purge -y -qq hello",
    "python3 -m venv --without-pip env && env/bin/python -c 'import json, ssl, sqlite3'",
    "pip download -q --no-deps -d wheels attrs && pip install -q --no-deps -t lib wheels/*",
    "git init -q repo && cd repo && git config user.email a@b.c && git config user.name a"
    " && seq 1000 > n && git add n && git commit -qm first && git gc -q",
    "git clone -q repo clone && cd clone && git log --stat | tail -1",
    "printf 'int main(void){return 0;}' > a.c && gcc -O2 -o a.out a.c && ./a.out",
    "printf 'all:\\n\\tgcc -c a.c -o a.o\\n' > Makefile && make -s",
    'node -e \'require("fs").readdirSync("/usr/lib")\'',
    "npm --version",
    "perl -e 'print sort <STDIN>' < /etc/services | md5sum",
    "find /usr/share/doc -name copyright | xargs grep -l GPL | wc -l",
    "tar czf doc.tgz /usr/share/doc/bash && tar tzf doc.tgz | wc -l",
    "curl -sS -o page http://127.0.0.1:9/ ; true",
    "ssh-keygen -q -t ed25519 -N '' -f key && ssh-keygen -lf key.pub",
    "su root -c 'id; crontab -l; true'",
    "run-parts --test /etc/cron.daily; dpkg --audit; true",
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=x -days 1",
    "python3 -c 'import http.client as h; h.HTTPConnection(\"127.0.0.1\", 9)'",
    "ps aux | head; ss -tln; df -h; free -m; uptime; who; last | head -3; true",
    "sh -c 'for i in 1 2 3; do date; sleep 0.2; done'",
    "sed -n 1,5p /etc/passwd; getent passwd root; id; groups; hostname; uname -a",
    "touch f && chmod 600 f && mv f g && ln -s g h && rm g h",
)
_DRIVER = """
import os, subprocess, sys, time, json
jobs, ends, folder = json.loads(sys.argv[1]), time.time() + float(sys.argv[2]), sys.argv[3]
sys.stdin.readline()
turn = 0
while time.time() < ends:
    for number, job in enumerate(jobs):
        place = os.path.join(folder, str(turn))
        os.makedirs(place, exist_ok=True)
        subprocess.run(["/bin/sh", "-c", job], cwd=place, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(turn, number, flush=True)
        if time.time() > ends:
            break
    turn += 1
"""


def recorded(target: Path, seconds: float) -> int:
    """Do the work under the sensor's eyes; how many jobs were done."""
    with tempfile.TemporaryDirectory(prefix="work-") as folder:
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "HOME": folder}
        driver = subprocess.Popen(
            [sys.executable, "-c", _DRIVER, json.dumps(JOBS), str(seconds), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        sensor = subprocess.Popen(
            [*HAECHI, "sensor", "--record", str(target), "--pid-tree", str(driver.pid)],
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        try:
            time.sleep(8)  # until it watches
            assert driver.stdin is not None and driver.stdout is not None
            driver.stdin.write("go\n")
            driver.stdin.close()
            done = len(driver.stdout.read().split("\n")) - 1
            driver.wait(timeout=60)
            time.sleep(3)
        finally:
            driver.kill()
            driver.wait()
            sensor.send_signal(signal.SIGTERM)
            sensor.wait(timeout=60)
            if driver.stdout is not None:
                driver.stdout.close()
        _cut(target, driver.pid)
    return done


def _cut(target: Path, driver: int) -> None:
    """Have every job begin at its own shell, below cron."""
    lines = target.read_text(encoding="utf-8").splitlines()
    with target.open("w", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps(_below(json.loads(line), driver)) + "\n")


def _below(event: dict[str, Any], driver: int) -> dict[str, Any]:
    fields = event["fields"]
    pids = fields.get("proc.apid", [])
    if driver not in pids:
        return event
    place = pids.index(driver)
    for name in ("proc.apid", "proc.aname", "proc.aexe", "proc.aexepath", "proc.acmdline"):
        if name in fields:
            fields[name] = [*fields[name][:place], 1 if name == "proc.apid" else "cron"]
    if place == 1:
        fields["proc.ppid"], fields["proc.pname"], fields["proc.pcmdline"] = 1, "cron", "cron"
    return event


def events_of(recording: Path) -> Iterator[list[Event]]:
    """The events, in batches."""
    batch: list[Event] = []
    with recording.open(encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            told.pop("schema", None)
            batch.append(msgspec.convert(told, Event))
            if len(batch) >= 5_000:
                yield batch
                batch = []
    if batch:
        yield batch


def judge(folder: Path, recording: Path) -> None:
    """By the default rules: detections, and what incidents they make."""
    from bench.incidents_kill import opened
    from haechi.server.work.intake import take
    from haechi.store.state.incidents_records import IncidentFilter

    store, world = opened(folder)
    try:
        number, rules = 0, Counter[str]()
        first, last = 2**63, 0
        for batch in events_of(recording):
            encoded = store.events.encode_events(batch)
            taken = take(world, encoded, (EVERYWHERE,), world.clock()).result()
            number += taken.accepted
            rules.update(taken.by_rule)
            first = min(first, batch[0].ts_ns)
            last = max(last, batch[-1].ts_ns)
        world.correlating.drain(world)
        print(f"benign: {number:,} events in {(last - first) / 60e9:.1f} minutes of ordinary work")
        print(f"  detections {rules.total()}: {dict(rules.most_common(10))}")
        found = list(store.state.incidents.each(IncidentFilter(), within=(EVERYWHERE,)))
        print(f"  incidents {len(found)} (budget: 1 a node and day)")
        for one in found:
            print(f"    {one.level} {one.detections}x {one.title} {one.rules}")
    finally:
        store.close()
