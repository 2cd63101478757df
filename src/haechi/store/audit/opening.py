"""Opening the log: find its end, hold it against the newest signed head, cut a torn write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from haechi.engines.signing import SigningKey
from haechi.errors import AuditError
from haechi.store.audit import heads as heads_file
from haechi.store.audit import index as index_file
from haechi.store.audit import links, private
from haechi.store.audit.archive import Archive, Ended, scan, segment_numbers
from haechi.store.audit.entries import stored
from haechi.store.audit.frames import BLOCK, segment_name
from haechi.store.audit.heads import Heads
from haechi.store.audit.index import Index
from haechi.store.audit.links import Kind, Signed
from haechi.store.audit.segments import Segments
from haechi.store.durable import sync
from haechi.store.folder import storage_errors


@dataclass(frozen=True)
class Opened:
    """The parts of an open log."""

    heads: Heads
    archive: Archive
    segments: Segments
    key: SigningKey
    torn: int


def opened(
    folder: Path,
    begin: Callable[[], tuple[SigningKey, Signed]],
    load: Callable[[str], SigningKey],
) -> Opened:
    """Open the files in ``folder`` for writing. Raises AuditError, StoreError."""
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        heads = Heads(folder / heads_file.NAME)
        index: Index | None = None
        try:
            key = _key(folder, heads, begin, load)
            index = Index(folder / index_file.NAME, writable=True)
            archive, ended = found(folder, index, heads.last)
            segments = _segments(folder, archive, ended, heads)
        except BaseException:
            heads.close()
            if index:
                index.close()
            raise
    return Opened(heads, archive, segments, key, ended.torn + heads.torn)


def found(folder: Path, index: Index, last: Signed | None) -> tuple[Archive, Ended]:
    """The log up to its end, which must agree with the newest head. Raises AuditError."""
    ended = scan(folder, index)
    archive = Archive(folder, index, ended.tip)
    if last is None:
        return archive, ended
    link = last.link
    if ended.tip.size < link.size:
        raise AuditError(
            f"the audit log has {ended.tip.size} records, but {link.size} were signed",
            where=str(folder),
            do="records were cut off; restore them from a backup",
        )
    if ended.log not in ("", link.log):
        raise AuditError("segments and heads are of different audit logs", where=str(folder))
    if not _agrees(archive, last):
        # the index may be what is wrong; the segments decide
        index.cut(0)
        ended = scan(folder, index)
        archive = Archive(folder, index, ended.tip)
        if not _agrees(archive, last):
            raise AuditError(
                f"the first {link.size} records are not those that were signed",
                where=str(folder),
                do="`haechi audit verify` tells where; restore from a backup",
            )
    return archive, ended


def _agrees(archive: Archive, last: Signed) -> bool:
    try:
        return archive.root_at(last.link.size).hex() == last.link.root
    except (AuditError, LookupError):
        return False


def _key(
    folder: Path,
    heads: Heads,
    begin: Callable[[], tuple[SigningKey, Signed]],
    load: Callable[[str], SigningKey],
) -> SigningKey:
    if heads.last is None:
        if segment_numbers(folder):
            raise AuditError(
                "the audit log has records, but its chain of heads is gone",
                where=str(heads.path),
                do="restore heads.log from a backup or from the witness",
            )
        key, first = begin()
        heads.add(first)
        heads.keys()
        return key
    link = heads.last.link
    key = load(link.new.id if link.new else link.key)
    if heads.last.kind is not Kind.ROTATION:
        links.check(heads.last, key.public)
    return key


def _segments(folder: Path, archive: Archive, ended: Ended, heads: Heads) -> Segments:
    """The files at the end, without what a crash left unfinished."""
    if ended.stray:
        (folder / segment_name(ended.segment + 1)).unlink()
        sync(folder)
    path = folder / "private" / private.private_name(max(0, ended.segment))
    segments = Segments(
        folder,
        heads.newest.link.log,
        number=ended.segment,
        size=ended.end,
        private=path.stat().st_size if path.exists() else 0,
    )
    if ended.segment >= 0:
        segments.cut(ended.end, _private_end(archive, path, ended.segment))
    return segments


def _private_end(archive: Archive, path: Path, segment: int) -> int:
    """The byte after the last value that belongs to a record. Raises AuditError when a value of
    the newest records is missing: it was durable before its record."""
    tip = archive.tip
    first = tip.size - (tip.inner.size or min(tip.size, BLOCK))
    wanted = {
        (seq, name)
        for seq, record in archive.records(first, tip.size)
        for name in stored(record).private
    }
    end = start = tip.place.private if tip.place.segment == segment else 0
    for where, kept in private.read(path.parent, archive.place(first // BLOCK), first, tip.size):
        wanted.discard((kept.seq, kept.name))
        if where == path:
            end = max(end, kept.end)
    if wanted:
        seq, name = min(wanted)
        raise AuditError(
            f"the private value {name!r} of record {seq} is damaged or missing",
            where=str(path),
            do="restore the folder audit/private from a backup",
        )
    return max(end, start)
