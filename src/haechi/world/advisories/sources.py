"""What was named on the command line → sources: archives, folders, single files, by content.

An export counts as all there is about an ecosystem (``covers``) only where its place says so: the
layout of offline scanners (``<ecosystem>/all.zip``), the known repositories of advisories, or the
word of whoever imports it. A folder with two advisories of one's own never makes an ecosystem
look known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec

from haechi.errors import InputError, LimitExceeded, UsageError
from haechi.world.advisories import names, risk
from haechi.world.advisories.osv import MAX_BYTES
from haechi.world.advisories.zips import MAX_ENTRIES, Archive

_GITHUB = (
    "npm",
    "PyPI",
    "Maven",
    "RubyGems",
    "NuGet",
    "Packagist",
    "Go",
    "crates.io",
    "Hex",
    "Pub",
    "GitHub Actions",
    "SwiftURL",
)
_LAYOUTS = (
    ("data/osv", "GO-*.json", "golang/vulndb", ("Go",)),
    ("vulns", "*/PYSEC-*.yaml", "pypa/advisory-database", ("PyPI",)),
    ("advisories/github-reviewed", "*/*/*/GHSA-*.json", "github/advisory-database", _GITHUB),
)
"""Folder inside of a repository, what lies there, what it is called here, what it covers."""
_RECORDS = {".json": False, ".yaml": True, ".yml": True}
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2")
FILES = "files"
"""The source of single files: each stands for itself."""


class Item(msgspec.Struct, frozen=True):
    """One entry: its content, or why it has none. ``strict``: it must be an advisory."""

    place: str
    data: bytes = b""
    yaml: bool = False
    fault: str = ""
    strict: bool = False
    skipped: bool = False

    @property
    def stem(self) -> str:
        """The id that a file of this name holds by custom."""
        return self.place.rpartition("/")[2].rpartition(".")[0]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something to import. ``kind`` is ``zip``, ``folder``, ``file``, ``epss`` or ``kev``;
    ``path`` is on this machine, ``place`` what to call it, ``folder`` what of it is read."""

    kind: str
    path: Path
    place: str
    source: str
    covers: tuple[str, ...] = ()
    folder: Path | None = None


def found_at(path: Path, place: str = "", covers: Sequence[str] = ()) -> list[Found]:
    """What a path holds. Raises UsageError when nothing is there, InputError for no data."""
    place = place or str(path)
    if path.is_dir():
        return _folder(path, place, tuple(covers))
    if not path.is_file():
        raise UsageError(f"{place}: there is no such file or folder")
    return [_file(path, place, tuple(covers))]


def _folder(path: Path, place: str, covers: tuple[str, ...]) -> list[Found]:
    for root in (path, path / "osv-scanner"):
        archives = sorted(root.glob("*/all.zip"))
        if archives:
            return [_archive(one, str(one), covers) for one in archives]
    if (path / "all.zip").is_file():
        return [_archive(path / "all.zip", str(path / "all.zip"), covers)]
    for inside, pattern, source, known in _LAYOUTS:
        root = path / inside
        if root.is_dir() and next(root.glob(pattern), None) is not None:
            covered = covers or known
            return [_of("folder", path, place, source=source, covers=covered, folder=root)]
    return [_of("folder", path, place, source=str(path.absolute()), covers=covers, folder=path)]


def _of(
    kind: str, path: Path, place: str, *, source: str, covers: tuple[str, ...], folder: Path | None
) -> Found:
    return Found(kind=kind, path=path, place=place, source=source, covers=covers, folder=folder)


def _file(path: Path, place: str, covers: tuple[str, ...]) -> Found:
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _archive(path, place, covers)
    if place.lower().endswith(_TAR) or head[257:262] == b"ustar":
        raise InputError(f"{place}: a tar archive", do="unpack it, and import the folder")
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{place}: a web page", do="it may be an error page; fetch it again")
    if head.startswith(b"\x1f\x8b"):
        return Found(kind="epss", path=path, place=place, source="epss")
    if risk.is_epss(head.removeprefix(b"\xef\xbb\xbf")):
        return Found(kind="epss", path=path, place=place, source="epss")
    if risk.is_kev(head):
        return Found(kind="kev", path=path, place=place, source="kev")
    if place.lower().endswith(".zip"):
        raise InputError(f"{place}: no zip archive", do="it may be an error page; fetch it again")
    if covers:
        raise UsageError(f"{place}: one advisory covers no ecosystem", do="leave out --covers")
    return Found(kind="file", path=path, place=place, source=FILES)


def _archive(path: Path, place: str, covers: tuple[str, ...]) -> Found:
    """``…/PyPI/all.zip`` is all of PyPI, wherever it lies."""
    folder, _, name = place.replace(os.sep, "/").partition("?")[0].rpartition("/")
    ecosystem = unquote(folder.rpartition("/")[2]) or path.absolute().parent.name
    if name == "all.zip" and names.base(ecosystem) in names.KNOWN and not covers:
        return Found(
            kind="zip", path=path, place=place, source=f"osv/{ecosystem}", covers=(ecosystem,)
        )
    source = place if "://" in place else str(path.absolute())
    return Found(kind="zip", path=path, place=place, source=source, covers=covers)


def items(found: Found) -> Iterator[Item]:
    """Every entry. Raises InputError or LimitExceeded when the whole cannot be read."""
    if found.kind == "zip":
        return _of_archive(found)
    if found.kind == "folder":
        return _of_folder(found)
    yaml = found.path.suffix.lower() in (".yaml", ".yml")
    return iter([_read(found.path, found.place, yaml=yaml, strict=True)])


def count(found: Found) -> int:
    """How many entries there are, where that is cheap to say."""
    if found.kind != "zip":
        return 0
    with Archive(found.path) as archive:
        return archive.count


def _of_archive(found: Found) -> Iterator[Item]:
    with Archive(found.path) as archive:
        seen: set[int] = set()
        for entry in archive.entries():
            if entry.is_folder:
                continue
            suffix = Path(entry.name).suffix.lower()
            if suffix == ".zip":
                yield Item(entry.name, fault="an archive inside of the archive")
                continue
            if suffix not in _RECORDS:
                yield Item(entry.name, skipped=True)
                continue
            if hash(entry.name) in seen:
                yield Item(entry.name, fault="its name stands twice in the archive")
            seen.add(hash(entry.name))
            try:
                data = archive.read(entry, MAX_BYTES)
            except InputError as error:
                yield Item(entry.name, fault=error.what)
                continue
            yield Item(entry.name, data, _RECORDS[suffix], strict=True)


def _of_folder(found: Found) -> Iterator[Item]:
    root = found.folder or found.path
    number = 0
    for folder, folders, files in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if suffix not in _RECORDS or name.startswith("."):
                continue
            number += 1
            if number > MAX_ENTRIES:
                raise LimitExceeded(f"{found.place}: more than {MAX_ENTRIES:,} files")
            path = Path(folder) / name
            yield _read(path, str(path), yaml=_RECORDS[suffix], strict=False)


def _read(path: Path, place: str, *, yaml: bool, strict: bool) -> Item:
    if path.is_symlink() and not strict:
        return Item(place, fault="a link: links are not followed")
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return Item(place, fault=f"it cannot be read: {error.strerror}")
    if len(data) > MAX_BYTES:
        return Item(place, fault=f"more than {MAX_BYTES >> 20} MiB")
    return Item(place, data, yaml, strict=strict)
