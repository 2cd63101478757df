"""One ``pom.xml`` as it is written, before anything is inherited or interpolated (POM reference,
4.0.0 and 4.1.0). Profiles count when they are ``activeByDefault``; what the others add is kept
apart, since nobody knows here which of them a build switches on."""

from __future__ import annotations

from typing import NamedTuple

from haechi.engines.xml import Element, parse
from haechi.errors import InputError, LimitExceeded
from haechi.scan.deps.formats.decoding import MAX_PACKAGES

MAX_ALIKE = 300
"""Managed entries of one pom whose names hold properties, for one artifact: every module that
inherits them fills them in anew. What is left out has no version then, which is told."""


class Dependency(NamedTuple):
    """One ``<dependency>``, raw. ``profile`` is the name of the profile that adds it,
    ``file`` where one of the scope ``system`` lies."""

    group: str
    artifact: str
    version: str
    kind: str
    classifier: str
    scope: str
    optional: str
    line: int
    profile: str = ""
    file: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What Maven matches with the entries of dependencyManagement."""
        return self.group, self.artifact, self.kind, self.classifier


class Parent(NamedTuple):
    """``<parent>``; ``path`` is where it is looked for, "" when only in repositories."""

    group: str
    artifact: str
    version: str
    path: str


class Pom(NamedTuple):
    """What is read of one file. ``managed`` are the entries whose names hold no property, by
    key; ``managed_by_property`` the others, by their artifact ("": it holds a property itself);
    ``imports`` the BOMs."""

    path: str
    group: str
    artifact: str
    version: str
    parent: Parent | None
    properties: dict[str, str]
    dependencies: list[Dependency]
    managed: dict[tuple[str, str, str, str], Dependency]
    managed_by_property: dict[str, list[Dependency]]
    imports: list[Dependency]
    modules: list[str]


def read(data: bytes, path: str) -> Pom:
    """Parse one file. Raises InputError with the place, LimitExceeded."""
    try:
        root = parse(data)
    except LimitExceeded as error:
        raise LimitExceeded(error.what, where=path) from error
    except InputError as error:
        raise InputError(error.what, why=error.why, do=error.do, where=path) from error
    if root.name != "project":
        raise InputError(
            f"a Maven project begins with <project>, not <{root.name[:40]}>", where=path
        )
    parent = _parent(root.first("parent"))
    pom = Pom(
        path=path,
        group=root.value("groupId") or (parent.group if parent else ""),
        artifact=root.value("artifactId"),
        version=root.value("version") or (parent.version if parent else ""),
        parent=parent,
        properties={},
        dependencies=[],
        managed={},
        managed_by_property={},
        imports=[],
        modules=[],
    )
    for profile in root.all("profiles", "profile"):
        active = profile.value("activation", "activeByDefault").lower() == "true"
        _add(pom, profile, "" if active else profile.value("id") or "default", active=active)
    _add(pom, root, "", active=True)
    return pom


def _add(pom: Pom, holder: Element, profile: str, *, active: bool) -> None:
    """Add what the project or a profile says; a profile that is on wins over the project."""
    pom.modules.extend(one.text for one in holder.all("modules", "module") if one.text)
    pom.modules.extend(one.text for one in holder.all("subprojects", "subproject") if one.text)
    pom.dependencies.extend(
        _dependency(one, profile) for one in holder.all("dependencies", "dependency")
    )
    if len(pom.dependencies) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} dependencies", where=pom.path)
    if not active:
        return
    properties = holder.first("properties")
    for one in properties.children if properties is not None else ():
        pom.properties.setdefault(one.name, one.text)
    for element in holder.all("dependencyManagement", "dependencies", "dependency"):
        found = _dependency(element, "")
        if found.scope == "import":
            pom.imports.append(found)
        elif "${" in found.group or "${" in found.artifact:
            artifact = "" if "${" in found.artifact else found.artifact
            alike = pom.managed_by_property.setdefault(artifact, [])
            if len(alike) < MAX_ALIKE:
                alike.append(found)
        else:
            pom.managed.setdefault(found.key, found)


def _dependency(element: Element, profile: str) -> Dependency:
    told = {child.name: child.text for child in element.children}
    return Dependency(
        group=told.get("groupId", ""),
        artifact=told.get("artifactId", ""),
        version=told.get("version", ""),
        kind=told.get("type", "") or "jar",
        classifier=told.get("classifier", ""),
        scope=told.get("scope", ""),
        optional=told.get("optional", ""),
        line=element.line,
        profile=profile,
        file=told.get("systemPath", ""),
    )


def _parent(element: Element | None) -> Parent | None:
    if element is None:
        return None
    where = element.first("relativePath")
    path = "../pom.xml" if where is None else where.text
    return Parent(
        element.value("groupId"), element.value("artifactId"), element.value("version"), path
    )
