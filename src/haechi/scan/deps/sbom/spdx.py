"""SPDX 2.0 to 2.3, as JSON or tag-value, with the words of the tools that write it.

What the document describes is the root when it is one of several packages (Syft, GitHub, Trivy);
where everything is described, everything is a package. Of the relationships those count that say
"needs"; ``CONTAINS`` says where something lies, not what asks for it.
"""

from __future__ import annotations

from typing import Any

from haechi.engines.bom.plain import mappings, text, texts
from haechi.scan.deps.sbom.components import (
    DEVELOPMENT,
    DIRECT,
    MAX_COMPONENTS,
    OPTIONAL,
    Component,
    Contents,
)

_NEEDS = frozenset({"DEPENDS_ON", "HAS_PREREQUISITE", "DYNAMIC_LINK", "STATIC_LINK"})
_NEEDED_BY = frozenset(
    {
        "DEPENDENCY_OF",
        "RUNTIME_DEPENDENCY_OF",
        "PROVIDED_DEPENDENCY_OF",
        "DEPENDENCY_MANIFEST_OF",
        "PREREQUISITE_FOR",
    }
)
_FOR_DEVELOPMENT = frozenset(
    {"DEV_DEPENDENCY_OF", "TEST_DEPENDENCY_OF", "BUILD_DEPENDENCY_OF", "DEV_TOOL_OF"}
)
_OPTIONAL = frozenset({"OPTIONAL_DEPENDENCY_OF"})
_NOTHING = frozenset({"", "NOASSERTION", "NONE"})
_SYSTEMS = frozenset({"OPERATING-SYSTEM", "FILE", "ARCHIVE", "SOURCE", "CONTAINER", "OTHER"})
_NO_PACKAGES = tuple(
    f"SPDXRef-{kind}"
    for kind in ("DocumentRoot", "Application-", "OperatingSystem", "ContainerImage", "Filesystem")
)
"""What Syft and Trivy before SPDX 2.3 said by the id alone."""
_DOCUMENT = "SPDXRef-DOCUMENT"


def contents(document: dict[str, Any]) -> Contents:
    """Components, edges and roots of a document; nothing in it is trusted to have its type."""
    entries = mappings(document.get("packages"))
    described = set(texts(document.get("documentDescribes")))
    found = Contents(components=[], needs={}, roots=[])
    wanted: set[str] = set()
    development: set[str] = set()
    optional: set[str] = set()
    held: list[tuple[str, str]] = []
    for each in mappings(document.get("relationships")):
        source, target = text(each.get("spdxElementId")), text(each.get("relatedSpdxElement"))
        kind = text(each.get("relationshipType"))
        if kind == "DESCRIBES" and source == _DOCUMENT:
            described.add(target)
        elif kind == "DESCRIBED_BY" and target == _DOCUMENT:
            described.add(source)
        elif kind == "CONTAINS":
            held.append((source, target))
        elif kind in _NEEDS:
            found.needs.setdefault(source, []).append(target)
            wanted.add(target)
        elif kind in _NEEDED_BY | _FOR_DEVELOPMENT | _OPTIONAL:
            found.needs.setdefault(target, []).append(source)
            if kind in _FOR_DEVELOPMENT:
                development.add(source)
            else:
                (optional if kind in _OPTIONAL else wanted).add(source)
    roots = [each for each in entries if text(each.get("SPDXID")) in described]
    if len(roots) == 1 and len(entries) > 1:
        found.roots = [text(roots[0].get("SPDXID"))]
        found.name, found.version = text(roots[0].get("name")), text(roots[0].get("versionInfo"))
        found.purl = _purl(roots[0])
        _hang_lock_files(found, held, entries)
    for number, entry in enumerate(entries):
        ref = text(entry.get("SPDXID")) or f"\0{number}"
        if ref in found.roots:
            continue
        if len(found.components) >= MAX_COMPONENTS:
            found.more += 1
            continue
        component = _component(entry, ref)
        own = component.properties
        component.direct = {"true": True, "false": False}.get(own.get(DIRECT, ""))
        component.development = ref in development and ref not in wanted and ref not in optional
        if DEVELOPMENT in own:
            component.development = own[DEVELOPMENT] == "true"
        component.optional = ref in optional and ref not in wanted
        if DEVELOPMENT in own or OPTIONAL in own:
            component.optional = own.get(OPTIONAL) == "true"
        found.components.append(component)
    found.incomplete = _incomplete(document)
    return found


def _hang_lock_files(
    found: Contents, held: list[tuple[str, str]], entries: list[dict[str, Any]]
) -> None:
    """Trivy's root contains lock files, and those contain what they ask for: so does the root."""
    files = {text(each.get("SPDXID")) for each in entries if not _purl(each)}
    locks = {target for source, target in held if source in found.roots and target in files}
    for source, target in held:
        if source in locks or (source in found.roots and target in locks):
            found.needs.setdefault(source, []).append(target)


def _component(entry: dict[str, Any], ref: str) -> Component:
    return Component(
        ref=ref,
        name=text(entry.get("name")),
        version=text(entry.get("versionInfo")),
        purl=_purl(entry),
        licence=_licence(entry),
        digests=_digests(entry.get("checksums")),
        library=text(entry.get("primaryPackagePurpose")) not in _SYSTEMS
        and not ref.startswith(_NO_PACKAGES),
        properties=_properties(entry),
    )


def _purl(entry: dict[str, Any]) -> str:
    for each in mappings(entry.get("externalRefs")):
        if text(each.get("referenceType")) == "purl":
            return text(each.get("referenceLocator"))
    return ""


def _licence(entry: dict[str, Any]) -> str:
    for key in ("licenseConcluded", "licenseDeclared"):
        if (found := text(entry.get(key))) not in _NOTHING:
            return found
    return ""


def _digests(value: Any) -> tuple[str, ...]:
    return tuple(
        f"{algorithm.lower().replace('-', '')}:{content.lower()}"
        for each in mappings(value)
        if (algorithm := text(each.get("algorithm")))
        and (content := text(each.get("checksumValue")))
    )


def _properties(entry: dict[str, Any]) -> dict[str, str]:
    """Our own SBOMs say in annotations what the format has no word for: ``haechi:key=value``."""
    found: dict[str, str] = {}
    for each in mappings(entry.get("annotations")):
        name, sign, value = text(each.get("comment")).partition("=")
        if sign and name.startswith("haechi:"):
            found[name] = value
    return found


def _incomplete(document: dict[str, Any]) -> str:
    """Our own SBOMs say it in the document's annotations."""
    for each in mappings(document.get("annotations")):
        comment = text(each.get("comment"))
        if comment.startswith("haechi:incomplete="):
            return "it says so itself: " + comment.partition("=")[2][:300]
    return ""
