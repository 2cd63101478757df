"""Verify an audit log from its files, an anchor from outside, and what was seen before.

Reads segments and heads, never the index or a database, and trusts nothing in the folder: the
anchor, the witness and the head that was seen come from the caller. Memory stays bounded for
logs of any length.
"""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from haechi.engines.merkle import Frontier, leaf_hash
from haechi.errors import AuditError
from haechi.store.audit import links
from haechi.store.audit.keys import Anchor
from haechi.store.audit.verify_chain import Chain, Statement, compare_witness
from haechi.store.audit.verify_order import Order
from haechi.store.audit.verify_private import PrivateValues
from haechi.store.audit.verify_records import Segments, Token
from haechi.store.audit.verify_report import Findings, Kind, Report, Result

_SLACK = dt.timedelta(seconds=5)
"""Records of several threads may be a little out of order without the clock being wrong."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A head that somebody noted: so many records had this root (hexadecimal)."""

    size: int
    root: str


def verify(
    folder: Path,
    *,
    anchor: Anchor | None,
    witness: Path | None = None,
    seen: Seen | None = None,
) -> Report:
    """Judge the log in ``folder`` (a store's ``audit``). Raises AuditError when there is none or
    its files cannot be read."""
    heads = folder / "heads.log"
    if not heads.exists() and not list(folder.glob("segment-*.log")):
        raise AuditError("there is no audit log here", where=str(folder))
    try:
        _require_files(folder)
        return _Run(folder, seen).run(anchor, witness)
    except OSError as error:
        raise AuditError("the audit log cannot be read", why=str(error)) from error


def _require_files(folder: Path) -> None:
    """A pipe in a segment's place would keep the verifier waiting for ever."""
    for path in folder.glob("*.log"):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise AuditError(
                f"{path.name} is not a file", why="somebody put a link or a pipe in its place"
            )


def read_seen(data: bytes) -> Seen:
    """The head in a file: a signed one, a proof that has one, or an object with ``size`` and
    ``root`` as the API gives it. Raises AuditError."""
    try:
        value = msgspec.json.decode(data[: 8 << 20])
        if isinstance(value, dict) and isinstance(value.get("head"), dict):
            value = value["head"]
        if isinstance(value, dict) and "payloadType" in value:
            link = links.read(msgspec.json.encode(value)).link
            return Seen(size=link.size, root=link.root)
        return msgspec.convert(value, Seen)
    except (ValueError, RecursionError) as error:
        raise AuditError("this is no head of an audit log", why=str(error)) from error


