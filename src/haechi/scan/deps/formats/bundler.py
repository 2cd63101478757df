"""Bundler: ``Gemfile.lock`` (``gems.locked``), and Gemfile or gemspec where there is none.

A gem that is locked for several platforms is one package. Scopes come from the Gemfile and the
gemspecs beside the lock file: a gem is for development when every place that asks for it says so,
and what only such gems need is, too.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from haechi.errors import InputError, LimitExceeded
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats.bundler_gemfile import Gem, gemfile, gemspec
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, text_of, unread
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.urls import clean_url

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "RubyGems"
_SPEC = re.compile(r" {4}([^\s(!]{1,200})(?: \(([^)-]{1,200})(?:-([^)]{0,200}))?\))?$")
_NEED = re.compile(r" {6}([^\s(!]{1,200})(?: \(([^)]{0,500})\))?$")
_ASKED = re.compile(r" {2}([^\s(!]{1,200})(?: \(([^)]{0,500})\))?(!)?$")
_SUM = re.compile(r" {2}([^\s(!]{1,200}) \(([^)-]{1,200})(?:-[^)]{0,200})?\) (\S.{0,2000})$")
_OPTION = re.compile(r" {2}([a-z_]{1,40}):(?: (.{1,2000}))?$")
_SOURCES = {
    "GEM": Source.REGISTRY,
    "GIT": Source.GIT,
    "PATH": Source.PATH,
    "PLUGIN": Source.REGISTRY,
    "PLUGIN SOURCE": Source.REGISTRY,
}
_OTHERS = frozenset({"PLATFORMS", "DEPENDENCIES", "CHECKSUMS", "BUNDLED WITH", "RUBY VERSION"})
_PUBLIC = ("https://rubygems.org", "http://rubygems.org")
_EXACT = re.compile(r"=?\s*(\d[\w.]{0,100})")


def read_lock(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``Gemfile.lock`` with the groups of the Gemfile beside it."""
    lock = _Lock(path)
    for number, line in enumerate(text_of(data, path).splitlines(), 1):
        lock.line(line.rstrip(), number)
    if data.strip() and not lock.known:
        raise InputError("no section of a lock file", where=path, do="run bundle lock")
    drafts = lock.linked()
    roots = _roots(lock, _asked(posixpath.dirname(path), path, around))
    packages, requires = settle(drafts, roots, ecosystem=ECOSYSTEM, path=path)
    own = next((one for one in drafts if one.source is Source.WORKSPACE), None)
    return [
        PackageFile(
            path=path,
            format="Gemfile.lock",
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            name=own.name if own else "",
            version=own.version if own else "",
            gaps=unread(path, lock.unread),
        )
    ]


