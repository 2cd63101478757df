"""What a verification found: faults and warnings with their place, and what holds."""

from __future__ import annotations

from enum import StrEnum

import msgspec

MOST = 100
"""So many faults, and as many warnings, are told one by one; the rest is counted."""


class Result(StrEnum):
    """``incomplete``: nothing is wrong in itself, but by whom it was signed cannot be told."""

    VERIFIED = "verified"
    FAILED = "failed"
    INCOMPLETE = "incomplete"


class Kind(StrEnum):
    """What can be wrong, or be said."""

    RECORD_CHANGED = "record-changed"
    RECORD_REMOVED = "record-removed"
    RECORD_INSERTED = "record-inserted"
    REORDERED = "record-reordered"
    TRUNCATED = "truncated"
    SEGMENT_MISSING = "segment-missing"
    SEGMENT_CHANGED = "segment-changed"
    HEADS_MISSING = "heads-missing"
    HEAD_CHANGED = "head-changed"
    HEAD_CHAIN = "head-chain"
    SIGNATURE_FORGED = "signature-forged"
    SIGNATURE_STRIPPED = "signature-stripped"
    DOWNGRADE = "algorithm-downgrade"
    KEY_SWAP = "key-swap"
    ROTATION_FORGED = "rotation-forged"
    WITNESS = "witness-disagrees"
    SEEN_HEAD = "seen-head-disagrees"
    PRIVATE_CHANGED = "private-changed"
    PRIVATE_REMOVED = "private-removed"
    REDACTION = "redaction-not-logged"
    PROOF = "proof-wrong"
    # warnings
    NO_ANCHOR = "no-anchor"
    NO_WITNESS = "no-witness"
    UNSIGNED = "unsigned-records"
    TORN = "torn-tail"
    CLOCK = "clock-backwards"
    REDACTION_UNFINISHED = "redaction-unfinished"
    WITNESS_UNREADABLE = "witness-unreadable"
    PRIVATE_ABSENT = "private-absent"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One fault or warning. ``seq`` is the record (the first of several, up to ``last``),
    ``offset`` the byte in ``file``."""

    kind: Kind
    what: str
    seq: int | None = None
    last: int | None = None
    file: str = ""
    offset: int | None = None


class Redacted(msgspec.Struct, frozen=True):
    """A private value that was erased."""

    seq: int
    name: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it. ``vouched`` records are covered by the newest head that holds; ``keys``
    are the ids of the keys that signed, oldest first. ``untold`` counts notes beyond MOST."""

    result: Result
    log: str
    records: int
    vouched: int
    heads: int
    root: str
    keys: list[str]
    faults: list[Note]
    warnings: list[Note]
    redacted: list[Redacted]
    redactions: int
    untold: int


class Findings:
    """Gathers notes while files are read; bounded."""

    def __init__(self) -> None:
        self.faults: list[Note] = []
        self.warnings: list[Note] = []
        self.untold = 0
        self.failed = False

    def fault(
        self,
        kind: Kind,
        what: str,
        *,
        seq: int | None = None,
        last: int | None = None,
        file: str = "",
        offset: int | None = None,
    ) -> None:
        """Something does not hold."""
        self.failed = True
        self._put(self.faults, kind, what, seq, last, file, offset)

    def warn(
        self,
        kind: Kind,
        what: str,
        *,
        seq: int | None = None,
        file: str = "",
        offset: int | None = None,
    ) -> None:
        """Something to know; it does not say that the log is wrong."""
        self._put(self.warnings, kind, what, seq, None, file, offset)

    def _put(
        self,
        to: list[Note],
        kind: Kind,
        what: str,
        seq: int | None,
        last: int | None,
        file: str,
        offset: int | None,
    ) -> None:
        if len(to) >= MOST:
            self.untold += 1
            return
        to.append(Note(kind=kind, what=what, seq=seq, last=last, file=file, offset=offset))
