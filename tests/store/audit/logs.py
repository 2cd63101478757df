"""Logs to test with, and the hands of somebody who changes their files.

The attacker here knows the format: lengths, checksums and frames are put right again, so that
only the tree and the signatures can tell.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haechi.store.audit.frames import (
    SEGMENT_BYTES,
    frame_header,
    read_frame,
    record_header,
    records,
)
from haechi.store.audit.log import AuditLog
from haechi.store.records import AuditEntry

START = dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)


@dataclass
class Clock:
    """Goes on by a second with each look, or as told."""

    now: dt.datetime = START
    step: dt.timedelta = field(default_factory=lambda: dt.timedelta(seconds=1))

    def __call__(self) -> dt.datetime:
        self.now += self.step
        return self.now


def entry(number: int, **more: Any) -> AuditEntry:
    """Some entry, told from others by its number."""
    given: dict[str, Any] = {
        "at": START + dt.timedelta(seconds=number),
        "actor": f"user:u{number % 3}",
        "action": ("finding.waive", "token.create", "token.revoke")[number % 3],
        "object": f"f-{number}",
        "detail": {"n": number},
    }
    return AuditEntry(**(given | more))


def opened(folder: Path, **more: Any) -> AuditLog:
    """A log that signs only when it is told to, and when it is closed."""
    given: dict[str, Any] = {"clock": Clock(), "every": 10**9, "within_s": 10**6}
    return AuditLog(folder, **(given | more))


def filled(folder: Path, *counts: int, **more: Any) -> AuditLog:
    """A log with a head after each count of further records."""
    log = opened(folder, **more)
    for count in counts:
        size = log.size
        log.append([entry(number) for number in range(size, size + count)])
        log.sign()
    return log


def segment(folder: Path, number: int = 0) -> Path:
    """The file of a segment."""
    return folder / "audit" / f"segment-{number:08d}.log"


def raw_records(path: Path) -> list[bytes]:
    """All records of a segment file."""
    data, at = path.read_bytes(), SEGMENT_BYTES
    found: list[bytes] = []
    while at < len(data):
        frame = read_frame(data, at)
        found += records(data, frame)
        at = frame.end
    return found


def rewrite(path: Path, content: Sequence[bytes], first: int = 0) -> None:
    """Write these records as a segment in which every length and checksum is right."""
    parts = [path.read_bytes()[:SEGMENT_BYTES]]
    for start in range(0, len(content), 256):
        part = content[start : start + 256]
        body = b"".join(record_header(one) + one for one in part)
        parts += [frame_header(first + start, first + start, len(part), len(body)), body]
    path.write_bytes(b"".join(parts))


def edit_records(folder: Path, change: Callable[[list[bytes]], object]) -> None:
    """Change the list of records of the first segment."""
    content = raw_records(segment(folder))
    change(content)
    rewrite(segment(folder), content)


def heads(folder: Path) -> list[dict[str, Any]]:
    """The chain's envelopes."""
    text = (folder / "audit" / "heads.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def edit_heads(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the list of envelopes."""
    found = heads(folder)
    change(found)
    lines = [json.dumps(one, sort_keys=True, separators=(",", ":")) + "\n" for one in found]
    (folder / "audit" / "heads.log").write_text("".join(lines))
