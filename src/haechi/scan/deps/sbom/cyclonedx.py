"""CycloneDX 1.0 to 1.7, with the words of the tools that write it.

Components nest; an inner one counts as needed by the outer. A scope of ``excluded`` is
development; ``optional`` is taken at its word. Properties of cdxgen, of cyclonedx-npm, -py and
-php say development where the scope does not.
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

_TRUE = frozenset({"cdx:npm:package:development", "cdx:composer:package:isDevRequirement"})
_GROUPS = frozenset({"cdx:poetry:group", "cdx:poetry:package:group", "cdx:pipenv:category"})
_DEVELOPMENT_GROUPS = frozenset({"dev", "develop", "development", "test", "tests", "lint", "docs"})
_LIBRARIES = frozenset({"library", "framework", "firmware", "machine-learning-model"})
_INCOMPLETE = "incomplete"


def contents(document: dict[str, Any]) -> Contents:
    """Components, edges and roots of a document; nothing in it is trusted to have its type."""
    about = document.get("metadata")
    about = about if isinstance(about, dict) else {}
    root = about.get("component")
    root = root if isinstance(root, dict) else {}
    found = Contents(
        components=[],
        needs={},
        roots=[text(root.get("bom-ref"))] if text(root.get("bom-ref")) else [],
        name=_name(root),
        version=text(root.get("version")),
        purl=text(root.get("purl")),
        incomplete=_incomplete(document),
    )
    _walk(mappings(document.get("components")) + mappings(root.get("components")), found)
    for edge in mappings(document.get("dependencies")):
        ref = text(edge.get("ref"))
        if ref:
            found.needs.setdefault(ref, []).extend(texts(edge.get("dependsOn")))
    return found


def _walk(top: list[dict[str, Any]], found: Contents) -> None:
    """Nested components without recursion, in the order of the document."""
    pending = [(each, "") for each in reversed(top)]
    while pending:
        entry, outer = pending.pop()
        if len(found.components) >= MAX_COMPONENTS:
            found.more += 1
            pending.extend((each, "") for each in mappings(entry.get("components")))
            continue
        component = _component(entry, len(found.components))
        found.components.append(component)
        if outer:
            found.needs.setdefault(outer, []).append(component.ref)
        inner = mappings(entry.get("components"))
        pending.extend((each, component.ref) for each in reversed(inner))


def _component(entry: dict[str, Any], number: int) -> Component:
    properties: dict[str, str] = {}
    for each in mappings(entry.get("properties")):
        properties.setdefault(text(each.get("name")), text(each.get("value")))
    scope = text(entry.get("scope"))
    return Component(
        ref=text(entry.get("bom-ref")) or f"\0{number}",
        name=_name(entry),
        version=text(entry.get("version")),
        purl=text(entry.get("purl")),
        licence=_licence(entry.get("licenses")),
        digests=_digests(entry.get("hashes")),
        development=_is_development(scope, properties),
        optional=properties.get(OPTIONAL) == "true"
        or (scope == "optional" and DEVELOPMENT not in properties),
        direct={"true": True, "false": False}.get(properties.get(DIRECT, "")),
        library=text(entry.get("type")) in _LIBRARIES
        or (text(entry.get("type")) == "application" and bool(entry.get("cpe"))),
        properties=properties,
    )


def _is_development(scope: str, properties: dict[str, str]) -> bool:
    if DEVELOPMENT in properties:
        return properties[DEVELOPMENT] == "true"
    if any(properties.get(name) == "true" for name in _TRUE):
        return True
    if any(properties.get(name, "") in _DEVELOPMENT_GROUPS for name in _GROUPS):
        return True
    return scope == "excluded"


def _name(entry: dict[str, Any]) -> str:
    group, name = text(entry.get("group")), text(entry.get("name"))
    return f"{group}/{name}" if group else name


def _licence(value: Any) -> str:
    """An expression as it stands; several licences are all of them."""
    found = []
    for each in mappings(value):
        if expression := text(each.get("expression")):
            return expression
        licence = each.get("license")
        if isinstance(licence, dict):
            found.append(text(licence.get("id")) or text(licence.get("name")))
    found = [each for each in found if each]
    return " AND ".join(dict.fromkeys(found))


def _digests(value: Any) -> tuple[str, ...]:
    return tuple(
        f"{algorithm.lower().replace('-', '')}:{content.lower()}"
        for each in mappings(value)
        if (algorithm := text(each.get("alg"))) and (content := text(each.get("content")))
    )


def _incomplete(document: dict[str, Any]) -> str:
    """What ``compositions`` say of the whole."""
    for each in mappings(document.get("compositions")):
        aggregate = text(each.get("aggregate"))
        if aggregate.startswith(_INCOMPLETE):
            return f"it says so itself (compositions: {aggregate})"
    return ""
