"""Data files of the program, compiled once to binary files in the user's cache.

Reading the rules and tables as YAML costs a few hundred milliseconds; decoding them from
MessagePack a few. A cache file is keyed by its sources' names, sizes and times and by the
version, private to its owner (``private_files``), and rebuilt when anything is off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from haechi import __version__
from haechi.engines.documents import Document, parse_documents
from haechi.errors import RuleError
from haechi.rules.private_files import cache_directory, read_private, write_private

DATA = Path(__file__).with_name("data")
_LARGEST = 64 * 1024 * 1024
_Shape = TypeVar("_Shape")


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
            write_private(target, msgspec.msgpack.encode(found), old=f"{name}-*.msgpack")
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
    kept = read_private(path, limit=_LARGEST)
    if kept is None:
        return None
    try:
        return msgspec.msgpack.decode(kept.data, type=shape)
    except msgspec.MsgspecError:
        return None
