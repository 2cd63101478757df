"""Pipfile.lock and Pipfile. The lock file knows no edges; what is direct stands in the Pipfile."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    MAX_PACKAGES,
    json_of,
    rows,
    table,
    text_of,
    toml_of,
    too_many,
    unread,
    word,
)
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.pep508 import normal_name, pinned
from haechi.scan.deps.formats.places import Keys
from haechi.scan.deps.formats.pyproject import (
    DEVELOPMENT,
    PRODUCTION,
    Ask,
    line_index,
    manifest_file,
    poetry_asks,
)
from haechi.scan.deps.formats.urls import clean_url

_TABLES = frozenset({"source", "requires", "scripts", "pipenv", "packages", "dev-packages"})


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read Pipfile.lock: a package that several categories hold is told once, as shipped if the
    default category (or one of the user's own) is among them."""
    value = json_of(data, path, dict[str, Any])
    if "default" not in value and "_meta" not in value:
        raise InputError("no Pipfile.lock: it has no default packages", where=path)
    drafts: dict[tuple[str, str], Draft] = {}
    gaps: tuple[Gap, ...] = ()
    odd = 0
    keys = Keys(data)
    for category, entries in value.items():
        keys.line(category)
        if category == "_meta":
            continue
        if not isinstance(entries, dict):
            odd += 1
            continue
        for name, entry in entries.items():
            if len(drafts) >= MAX_PACKAGES:
                gaps = (too_many(path),)
                break
            if isinstance(entry, dict):
                draft = _draft(name, entry, keys.line(name), category == "develop")
                known = drafts.setdefault((draft.name, draft.version), draft)
                known.development = known.development and draft.development
            else:
                odd += 1
    found_asks = _beside(path, around)
    packages, requires = settle(
        list(drafts.values()), _roots(drafts, found_asks), ecosystem="PyPI", path=path,
        scopes=False,
    )  # fmt: skip
    return (
        PackageFile(
            path=path,
            format="Pipfile.lock",
            ecosystem="PyPI",
            packages=packages,
            requires=requires,
            gaps=(*gaps, *unread(path, odd, "entries")),
        ),
    )


def read_manifest(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read a Pipfile that no lock file pins."""
    text = text_of(data, path)
    found = _asks(toml_of(text, path))
    return (manifest_file(found, path, "Pipfile", line_index(text)),) if found else ()


def _asks(value: dict[str, Any]) -> list[Ask]:
    found = list(poetry_asks(table(value.get("packages")), PRODUCTION))
    found += poetry_asks(table(value.get("dev-packages")), DEVELOPMENT)
    for category, wanted in value.items():
        if category not in _TABLES:
            found += poetry_asks(table(wanted), PRODUCTION)
    return found


def _beside(path: str, around: Around) -> list[Ask]:
    beside = posixpath.join(posixpath.dirname(path), "Pipfile")
    data = around.read(beside)
    try:
        return [] if data is None else _asks(toml_of(text_of(data, beside), beside))
    except InputError:
        return []


def _roots(drafts: dict[tuple[str, str], Draft], wanted: list[Ask]) -> Roots | None:
    if not wanted:
        return None
    names = {ask.name for ask in wanted}
    return Roots([at for at, (name, _) in enumerate(drafts) if name in names])


def _draft(name: str, entry: dict[str, Any], line: int, development: bool) -> Draft:
    source, url = Source.REGISTRY, ""
    if vcs := next((key for key in ("git", "hg", "svn") if key in entry), ""):
        source, url = Source.GIT, word(entry[vcs])
    elif "path" in entry:
        source, url = Source.PATH, word(entry["path"])
    elif "file" in entry or "url" in entry:
        url = word(entry.get("file")) or word(entry.get("url"))
        source = Source.URL if "://" in url else Source.PATH
    return Draft(
        normal_name(name),
        pinned(word(entry.get("version"))),
        spelled=name,
        constraint="" if pinned(word(entry.get("version"))) else word(entry.get("version")),
        line=line,
        source=source,
        url=clean_url(url),
        digests=tuple(filter(None, map(word, rows(entry.get("hashes"))))),
        development=development,
    )
