"""Manifests as they lie in files: policies of a folder, samples of a suite, a stream.

For whole repositories (overlays, charts, what git ignores) there is ``scan.iac.collect``; this
reads what it is given and nothing else, with the same parser and so with the same places. What
cannot be read is a gap with its place; the other documents are still read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from haechi.engines.documents import Fault, parse_documents
from haechi.engines.objects import resources_of
from haechi.errors import InputError, UsageError
from haechi.model.coverage import Gap
from haechi.model.resource import Resource

SUFFIXES = (".yaml", ".yml", ".json")
MOST_FILES, MOST_BYTES = 10_000, 128 << 20
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
_IS_LINK_OUT = "a link that leads out of the folder"


class Manifests(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that were found, and what could not be read."""

    resources: tuple[Resource, ...]
    gaps: tuple[Gap, ...] = ()
    files: tuple[str, ...] = ()


def read_manifests(paths: Iterable[Path], *, root: Path | None = None) -> Manifests:
    """All objects of files and folders; of folders those files that end as manifests do.

    Files are named relative to ``root``, where they lie in it. Raises UsageError for a path that
    does not exist.
    """
    resources: list[Resource] = []
    gaps: list[Gap] = []
    files: list[str] = []
    size = 0
    given = tuple(paths)
    for path in _files(given, gaps):
        shown = _shown(path, root)
        try:
            data = _named(path) if path in given else regular_bytes(path)
        except OSError as error:
            gaps.append(Gap(kind="unreadable", path=shown, reason=str(error.strerror or error)))
            continue
        size += len(data)
        if size > MOST_BYTES:
            reason = f"manifests past {MOST_BYTES >> 20} MiB are not read"
            gaps.append(Gap(kind="too-much", path=shown, reason=reason, do="name fewer folders"))
            break
        files.append(shown)
        resources.extend(objects_of(data, shown, gaps))
    return Manifests(resources=tuple(resources), gaps=tuple(gaps), files=tuple(files))


def regular_bytes(path: Path) -> bytes:
    """A file that nobody named on the command line: a pipe among them would never end. Raises
    OSError."""
    try:
        descriptor = os.open(path, _READ)
    except ValueError as error:
        raise OSError(errno.EINVAL, "this is no name of a file") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "this is no regular file")
        return stream.read(MOST_BYTES + 1)


def _named(path: Path) -> bytes:
    """What somebody named may be a pipe of a shell: ``-r <(kubectl get …)``."""
    with path.open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def objects_of(data: bytes, shown: str, gaps: list[Gap]) -> Iterator[Resource]:
    """The objects of one file's bytes; faults are added to ``gaps``."""
    try:
        for document in parse_documents(data):
            if isinstance(document, Fault):
                place = f"{shown}:{document.line}"
                gaps.append(Gap(kind=document.kind, path=place, reason=document.message))
                continue
            yield from resources_of(document, shown)
    except InputError as error:
        gaps.append(Gap(kind="encoding", path=shown, reason=error.what, do=error.do))


def _files(paths: Iterable[Path], gaps: list[Gap]) -> Iterator[Path]:
    count = 0
    for path in paths:
        for file in _below(path, gaps):
            count += 1
            if count > MOST_FILES:
                reason = f"files past {MOST_FILES:,} are not read"
                gaps.append(Gap(kind="too-much", path=str(path), reason=reason))
                return
            yield file


def _below(path: Path, gaps: list[Gap]) -> Iterator[Path]:
    """The manifests of a folder. Links within it are read: so a ConfigMap is mounted."""
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"there is no {path}", do="name a file or a folder that exists")
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            other = Path(folder) / name
            if other.is_symlink() and not _leads_into(other, path):
                gaps.append(Gap(kind="link", path=other.as_posix(), reason=_IS_LINK_OUT))
        for name in sorted(names):
            file = Path(folder) / name
            if not name.endswith(SUFFIXES) or name.startswith("."):
                continue
            if file.is_symlink() and not _leads_into(file, path):
                gaps.append(Gap(kind="link", path=file.as_posix(), reason=_IS_LINK_OUT))
            else:
                yield file


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def _shown(path: Path, root: Path | None) -> str:
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.as_posix()
