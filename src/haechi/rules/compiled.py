"""Data files of the program, compiled once to binary files in the user's cache.

Reading the rules and tables as YAML costs a few hundred milliseconds; decoding them from
MessagePack a few. A cache file is keyed by its sources' names, sizes and times and by the
version, written atomically, readable by its owner only, and rebuilt when anything is off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from haechi import __version__
from haechi.engines.documents import Document, parse_documents
from haechi.errors import RuleError

DATA = Path(__file__).with_name("data")
_KEEP_SECONDS = 30 * 86400
_Shape = TypeVar("_Shape")


def cache_directory() -> Path | None:
    """Where haechi keeps what it can compute again: $XDG_CACHE_HOME/haechi.

    None where nobody has a home, as under a made-up user id in a container.
    """
    base = os.environ.get("XDG_CACHE_HOME") or ""
    if base and Path(base).is_absolute():
        return Path(base) / "haechi"
    try:
        return Path.home() / ".cache" / "haechi"
    except RuntimeError:
        return None


def compiled(
    name: str,
    sources: Sequence[Path],
    shape: type[_Shape],
    build: Callable[[], _Shape],
    *,
    cache: Path | None = None,
) -> _Shape:
    """What ``build`` makes of the sources, from the cache when it is there.

    ``cache`` is the directory to use instead of the user's.
    """
    directory = cache if cache is not None else cache_directory()
    target = directory / f"{name}-{_stamp(sources)}.msgpack" if directory else None
    found = _read(target, shape) if target else None
    if found is None:
        found = build()
        if target:
            write_private(target, msgspec.msgpack.encode(found), name)
    return found


def table(name: str, shape: type[_Shape]) -> _Shape:
    """A file of data/tables as a typed value. Raises RuleError when it does not fit."""
    path = DATA / "tables" / f"{name}.yaml"

    def build() -> _Shape:
        for document in parse_documents(path.read_bytes()):
            if isinstance(document, Document):
                return msgspec.convert(document.data, shape)
        raise RuleError(f"table {name} cannot be read")

    return compiled(f"table-{name}", [path], shape, build)


def _stamp(sources: Sequence[Path]) -> str:
    digest = hashlib.sha256(__version__.encode())
    for path in sources:
        info = path.stat()
        digest.update(f"\0{path}\0{info.st_size}\0{info.st_mtime_ns}".encode())
    return digest.hexdigest()[:20]


def _read(path: Path, shape: type[_Shape]) -> _Shape | None:
    data = read_private(path)
    if data is None:
        return None
    try:
        return msgspec.msgpack.decode(data, type=shape)
    except msgspec.MsgspecError:
        return None


def read_private(path: Path) -> bytes | None:
    """A cache file that nobody else can have written; None otherwise."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(stream.fileno())
        if hasattr(os, "getuid") and (
            info.st_uid != os.getuid() or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            return None
        return stream.read()


def write_private(path: Path, data: bytes, name: str) -> None:
    """Keep a cache file for its owner only, best effort; its forerunners of the same ``name``
    that were not written for a month go."""
    import tempfile

    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{name}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink()
            raise
        for old in path.parent.glob(f"{name}-*{path.suffix}"):
            if old.stat().st_mtime < path.stat().st_mtime - _KEEP_SECONDS:
                old.unlink(missing_ok=True)
