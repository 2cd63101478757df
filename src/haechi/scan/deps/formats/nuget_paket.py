"""``paket.lock``: groups of packages in NuGet's feeds, and files from git and the web."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from haechi.errors import LimitExceeded
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, text_of, unread
from haechi.scan.deps.formats.graph import Draft, settle
from haechi.scan.deps.formats.urls import clean_url

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "NuGet"
_PACKAGE = re.compile(r"    ([^\s(]{1,200}) \(([^)\s]{1,200})\)(?:\s.*)?$")
_NEED = re.compile(r"      ([^\s(]{1,200})(?:\s.*)?$")
_REMOTE = re.compile(r"  remote:\s*(\S{1,2000})")
_SOURCES = {
    "NUGET": Source.REGISTRY,
    "GITHUB": Source.GIT,
    "GIT": Source.GIT,
    "HTTP": Source.URL,
    "GIST": Source.GIT,
}
_DEVELOPMENT = frozenset({"test", "tests", "build", "docs"})
_PUBLIC = (
    "https://api.nuget.org/v3/index.json",
    "https://www.nuget.org/api/v2",
    "https://nuget.org/api/v2",
)


def read_paket(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """One list of all groups. Groups named Test, Build or Docs are for development, as Paket's
    own templates use them; files that are taken from git and the web have no version."""
    drafts: list[Draft] = []
    places: dict[tuple[str, str], int] = {}
    needs: list[tuple[int, str, str]] = []
    group, source, remote, here, odd = "", Source.REGISTRY, "", -1, 0
    for number, line in enumerate(text_of(data, path).splitlines(), 1):
        line = line.rstrip()
        if line[:1].strip():
            here = -1
            if line.startswith("GROUP "):
                group = line[6:].strip().lower()
            elif line in _SOURCES:
                source, remote = _SOURCES[line], ""
            continue
        found = _PACKAGE.match(line)
        if found is not None:
            here = len(drafts)
            if here >= MAX_PACKAGES:
                raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
            named = (
                found[1] if source is Source.REGISTRY else remote.rpartition("//")[2] or found[1]
            )
            drafts.append(
                Draft(
                    named.lower() if source is Source.REGISTRY else named,
                    found[2],
                    line=number,
                    spelled=named,
                    source=source,
                    url="" if remote in _PUBLIC else remote,
                    development=group in _DEVELOPMENT,
                )
            )
            if source is Source.REGISTRY:
                places.setdefault((group, named.lower()), here)
            continue
        need = _NEED.match(line)
        told = _REMOTE.match(line)
        if need is not None and here >= 0:
            needs.append((here, group, need[1].lower()))
        elif told is not None:
            remote = clean_url(told[1])
        elif source is Source.REGISTRY and line[:4].isspace() and line[4:5].strip():
            odd += 1
    for at, inside, name in needs:
        other = places.get((inside, name))
        if other is not None:
            drafts[at].needs.append(other)
    packages, requires = settle(drafts, None, ecosystem=ECOSYSTEM, path=path)
    return [
        PackageFile(
            path=path,
            format="paket.lock",
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            gaps=unread(path, odd),
        )
    ]
