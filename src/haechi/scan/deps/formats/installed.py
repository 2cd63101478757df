"""An environment as it is installed: ``*.dist-info`` and ``*.egg-info`` of one site-packages.

The reader is called for one of the folders in it and reads all of them. Tests and builds of a
repository have such folders too; the tree that is walked leaves site-packages out unless it was
asked for.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.location import Location
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, table, text_of, too_many, word
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.pep508 import Requirement, normal_name, requirement
from haechi.scan.deps.formats.urls import clean_url

_FIELD = re.compile(r"^([A-Za-z-]{1,40}):[ \t]*(.*)$", re.M)
_HEAD = 512 * 1024
_CLASSIFIER = "License :: OSI Approved :: "


def read_metadata(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read the environment that a ``METADATA`` stands in."""
    return _environment(posixpath.dirname(posixpath.dirname(path)), around)


def read_egg(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read the environment that an egg-info file or folder stands in; the egg-info of a project's
    own sources (``setup.py develop``) is not an environment."""
    inner = path.endswith("/PKG-INFO")
    folder = posixpath.dirname(posixpath.dirname(path) if inner else path)
    if posixpath.basename(folder) not in ("site-packages", "dist-packages"):
        return ()
    return _environment(folder, around)


def _environment(folder: str, around: Around) -> Sequence[PackageFile]:
    drafts: list[Draft] = []
    places: list[str] = []
    asked: list[list[Requirement]] = []
    requested: list[bool] = []
    gaps: list[Gap] = []
    for name in sorted(around.names(folder)):
        if not name.endswith((".dist-info", ".egg-info")):
            continue
        inside = posixpath.join(folder, name)
        found = _metadata(inside, around)
        if found is None:
            gaps.append(_gap(inside, "it has no METADATA that can be read"))
            continue
        if len(drafts) >= MAX_PACKAGES:
            gaps.append(too_many(folder))
            break
        path, data = found
        try:
            fields = _fields(text_of(data[:_HEAD], path))
        except InputError as error:
            gaps.append(_gap(path, error.what))
            continue
        drafts.append(_draft(fields, inside, around))
        places.append(path)
        asked.append(
            [one for text in fields.get("requires-dist", ()) if (one := requirement(text))]
        )
        requested.append("REQUESTED" in around.names(inside))
    return (_file(folder, drafts, places, asked, requested, gaps),)


def _file(
    folder: str,
    drafts: list[Draft],
    places: list[str],
    asked: list[list[Requirement]],
    requested: list[bool],
    gaps: list[Gap],
) -> PackageFile:
    by_name = {draft.name: at for at, draft in enumerate(drafts)}
    for draft, wanted in zip(drafts, asked, strict=True):
        for one in wanted:
            at = by_name.get(one.name)
            if at is not None:
                (draft.maybe if one.of_extra else draft.needs).append(at)
    chosen = [at for at, told in enumerate(requested) if told]
    packages, requires = settle(
        drafts, Roots(chosen) if chosen else None, ecosystem="PyPI", path=folder, scopes=False
    )
    return PackageFile(
        path=folder,
        format="site-packages",
        ecosystem="PyPI",
        packages=tuple(
            msgspec.structs.replace(package, location=Location(path=place))
            for package, place in zip(packages, places, strict=True)
        ),
        requires=requires,
        gaps=tuple(gaps),
    )


def _metadata(inside: str, around: Around) -> tuple[str, bytes] | None:
    for path in (f"{inside}/METADATA", f"{inside}/PKG-INFO", inside):
        data = around.read(path)
        if data is not None:
            return path, data
    return None


def _fields(text: str) -> dict[str, list[str]]:
    """Headers of METADATA (RFC 822 style) up to the description."""
    fields: dict[str, list[str]] = {}
    for match in _FIELD.finditer(text.replace("\r\n", "\n").partition("\n\n")[0]):
        fields.setdefault(match[1].lower(), []).append(match[2].strip())
    return fields


def _draft(fields: dict[str, list[str]], inside: str, around: Around) -> Draft:
    name, version = _first(fields, "name"), _first(fields, "version")
    if not name:  # old eggs: what the folder is called
        name, _, version = posixpath.basename(inside).rpartition(".")[0].partition("-")
    source, url = _origin(around.read(f"{inside}/direct_url.json"))
    return Draft(
        normal_name(name),
        version.partition("-py")[0],
        spelled=name,
        source=source,
        url=url,
        licence=_licence(fields),
    )


def _origin(data: bytes | None) -> tuple[Source, str]:
    """PEP 610: where a package came from when that was no index."""
    try:
        told = table(msgspec.json.decode(data)) if data else {}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        told = {}
    url = clean_url(word(told.get("url")))
    if "vcs_info" in told:
        return Source.GIT, url
    if "dir_info" in told or url.startswith("file:"):
        return Source.PATH, url
    return (Source.URL, url) if url else (Source.REGISTRY, "")


def _licence(fields: dict[str, Any]) -> str:
    """The SPDX expression (PEP 639), else the field if it is short, else the classifiers."""
    if expression := _first(fields, "license-expression"):
        return expression
    written = _first(fields, "license")
    if written and written.upper() != "UNKNOWN" and len(written) <= 100:
        return written
    told = [c.removeprefix(_CLASSIFIER) for c in fields.get("classifier", ()) if _CLASSIFIER in c]
    return " / ".join(told)


def _first(fields: dict[str, list[str]], key: str) -> str:
    return (fields.get(key) or [""])[0]


def _gap(path: str, reason: str) -> Gap:
    return Gap(kind="lockfile", path=path, reason=reason, do="install the package again")
