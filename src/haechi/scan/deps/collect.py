"""Read a tree's lock files, manifests and installed environments, each once.

Lock files come first: a manifest that one of them covers is not told again. What is broken or too
large is a gap and costs its neighbours nothing; what pins nothing is told, with a gap that says
so. Folders of other people's code (``vendor``, ``node_modules``, ``site-packages``) hold what the
lock files name already, and what their authors need besides; they are looked into only when the
scan was asked for one of them, or when nothing else says what is installed.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from haechi.engines.logins import without_logins
from haechi.errors import InputError, LimitExceeded
from haechi.model.counting import counted
from haechi.model.coverage import Gap
from haechi.model.package import Package, PackageFile, Source
from haechi.scan.deps.environments import installed_beside
from haechi.scan.deps.formats import (
    Around,
    Format,
    covered_by,
    format_of,
    formats,
    load_reader,
)
from haechi.scan.deps.formats.decoding import MAX_BYTES
from haechi.scan.deps.neighbours import Neighbours
from haechi.scan.deps.settings import is_settings
from haechi.world.files import Entry, Tree

Progress = Callable[[int, int, str], None]

MAX_PACKAGES = 500_000
"""Of all files together."""
VENDORED = frozenset({"vendor", "node_modules", "bower_components", "site-packages"})
_NAMED = 3
_log = logging.getLogger(__name__)


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """What files tell of packages, by path. ``gaps`` holds those of the files, too; ``seen`` are
    the paths that were read; ``vendored`` files lie in folders of other people's code.
    ``others`` are paths of manifests that a lock file covers and of settings of package managers;
    ``around`` reads them."""

    files: tuple[PackageFile, ...] = ()
    gaps: tuple[Gap, ...] = ()
    seen: frozenset[str] = frozenset()
    vendored: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    around: Around | None = None


def collect(tree: Tree, progress: Progress | None = None) -> Dependencies:
    """Read everything under ``tree`` that tells of packages."""
    return _Collector(tree, progress).collect()


class _Collector:
    def __init__(self, tree: Tree, progress: Progress | None) -> None:
        self.tree = tree
        self._progress = progress
        self._around = Neighbours(tree)
        self._files: dict[str, PackageFile] = {}
        self._gaps: list[Gap] = []
        self._seen: set[str] = set()
        self._covered: set[str] = set()
        self._walked: set[str] = set()
        self._count = 0
        self._full = False

    def collect(self) -> Dependencies:
        """Walk, then lock files, then the manifests that none of them covers."""
        found: list[tuple[Entry, Format]] = []
        vendored: list[str] = []
        others: list[str] = []
        for entry in self.tree.walk():
            format = format_of(entry.path)
            if is_settings(entry.path) and not self._is_vendored(entry.path):
                others.append(entry.path)
            if format is None:
                continue
            self._walked.add(entry.path)
            if self._is_vendored(entry.path):
                vendored.append(entry.path)
            else:
                found.append((entry, format))
        self._unread()
        steps = sorted(found, key=_rank)
        for done, (entry, format) in enumerate(steps):
            if self._progress is not None:
                self._progress(done, len(steps), entry.path)
            if entry.path not in self._covered:
                self._read(entry, format)
        kept = [file for path, file in self._files.items() if path not in self._covered]
        files = tuple(sorted(map(self._finished, kept), key=lambda file: file.path))
        self._gaps += [gap for file in files for gap in file.gaps]
        self._gaps += self._around.gaps
        return Dependencies(
            files=files,
            gaps=tuple(dict.fromkeys(map(_clean, self._gaps))),
            seen=frozenset(self._seen),
            vendored=tuple(vendored),
            others=(*others, *sorted(self._covered & self._walked)),
            around=self._around,
        )

    def _is_vendored(self, path: str) -> bool:
        """In a folder of other people's code below what was asked for. Go's list of vendored
        modules counts where nothing else tells of them."""
        inside = path[len(self.tree.within) :] if self.tree.within else path
        folders = inside.split("/")[:-1]
        if VENDORED.isdisjoint(folders):
            return False
        owner = path.removesuffix("vendor/modules.txt")
        return owner == path or f"{owner}go.mod" in self._walked or "vendor" in folders[:-1]

    def _unread(self) -> None:
        for unread in self.tree.unread:
            to_folder = unread.kind != "link" and format_of(unread.path) is None
            if to_folder or format_of(unread.path) is not None:
                do = "scan its target by itself" if unread.kind == "link" else ""
                self._gaps.append(
                    Gap(kind=unread.kind, path=unread.path, reason=unread.reason, do=do)
                )

    def _read(self, entry: Entry, format: Format) -> None:
        """One file: what it says, and which others it makes needless, broken or not."""
        if self._full or _unit(entry.path) in self._seen:
            return
        self._seen.add(_unit(entry.path))
        told = self._told(entry, format)
        if told or format.pins:
            folder = posixpath.dirname(entry.path)
            names = frozenset(map(posixpath.basename, self._neighbours(folder)))
            for name in covered_by(format, names):
                self._covered.add(posixpath.join(folder, name))
        for file in told or ():
            self._keep(file)
            if not file.pins and _unpinned(file):
                self._installed(file)

    def _installed(self, file: PackageFile) -> None:
        """Where no lock file tells, what is installed beside a manifest does."""
        if self._ignored(file.path):
            return
        path = installed_beside(posixpath.dirname(file.path), file.ecosystem, self._around)
        format = format_of(path)
        if format is None:
            return
        for told in self._told(Entry(path=path, size=0), format) or ():
            if told.packages:
                self._keep(told)
                self._covered.add(file.path)

    def _neighbours(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        for name in self._around.names(folder):
            if prefix + name in self._walked:
                yield prefix + name

    def _told(self, entry: Entry, format: Format) -> Sequence[PackageFile] | None:
        """What the reader says; None after a gap."""
        path = entry.path
        try:
            if entry.size > MAX_BYTES:
                raise LimitExceeded(f"{entry.size:,} bytes; the limit is {MAX_BYTES:,}", where=path)
            return load_reader(format)(self.tree.read(path, limit=MAX_BYTES), path, self._around)
        except LimitExceeded as error:
            do = error.do or "split the project, or accept the gap"
            self._gap("too-large", error.where or path, error.what, do)
        except InputError as error:
            do = error.do or "write it again with its own tool"
            self._gap("lockfile", error.where or path, error.what, do)
        except Exception:  # noqa: BLE001  one file's reader must not cost the scan
            _log.exception("a reader failed")
            self._gap(
                "lockfile", path, "its reader failed", "report this file as a fault of haechi"
            )
        return None

    def _keep(self, file: PackageFile) -> None:
        self._covered.update(file.covers)
        known = self._files.get(file.path)
        if known is not None and len(_unpinned(known)) <= len(_unpinned(file)):
            return
        self._count += len(file.packages)
        if self._count > MAX_PACKAGES:
            self._full = True
            reason = f"more than {MAX_PACKAGES:,} packages in all files; the rest was not read"
            self._gap("too-large", file.path, reason, "scan parts of the tree by themselves")
            return
        self._files[file.path] = file

    def _finished(self, file: PackageFile) -> PackageFile:
        """A manifest without a lock file says so in its gaps."""
        unpinned = _unpinned(file)
        if file.pins or not unpinned:
            return file
        gap = self._without_lock(file, unpinned)
        return file if gap is None else replace(file, gaps=(*file.gaps, gap))

    def _without_lock(self, file: PackageFile, unpinned: list[Package]) -> Gap | None:
        name = posixpath.basename(file.path)
        locks = _locks_of(name)
        if not locks:
            return None  # ecosystems without lock files: packages without versions are told alone
        if ignored := self._ignored(file.path):
            reason = f"git ignores it, and {name} beside it pins nothing without it"
            do = "commit it, or scan with --no-ignore"
            return Gap(kind="ignored-lock-file", path=ignored, reason=reason, do=do)
        listed = ", ".join(f"{one.name} {one.constraint}".strip() for one in unpinned[:_NAMED])
        more = f" and {len(unpinned) - _NAMED} more" if len(unpinned) > _NAMED else ""
        return Gap(
            kind="no-lock-file",
            path=file.path,
            reason=f"no lock file says which version of {counted(len(unpinned), 'package')} is "
            f"installed: {listed}{more}",
            do=f"commit a lock file ({', '.join(one.name for one in locks)}), or pin the versions",
        )

    def _ignored(self, path: str) -> str:
        """A lock file beside a manifest that git ignores; one that haechi.yaml excludes was left
        out on purpose."""
        folder, name = posixpath.split(path)
        beside = self._around.names(folder)
        for one in _locks_of(name):
            lock = posixpath.join(folder, one.name)
            excluded = any(pattern.fullmatch(lock) for pattern in self.tree.exclude)
            if one.name in beside and lock not in self._walked and not excluded:
                return lock
        return ""

    def _gap(self, kind: str, path: str, reason: str, do: str) -> None:
        self._gaps.append(Gap(kind=kind, path=path, reason=reason, do=do))


def _locks_of(name: str) -> list[Format]:
    return [one for one in formats() if one.pins and covered_by(one, frozenset({name}))]


def _rank(step: tuple[Entry, Format]) -> tuple[bool, int, str]:
    """Lock files before manifests, those that cover others before those, outer folders first."""
    entry, format = step
    return (not format.pins, formats().index(format), entry.path)


def _unit(path: str) -> str:
    """What is read at once: an environment as a whole, else the file."""
    folder, _, _ = path.rpartition(".dist-info/")
    if not folder:
        folder = path.rpartition(".egg-info")[0]
    return f"{posixpath.dirname(folder)}/*-info" if folder else path


def _unpinned(file: PackageFile) -> list[Package]:
    return [one for one in file.packages if not one.version and one.source is Source.REGISTRY]


def _clean(gap: Gap) -> Gap:
    return replace(gap, reason=without_logins(gap.reason), path=without_logins(gap.path))
