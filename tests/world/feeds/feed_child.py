"""A reader in a process of its own: makes the lines of a log durable in another file, and keeps its
place after that. ``python feed_child.py LOG OUT STATE N`` kills itself (as the kernel would) after
the N-th batch (the first is empty) is durable and before its place is kept; never for 0."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from haechi.world.feeds.follow import Follower
from haechi.world.feeds.lines import Checkpoint


def main(log: Path, out: Path, state: Path, dies_after: int) -> None:
    kept = Checkpoint.of(msgspec.json.decode(state.read_bytes())) if state.exists() else None
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    follower = Follower(log, start=kept, patience_s=0.1)
    number = 0
    while True:
        batch = follower.poll()
        if batch is None:
            time.sleep(0.02)
            continue
        number += 1
        os.write(descriptor, b"".join(line.data + b"\n" for line in batch.lines))
        os.fsync(descriptor)
        if number == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        beside = state.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(batch.checkpoint))
        beside.replace(state)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
