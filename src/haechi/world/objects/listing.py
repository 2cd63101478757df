"""Which blobs there are: all of the object store, those of some commits, or those of the index.

Lists go to spools on disk; a Python object per object exists only while its line is parsed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from haechi.world.objects.command import Stream
from haechi.world.objects.reader import Named
from haechi.world.objects.repository import Repository
from haechi.world.objects.spool import Spool

_CHUNK = 1 << 20
_FORM = "--batch-check=%(objecttype) %(objectname)"
_BLOB = re.compile(rb"blob ([0-9a-f]+)")
_COMMIT = re.compile(rb"commit ([0-9a-f]+)")
_LOST = re.compile(rb"^([0-9a-f]+) missing$", re.MULTILINE)


@dataclass(slots=True)
class Listing:
    """Blobs to be read and commits that exist. ``blobs`` counts the known ones, too.

    ``again`` are blobs known to hold something: whether they are read is for others to say.
    ``stamp`` changes when an object comes or goes. ``complete`` is False when git broke off.
    """

    todo: Spool
    commits: Spool
    again: list[bytes] = field(default_factory=list)
    objects: int = 0
    blobs: int = 0
    stamp: str = ""
    complete: bool = True
    lost: Named = field(default_factory=Named)

    def close(self) -> None:
        """Let the lists go."""
        self.todo.close()
        self.commits.close()


class Seen(Protocol):
    """What earlier runs saw: blobs that hold nothing, and blobs that hold something."""

    clean: frozenset[bytes]
    hits: frozenset[bytes]


def list_all(repository: Repository, known: Seen) -> Listing:
    """Every object of the store, reachable or not.

    Of a store that borrows from another only what is reachable: the other's own business is not
    this repository's history.
    """
    if repository.borrows:
        return list_commits(repository, ["--all", "--reflog", "--indexed-objects"], known)
    with repository.git.stream(
        "cat-file", "--batch-all-objects", "--unordered", "--buffer", _FORM
    ) as stream:
        return _parse(repository, stream, known)


def list_commits(repository: Repository, revisions: list[str], known: Seen) -> Listing:
    """What the commits named by ``revisions`` (ids and options of ours) brought in."""
    with repository.git.pipe(
        [
            "rev-list",
            "--objects",
            "--no-object-names",
            "--missing=print",
            *revisions,
        ],
        ["cat-file", "--buffer", _FORM],
    ) as stream:
        return _parse(repository, stream, known)


def list_ids(repository: Repository, ids: Iterable[bytes], known: Seen) -> Listing:
    """The given blobs, whose presence was not looked at yet."""
    listing = _empty(repository)
    _take_only(listing, ids, known)
    return listing


def narrow(listing: Listing, ids: set[bytes], known: Seen, *, listed: bool) -> None:
    """Of a listing only the given blobs; ``listed``: those that it does not list are not there."""
    todo, listing.todo = listing.todo, Spool(listing.commits.width)
    again, listing.again = listing.again, []
    with todo:
        if not listed:
            _take_only(listing, ids, known)
            return
        for chunk in todo.chunks():
            listing.todo.extend(id_ for id_ in chunk if id_ in ids)
    listing.again = [id_ for id_ in again if id_ in ids]
    listing.blobs = len(ids)


def _take_only(listing: Listing, ids: Iterable[bytes], known: Seen) -> None:
    wanted = sorted(ids)
    listing.blobs = len(wanted)
    _sort_out(listing, wanted, known)


def _sort_out(listing: Listing, blobs: Sequence[bytes], known: Seen) -> None:
    clean, hits = known.clean, known.hits
    if hits:
        listing.again += [id_ for id_ in blobs if id_ in hits]
    listing.todo.extend(id_ for id_ in blobs if id_ not in clean and id_ not in hits)


def _empty(repository: Repository) -> Listing:
    return Listing(todo=Spool(repository.width), commits=Spool(repository.width))


def _parse(repository: Repository, stream: Stream, known: Seen) -> Listing:
    listing = _empty(repository)
    digest = hashlib.blake2b(digest_size=16)
    try:
        rest = b""
        while chunk := stream.out.read(_CHUNK):
            text = rest + chunk
            cut = text.rfind(b"\n") + 1
            text, rest = text[:cut], text[cut:]
            digest.update(text)
            listing.objects += text.count(b"\n")
            blobs = _BLOB.findall(text)
            listing.blobs += len(blobs)
            _sort_out(listing, blobs, known)
            listing.commits.extend(_COMMIT.findall(text))
            if b" missing" in text:
                for id_ in _LOST.findall(text):
                    listing.lost.add(id_)
        listing.complete = stream.finish()
    except TimeoutError:
        listing.complete = False
    except BaseException:
        listing.close()
        raise
    listing.stamp = digest.hexdigest()
    return listing
