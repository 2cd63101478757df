"""Cargo: ``Cargo.lock`` in its versions 1 to 4, ``Cargo.toml`` where there is no lock file.

Packages without a source are crates of the workspace or others by path. The lock file does not
say which dependency is for tests only; the manifests beside it do. Where one is not found, all
that its crate asks for counts as shipped.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from haechi.errors import InputError, LimitExceeded
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats.cargo_manifest import (
    Manifest,
    Wanted,
    manifests,
    workspace_root,
)
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, rows, table, text_of, toml_of, word
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.places import lines_of, table_offsets
from haechi.scan.deps.formats.toml_lines import key_lines
from haechi.scan.deps.formats.urls import clean_url

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "crates.io"
_INDEXES = ("https://github.com/rust-lang/crates.io-index", "https://index.crates.io")
_EXACT = re.compile(r"=\s*(\d+\.\d+\.\d+\S*)")
_REQUIREMENT = re.compile(r"^(\S{1,200})(?: (\S{1,200}))?(?: \((.{1,2000})\))?$")


def read_lock(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``Cargo.lock`` with the scopes that the workspace's manifests tell."""
    text = text_of(data, path)
    offsets = table_offsets(text, "package", MAX_PACKAGES)
    if len(offsets) > MAX_PACKAGES:  # before a million tables are decoded
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    lock = toml_of(text, path)
    if not isinstance(lock.get("package", []), list):
        raise InputError("package is no list", where=path, do="run cargo generate-lockfile")
    entries = [table(one) for one in rows(lock.get("package"))]
    if len(entries) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    lines = lines_of(text, offsets, len(entries))
    if "root" in lock:  # of before 2018
        entries, lines = [table(lock["root"]), *entries], [1, *lines]
    places = [
        (one, line) for one, line in zip(entries, lines, strict=True) if word(one.get("name"))
    ]
    entries = [one for one, _ in places]
    sums = _sums(table(lock.get("metadata")))
    drafts = [_draft(one, line, sums) for one, line in places]
    _link(drafts, entries)
    found = manifests(posixpath.dirname(path), around)
    roots = _roots(drafts, found)
    packages, requires = settle(drafts, roots, ecosystem=ECOSYSTEM, path=path)
    own = found[0] if found else None
    return [
        PackageFile(
            path=path,
            format="Cargo.lock",
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            name=own.name if own else "",
            version=own.version if own else "",
            covers=tuple(one.path for one in found[1:]),
        )
    ]


