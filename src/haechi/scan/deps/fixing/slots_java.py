"""Versions in pom.xml, Gradle's scripts and its version catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.scan.deps.fixing.slots import Slot, Sought
from haechi.scan.deps.fixing.spans import Span, toml_spans
from haechi.scan.deps.fixing.xml_spans import Node, xml_nodes
from haechi.scan.fix.changes import Refused

_PROPERTY = re.compile(r"\$\{([^${}]+)\}\Z")
_NOTATION = re.compile(
    r"(?P<q>['\"])(?P<group>[\w.-]+):(?P<artifact>[\w.-]+):(?P<version>[^'\":@\n]+)"
)
_MAP = re.compile(
    r"group\s*[:=]\s*['\"](?P<group>[\w.-]+)['\"]\s*,\s*name\s*[:=]\s*['\"](?P<artifact>[\w.-]+)"
    r"['\"]\s*,\s*version\s*[:=]\s*(?P<q>['\"])(?P<version>[^'\"\n]+)"
)
_COMMENT = re.compile(
    r"(?:\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?)"
    r"|(?P<comment>//[^\n]*|/\*(?:.*?\*/|.*))",
    re.DOTALL,
)
_VARIABLE = re.compile(r"\$\{?(?:\w+\.)*?(\w+)\}?\Z")


def pom_xml(text: str, sought: Sought) -> Iterator[Slot]:
    """``<version>`` of dependencies, managed ones too, or the property that it names."""
    top = xml_nodes(text)
    project = top.first("project")
    if project is None:
        raise Refused("it is no Maven project")
    properties = _properties(project)
    uses: dict[str, list[str]] = {}
    wanted: list[Node] = []
    for node in project.walk():
        if node.name not in ("dependency", "plugin", "parent"):
            continue
        version = node.first("version")
        if version is None or version.text is None:
            continue
        name = f"{_said(project, node, 'groupId')}:{node.said('artifactId')}"
        if used := _PROPERTY.match(version.text.value):
            uses.setdefault(used[1].strip(), []).append(name)
        if name == sought.name:
            wanted.append(version)
    given = set()
    for node in wanted:
        text_ = node.text
        if text_ is None:
            continue
        used = _PROPERTY.match(text_.value)
        if used is None:
            if "$" in text_.value:
                raise Refused(f"its version is computed: {text_.value[:60]}")
            yield Slot(start=text_.start, end=text_.end)
            continue
        key = used[1].strip()
        if key in given:
            continue
        given.add(key)
        found = properties.get(key)
        if not found:
            raise Refused(f"its version is the property {key[:60]}, which another file sets")
        also = tuple(dict.fromkeys(one for one in uses[key] if one != sought.name))
        for place in found:
            if place.text is not None:
                yield Slot(start=place.text.start, end=place.text.end, also=also)


def _properties(project: Node) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in project.walk():
        if node.name == "properties":
            for one in node.children:
                found.setdefault(one.name, []).append(one)
    return found


def _said(project: Node, node: Node, name: str) -> str:
    said = node.said(name)
    if said in ("${project.groupId}", "${pom.groupId}"):
        parent = project.first("parent")
        return project.said("groupId") or (parent.said("groupId") if parent else "")
    return said


def gradle(text: str, sought: Sought) -> Iterator[Slot]:
    """Literal notations, and variables that the same file sets."""
    group, _, artifact = sought.name.partition(":")
    plain = _without_comments(text)
    for pattern in (_NOTATION, _MAP):
        for found in pattern.finditer(plain):
            if (found["group"], found["artifact"]) != (group, artifact):
                continue
            version = found["version"]
            if "$" not in version:
                yield Slot(start=found.start("version"), end=found.end("version"))
                continue
            yield _variable(plain, version)


def _variable(text: str, written: str) -> Slot:
    used = _VARIABLE.match(written)
    if used is not None:
        name = re.escape(used[1])
        setting = rf"(?<![\w.])(?:ext\.)?{name}\s*(?:=|,|:)\s*['\"]([^'\"$\n]+)['\"]"
        found = list(re.finditer(setting, text))
        if len(found) == 1:
            shared = len(re.findall(rf"\$\{{?(?:\w+\.)*{name}\b", text)) - 1
            also = (f"{shared} more",) if shared > 0 else ()
            return Slot(start=found[0].start(1), end=found[0].end(1), also=also)
    raise Refused(f"its version is computed: {written[:60]}")


def _without_comments(text: str) -> str:
    """The same length, comments blank."""
    return _COMMENT.sub(lambda m: " " * len(m[0]) if m["comment"] else m[0], text)


def catalogue(text: str, sought: Sought) -> Iterator[Slot]:
    """``[libraries]``, by their own version or by one of ``[versions]``."""
    spans = list(toml_spans(text))
    libraries: dict[str, dict[str, Span]] = {}
    for span in spans:
        if span.path[0] == "libraries" and len(span.path) >= 2:
            key = ".".join(map(str, span.path[2:]))
            libraries.setdefault(str(span.path[1]), {})[key] = span
    users: dict[str, list[str]] = {}
    for parts in libraries.values():
        if "version.ref" in parts:
            users.setdefault(parts["version.ref"].of(text), []).append(_module(text, parts))
    for parts in libraries.values():
        if _module(text, parts) != sought.name:
            continue
        if "" in parts:
            span = parts[""]
            start = span.start + span.of(text).rindex(":") + 1
            yield Slot(start=start, end=span.end)
        elif "version" in parts:
            yield Slot(start=parts["version"].start, end=parts["version"].end)
        elif "version.ref" in parts:
            ref = parts["version.ref"].of(text)
            also = tuple(dict.fromkeys(one for one in users[ref] if one != sought.name))
            for span in spans:
                if span.path == ("versions", ref):
                    yield Slot(start=span.start, end=span.end, also=also)


def _module(text: str, parts: dict[str, Span]) -> str:
    if "" in parts:
        return parts[""].of(text).rpartition(":")[0]
    if "module" in parts:
        return parts["module"].of(text)
    if "group" in parts and "name" in parts:
        return f"{parts['group'].of(text)}:{parts['name'].of(text)}"
    return ""
