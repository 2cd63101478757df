"""Backups: a whole copy of a store that may be in use, and a store made out of one.

The order makes the copy consistent without stopping anything. The state comes before the log:
whatever the state says was logged is in the log, and what waited is told apart by its token.
Within the log, what refers comes before what is referred to. The manifest of the sealed files
is copied with ``hot.db``, the files it names after it; when one was meanwhile removed by
retention, both are copied again. The manifest with checksums is written last: without it, it is
no backup.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import msgspec

from haechi.errors import StoreError
from haechi.store import durable
from haechi.store.folder import require_own, storage_errors
from haechi.store.state.sqlite import copy_online, explained

SCHEMA = "haechi.backup/1"
MANIFEST = "manifest.json"
_PART = 1 << 20
_TRIES = 5
_LARGEST_MANIFEST = 256 << 20
_PLACES = frozenset({"state.db", "hot.db", "cold", "audit", "keys"})
_REFERRING = ("index.bin", "heads.log", "keys.log")
"""Files of the log that speak of others: a copy must not speak of what it lacks."""


class BackedUp(msgspec.Struct, frozen=True):
    """One file of a backup."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds."""

    schema: str
    made: dt.datetime
    files: list[BackedUp]


def backup(folder: Path, to: Path) -> Path:
    """Copy the store in ``folder`` to ``to``, a new or empty folder; its owner may go on."""
    with storage_errors(to):
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_own(to)
        to.chmod(0o700)
        if any(to.iterdir()):
            raise StoreError("the backup's folder is not empty", why=str(to), do="name a new one")
        try:
            copied = [_database(folder, to, "state.db")]
            copied += _events(folder, to)
            copied += [_copy(folder, to, path) for path in _log_files(folder)]
            manifest = Manifest(SCHEMA, dt.datetime.now(dt.UTC), copied)
            _write(to / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        except BaseException:
            # A part of a backup could pass for one.
            shutil.rmtree(to, ignore_errors=True)
            raise
    return to


def restore(source: Path, folder: Path) -> None:
    """Make a store in ``folder``, which must not be there or be empty. Every checksum is
    compared before and while copying; a damaged backup leaves nothing behind."""
    with storage_errors(folder):
        manifest = read_manifest(source)
        for one in manifest.files:
            _compare(one, *_digest(source / one.path))
        if folder.is_symlink() or (folder.exists() and any(folder.iterdir())):
            raise StoreError(
                "the folder is not empty", why=str(folder), do="restore into a new folder"
            )
        part = folder.with_name(f"{folder.name}.restoring-{os.getpid()}")
        part.mkdir(mode=0o700, parents=True)
        try:
            for one in manifest.files:
                copied = _copy(source, part, one.path)
                _compare(one, copied.size, copied.sha256)
            if folder.exists():
                folder.rmdir()
            part.rename(folder)
            durable.sync(folder.parent)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def read_manifest(source: Path) -> Manifest:
    """The list of a backup's files, none of them outside of it."""
    path = source / MANIFEST
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_MANIFEST + 1)
        if len(content) > _LARGEST_MANIFEST:
            raise ValueError("it is too large")
        manifest = msgspec.json.decode(content, type=Manifest)
        if manifest.schema != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        for one in manifest.files:
            _require_inside(one.path)
        if "state.db" not in {one.path for one in manifest.files}:
            raise ValueError("it names no state.db")
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise StoreError(
            "this is not a whole backup", why=f"{path}: {error}", do="use another one"
        ) from error
    return manifest


def _require_inside(path: str) -> None:
    parts = PurePosixPath(path).parts
    odd = path.startswith("/") or "\\" in path or "\0" in path or {"..", "."} & set(parts)
    if odd or not parts or parts[0] not in _PLACES:
        raise ValueError(f"it names {path[:200]!r}, which no store has")


def _events(folder: Path, to: Path) -> list[BackedUp]:
    """``hot.db`` and the sealed files that it counts."""
    if not (folder / "hot.db").is_file():
        return []
    for _ in range(_TRIES):
        hot = _database(folder, to, "hot.db")
        try:
            cold = [_copy(folder, to, f"cold/{name}") for name in _sealed(to / "hot.db")]
        except FileNotFoundError:
            shutil.rmtree(to / "cold", ignore_errors=True)
            continue
        return [hot, *cold]
    raise StoreError(
        "sealed events went away while they were copied",
        why="retention removes them, or a file of cold/ is missing",
        do="run `haechi store check`, then try again",
    )


def _sealed(hot: Path) -> list[str]:
    with explained(hot), closing(sqlite3.connect(hot)) as connection:
        ask = "SELECT name FROM file WHERE state != 'going' ORDER BY name"
        names = [str(row[0]) for row in connection.execute(ask)]
    for name in names:
        _require_inside(f"cold/{name}")
    return names


def _log_files(folder: Path) -> Iterator[str]:
    """The signed log and its keys, what refers first."""
    log = folder / "audit"
    for name in _REFERRING:
        if (log / name).is_file():
            yield f"audit/{name}"
    for path in sorted(log.rglob("*"), key=lambda p: (len(p.relative_to(log).parts), p)):
        if path.is_file() and not path.is_symlink() and path.name not in _REFERRING:
            yield path.relative_to(folder).as_posix()
    for path in sorted((folder / "keys").glob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix()


def _database(folder: Path, to: Path, name: str) -> BackedUp:
    target = to / name
    target.unlink(missing_ok=True)
    _write(target, b"")
    with explained(folder / name):
        copy_online((folder / name).absolute(), target)
    durable.sync(target)
    size, digest = _digest(target)
    return BackedUp(name, size, digest)


def _copy(source: Path, to: Path, name: str) -> BackedUp:
    """Copy a file with its checksum; a file that grows is copied as far as it goes."""
    target = to / name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hashed, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with (source / name).open("rb") as reading:
        writing = os.open(target, flags, 0o600)
        try:
            while part := reading.read(_PART):
                hashed.update(part)
                size += len(part)
                _write_all(writing, part)
            os.fsync(writing)
        finally:
            os.close(writing)
    return BackedUp(name, size, hashed.hexdigest())


def _write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _write(path: Path, content: bytes) -> None:
    durable.write(path, content)
    durable.sync(path.parent)


def _digest(path: Path) -> tuple[int, str]:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest
    except FileNotFoundError:
        return 0, "missing"


def _compare(one: BackedUp, size: int, digest: str) -> None:
    if (one.size, one.sha256) != (size, digest):
        raise StoreError(
            "the backup is damaged",
            why=f"{one.path} is not what its manifest says",
            do="use another backup; nothing was restored",
        )
