"""pylock.toml (PEP 751): the lock file that all installers of Python can read.

Its packages may name what they depend on, but need not; nobody but the file itself says what is
direct. Which extras and groups a package belongs to stands in its marker only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from haechi.errors import InputError
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    rows,
    table,
    word,
)
from haechi.scan.deps.formats.graph import Draft, settle
from haechi.scan.deps.formats.pep508 import normal_name
from haechi.scan.deps.formats.poetry import MAX_VERSIONS
from haechi.scan.deps.formats.tables import tables_of
from haechi.scan.deps.formats.urls import clean_url

_GROUP = re.compile(r"['\"]([^'\"]{0,200})['\"]\s+in\s+dependency_groups")
_EXTRA = re.compile(r"\bin\s+extras\b")
_OR = re.compile(r"\bor\b")


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read pylock.toml or pylock.<name>.toml."""
    told = tables_of(data, path, "packages")
    if "lock-version" not in told.value:
        raise InputError("no pylock.toml: it has no lock-version", where=path)
    defaults = frozenset(filter(None, map(word, rows(told.value.get("default-groups")))))
    drafts = [
        _draft(entry, line, defaults) for entry, line in zip(told.entries, told.lines, strict=True)
    ]
    _connect(drafts, told.entries)
    packages, _ = settle(drafts, None, ecosystem="PyPI", path=path)
    return (
        PackageFile(
            path=path, format="pylock.toml", ecosystem="PyPI", packages=packages, gaps=told.gaps
        ),
    )


def _draft(entry: dict[str, Any], line: int, defaults: frozenset[str]) -> Draft:
    name = word(entry.get("name"))
    source, url = _source(entry)
    development, optional = _scope(word(entry.get("marker"))[:10_000], defaults)
    return Draft(
        normal_name(name),
        word(entry.get("version")),
        spelled=name,
        line=line,
        source=source,
        url=url,
        digests=_digests(entry),
        development=development,
        optional=optional,
    )


def _source(entry: dict[str, Any]) -> tuple[Source, str]:
    if "vcs" in entry:
        vcs = table(entry["vcs"])
        return Source.GIT, clean_url(word(vcs.get("url")) or word(vcs.get("path")))
    if "directory" in entry:
        return Source.PATH, word(table(entry["directory"]).get("path"))
    if "archive" in entry:
        archive = table(entry["archive"])
        url = word(archive.get("url"))
        return (Source.URL, clean_url(url)) if url else (Source.PATH, word(archive.get("path")))
    return Source.REGISTRY, ""


def _digests(entry: dict[str, Any]) -> tuple[str, ...]:
    files = [entry.get("archive"), entry.get("sdist"), *rows(entry.get("wheels"))]
    return tuple(
        f"{algorithm}:{digest}"
        for file in files
        for algorithm, digest in table(table(file).get("hashes")).items()
        if isinstance(digest, str)
    )


def _scope(marker: str, defaults: frozenset[str]) -> tuple[bool, bool]:
    """Development and optional by a marker: only where every alternative asks for a group that
    is not installed by default, or for an extra."""
    if "dependency_groups" not in marker and "extras" not in marker:
        return False, False
    groups = extras = 0
    parts = _OR.split(marker)
    for part in parts:
        named = _GROUP.findall(part)
        if named and defaults.isdisjoint(named):
            groups += 1
        elif _EXTRA.search(part):
            extras += 1
    return groups == len(parts), groups + extras == len(parts) and extras > 0


def _connect(drafts: list[Draft], entries: list[dict[str, Any]]) -> None:
    by_name: dict[str, list[int]] = {}
    for at, draft in enumerate(drafts):
        by_name.setdefault(draft.name, []).append(at)
    for draft, entry in zip(drafts, entries, strict=True):
        for need in rows(entry.get("dependencies")):
            asked = table(need)
            version = word(asked.get("version"))
            draft.needs += [
                at
                for at in by_name.get(normal_name(word(asked.get("name"))), [])[:MAX_VERSIONS]
                if version in ("", drafts[at].version)
            ]
