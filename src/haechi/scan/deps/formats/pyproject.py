"""pyproject.toml: what a project asks for (PEP 621, PEP 735, Poetry's, uv's, PDM's and Hatch's
tables). It pins nothing by itself; readers of lock files take the roots from here.

What is needed only to build (``build-system.requires``) is no dependency of what runs and is in
no lock file; it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from haechi.errors import LimitExceeded
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    MAX_MANIFEST,
    bounded,
    rows,
    table,
    text_of,
    toml_of,
    word,
)
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.pep508 import Requirement, normal_name, requirement
from haechi.scan.deps.formats.places import Lines
from haechi.scan.deps.formats.urls import clean_url

_TOKEN = re.compile(
    r"\"([^\"\n]{1,500})\"|'([^'\n]{1,500})'|^[ \t]*([A-Za-z0-9][A-Za-z0-9._-]{0,200})[ \t]*=", re.M
)
_EXACT = re.compile(r"={0,2}\s*(\d[A-Za-z0-9.+!_-]*)\Z")
MAX_ASKS = 20_000
PRODUCTION, OPTIONAL, DEVELOPMENT = "production", "optional", "development"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One dependency that a manifest asks for; ``scope`` is production, optional, development.
    ``written`` is the text (or key) by which its line is found."""

    name: str
    spelled: str
    scope: str
    constraint: str = ""
    version: str = ""
    extras: tuple[str, ...] = ()
    source: Source = Source.REGISTRY
    url: str = ""
    written: str = ""


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read pyproject.toml; nothing comes of one that only configures tools."""
    bounded(data, path, MAX_MANIFEST)
    text = text_of(data, path)
    value = toml_of(text, path)
    found = list(asks(value))
    if not found:
        return ()
    if len(found) > MAX_ASKS:
        raise LimitExceeded(f"more than {MAX_ASKS:,} dependencies", where=path)
    name, version = project_of(value)
    return (
        manifest_file(found, path, "pyproject.toml", line_index(text), name=name, version=version),
    )


def manifest_file(
    found: Sequence[Ask],
    path: str,
    format: str,
    lines: dict[str, int],
    *,
    name: str = "",
    version: str = "",
) -> PackageFile:
    """A manifest's asks as packages, all of them direct."""
    drafts = [
        Draft(
            ask.name,
            ask.version,
            spelled=ask.spelled,
            constraint=ask.constraint,
            line=lines.get(ask.written, 1),
            source=ask.source,
            url=ask.url,
        )
        for ask in found
    ]
    roots = roots_of(found, lambda at: [at])
    packages, requires = settle(drafts, roots, ecosystem="PyPI", path=path)
    return PackageFile(
        path=path,
        format=format,
        ecosystem="PyPI",
        packages=packages,
        requires=requires,
        pins=False,
        name=name,
        version=version,
    )


def roots_of(found: Sequence[Ask], positions: Any) -> Roots:
    """Roots of a graph out of what a manifest asks for; ``positions`` finds its packages by the
    number of the ask."""
    roots = Roots()
    lists = {
        PRODUCTION: roots.production,
        OPTIONAL: roots.optional,
        DEVELOPMENT: roots.development,
    }
    for at, ask in enumerate(found):
        lists[ask.scope].extend(positions(at))
    return roots


def line_index(text: str) -> dict[str, int]:
    """Lines of quoted texts and of keys, the first of each."""
    lines = Lines(text)
    index: dict[str, int] = {}
    for match in _TOKEN.finditer(text):
        index.setdefault(
            match[1] or match[2] or match[3], lines.at(match.start(match.lastindex or 0))
        )
    return index


def project_of(value: dict[str, Any]) -> tuple[str, str]:
    """Name and version of the project."""
    poetry = table(table(value.get("tool")).get("poetry"))
    project = table(value.get("project"))
    return (
        word(project.get("name")) or word(poetry.get("name")),
        word(project.get("version")) or word(poetry.get("version")),
    )


def asks(value: dict[str, Any]) -> Iterator[Ask]:
    """Everything a decoded pyproject.toml asks for."""
    project, tool = table(value.get("project")), table(value.get("tool"))
    yield from _texts(project.get("dependencies"), PRODUCTION)
    for wanted in table(project.get("optional-dependencies")).values():
        yield from _texts(wanted, OPTIONAL)
    for wanted in table(value.get("dependency-groups")).values():
        yield from _texts(wanted, DEVELOPMENT)
    yield from _texts(table(tool.get("uv")).get("dev-dependencies"), DEVELOPMENT)
    for wanted in table(table(tool.get("pdm")).get("dev-dependencies")).values():
        yield from _texts(wanted, DEVELOPMENT)
    for environment in table(table(tool.get("hatch")).get("envs")).values():
        for key in ("dependencies", "extra-dependencies"):
            yield from _texts(table(environment).get(key), DEVELOPMENT)
    poetry = table(tool.get("poetry"))
    yield from poetry_asks(table(poetry.get("dependencies")), PRODUCTION)
    for key in ("dev-dependencies",):
        yield from poetry_asks(table(poetry.get(key)), DEVELOPMENT)
    for name, group in table(poetry.get("group")).items():
        scope = PRODUCTION if name == "main" else DEVELOPMENT
        yield from poetry_asks(table(table(group).get("dependencies")), scope)


def _texts(wanted: Any, scope: str) -> Iterator[Ask]:
    for text in rows(wanted):
        found = requirement(text) if isinstance(text, str) else None
        if found is not None:
            yield ask_of(found, scope, text)


def ask_of(found: Requirement, scope: str, written: str) -> Ask:
    """A requirement in the words of PEP 508 as an ask."""
    if scope == PRODUCTION and found.of_extra:
        scope = OPTIONAL
    return Ask(
        name=found.name,
        spelled=found.spelled,
        scope=scope,
        constraint=found.constraint,
        version=found.version,
        extras=found.extras,
        source=source_of_url(found.url),
        url=found.url,
        written=written,
    )


def source_of_url(url: str) -> Source:
    """What kind of source a direct reference (PEP 508, PEP 610) names."""
    if not url:
        return Source.REGISTRY
    if url.startswith(("git+", "hg+", "svn+", "bzr+")) or url.partition("#")[0].endswith(".git"):
        return Source.GIT
    return Source.PATH if url.startswith(("file:", ".", "/")) or "://" not in url else Source.URL


def poetry_asks(wanted: dict[str, Any], scope: str) -> Iterator[Ask]:
    """A table of Poetry's or Pipenv's: ``name = "^1.0"``, ``name = {git = …}`` or a list."""
    for name, spec in wanted.items():
        if name == "python":
            continue
        for one in spec if isinstance(spec, list) else (spec,):
            more = table(one)
            constraint = "".join((word(one) or word(more.get("version"))).split())
            address = next((word(more[key]) for key in _ADDRESSES if key in more), "")
            exact = _EXACT.match(constraint)
            yield Ask(
                name=normal_name(name),
                spelled=name,
                scope=OPTIONAL if scope == PRODUCTION and more.get("optional") is True else scope,
                constraint="" if constraint == "*" else constraint,
                version=exact[1] if exact else "",
                extras=tuple(filter(None, map(word, rows(more.get("extras"))))),
                source=_kind(more),
                url=clean_url(address),
                written=name,
            )


_ADDRESSES = ("git", "hg", "svn", "url", "path", "file")


def _kind(more: dict[str, Any]) -> Source:
    if "git" in more or "hg" in more or "svn" in more:
        return Source.GIT
    if "path" in more:
        return Source.PATH
    if "url" in more or "file" in more:
        return Source.URL
    return Source.REGISTRY
