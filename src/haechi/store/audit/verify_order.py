"""Are all records there, once, in their order? Told by the numbers that they carry."""

from __future__ import annotations

from haechi.store.audit.verify_records import Token
from haechi.store.audit.verify_report import Findings, Kind

_MOST_GAPS = 1000


class _Gap:
    """Numbers that did not come where they should have."""

    __slots__ = ("file", "first", "offset", "stop")

    def __init__(self, first: int, stop: int, token: Token) -> None:
        self.first, self.stop = first, stop
        self.file, self.offset = token.file, token.offset


class Order:
    """Takes records in the order of the files. ``spoiled`` tells that some were out of order,
    missing or unreadable, which explains roots that do not match."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._expected = 0
        self._gaps: list[_Gap] = []
        self.spoiled = False

    def take(self, seq: int | None, token: Token) -> None:
        """The next record; ``seq`` None when it cannot be read."""
        if seq == self._expected:
            self._expected += 1
            return
        self.spoiled = True
        if seq is None:
            self._changed(token)
        elif seq > self._expected:
            if len(self._gaps) < _MOST_GAPS:
                self._gaps.append(_Gap(self._expected, seq, token))
            self._expected = seq + 1
        elif self._filled(seq):
            self._findings.fault(
                Kind.REORDERED,
                f"record {seq} stands after a later one",
                seq=seq,
                file=token.file,
                offset=token.offset,
            )
        else:
            self._findings.fault(
                Kind.RECORD_INSERTED,
                f"record {seq} stands here a second time",
                seq=seq,
                file=token.file,
                offset=token.offset,
            )

    def end(self, signed: int) -> None:
        """No more records. ``signed`` of them were covered by heads."""
        for gap in self._gaps:
            count = gap.stop - gap.first
            names = str(gap.first) if count == 1 else f"{gap.first} to {gap.stop - 1}"
            verb = "is" if count == 1 else "are"
            self._findings.fault(
                Kind.RECORD_REMOVED,
                f"record{'s' if count > 1 else ''} {names} {verb} missing",
                seq=gap.first,
                last=gap.stop - 1,
                file=gap.file,
                offset=gap.offset,
            )

    def _changed(self, token: Token) -> None:
        self._findings.fault(
            Kind.RECORD_CHANGED,
            f"record {self._expected} was changed",
            seq=self._expected,
            file=token.file,
            offset=token.offset,
        )
        self._expected += 1

    def _filled(self, seq: int) -> bool:
        """True when the number was missing; it is no longer."""
        for place, gap in enumerate(self._gaps):
            if gap.first <= seq < gap.stop:
                rest = []
                for first, stop in ((gap.first, seq), (seq + 1, gap.stop)):
                    if first < stop:
                        part = _Gap.__new__(_Gap)
                        part.first, part.stop = first, stop
                        part.file, part.offset = gap.file, gap.offset
                        rest.append(part)
                self._gaps[place : place + 1] = rest
                return True
        return False
