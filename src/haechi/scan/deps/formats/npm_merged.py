"""Packages of npm's lock files by what they are, wherever in ``node_modules`` they lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.model.package import Source
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, word
from haechi.scan.deps.formats.graph import Draft
from haechi.scan.deps.formats.node_names import licence_of, resolved_kind
from haechi.scan.deps.formats.urls import clean_url

_TARBALL = re.compile(r"/-/[^/?#]{1,200}?-(\d+\.\d+\.\d[^/?#]{0,100})\.tgz")


class NpmFile(msgspec.Struct, rename={"lock_version": "lockfileVersion"}):
    """What is decoded of a lock file of any version."""

    name: Any = ""
    version: Any = ""
    lock_version: Any = 1
    packages: Any = None
    dependencies: Any = None


class Merged:
    """A name in one version is one package; ``full`` when there were too many."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self._known: dict[tuple[str, str, str], int] = {}
        self._plain: set[int] = set()
        self.full = False

    def add(self, entry: Mapping[str, Any], name: str, version: str, line: int, url: str) -> int:
        """The position of a package; -1 when there are too many."""
        source = resolved_kind(url)
        if version and not version[0].isdigit() and ":" in version:
            source, url = resolved_kind(version), url or version
            tarball = _TARBALL.search(version) if source is Source.REGISTRY else None
            version = tarball[1] if tarball else ""
        dev, optional = _scope(entry)
        key = (name, version, "" if source is Source.REGISTRY else url)
        at = self._known.get(key, -1)
        if at >= 0:
            draft = self.drafts[at]
            draft.development = draft.development and dev
            draft.optional = draft.optional and optional
            return at
        if len(self.drafts) >= MAX_PACKAGES:
            self.full = True
            return -1
        integrity = entry.get("integrity")
        at = self._known[key] = len(self.drafts)
        self.drafts.append(
            Draft(
                name,
                version,
                line=line,
                source=source,
                url=clean_url(url),
                digests=tuple(integrity.split()) if isinstance(integrity, str) else (),
                licence=licence_of(entry["license"]) if "license" in entry else "",
                install_script=entry.get("hasInstallScript") is True,
                yanked=word(entry.get("deprecated")),
                development=dev,
                optional=optional,
            )
        )
        return at

    def called(self, at: int, name: str) -> None:
        """Note under which name a package lies somewhere; an alias is told where it has no
        other."""
        draft = self.drafts[at]
        if name == draft.name:
            self._plain.add(at)
            draft.spelled = ""
        elif at not in self._plain:
            draft.spelled = name


def _scope(entry: Mapping[str, Any]) -> tuple[bool, bool]:
    """``devOptional``: an optional dependency of what is shipped that development needs, too."""
    both = entry.get("devOptional") is True
    dev = entry.get("dev") is True
    return dev, both or entry.get("optional") is True or (not dev and entry.get("peer") is True)
