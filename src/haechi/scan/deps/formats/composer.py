"""Composer: ``composer.lock`` with the direct requirements of ``composer.json``, and that one
alone where nothing is locked.

PHP itself, its extensions and Composer's own interfaces are no packages and are left out: their
names hold no ``/``. A plugin of Composer runs code when it is installed. A development version
from a repository of its own (no ``notification-url`` of a registry) comes from git.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from haechi.errors import InputError, LimitExceeded
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, json_of, rows, table, unread, word
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.places import Lines
from haechi.scan.deps.formats.urls import clean_url

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "Packagist"
_NAME = re.compile(rb'"name"\s{0,20}:\s{0,20}"([^"\n]{3,300})"')
_KEY = re.compile(rb'"([^"\n]{3,300})"\s{0,20}:\s{0,20}"')
_EXACT = re.compile(r"={0,2}\s*(v?\d+(?:\.\d+){0,3}(?:-[A-Za-z0-9.]+)?)")
_RUNS = frozenset({"composer-plugin", "composer-installer"})


def read_lock(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``composer.lock``; ``packages-dev`` are for development."""
    lock = json_of(data, path, dict[str, Any])
    if not isinstance(lock.get("packages"), list):
        raise InputError("no list of packages", where=path, do="run composer update --lock")
    entries = _entries(lock.get("packages"))
    shipped = len(entries)
    entries += _entries(lock.get("packages-dev"))
    odd = len(lock["packages"]) + len(rows(lock.get("packages-dev"))) - len(entries)
    if len(entries) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    lines = _lines(data, [word(one.get("name")) for one in entries])
    drafts = [
        _draft(entry, line, development=at >= shipped)
        for at, (entry, line) in enumerate(zip(entries, lines, strict=True))
    ]
    places = _places(drafts, entries)
    for draft, entry in zip(drafts, entries, strict=True):
        names = (name.lower() for name in table(entry.get("require")))
        draft.needs = [places[name] for name in names if name in places]
    project = _project(posixpath.join(posixpath.dirname(path), "composer.json"), around)
    roots = _roots(project, places) if project is not None else None
    packages, requires = settle(drafts, roots, ecosystem=ECOSYSTEM, path=path, scopes=False)
    return [
        PackageFile(
            path=path,
            format="composer.lock",
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            name=word((project or {}).get("name")),
            version=word((project or {}).get("version")),
            gaps=unread(path, odd, "entries"),
        )
    ]


def read_manifest(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``composer.json`` without a lock file: what is asked for."""
    told = json_of(data, path, dict[str, Any])
    asked = [
        (name, word(constraint), section == "require-dev")
        for section in ("require", "require-dev")
        for name, constraint in table(told.get(section)).items()
        if "/" in name
    ]
    if len(asked) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    lines = Lines(data)
    first: dict[str, int] = {}
    for match in _KEY.finditer(data):
        key = match[1].decode(errors="replace").replace("\\/", "/")
        first.setdefault(key, lines.at(match.start()))
    drafts = []
    for name, constraint, development in asked:
        exact = _EXACT.fullmatch(constraint)
        drafts.append(
            Draft(
                name.lower(),
                exact[1] if exact else "",
                line=first.get(name, 1),
                spelled=name,
                constraint=constraint,
                development=development,
            )
        )
    packages, requires = settle(
        drafts, Roots(production=range(len(drafts))), ecosystem=ECOSYSTEM, path=path, scopes=False
    )
    return [
        PackageFile(
            path=path,
            format="composer.json",
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            pins=False,
            name=word(told.get("name")),
            version=word(told.get("version")),
        )
    ]


def _entries(told: Any) -> list[dict[str, Any]]:
    return [one for one in map(table, rows(told)) if word(one.get("name"))]


def _draft(entry: dict[str, Any], line: int, *, development: bool) -> Draft:
    spelled, version = word(entry.get("name")), word(entry.get("version"))
    dist, source = table(entry.get("dist")), table(entry.get("source"))
    kind, url = Source.REGISTRY, word(dist.get("url")) or word(source.get("url"))
    if word(dist.get("type")) == "path":
        kind = Source.PATH
    elif "dev" in version and not entry.get("notification-url") and source:
        kind, url = Source.GIT, word(source.get("url")) or url
    digest = word(dist.get("shasum"))
    return Draft(
        spelled.lower(),
        version,
        line=line,
        spelled=spelled,
        source=kind,
        url="" if kind is Source.REGISTRY else clean_url(url),
        digests=(f"sha1:{digest}",) if digest else (),
        licence=_licence(entry.get("license")),
        install_script=word(entry.get("type")) in _RUNS,
        yanked=_abandoned(entry.get("abandoned")),
        development=development,
    )


def _licence(told: Any) -> str:
    """A list is a choice (composer.json schema)."""
    texts = [told] if isinstance(told, str) else [one for one in rows(told) if word(one)]
    if len(texts) > 1:
        texts = [f"({one})" if " " in one else one for one in texts]
    return " OR ".join(texts)


def _abandoned(told: Any) -> str:
    if not told:
        return ""
    return f"abandoned: {word(told)} takes its place" if word(told) else "abandoned"


def _places(drafts: list[Draft], entries: list[dict[str, Any]]) -> dict[str, int]:
    """Positions by name; also of what a package provides or replaces, where nothing else is
    called so."""
    places = {draft.name: at for at, draft in enumerate(drafts)}
    for at, entry in enumerate(entries):
        for section in ("provide", "replace"):
            for name in table(entry.get(section)):
                places.setdefault(name.lower(), at)
    return places


def _project(path: str, around: Around) -> dict[str, Any] | None:
    data = around.read(path)
    if data is None:
        return None
    try:
        return json_of(data, path, dict[str, Any])
    except InputError:
        return None


def _roots(project: dict[str, Any], places: dict[str, int]) -> Roots:
    def asked(section: str) -> Iterable[int]:
        names = (name.lower() for name in table(project.get(section)))
        return [places[name] for name in names if name in places]

    return Roots(production=asked("require"), development=asked("require-dev"))


def _lines(data: bytes, names: Sequence[str]) -> Iterator[int]:
    """The line of each package's ``"name"``, looked for in the order of the file."""
    lines = Lines(data)
    found: dict[str, list[int]] = {}
    for match in _NAME.finditer(data):
        name = match[1].decode(errors="replace").replace("\\/", "/")
        found.setdefault(name, []).append(lines.at(match.start()))
    for waiting in found.values():
        waiting.reverse()
    for name in names:
        waiting = found.get(name, [])
        yield (waiting.pop() if len(waiting) > 1 else waiting[0]) if waiting else 1
