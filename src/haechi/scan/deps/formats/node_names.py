"""What npm, yarn, pnpm and bun have in common: how a dependency is written, and where it leads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.model.package import Source
from haechi.scan.deps.formats.decoding import table, word
from haechi.scan.deps.formats.urls import clean_url

_HOSTED = re.compile(r"(?:github|gitlab|bitbucket|gist):|[A-Za-z0-9_-]+/[A-Za-z0-9._-]+(?:#.*)?\Z")
_GIT = re.compile(
    r"git[+@:]|ssh:|[^#]*\.git(?:#.*)?\Z|https?://(?:www\.)?github\.com/[^/]+/[^/]+\Z"
)
_EXACT = re.compile(r"[=v]?(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)\Z")
FIELDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency as a manifest writes it. ``name`` is what is installed, ``spelled`` the alias
    under which it is imported; they differ for ``npm:other@1``."""

    name: str
    spelled: str
    constraint: str = ""
    version: str = ""
    source: Source = Source.REGISTRY
    url: str = ""


def asked(name: str, spec: str) -> Asked:
    """Read ``"name": "spec"`` of a package.json."""
    spec = spec.strip()[:2_000]
    source = kind_of(spec)
    if spec.startswith("npm:"):
        real, version = split_name(spec[4:])
        return Asked(name=real or name, spelled=name, constraint=version, version=exact(version))
    if source is Source.REGISTRY:
        constraint = spec.removeprefix("jsr:")
        return Asked(name=name, spelled=name, constraint=constraint, version=exact(constraint))
    return Asked(name=name, spelled=name, source=source, url=clean_url(spec))


def kind_of(spec: str) -> Source:
    """What kind of source a specifier (or a resolved address) names."""
    if not spec or spec[0] in "^~*<>=0123456789v":
        return Source.REGISTRY
    if spec.startswith(("workspace:", "catalog:")):
        return Source.WORKSPACE if spec[0] == "w" else Source.REGISTRY
    if spec.startswith(("file:", "link:", "portal:", "./", "../", "/", "~/")):
        return Source.PATH
    if spec.startswith(("npm:", "jsr:")):
        return Source.REGISTRY
    if _GIT.match(spec) or _HOSTED.match(spec):
        return Source.GIT
    if spec.startswith(("http://", "https://")):
        return Source.URL
    return Source.REGISTRY


def resolved_kind(url: str) -> Source:
    """What kind of source a resolved address names: a registry's tarball lies under ``/-/`` or
    under ``/download/``, whatever its host."""
    if not url or "/-/" in url or "/download/" in url:
        return Source.REGISTRY
    if url.startswith(("http://", "https://")):
        if url.startswith(("https://codeload.github.com/", "https://github.com/")):
            return Source.GIT
        return Source.URL if url.partition("?")[0].endswith((".tgz", ".tar.gz")) else kind_of(url)
    return kind_of(url)


def split_name(text: str) -> tuple[str, str]:
    """``@scope/name@1.0`` in name and the rest behind the second ``@``."""
    at = text.find("@", 1)
    return (text, "") if at < 0 else (text[:at], text[at + 1 :])


def exact(constraint: str) -> str:
    """The version where a constraint is one; "" for a range or a tag."""
    match = _EXACT.match(constraint)
    return match[1] if match else ""


def texts(value: Any) -> dict[str, str]:
    """The entries of an object whose values are texts."""
    return {key: one for key, one in table(value).items() if isinstance(one, str)}


def licence_of(value: Any) -> str:
    """``license`` in any of the shapes that package.json had over the years."""
    if isinstance(value, list):
        return " OR ".join(filter(None, map(licence_of, value)))
    if isinstance(value, Mapping):
        return word(value.get("type")) or word(value.get("name"))
    return word(value)
