"""The signed audit log, for the one process that writes it.

``append`` returns when the records are on the disk; calls of several threads share one write and
one sync. Heads are signed behind it, by a thread, every ``every`` records or ``within_s``
seconds and at the close: two signatures cost more than a thousand records. What is not signed
yet is told (``head().unsigned``).
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from haechi.engines.merkle import leaf_hash
from haechi.engines.signing import SigningKey
from haechi.errors import AuditError, HaechiError, NotFound, StoreError
from haechi.store.audit import keys, links, private, proofs
from haechi.store.audit.archive import Archive
from haechi.store.audit.entries import Draft, draft, moment, stored
from haechi.store.audit.frames import BLOCK, frame_header, record_header
from haechi.store.audit.heads import Heads, Witness
from haechi.store.audit.links import Kind, Link, Signed
from haechi.store.audit.opening import opened
from haechi.store.audit.rows import SCAN, Ask, Found, find
from haechi.store.audit.segments import Segments
from haechi.store.audit.signer import Signer
from haechi.store.audit.tip import Line, Place, Tip
from haechi.store.folder import storage_errors
from haechi.store.records import AuditEntry, AuditRow

_log = logging.getLogger(__name__)
EVERY, WITHIN_S = 1024, 60.0


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest signed statement. ``unsigned`` records came after it; ``problem`` says why no
    newer one could be signed, ``witness_problem`` why the witness lags behind."""

    size: int
    root: str
    at: dt.datetime
    previous: str
    keys: list[str]
    algorithms: list[str]
    unsigned: int
    counter: int
    log: str
    problem: str = ""
    witness_problem: str = ""


class _Ticket:
    """What one call of ``append`` waits for."""

    __slots__ = ("done", "drafts", "error", "numbers")

    def __init__(self, drafts: list[Draft]) -> None:
        self.drafts = drafts
        self.numbers = range(0)
        self.error: HaechiError | None = None
        self.done = False


