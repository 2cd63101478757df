"""poetry.lock (1.x and 2.x) and pdm.lock, which is made alike.

Neither says what the project itself asks for: that stands in the pyproject.toml beside. Without
it ``direct`` is unknown. The scope is the lock file's own word where there is one (``category``
until 1.4, ``groups`` since 2.0), else it follows from the roots.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from haechi.errors import InputError
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    rows,
    table,
    text_of,
    toml_of,
    word,
)
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.pep508 import normal_name, requirement
from haechi.scan.deps.formats.pyproject import Ask, asks, project_of, roots_of
from haechi.scan.deps.formats.tables import Tables, tables_of
from haechi.scan.deps.formats.urls import clean_url

_SOURCES = {
    "git": Source.GIT,
    "directory": Source.PATH,
    "file": Source.PATH,
    "url": Source.URL,
}
MAX_VERSIONS = 20
"""Of one name that an edge leads to where it names no version."""
_SHIPPED = frozenset({"main", "default"})


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read poetry.lock or pdm.lock."""
    told = tables_of(data, path, "package")
    if told.value and not told.entries and "metadata" not in told.value:
        raise InputError("no lock file of Poetry or PDM: no packages, no metadata", where=path)
    name, version, wanted, optional = _project(path, around)
    drafts, extras = _drafts(told, optional)
    roots = _roots(drafts, extras, wanted) if wanted else None
    scoped = any("category" in entry or "groups" in entry for entry in told.entries)
    packages, requires = settle(drafts, roots, ecosystem="PyPI", path=path, scopes=not scoped)
    return (
        PackageFile(
            path=path,
            format=posixpath.basename(path),
            ecosystem="PyPI",
            packages=packages,
            requires=requires,
            name=name,
            version=version,
            gaps=told.gaps,
        ),
    )


def _project(path: str, around: Around) -> tuple[str, str, list[Ask], frozenset[str]]:
    """Name, version, asks and extras of the project beside the lock file."""
    beside = posixpath.join(posixpath.dirname(path), "pyproject.toml")
    data = around.read(beside)
    if data is None:
        return "", "", [], frozenset()
    try:
        value = toml_of(text_of(data, beside), beside)
    except InputError:  # told by whoever reads the manifest
        return "", "", [], frozenset()
    extras = table(table(value.get("project")).get("optional-dependencies"))
    return *project_of(value), list(asks(value)), frozenset(map(normal_name, extras))


def _drafts(told: Tables, chosen: frozenset[str]) -> tuple[list[Draft], dict[tuple[int, str], int]]:
    hashes, entries = _hashes(told.value), told.entries
    drafts = [
        _draft(entry, line, hashes, chosen) for entry, line in zip(entries, told.lines, strict=True)
    ]
    by_name: dict[str, list[int]] = {}
    for at, draft in enumerate(drafts):
        by_name.setdefault(draft.name, []).append(at)
    extras: dict[tuple[int, str], int] = {}
    for at, entry in enumerate(entries):
        _merge_extras(entry, at, drafts, extras)
    for at, entry in enumerate(entries):
        own = _extra_names(entry)
        for name, wanted, optional in _needs(entry):
            targets = [
                target
                for one in by_name.get(name, [])[:MAX_VERSIONS]
                for target in (one, *(extras[one, e] for e in wanted if (one, e) in extras))
            ]
            if optional:
                for extra in own.get(name, ()):
                    drafts[extras[at, extra]].needs.extend(targets)
                continue
            drafts[at].needs.extend(targets)
    return drafts, extras


def _draft(
    entry: dict[str, Any], line: int, hashes: dict[str, Any], extras: frozenset[str]
) -> Draft:
    """A package; ``extras`` of the project are groups of a PDM lock file as well."""
    spelled = word(entry.get("name"))
    source = table(entry.get("source"))
    groups = set(filter(None, map(word, rows(entry.get("groups")))))
    shipped = not groups.isdisjoint(_SHIPPED)
    chosen = not extras.isdisjoint(map(normal_name, groups))
    url = word(entry.get("git")) or word(entry.get("url")) or word(entry.get("path"))
    kind = _SOURCES.get(word(source.get("type")), Source.REGISTRY)
    if kind is not Source.REGISTRY:
        url = word(source.get("url"))
    elif url:  # PDM names the source in the entry itself
        kind = Source.GIT if "git" in entry else Source.URL if "url" in entry else Source.PATH
    files = rows(entry.get("files")) or rows(hashes.get(spelled))
    return Draft(
        normal_name(spelled),
        word(entry.get("version")),
        spelled=spelled,
        line=line,
        source=kind,
        url=clean_url(url),
        digests=tuple(filter(None, (word(table(file).get("hash")) for file in files))),
        development=entry.get("category") == "dev" or bool(groups and not shipped and not chosen),
        optional=entry.get("optional") is True or (chosen and not shipped),
    )


def _hashes(value: dict[str, Any]) -> dict[str, Any]:
    """Until lock version 1.1 the files stand in a table of their own."""
    return table(table(value.get("metadata")).get("files"))


def _needs(entry: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Name, extras and whether it is optional, of each thing that a package needs."""
    needs = entry.get("dependencies")
    for text in rows(needs):  # PDM: requirements
        found = requirement(text) if isinstance(text, str) else None
        if found is not None:
            yield found.name, found.extras, False
    for name, spec in table(needs).items():  # Poetry: a table
        for one in spec if isinstance(spec, list) else (spec,):
            more = table(one)
            wanted = tuple(normal_name(e) for e in rows(more.get("extras")) if isinstance(e, str))
            optional = more.get("optional") is True or "extra ==" in word(more.get("markers"))
            yield normal_name(name), wanted, optional


def _extra_names(entry: dict[str, Any]) -> dict[str, list[str]]:
    """Which extras of a package bring in which name."""
    names: dict[str, list[str]] = {}
    for extra, wanted in table(entry.get("extras")).items():
        for text in rows(wanted):
            found = requirement(text) if isinstance(text, str) else None
            if found is not None:
                names.setdefault(found.name, []).append(normal_name(extra))
    return names


def _merge_extras(
    entry: dict[str, Any],
    at: int,
    drafts: list[Draft],
    extras: dict[tuple[int, str], int],
) -> None:
    for extra in table(entry.get("extras")):
        key = (at, normal_name(extra))
        if key not in extras:
            extras[key] = len(drafts)
            virtual = Draft("", part_of=at)
            virtual.needs.append(at)
            drafts.append(virtual)


def _roots(drafts: list[Draft], extras: dict[tuple[int, str], int], wanted: list[Ask]) -> Roots:
    by_name: dict[str, list[int]] = {}
    for at, draft in enumerate(drafts):
        if draft.part_of < 0:
            by_name.setdefault(draft.name, []).append(at)

    def positions(number: int) -> list[int]:
        ask = wanted[number]
        found = by_name.get(ask.name, [])[:MAX_VERSIONS]
        return [
            *found,
            *(
                extras[at, normal_name(extra)]
                for at in found
                for extra in ask.extras
                if (at, normal_name(extra)) in extras
            ),
        ]

    return roots_of(wanted, positions)
