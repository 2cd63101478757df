"""What both formats say of a component, before it is known which of them are packages."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

MAX_COMPONENTS = 200_000
DIRECT = "haechi:direct"
DEVELOPMENT = "haechi:development"
OPTIONAL = "haechi:optional"
SOURCE = "haechi:source"
SOURCE_URL = "haechi:source-url"
CONSTRAINT = "haechi:constraint"
ECOSYSTEM = "haechi:ecosystem"
INSTALL_SCRIPT = "haechi:install-script"
YANKED = "haechi:yanked"
DIGEST = "haechi:digest"
LICENCE = "haechi:licence"
"""Names of the properties in which our own SBOMs carry what the formats have no word for."""


_NO_VERSION = frozenset({"unknown", "unspecified", "noassertion", "none", "(devel)"})
"""What Syft, Gradle, SPDX and Go write where they know none, in lower case. Some ecosystems can
order any text: taken for a version, it would be above every fixed one."""


def known_version(text: str) -> str:
    """A version, or "" where the text says that nobody knows it."""
    return "" if text.strip().lower() in _NO_VERSION else text


class Component(msgspec.Struct, kw_only=True):
    """One component. ``ref`` is its id in the document, ``inner`` the ids of what is nested in
    it; ``library`` says that it should have had a package URL."""

    ref: str
    name: str = ""
    version: str = ""
    purl: str = ""
    licence: str = ""
    digests: tuple[str, ...] = ()
    development: bool = False
    optional: bool = False
    direct: bool | None = None
    library: bool = True
    properties: Mapping[str, str] = {}


class Contents(msgspec.Struct, kw_only=True):
    """A document's components and edges. ``roots`` are the ids of what it describes; ``needs``
    are the edges "depends on", ``development`` the targets that only development asks for.
    ``incomplete`` is what the document itself says of what it lacks."""

    components: list[Component]
    needs: dict[str, list[str]]
    roots: list[str]
    name: str = ""
    version: str = ""
    purl: str = ""
    incomplete: str = ""
    more: int = 0
