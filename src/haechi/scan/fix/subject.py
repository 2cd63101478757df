"""What is being fixed: one YAML document with its objects, or one Dockerfile.

A subject is a value: ``fixed`` returns the next one or raises Refused. Before it does, the new
text is read again and compared with what the change means for the plain data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from haechi.engines.dockerfile import Dockerfile, Fault, resource_of
from haechi.engines.documents import Document
from haechi.engines.objects import resources_of
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.scan.findings import context_of
from haechi.scan.fix.changes import Change, Delete, Refused, Rename, Set, changed, same
from haechi.scan.fix.docker_fixers import DOCKER
from haechi.scan.fix.docker_text import changed_raws, edit_dockerfile
from haechi.scan.fix.edits import edit_document, reread
from haechi.scan.fix.fixer import Case, Fixer, changes_of
from haechi.scan.fix.kubernetes_fixers import KUBERNETES

Identity = tuple[int, str | int]


class Subject(Protocol):
    """Text that holds resources and can be fixed."""

    @property
    def text(self) -> str: ...

    @property
    def resources(self) -> Sequence[Resource]: ...

    def fixed(self, fixer: Fixer, position: int, hit: AttrPath) -> Subject:
        """The subject after the fix of a finding in its n-th resource. Raises Refused."""

    def identity(self, position: int, hit: AttrPath) -> Identity:
        """What a place is called, the same before and after the fixes of other places."""

    def moved(self, identity: Identity, hit: AttrPath, after: Subject) -> Identity:
        """What a place is called once the fix at ``hit`` has led to ``after``."""


class Manifest(msgspec.Struct, frozen=True, eq=False):
    """One YAML document of a file."""

    document: Document
    resources: tuple[Resource, ...]
    places: tuple[AttrPath, ...]
    file: str
    templates: Mapping[str, AttrPath]

    @property
    def text(self) -> str:
        return self.document.text

    def fixed(self, fixer: Fixer, position: int, hit: AttrPath) -> Manifest:
        case = Case(resource=self.resources[position], hit=hit, templates=self.templates)
        if fixer.steps:
            changes: Sequence[Change] = changes_of(fixer.steps, case)
        elif fixer.function in KUBERNETES:
            changes = KUBERNETES[fixer.function](case, fixer.argument)
        else:
            raise Refused(f"{fixer.function} is no fix of Kubernetes objects")
        if not changes:
            raise Refused("there is nothing to change")
        current = self
        for change in changes:
            current = current._changed(_moved(change, self.places[position]))
        return current

    def identity(self, position: int, hit: AttrPath) -> Identity:
        return position, context_of(self.resources[position], hit)

    def moved(self, identity: Identity, hit: AttrPath, after: Subject) -> Identity:
        return identity

    def _changed(self, change: Change) -> Manifest:
        expected = changed(self.document.data, change)
        text = edit_document(self.document, change)
        document = reread(text, self.document)
        if not same(document.data, expected):
            raise Refused("the edited text does not read back as intended")
        return manifest_of(document, self.file, self.templates)


def manifest_of(document: Document, file: str, templates: Mapping[str, AttrPath]) -> Manifest:
    """The subject of a document."""
    resources = tuple(resources_of(document, file))
    places = dict(_places(document.data, ()))
    return Manifest(
        document, resources, tuple(places[id(r.data)] for r in resources), file, templates
    )


def _places(data: Any, at: AttrPath) -> Iterator[tuple[int, AttrPath]]:
    """Where each object of a document stands; ``List`` kinds hold several."""
    yield id(data), at
    if isinstance(data, dict) and isinstance(data.get("items"), list) and len(at) < 10:
        for index, item in enumerate(data["items"]):
            yield from _places(item, (*at, "items", index))


def _moved(change: Change, at: AttrPath) -> Change:
    match change:
        case Set(path, value):
            return Set((*at, *path), value)
        case Delete(path, prune, moving):
            return Delete((*at, *path), prune, moving)
        case Rename(path, name):
            return Rename((*at, *path), name)


class DockerText(msgspec.Struct, frozen=True, eq=False):
    """A whole Dockerfile."""

    text: str
    resources: tuple[Resource, ...]
    faults: tuple[Fault, ...]
    file: str

    def fixed(self, fixer: Fixer, position: int, hit: AttrPath) -> DockerText:
        function = DOCKER.get(fixer.function)
        if function is None:
            raise Refused(f"{fixer.function or 'set'} is no fix of Dockerfiles")
        dockerfile: Dockerfile = self.resources[position].data
        match hit:
            case ("instructions", int(index), *_) if index < len(dockerfile.instructions):
                changes = function(dockerfile, dockerfile.instructions[index], fixer.argument)
            case _:
                raise Refused("the finding points to no instruction")
        if not changes:
            raise Refused("there is nothing to change")
        text = edit_dockerfile(self.text, dockerfile, changes)
        after = docker_text_of(text, self.file)
        raws = [instruction.raw for instruction in after.resources[0].data.instructions]
        if raws != changed_raws(dockerfile, changes) or len(after.faults) > len(self.faults):
            raise Refused("the edited text does not read back as intended")
        return after

    def identity(self, position: int, hit: AttrPath) -> Identity:
        match hit:
            case ("instructions", int(index), *_):
                return position, index
            case _:
                return position, -1

    def moved(self, identity: Identity, hit: AttrPath, after: Subject) -> Identity:
        position, place = identity
        at = self.identity(position, hit)[1]
        if isinstance(place, int) and isinstance(at, int) and place >= at:
            more = len(after.resources[0].data.instructions)
            place += more - len(self.resources[0].data.instructions)
        return position, place


def docker_text_of(text: str, file: str) -> DockerText:
    """The subject of a Dockerfile's text. Raises InputError."""
    resource, faults = resource_of(text, file)
    return DockerText(text, (resource,), faults, file)
