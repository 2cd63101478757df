"""package-lock.json of version 1: packages nest as their folders do, and what is direct stands in
package.json alone."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from haechi.errors import InputError
from haechi.model.package import PackageFile
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    MAX_DEPTH,
    json_of,
    table,
    too_many,
    unread,
    word,
)
from haechi.scan.deps.formats.graph import Roots, settle
from haechi.scan.deps.formats.node_names import asked, split_name, texts
from haechi.scan.deps.formats.npm_merged import Merged, NpmFile
from haechi.scan.deps.formats.places import Keys


class Nested:
    """One lock file; ``value`` is decoded."""

    def __init__(self, value: NpmFile, data: bytes, path: str, around: Around, format: str) -> None:
        self._value = value
        self._path = path
        self._around = around
        self._format = format
        self._merged = Merged()
        self._scopes: list[tuple[dict[str, int], int]] = []
        self._pending: list[tuple[int, Mapping[str, Any], int]] = []
        self._odd = _Odd()
        self._entries = list(_walk(table(value.dependencies), self._odd))
        keys = Keys(data, data.find(b'"dependencies"') + 1)
        self._lines = [keys.line(name) for name, _, _, _ in self._entries]

    def file(self) -> PackageFile:
        """Packages by scopes, then their ``requires`` looked up from the inside out."""
        scopes: dict[int, tuple[dict[str, int], int]] = {0: ({}, -1)}
        needs: list[tuple[int, Any, int]] = []
        for line, (name, entry, outer, own) in zip(self._lines, self._entries, strict=True):
            version, real = word(entry.get("version")), name
            if version.startswith("npm:"):
                real, version = split_name(version[4:])
            url = word(entry.get("resolved"))
            at = self._merged.add(entry, real, version, line, url)
            if at < 0:
                break
            self._merged.called(at, name)
            scopes[outer][0][name] = at
            scopes[own] = ({}, outer)
            needs.append((at, entry.get("requires"), own))
        for at, wanted, scope in needs:
            for name in table(wanted):
                found = _climb(scopes, scope, name)
                if found >= 0:
                    self._merged.drafts[at].needs.append(found)
        roots, project = self._roots(scopes[0][0])
        packages, requires = settle(
            self._merged.drafts, roots, ecosystem="npm", path=self._path, scopes=False
        )
        gaps = (
            *((too_many(self._path),) if self._merged.full else ()),
            *unread(self._path, self._odd.count, "entries"),
        )
        return PackageFile(
            path=self._path,
            format=self._format,
            ecosystem="npm",
            packages=packages,
            requires=requires,
            name=word(self._value.name) or project,
            version=word(self._value.version),
            gaps=gaps,
        )

    def _roots(self, top: Mapping[str, int]) -> tuple[Roots | None, str]:
        """Version 1 does not say what is direct: package.json does."""
        beside = posixpath.join(posixpath.dirname(self._path), "package.json")
        data = self._around.read(beside)
        if data is None:
            return None, ""
        try:
            manifest = json_of(data, beside, dict[str, Any])
        except InputError:
            return None, ""
        roots = Roots()
        for field, positions in (
            ("dependencies", roots.production),
            ("devDependencies", roots.development),
            ("optionalDependencies", roots.optional),
        ):
            for name, spec in texts(manifest.get(field)).items():
                at = top.get(asked(name, spec).spelled, -1)
                if at >= 0:
                    positions.append(at)
        return roots, word(manifest.get("name"))


class _Odd:
    """Entries that are not as npm writes them, or nested deeper than is followed."""

    count = 0


def _walk(
    dependencies: Mapping[str, Any], odd: _Odd
) -> Iterator[tuple[str, Mapping[str, Any], int, int]]:
    """Name, entry, number of the scope around and of its own scope, in the order of the file."""
    count = 0
    pending: list[tuple[Iterator[tuple[str, Any]], int]] = [(iter(dependencies.items()), 0)]
    while pending:
        entries, outer = pending[-1]
        for name, entry in entries:
            if not isinstance(entry, dict):
                odd.count += 1
                continue
            count += 1
            yield name, entry, outer, count
            inner = entry.get("dependencies")
            if inner is not None and not isinstance(inner, dict):
                odd.count += 1
            elif inner and len(pending) >= MAX_DEPTH:
                odd.count += len(inner)
            elif inner:
                pending.append((iter(inner.items()), count))
                break
        else:
            pending.pop()


def _climb(scopes: Mapping[int, tuple[dict[str, int], int]], scope: int, name: str) -> int:
    while scope >= 0:
        names, outer = scopes[scope]
        if name in names:
            return names[name]
        scope = outer
    return -1
