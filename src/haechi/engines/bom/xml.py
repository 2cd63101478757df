"""CycloneDX in XML, as the values that its JSON form has.

Read by expat with everything off that XML is attacked through: a document type declaration, and
with it every entity, ends the reading. Only the elements are taken over that say something of
packages, of how they hang together, and of vulnerabilities.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from haechi.engines.bom.places import Place, Places
from haechi.errors import InputError, LimitExceeded

MAX_ELEMENTS = 2_000_000
MAX_DEPTH = 200
_SPACE = "cyclonedx.org/schema/bom"


class _Element:
    __slots__ = ("attributes", "children", "line", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.children: list[_Element] = []
        self.text = ""

    def all(self, name: str) -> list[_Element]:
        return [child for child in self.children if child.name == name]

    def first(self, *path: str) -> _Element | None:
        element = self
        for name in path:
            found = next((child for child in element.children if child.name == name), None)
            if found is None:
                return None
            element = found
        return element

    def words(self, *path: str) -> str:
        element = self.first(*path)
        return element.text.strip() if element is not None else ""

    def within(self, *path: str, each: str) -> list[_Element]:
        element = self.first(*path)
        return element.all(each) if element is not None else []


def read_xml(data: bytes, name: str = "") -> tuple[dict[str, Any], Places]:
    """The document and its places. Raises InputError for XML that is broken, carries a document
    type declaration or is no CycloneDX, LimitExceeded for too much of it."""
    root, space = _parsed(data, name)
    if root.name != "bom" or _SPACE not in space:
        raise InputError("XML, but not CycloneDX", where=name)
    purls: dict[str, Place] = {}
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "serialNumber": root.attributes.get("serialNumber", ""),
        "version": root.attributes.get("version", ""),
        "metadata": {"timestamp": root.words("metadata", "timestamp")},
        "components": [_component(c, purls) for c in root.within("components", each="component")],
        "dependencies": [
            {
                "ref": each.attributes.get("ref", ""),
                "dependsOn": [d.attributes.get("ref", "") for d in each.all("dependency")],
            }
            for each in root.within("dependencies", each="dependency")
        ],
        "compositions": [
            {"aggregate": each.words("aggregate")}
            for each in root.within("compositions", each="composition")
        ],
    }
    about = root.first("metadata", "component")
    if about is not None:
        document["metadata"]["component"] = _component(about, purls)
    told = root.within("vulnerabilities", each="vulnerability")
    document["vulnerabilities"] = [_vulnerability(each) for each in told]
    return document, Places(purls, [(each.line, 1) for each in told])


def _parsed(data: bytes, name: str) -> tuple[_Element, str]:
    parser = expat.ParserCreate(namespace_separator=" ")
    top = _Element("", {}, 1)
    stack = [top]
    spaces: list[str] = []
    count = 0

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS or len(stack) > MAX_DEPTH:
            raise LimitExceeded("too many elements, or nested too deeply", where=name)
        space, _, local = tag.rpartition(" ")
        if not spaces:
            spaces.append(space)
        element = _Element(local, attributes, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_tag: str) -> None:
        stack.pop()

    def text(words: str) -> None:
        stack[-1].text += words

    def declared(*_: Any) -> None:
        raise InputError("a document type declaration", why="entities are not read", where=name)

    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = declared
    parser.EntityDeclHandler = declared
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise InputError(f"not XML: {error}", where=name) from error
    return top.children[0], spaces[0]


def _component(top: _Element, purls: dict[str, Place]) -> dict[str, Any]:
    """A component with those nested in it; depth is bounded by the parser."""
    purl = top.words("purl")
    if purl:
        found = top.first("purl")
        purls.setdefault(purl, (found.line if found else top.line, 1))
    return {
        "type": top.attributes.get("type", ""),
        "bom-ref": top.attributes.get("bom-ref", ""),
        "group": top.words("group"),
        "name": top.words("name"),
        "version": top.words("version"),
        "purl": purl,
        "cpe": top.words("cpe"),
        "scope": top.words("scope"),
        "hashes": [
            {"alg": each.attributes.get("alg", ""), "content": each.text.strip()}
            for each in top.within("hashes", each="hash")
        ],
        "licenses": _licences(top),
        "properties": _properties(top),
        "components": [_component(c, purls) for c in top.within("components", each="component")],
    }


def _licences(top: _Element) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"license": {"id": each.words("id"), "name": each.words("name")}}
        for each in top.within("licenses", each="license")
    ]
    found += [{"expression": e.text.strip()} for e in top.within("licenses", each="expression")]
    return found


def _properties(top: _Element) -> list[dict[str, str]]:
    return [
        {"name": each.attributes.get("name", ""), "value": each.text.strip()}
        for each in top.within("properties", each="property")
    ]


def _vulnerability(top: _Element) -> dict[str, Any]:
    return {
        "id": top.words("id"),
        "references": [
            {"id": each.words("id")} for each in top.within("references", each="reference")
        ],
        "created": top.words("created"),
        "published": top.words("published"),
        "updated": top.words("updated"),
        "recommendation": top.words("recommendation"),
        "analysis": {
            "state": top.words("analysis", "state"),
            "justification": top.words("analysis", "justification"),
            "detail": top.words("analysis", "detail"),
            "firstIssued": top.words("analysis", "firstIssued"),
            "lastUpdated": top.words("analysis", "lastUpdated"),
            "response": [
                each.text.strip() for each in top.within("analysis", "responses", each="response")
            ],
        },
        "affects": [
            {"ref": each.words("ref"), "versions": _versions(each)}
            for each in top.within("affects", each="target")
        ],
    }


def _versions(target: _Element) -> list[dict[str, str]]:
    return [
        {
            "version": each.words("version"),
            "range": each.words("range"),
            "status": each.words("status"),
        }
        for each in target.within("versions", each="version")
    ]