class AuditLog:
    """The log of the store in ``folder``, made when there is none. One process opens it at a
    time (the store's lock sees to that). ``torn`` is how many bytes of an unfinished write were
    cut off; nobody was told that they had been logged.

    Raises AuditError when what was logged is damaged or its key is missing, StoreError when the
    disk fails.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], dt.datetime],
        witness: Path | None = None,
        every: int = EVERY,
        within_s: float = WITHIN_S,
    ) -> None:
        self._clock = clock
        self._keys = folder / "keys"
        self.folder = folder / "audit"
        self._passphrase = keys.passphrase_from()
        parts = opened(self.folder, self._begin, self._load)
        self._heads: Heads = parts.heads
        self._archive: Archive = parts.archive
        self._segments: Segments = parts.segments
        self._key: SigningKey = parts.key
        self.torn: int = parts.torn
        self._witness: Witness | None = None
        self._queue: list[_Ticket] = []
        self._turn = threading.Condition()
        self._writing = self._closed = self._unsure = False
        self._chain = threading.RLock()
        self._erasing = threading.Lock()
        self._signer = Signer(self._unsigned, self.sign, every=every, within_s=within_s)
        try:
            if self._last.link.old:
                keys.drop_key(self._keys, self._last.link.old.id)  # a crash may have kept it
            self._finish_redaction()
            if witness:
                self.use_witness(witness)
        except BaseException:
            self._close_files()
            raise

    # --- writing

    def append(self, entries: Sequence[AuditEntry]) -> range:
        """Log the entries, all or none; their numbers, once they are durable. Thread-safe.

        Raises AuditError for an entry that cannot be logged, StoreFull or StoreError when the
        disk does not take them.
        """
        ticket = _Ticket([draft(entry) for entry in entries])
        with self._turn:
            if self._closed:
                raise StoreError("the audit log is closed")
            self._queue.append(ticket)
            while self._writing and not ticket.done:
                self._turn.wait()
            if not ticket.done:
                self._writing = True
                group, self._queue = self._queue, []
        if not ticket.done:
            self._write(group)
        if ticket.error:
            raise ticket.error
        return ticket.numbers

    def _write(self, group: list[_Ticket]) -> None:
        """Commit what waits, as one group, and wake who waits for it."""
        error: HaechiError | None = StoreError("the audit log could not be written")
        first = self._archive.tip.size
        try:
            self._commit([one for ticket in group for one in ticket.drafts])
            error = None
        except HaechiError as fault:
            error = fault
        finally:
            with self._turn:
                for ticket in group:
                    ticket.numbers = range(first, first + len(ticket.drafts))
                    first = ticket.numbers.stop
                    ticket.error, ticket.done = error, True
                self._writing = False
                self._turn.notify_all()
        if error is None:
            self._signer.call()

    def _commit(self, drafts: list[Draft]) -> None:
        if not drafts:
            return
        if self._unsure:
            raise StoreError(
                "the audit log takes no more records",
                why="a write was interrupted and nobody knows how far it came",
                do="start again",
            )
        tip = self._archive.tip.copy()
        self._segments.make_room(tip.size)
        data, hidden, lines = _framed(tip, self._segments, drafts)
        self._unsure = True
        try:
            self._segments.append(data, hidden)
        except StoreError:
            self._unsure = False
            raise
        # the index before the tip: a reader looks for a block in the index first
        self._archive.index.add(lines)
        self._archive.tip = tip
        self._unsure = False

    # --- heads

    def sign(self) -> Head:
        """Sign a head over all records now, if there are any new ones."""
        with self._chain:
            tip = self._archive.tip
            if tip.size > self._last.link.size:
                self._heads.add(links.sign(Kind.HEAD, self._link(tip), (self._key,)))
                self._tell_witness()
        return self.head()

    def head(self) -> Head:
        """The newest signed head."""
        link = self._last.link
        return Head(
            size=link.size,
            root=link.root,
            at=link.time,
            previous=link.previous,
            keys=[link.key, *([link.new.id] if link.new and link.old else [])],
            algorithms=list(link.algorithms),
            unsigned=self._unsigned(),
            counter=link.counter,
            log=link.log,
            problem=self._signer.problem,
            witness_problem=self._witness.problem if self._witness else "",
        )

    def rotate(self, *, by: str) -> str:
        """Go on with a new key; its id. The old one is deleted once both have signed."""
        new = SigningKey.generate()
        with self._chain:
            self.sign()
            keys.save_key(self._keys, new, self._passphrase)
            link = msgspec.structs.replace(
                self._link(self._archive.tip), old=self._key.public, new=new.public
            )
            self._heads.add(links.sign(Kind.ROTATION, link, (self._key, new)))
            old, self._key = self._key.public.id, new
            keys.drop_key(self._keys, old)
            self._heads.keys()
            self._tell_witness()
        detail = {"new": new.public.id, "old": old}
        self._append_own("audit.rotate", new.public.id, detail, by)
        self.sign()
        return new.public.id

    def anchor(self) -> keys.Anchor:
        """The public key now in force, for a verifier to keep elsewhere."""
        public = self._key.public
        return keys.Anchor(log=self._last.link.log, key=public, id=public.id)

    def use_witness(self, path: Path) -> None:
        """Add every head to this file, too, from now on. Raises AuditError when it has seen
        heads that this log does not have, and when it lies inside of the store."""
        if path.resolve().is_relative_to(self.folder.parent.resolve()):
            raise AuditError(
                "a witness inside of the store witnesses nothing",
                where=str(path),
                do="name a file on another disk or machine",
            )
        with self._chain:
            witness = Witness(path, self._heads.path)
            witness.follow()
            self._witness = witness

    # --- reading

    def rows(
        self,
        *,
        since_seq: int = 0,
        limit: int,
        newest_first: bool = False,
        actor: str = "",
        action: str = "",
        object: str = "",
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
    ) -> list[AuditRow]:
        """The first ``limit`` records from ``since_seq`` on that match, however far away."""
        ask = Ask(
            since_seq=since_seq,
            newest_first=newest_first,
            actor=actor,
            action=action,
            object=object,
            since=since,
            until=until,
        )
        return find(self._archive, ask, limit=limit, scan=self.size + BLOCK).items

    def page(self, ask: Ask, *, limit: int, scan: int = SCAN) -> Found:
        """A page that says how far it looked."""
        return find(self._archive, ask, limit=limit, scan=scan)

    @property
    def size(self) -> int:
        """How many records there are."""
        return self._archive.tip.size

    def prove(self, seq: int) -> dict[str, Any]:
        """Proof that a record is in the log, for `haechi audit verify --proof`. Signs a head
        when there is none over it. Raises NotFound."""
        if seq >= self._last.link.size:
            self.sign()
        return proofs.inclusion(self._archive, self._last, self._heads.keys(), seq)

    def consistency(self, old_size: int) -> dict[str, Any]:
        """Proof that the log of ``old_size`` records is the beginning of the signed one.
        Raises NotFound."""
        return proofs.consistency(self._archive, self._last, self._heads.keys(), old_size)

    # --- redaction

    def redact(self, seq: int, name: str, *, by: str) -> None:
        """Erase the plain text and salt of a private value, and log that. Done twice it does
        nothing more. Raises NotFound."""
        if not 0 <= seq < self.size:
            raise NotFound(f"the audit log has no record {seq}")
        record = next(self._archive.records(seq, seq + 1))[1]
        if name not in stored(record).private:
            raise NotFound(f"record {seq} has no private value {name!r}")
        intent = self.folder / "private" / "redacting.json"
        with self._erasing, storage_errors(intent):
            path, kept = self._kept(seq, name)
            if kept.secret is None:
                return
            private.note(intent, seq, name, by)
            self._append_own("audit.redact", str(seq), {"name": name}, by)
            private.erase(path, kept)
            intent.unlink()

    def _finish_redaction(self) -> None:
        """Go on with one that a crash interrupted: it was asked for."""
        intent = self.folder / "private" / "redacting.json"
        asked = private.noted(intent)
        if asked:
            self.redact(asked.seq, asked.name, by=asked.by)
        intent.unlink(missing_ok=True)

    def _kept(self, seq: int, name: str) -> tuple[Path, private.Kept]:
        place = self._archive.place(seq // BLOCK)
        for path, kept in private.read(self.folder / "private", place, seq, seq + 1):
            if kept.name == name:
                return path, kept
        raise AuditError(f"the private value {name!r} of record {seq} is missing")

    # --- the end

    def close(self) -> None:
        """Sign what is not signed and give the files up; idempotent."""
        with self._turn:
            while self._writing or self._queue:
                self._turn.wait()
            if self._closed:
                return
            self._closed = True
        self._signer.stop()
        try:
            self.sign()
        except HaechiError as error:
            _log.warning("the audit log was closed without a head: %s", error)
        finally:
            self._close_files()

    def _close_files(self) -> None:
        self._heads.close()
        self._segments.close()
        self._archive.index.close()

    def _unsigned(self) -> int:
        return max(0, self._archive.tip.size - self._last.link.size)

    @property
    def _last(self) -> Signed:
        return self._heads.newest

    def _link(self, tip: Tip) -> Link:
        """A statement about the log as it is now, after the newest one."""
        return Link(
            at=moment(self._clock()),
            counter=self._last.link.counter + 1,
            key=self._key.public.id,
            log=self._last.link.log,
            previous=self._last.hash,
            root=tip.root().hex(),
            size=tip.size,
        )

    def _append_own(self, action: str, name: str, detail: dict[str, Any], by: str) -> None:
        self.append(
            [AuditEntry(at=self._clock(), actor=by, action=action, object=name, detail=detail)]
        )

    def _tell_witness(self) -> None:
        if self._witness:
            try:
                self._witness.follow()
            except AuditError as error:
                self._witness.problem = error.what

    def _begin(self) -> tuple[SigningKey, Signed]:
        """A new log: its key and its first statement."""
        key = SigningKey.generate()
        keys.save_key(self._keys, key, self._passphrase)
        link = Link(
            at=moment(self._clock()),
            counter=0,
            key=key.public.id,
            log=secrets.token_hex(8),
            new=key.public,
            previous="",
            root=Tip().root().hex(),
            size=0,
        )
        return key, links.sign(Kind.BEGIN, link, (key,))

    def _load(self, key: str) -> SigningKey:
        return keys.load_key(self._keys, key, self._passphrase)


def _framed(tip: Tip, to: Segments, drafts: list[Draft]) -> tuple[bytes, bytes, list[Line]]:
    """The bytes of a group and of its private values; ``tip`` grows by it."""
    parts: list[bytes] = []
    hidden: list[bytes] = []
    lines: list[Line] = []
    group, end, private_end = tip.size, to.end, to.private_end
    position = 0
    while position < len(drafts):
        first = tip.size
        tip.begin(Place(to.number, end, private_end))
        part = drafts[position : position + BLOCK - tip.inner.size]
        body: list[bytes] = []
        for seq, one in enumerate(part, first):
            record = one.record(seq)
            body += (record_header(record), record)
            line = tip.add(leaf_hash(record), one.second)
            if line:
                lines.append(line)
            for secret in one.secrets:
                hidden.append(private.encode(seq, secret))
                private_end += len(hidden[-1])
        whole = b"".join(body)
        parts += (frame_header(first, group, len(part), len(whole)), whole)
        end += len(parts[-2]) + len(whole)
        position += len(part)
    return b"".join(parts), b"".join(hidden), lines
