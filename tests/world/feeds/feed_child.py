"""A sender in a process of its own: reads a log, makes its lines durable in another file, keeps its
place after that. ``python feed_child.py LOG OUT STATE N`` kills itself (as the kernel would) after
the N-th batch (the first is empty) is durable and before its place is kept; never for 0."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from haechi.world.feeds.checkpoint import CheckpointFile
from haechi.world.feeds.follow import follow


def main(log: Path, out: Path, state: Path, dies_after: int) -> None:
    checkpoints = CheckpointFile(state)
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    batches = follow(log, start=checkpoints.load(), stop=threading.Event(), patience_s=0.1)
    for number, batch in enumerate(batches, 1):
        os.write(descriptor, b"".join(line.data + b"\n" for line in batch.lines))
        os.fsync(descriptor)
        if number == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if batch.checkpoint is not None:
            checkpoints.save(batch.checkpoint)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
