"""Manifests as they lie in files: policies of a folder, samples of a suite, a stream.

For whole repositories (overlays, charts, what git ignores) there is ``scan.iac.collect``; this
reads what it is given and nothing else, with the same parser and so with the same places. What
cannot be read is a gap with its place; the other documents are still read.
"""

from __future__ import annotations

import os
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
    for path in _files(paths, gaps):
        shown = _shown(path, root)
        try:
            data = path.read_bytes()
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
        for file in _below(path):
            count += 1
            if count > MOST_FILES:
                reason = f"files past {MOST_FILES:,} are not read"
                gaps.append(Gap(kind="too-much", path=str(path), reason=reason))
                return
            yield file


def _below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"there is no {path}", do="name a file or a folder that exists")
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder) / name
            if name.endswith(SUFFIXES) and not name.startswith(".") and not file.is_symlink():
                yield file


def _shown(path: Path, root: Path | None) -> str:
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.as_posix()