class _Run:
    """One verification."""

    def __init__(self, folder: Path, seen: Seen | None) -> None:
        self._folder, self._seen = folder, seen
        self._findings = Findings()
        self._tree = Frontier()
        self._order = Order(self._findings)
        self._spoiled = False
        self._vouched, self._root = 0, ""
        self._latest: dt.datetime | None = None
        self._back = 0
        self._back_at: int | None = None

    def run(self, anchor: Anchor | None, witness: Path | None) -> Report:
        heads = self._folder / "heads.log"
        # An owner may be writing. It makes private values durable before records and records
        # before heads, so lengths are taken the other way round.
        chain = Chain(heads, self._findings)
        segments = Segments(self._folder, self._findings)
        self._private = PrivateValues(self._folder / "private", self._findings)
        tokens = segments.tokens()
        if heads.exists():
            statements = chain.read()
            for statement in statements:
                self._upto(statement, tokens)
        else:
            self._findings.fault(Kind.HEADS_MISSING, "the signed heads are gone", file="heads.log")
        self._rest(tokens)
        self._end(segments, chain)
        chain.judge(anchor)
        if witness is not None:
            self._witness(heads, witness, chain)
        elif self._seen is None:
            self._findings.warn(
                Kind.NO_WITNESS,
                "no witness and no head seen before was given: records that were cut off the end"
                " together with their heads cannot be noticed",
            )
        return self._report(chain, anchor)

    def _upto(self, statement: Statement, tokens: Iterator[Token]) -> None:
        """Read the records that a head covers, and compare roots."""
        link = statement.signed.link
        first = self._tree.size
        where: Token | None = None
        while self._tree.size < link.size:
            token = next(tokens, None)
            if token is None:
                break
            where = where or token
            self._take(token)
        if self._tree.size < link.size or self._spoiled or self._tree.size > link.size:
            return
        if self._tree.root().hex() == link.root:
            if statement.holds:
                self._vouched, self._root = link.size, link.root
            return
        self._spoiled = True
        if not self._order.spoiled:
            self._findings.fault(
                Kind.RECORD_CHANGED,
                f"records {first} to {link.size - 1} are not those that head {link.counter} was"
                " signed over; nothing from there on is vouched for",
                seq=first,
                last=link.size - 1,
                file=where.file if where else "",
                offset=where.offset if where else None,
            )

    def _rest(self, tokens: Iterator[Token]) -> None:
        for token in tokens:
            self._take(token)

    def _take(self, token: Token) -> None:
        entry = token.entry
        self._tree.append(leaf_hash(token.raw))
        self._order.take(entry["seq"] if entry else None, token)
        if self._seen and self._tree.size == self._seen.size:
            self._compare_seen(self._seen)
        if entry:
            self._clock(entry)
            if entry["private"] or entry["action"] == "audit.redact":
                self._private.take(entry)

    def _clock(self, entry: dict[str, Any]) -> None:
        try:
            at = dt.datetime.fromisoformat(entry["at"])
        except ValueError:
            self._findings.fault(Kind.RECORD_CHANGED, "a time is no time", seq=entry["seq"])
            return
        if at.tzinfo is None:
            at = at.replace(tzinfo=dt.UTC)
        if self._latest and at < self._latest - _SLACK:
            self._back += 1
            self._back_at = entry["seq"] if self._back_at is None else self._back_at
        self._latest = max(at, self._latest or at)

    def _compare_seen(self, seen: Seen) -> None:
        if self._tree.root().hex() != seen.root.lower():
            self._findings.fault(
                Kind.SEEN_HEAD,
                f"the first {seen.size} records are not those of the head that was seen before",
                seq=0,
                last=seen.size - 1,
            )

    def _end(self, segments: Segments, chain: Chain) -> None:
        """What only the end tells."""
        signed = chain.last.link.size if chain.last else 0
        count = self._tree.size
        self._order.end(signed)
        if segments.torn:
            self._torn(segments.torn, short=count < signed)
        if count < signed:
            self._findings.fault(
                Kind.TRUNCATED,
                f"{signed} records were signed, {count} are there",
                seq=count,
                last=signed - 1,
            )
        elif count > signed:
            self._findings.warn(
                Kind.UNSIGNED, f"{count - signed} records came after the newest head", seq=signed
            )
        if self._seen and count < self._seen.size:
            self._findings.fault(
                Kind.TRUNCATED,
                f"{self._seen.size} records were seen before, {count} are there",
                seq=count,
                last=self._seen.size - 1,
            )
        if segments.logs - {chain.log} and chain.log:
            self._findings.fault(Kind.SEGMENT_CHANGED, "a segment is of another audit log")
        if self._back:
            self._findings.warn(
                Kind.CLOCK,
                f"{self._back} records are more than {_SLACK.seconds} s older than one before",
                seq=self._back_at,
            )
        self._private.end()

    def _torn(self, torn: tuple[str, int, int], *, short: bool) -> None:
        name, offset, length = torn
        if short:
            what = f"the last {length} bytes are no records any more"
            self._findings.fault(Kind.RECORD_CHANGED, what, file=name, offset=offset)
        else:
            what = f"the last {length} bytes are an unfinished write, which nobody was told of"
            self._findings.warn(Kind.TORN, what, file=name, offset=offset)

    def _witness(self, heads: Path, witness: Path, chain: Chain) -> None:
        if not witness.exists():
            raise AuditError("the witness cannot be read", where=str(witness))
        if heads.exists():
            compare_witness(heads, witness, chain.keys, self._findings)

    def _report(self, chain: Chain, anchor: Anchor | None) -> Report:
        found = self._findings
        unreadable = any(note.kind is Kind.WITNESS_UNREADABLE for note in found.warnings)
        result = Result.VERIFIED
        if found.failed:
            result = Result.FAILED
        elif anchor is None or unreadable:
            result = Result.INCOMPLETE
        return Report(
            result=result,
            log=chain.log,
            records=self._tree.size,
            vouched=self._vouched,
            heads=chain.count,
            root=self._root,
            keys=[key.id for key in chain.keys],
            faults=found.faults,
            warnings=found.warnings,
            redacted=self._private.redacted,
            redactions=self._private.count,
            untold=found.untold,
        )
