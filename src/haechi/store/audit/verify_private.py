"""Private values against the commitments in the records, and redactions against the log.

A folder without the private values (as an auditor may be given) is judged without them. A value
that was erased must have a record that says so; the record must have been obeyed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from haechi.store.audit.entries import commitment
from haechi.store.audit.private import Kept, private_name, values
from haechi.store.audit.verify_report import Findings, Kind, Redacted

_MOST = 100_000
_MOST_TOLD = 1000


class PrivateValues:
    """Walks the values beside the records. ``redacted`` are the first that were erased, ``count``
    how many were."""

    def __init__(self, folder: Path, findings: Findings) -> None:
        self._folder, self._findings = folder, findings
        self._rest = self._all()
        self._ahead = next(self._rest, None)
        self._present = folder.is_dir()
        self._absent = 0
        self._erased: set[tuple[int, str]] = set()
        self._logged: set[tuple[int, str]] = set()
        self.count = 0
        self.redacted: list[Redacted] = []

    def take(self, entry: dict[str, Any]) -> None:
        """A record with private values, or one about a redaction."""
        if entry["action"] == "audit.redact":
            self._note(entry)
        seq = entry["seq"]
        wanted = dict(entry["private"])
        if not wanted:
            return
        if not self._present:
            self._absent += len(wanted)
            return
        while self._ahead and self._ahead.seq <= seq:
            kept, self._ahead = self._ahead, next(self._rest, None)
            if kept.seq == seq and kept.name in wanted:
                self._compare(kept, wanted.pop(kept.name))
        for name in wanted:
            self._findings.fault(
                Kind.PRIVATE_REMOVED, f"the private value {name!r} of record {seq} is gone", seq=seq
            )

    def end(self) -> None:
        """Compare what was erased with what was logged."""
        for seq, name in sorted(self._erased - self._logged):
            what = (
                f"the private value {name!r} of record {seq} was erased, and nothing says by whom"
            )
            self._findings.fault(Kind.REDACTION, what, seq=seq)
        if self._absent:
            self._findings.warn(
                Kind.PRIVATE_ABSENT,
                f"{self._absent} private values are not here and were not compared",
            )
        elif self._present:
            for seq, name in sorted(self._logged - self._erased):
                what = f"the redaction of {name!r} of record {seq} was logged, but not finished"
                self._findings.warn(Kind.REDACTION_UNFINISHED, what, seq=seq)

    def _note(self, entry: dict[str, Any]) -> None:
        name = entry["detail"].get("name")
        if isinstance(name, str) and entry["object"].isdecimal() and len(self._logged) < _MOST:
            self._logged.add((int(entry["object"][:18]), name))

    def _compare(self, kept: Kept, told: str) -> None:
        if kept.secret is None:
            self.count += 1
            if len(self._erased) < _MOST:
                self._erased.add((kept.seq, kept.name))
            if len(self.redacted) < _MOST_TOLD:
                self.redacted.append(Redacted(kept.seq, kept.name))
        elif commitment(kept.secret.salt, kept.name, kept.secret.value) != told:
            what = f"the private value {kept.name!r} of record {kept.seq} is not what was logged"
            self._findings.fault(Kind.PRIVATE_CHANGED, what, seq=kept.seq)

    def _all(self) -> Iterator[Kept]:
        numbers = sorted(int(path.stem[8:]) for path in self._folder.glob("private-????????.log"))
        for number in numbers:
            yield from values(self._folder / private_name(number))
