"""What is known of a repository's blobs: which hold nothing, and where those are that do.

A blob's id is a digest of its content, so "nothing found" holds as long as the detectors are the
same. Of blobs with findings only the id is kept (they are read again each time): no value and no
text of a repository ever gets here, only ids, dates and paths. Anything odd about a file (owner,
mode, checksum, shape) makes it not there. Two runs at once: files are replaced whole, and the
later one adds what the earlier wrote.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import os
import time
from pathlib import Path

import msgspec

from haechi.model.coverage import Gap
from haechi.rules.private_files import read_private, write_private
from haechi.world.objects.attribution import Place

_REFRESH_SECONDS = 86400
_CHECKSUM = 16
_LARGEST = 2 * 1024**3


class Places(msgspec.Struct, array_like=True):
    """What was told about places while ``stamp`` held. ``gaps`` are those of that pass.

    Of the blobs in ``wide`` all places are told that they ever had, not only the first ones.
    ``telling`` are those that told something which no earlier one did: the others only repeat
    (None: not known).
    """

    stamp: str = ""
    places: dict[bytes, list[Place]] = {}
    gaps: list[Gap] = []
    commits: int = 0
    wide: set[bytes] = set()
    telling: set[bytes] | None = None


class _Stored(msgspec.Struct, array_like=True):
    """The file. Ids are binary, one behind the other."""

    width: int
    clean: bytes
    hits: bytes
    places: Places


class Known(msgspec.Struct):
    """What a run may rely on. Ids are hexadecimal, as git writes them."""

    clean: frozenset[bytes] = frozenset()
    hits: frozenset[bytes] = frozenset()
    places: Places = msgspec.field(default_factory=Places)


class BlobCache:
    """The file of one repository and one set of detectors. Without a directory it knows nothing."""

    def __init__(self, directory: Path | None, objects: Path, key: str, width: int) -> None:
        self.width = width
        self._target: Path | None = None
        self._loaded: tuple[int, int, int] | None = None
        if directory is not None:
            with contextlib.suppress(OSError, RuntimeError):
                place = os.fsencode(objects.resolve())
                name = hashlib.sha256(place + b"\0" + key.encode()).hexdigest()[:40]
                self._target = directory / "blobs" / f"{name}.ids"

    def load(self) -> Known:
        """What earlier runs found; nothing when there is no usable file."""
        stored = self._read()
        if stored is None:
            return Known()
        return Known(
            clean=frozenset(_split(stored.clean, self.width)),
            hits=frozenset(_split(stored.hits, self.width)),
            places=stored.places,
        )

    def add(
        self, known: Known, clean: bytes, hits: frozenset[bytes], places: Places | None
    ) -> None:
        """Keep what a run found besides what it knew: binary ids, and the places if they changed.

        ``clean`` must hold nothing that ``known`` has. Best effort: without a writable cache
        everything is read again.
        """
        if self._target is None:
            return
        if not clean and hits <= known.hits and places is None:
            self._refresh()
            return
        loaded = self._loaded
        old = self._read()
        new_hits = binascii.unhexlify(b"".join(sorted(hits - known.hits)))
        stored = _Stored(
            width=self.width, clean=clean, hits=new_hits, places=places or known.places
        )
        if old is not None:
            alone = loaded is not None and loaded == self._loaded
            stored.clean = _joined(old.clean, clean, self.width // 2, disjoint=alone)
            stored.hits = _joined(old.hits, new_hits, self.width // 2, disjoint=alone)
        self._write(msgspec.msgpack.encode(stored))

    def _read(self) -> _Stored | None:
        if self._target is None:
            return None
        self._loaded = None
        found = read_private(self._target, limit=_LARGEST)
        if found is None:
            return None
        body = found.data[_CHECKSUM:]
        if hashlib.blake2b(body, digest_size=_CHECKSUM).digest() != found.data[:_CHECKSUM]:
            return None
        try:
            stored = msgspec.msgpack.decode(body, type=_Stored)
        except msgspec.MsgspecError:
            return None
        size = self.width // 2
        odd = len(stored.clean) % size or len(stored.hits) % size
        if odd or stored.width != self.width:
            return None
        self._loaded = found.identity
        return stored

    def _write(self, body: bytes) -> None:
        if self._target is not None:
            checksum = hashlib.blake2b(body, digest_size=_CHECKSUM).digest()
            write_private(self._target, checksum, body, old="*.ids")

    def _refresh(self) -> None:
        """A file in use is not old."""
        if self._target is not None:
            with contextlib.suppress(OSError):
                if self._target.stat().st_mtime < time.time() - _REFRESH_SECONDS:
                    os.utime(self._target)


def _split(ids: bytes, width: int) -> list[bytes]:
    text = binascii.hexlify(ids)
    return [text[i : i + width] for i in range(0, len(text), width)]


def _joined(old: bytes, new: bytes, size: int, *, disjoint: bool) -> bytes:
    """Both, without those of ``new`` that ``old`` has."""
    if disjoint or not old or not new:
        return old + new
    there = {old[i : i + size] for i in range(0, len(old), size)}
    added = (new[i : i + size] for i in range(0, len(new), size))
    return old + b"".join(id_ for id_ in added if id_ not in there)
