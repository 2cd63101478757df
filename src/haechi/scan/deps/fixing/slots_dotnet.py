"""Versions in MSBuild's projects, central package files and packages.config."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.scan.deps.fixing.slots import Slot, Sought
from haechi.scan.deps.fixing.xml_spans import Node, Text, xml_nodes
from haechi.scan.fix.changes import Refused

_REFERENCES = frozenset({"PackageReference", "PackageVersion", "GlobalPackageReference"})
_PROPERTY = re.compile(r"\$\(([\w.-]+)\)\Z")


def project(text: str, sought: Sought) -> Iterator[Slot]:
    """``Version`` of the package's references, or the property of this file that it names."""
    nodes = xml_nodes(text).walk()
    wanted = [node for node in nodes if sought.name.lower() in _names(node)]
    given: set[int] = set()
    for node in wanted:
        version = _version(node)
        if version is None:
            continue
        for place in _places(nodes, version):
            if place.start in given:
                continue
            given.add(place.start)
            yield Slot(start=place.start, end=place.end)


def _names(node: Node) -> list[str]:
    if node.name == "package":
        named = node.attributes.get("id")
    elif node.name in _REFERENCES:
        named = node.attributes.get("Include") or node.attributes.get("Update")
    else:
        return []
    return [name.strip().lower() for name in named.value.split(";")] if named else []


def _version(node: Node) -> Text | None:
    keys = ("VersionOverride", "Version", "version")
    found = next((node.attributes[key] for key in keys if key in node.attributes), None)
    if found is not None:
        return found
    return next((one.text for one in node.children if one.name in keys), None)


def _places(nodes: list[Node], version: Text) -> list[Text]:
    used = _PROPERTY.match(version.value)
    if used is None:
        if "$" in version.value:
            raise Refused(f"its version is computed: {version.value[:60]}")
        return [version]
    groups = [node for node in nodes if node.name == "PropertyGroup"]
    found = [
        one.text
        for group in groups
        for one in group.children
        if one.name.lower() == used[1].lower() and one.text is not None
    ]
    if not found:
        raise Refused(f"its version is the property {used[1][:60]}, which another file sets")
    return found