def read_manifest(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``Cargo.toml`` without a lock file: what is asked for; only ``=1.2.3`` is a version."""
    text = text_of(data, path)
    told = toml_of(text, path)
    root = told if "workspace" in told else workspace_root(posixpath.dirname(path), around)
    manifest = Manifest(path, told, root)
    lines = key_lines(text)
    wanted = list(manifest.wanted())
    if len(wanted) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} dependencies", where=path)
    drafts = [_asked(one, lines) for one in wanted]
    roots = Roots(production=range(len(drafts)))
    packages, requires = settle(drafts, roots, ecosystem=ECOSYSTEM, path=path, scopes=False)
    return [
        PackageFile(
            path=path,
            format="Cargo.toml",
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            pins=False,
            name=manifest.name,
            version=manifest.version,
        )
    ]


def _asked(one: Wanted, lines: dict[tuple[str, ...], int]) -> Draft:
    constraint = word(one.told.get("version"))
    exact = _EXACT.fullmatch(constraint)
    source, url = Source.REGISTRY, ""
    if word(one.told.get("git")):
        source, url = Source.GIT, clean_url(word(one.told.get("git")))
    elif word(one.told.get("path")):
        source, url = Source.PATH, word(one.told.get("path"))
    return Draft(
        one.name,
        exact[1] if exact else "",
        line=lines.get(one.key, 1),
        constraint=constraint,
        source=source,
        url=url,
        development=one.development,
        optional=one.optional,
    )


def _draft(entry: dict[str, Any], line: int, sums: dict[tuple[str, str], str]) -> Draft:
    name, version = word(entry.get("name")), word(entry.get("version"))
    source, url = _source(word(entry.get("source")))
    digest = word(entry.get("checksum")) or sums.get((name, version), "")
    return Draft(
        name,
        version,
        line=line,
        source=source,
        url=url,
        digests=(f"sha256:{digest}",) if digest and source is Source.REGISTRY else (),
    )


def _source(told: str) -> tuple[Source, str]:
    """Kind and address. Packages of another registry keep its address: it may be a mirror."""
    if not told:
        return Source.WORKSPACE, ""
    kind, _, url = told.partition("+")
    if kind == "git":
        return Source.GIT, clean_url(url)
    if kind in ("registry", "sparse"):
        address = clean_url(url).rstrip("/")
        return Source.REGISTRY, "" if address in _INDEXES else address
    return (Source.PATH, clean_url(url)) if kind == "path" else (Source.URL, clean_url(told))


def _sums(metadata: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Version 1 keeps checksums apart: ``"checksum name version (source)" = "…"``."""
    found = {}
    for key, value in metadata.items():
        words = key.split(" ", 3)
        if words[0] == "checksum" and len(words) >= 3 and word(value) not in ("", "<none>"):
            found[(words[1], words[2])] = word(value)
    return found


def _link(drafts: list[Draft], entries: list[dict[str, Any]]) -> None:
    """Edges: a dependency is named as shortly as it is clear, up to ``name version (source)``."""
    places: dict[str, int] = {}
    for at, entry in enumerate(entries):
        name, version = drafts[at].name, drafts[at].version
        source = word(entry.get("source")).split("#")[0]
        places[f"{name} {version} ({source})"] = at
        places.setdefault(f"{name} {version}", at)
        places.setdefault(name, at)
    for draft, entry in zip(drafts, entries, strict=True):
        for told in rows(entry.get("dependencies")):
            needed = _place(word(told), places)
            if needed is not None:
                draft.needs.append(needed)


def _place(told: str, places: dict[str, int]) -> int | None:
    at = places.get(told)
    if at is None:
        found = _REQUIREMENT.match(told)
        if found is not None and found[2]:
            exact = f"{found[1]} {found[2]} ({(found[3] or '').split('#')[0]})"
            at = places.get(exact, places.get(f"{found[1]} {found[2]}"))
    return at


def _roots(drafts: list[Draft], found: list[Manifest]) -> Roots | None:
    """What crates of the workspace ask for. Edges for development leave the crate itself, so
    that whoever needs the crate does not seem to need them."""
    local = [at for at, draft in enumerate(drafts) if draft.source is Source.WORKSPACE]
    if not local:
        return None
    by_name = {one.name: one for one in found}
    members = {one.name for one in found}
    roots = Roots(production=local)
    for at in local:
        draft = drafts[at]
        manifest = by_name.get(draft.name)
        if draft.name not in members:
            draft.source = Source.PATH
        if manifest is None:
            roots.production += draft.needs
        else:
            _scope(draft, drafts, manifest, roots)
    return roots


def _scope(draft: Draft, drafts: list[Draft], manifest: Manifest, roots: Roots) -> None:
    wanted = list(manifest.wanted())
    development = {one.name for one in wanted if one.development}
    maybe = {one.name for one in wanted if one.optional and not one.development}
    firm = {one.name for one in wanted if not (one.optional or one.development)}
    tests_only = development - firm - maybe
    needs, draft.needs = draft.needs, []
    for at in needs:
        name = drafts[at].name
        if name in tests_only:
            roots.development.append(at)
        elif name in maybe - firm:
            draft.maybe.append(at)
            roots.optional.append(at)
        else:
            draft.needs.append(at)
            roots.production.append(at)