def read_gemfile(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``Gemfile`` without a lock file: what is asked for, the gemspec's wishes included."""
    text = text_of(data, path)
    gems = gemfile(text)
    return [_manifest(path, "Gemfile", gems)]


def read_gemspec(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """A gemspec without a lock file."""
    name, gems = gemspec(text_of(data, path))
    return [_manifest(path, "gemspec", gems, name)]


def _manifest(path: str, format: str, gems: list[Gem], name: str = "") -> PackageFile:
    drafts: dict[str, Draft] = {}
    for gem in gems:
        exact = _EXACT.fullmatch(gem.constraint)
        source = {"git": Source.GIT, "path": Source.PATH}.get(gem.kind, Source.REGISTRY)
        draft = Draft(
            gem.name,
            exact[1] if exact else "",
            line=gem.line,
            constraint=gem.constraint,
            source=source,
            development=gem.development,
        )
        known = drafts.setdefault(gem.name, draft)
        known.development = known.development and gem.development
        if len(drafts) > MAX_PACKAGES:
            raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    found = list(drafts.values())
    packages, requires = settle(
        found, Roots(production=range(len(found))), ecosystem=ECOSYSTEM, path=path, scopes=False
    )
    return PackageFile(
        path=path,
        format=format,
        ecosystem=ECOSYSTEM,
        packages=packages,
        requires=requires,
        pins=False,
        name=name,
    )


class _Lock:
    """The lock file line by line: sections by their headings, entries by their indentation."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked: list[str] = []
        self.known = False
        self.unread = 0
        self._places: dict[str, int] = {}
        self._drafts: list[Draft] = []
        self._needs: list[dict[str, None]] = []
        self._versions: dict[tuple[str, str], int] = {}
        self._section = ""
        self._remote: list[str] = []
        self._revision = ""
        self._here = -1

    def line(self, line: str, number: int) -> None:
        if line[:1].strip():
            self._section, self._remote, self._revision, self._here = line, [], "", -1
            self.known = self.known or line in _SOURCES or line in _OTHERS
        elif self._section in _SOURCES:
            self._in_source(line, number)
        elif self._section == "DEPENDENCIES":
            found = _ASKED.match(line)
            if found is not None:
                self.asked.append(found[1])
        elif self._section == "CHECKSUMS":
            self._checksum(line)

    def _in_source(self, line: str, number: int) -> None:
        need = _NEED.match(line)
        if need is not None:
            if self._here >= 0:
                self._needs[self._here][need[1]] = None
            return
        spec = _SPEC.match(line)
        if spec is not None:
            self._here = self._spec(spec[1], spec[2] or "", number)
            return
        option = _OPTION.match(line)
        if option is not None and option[1] == "remote":
            self._remote.append((option[2] or "").strip())
        elif option is not None and option[1] == "revision":
            self._revision = (option[2] or "").strip()
        elif option is None and line.strip():
            self.unread += 1

    def _spec(self, name: str, version: str, number: int) -> int:
        at = self._versions.get((name, version))
        if at is not None:
            return at
        if len(self._drafts) >= MAX_PACKAGES:
            raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=self.path)
        source = _SOURCES[self._section]
        if source is Source.PATH and self._remote == ["."]:
            source = Source.WORKSPACE
        draft = Draft(name, version, line=number, source=source, url=self._url(source))
        at = self._versions[(name, version)] = len(self._drafts)
        self._places.setdefault(name, at)
        self._drafts.append(draft)
        self._needs.append({})
        return at

    def _url(self, source: Source) -> str:
        """Where gems are taken from; with several servers nobody knows from which."""
        if source is Source.REGISTRY:
            urls = [clean_url(one).rstrip("/") for one in self._remote]
            return urls[0] if len(urls) == 1 and urls[0] not in _PUBLIC else ""
        url = clean_url(self._remote[0]) if self._remote else ""
        return f"{url}#{self._revision}" if self._revision and source is Source.GIT else url

    def _checksum(self, line: str) -> None:
        found = _SUM.match(line)
        at = self._versions.get((found[1], found[2])) if found is not None else None
        if found is not None and at is not None:
            told = tuple(one.strip().replace("=", ":", 1) for one in found[3].split(","))
            self._drafts[at].digests += told

    def linked(self) -> list[Draft]:
        """The packages with what they need; gems of Ruby itself are in no list."""
        for draft, needs in zip(self._drafts, self._needs, strict=True):
            draft.needs = [self._places[name] for name in needs if name in self._places]
        return self._drafts

    def positions(self, names: Iterable[str]) -> list[int]:
        return [self._places[name] for name in names if name in self._places]

    def own(self) -> list[int]:
        """Gems of the project itself and what they ask for."""
        found = [at for at, one in enumerate(self._drafts) if one.source is Source.WORKSPACE]
        return [*found, *(need for at in found for need in self._drafts[at].needs)]


def _asked(folder: str, path: str, around: Around) -> dict[str, bool]:
    """Whether gems are for development only, by name, as the files beside the lock tell it."""
    names = around.names(folder)
    lock = posixpath.basename(path)
    gemfiles = [{"gems.locked": "gems.rb"}.get(lock, lock.removesuffix(".lock"))]
    found: dict[str, bool] = {}
    for name in [*gemfiles, *sorted(one for one in names if one.endswith(".gemspec"))[:50]]:
        data = around.read(posixpath.join(folder, name)) if name in names else None
        if data is None:
            continue
        text = data.decode(errors="replace")
        gems = gemspec(text)[1] if name.endswith(".gemspec") else gemfile(text)
        for gem in gems:
            found[gem.name] = found.get(gem.name, True) and gem.development
    return found


def _roots(lock: _Lock, development: dict[str, bool]) -> Roots:
    tests = [name for name in lock.asked if development.get(name, False)]
    shipped = [name for name in lock.asked if not development.get(name, False)]
    return Roots(
        production=[*lock.positions(shipped), *lock.own()], development=lock.positions(tests)
    )
