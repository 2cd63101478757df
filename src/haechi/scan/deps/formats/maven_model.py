"""What a ``pom.xml`` means within its tree: parents, properties, managed versions, BOMs.

Nothing is fetched. Where a parent or a BOM lies in a repository, whatever only it could tell stays
unknown, and the model names it. Poms are parsed once for all that are read around them: hundreds
of modules share their parents.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from haechi.errors import InputError
from haechi.scan.deps.formats import maven_pom
from haechi.scan.deps.formats.maven_pom import Dependency, Pom

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

_PROPERTY = re.compile(r"\$\{([^${}]{1,200})\}")
Key = tuple[str, str, str, str]
_LONGEST = 1_000
_DEEPEST = 20
_POMS = 5_000
_BOMS = 100
"""That one pom imports, and that are looked through for one version."""
_IMPORTS = 100_000
"""Of all poms of a tree."""


class Poms:
    """The poms of one tree. ``reactor`` finds modules by group and artifact."""

    def __init__(self) -> None:
        self._parsed: dict[str, Pom | None] = {}
        self._reactors: dict[str, dict[tuple[str, str], str]] = {}
        self._models: dict[str, Model] = {}
        self._imports = 0

    def at(self, path: str, around: Around) -> Pom | None:
        """The pom of a path; None when it is not there or cannot be read."""
        if path not in self._parsed:
            data = None if path.startswith("..") else around.read(path)
            try:
                self._parsed[path] = maven_pom.read(data, path) if data is not None else None
            except InputError:
                self._parsed[path] = None  # told as a gap when the file itself is read
        return self._parsed[path]

    def reactor(self, path: str, around: Around) -> dict[tuple[str, str], str]:
        """Paths by (group, artifact) of all modules of the outermost project around a pom."""
        top = posixpath.dirname(path)
        while top and "pom.xml" in around.names(posixpath.dirname(top)):
            top = posixpath.dirname(top)
        if top not in self._reactors:
            self._reactors[top] = self._modules(posixpath.join(top, "pom.xml"), around)
        return self._reactors[top]

    def _modules(self, path: str, around: Around) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        seen = {path}
        waiting = [path]
        while waiting and len(seen) < _POMS:
            here = waiting.pop()
            pom = self.at(here, around)
            if pom is None:
                continue
            found.setdefault((pom.group, pom.artifact), here)
            for module in pom.modules:
                where = _file(posixpath.join(posixpath.dirname(here), module))
                if where not in seen:
                    seen.add(where)
                    waiting.append(where)
        return found

    def model(self, pom: Pom, around: Around, depth: int = 0) -> Model:
        """The pom with its parents and BOMs."""
        if pom.path not in self._models:
            chain, missing = self._chain(pom, around)
            model = self._models[pom.path] = Model(chain, missing)
            for bom in (bom for one in chain for bom in one.imports):
                self._imports += 1
                if self._imports > _IMPORTS or len(model.boms) >= _BOMS:
                    model.missing["more BOMs than are read"] = None
                    break
                self._import(model, bom, around, depth)
        return self._models[pom.path]

    def _chain(self, pom: Pom, around: Around) -> tuple[list[Pom], str]:
        """A pom and its parents, nearest first; and the parent that is not in the tree."""
        chain = [pom]
        paths = {pom.path}
        while (told := chain[-1].parent) is not None:
            parent = self._parent(chain[-1], around)
            if parent is None or parent.path in paths or len(chain) > _DEEPEST:
                return chain, f"{told.group}:{told.artifact}:{told.version}"
            paths.add(parent.path)
            chain.append(parent)
        return chain, ""

    def _parent(self, pom: Pom, around: Around) -> Pom | None:
        told = pom.parent
        if told is None:
            return None
        places = (
            [_file(posixpath.join(posixpath.dirname(pom.path), told.path))] if told.path else []
        )
        inside = self.reactor(pom.path, around).get((told.group, told.artifact))
        for path in [*places, *([inside] if inside else [])]:
            found = self.at(path, around)
            if found is None or (found.group, found.artifact) != (told.group, told.artifact):
                continue
            if found.version == told.version or "${" in found.version + told.version:
                return found
        return None

    def _import(self, model: Model, bom: Dependency, around: Around, depth: int) -> None:
        group, artifact = model.text(bom.group), model.text(bom.artifact)
        path = self.reactor(model.pom.path, around).get((group or "", artifact or ""))
        pom = self.at(path, around) if path else None
        version = model.text(bom.version)
        if pom is None or depth > _DEEPEST or pom.path == model.pom.path:
            name = f"{group or bom.group}:{artifact or bom.artifact}:{version or bom.version}"
            model.missing[name] = None
            return
        inner = self.model(pom, around, depth + 1)
        model.boms.append(inner)
        model.missing.update(inner.missing)


class Model:
    """The nearest pom first in ``chain``; ``missing`` names parents and BOMs out of reach."""

    def __init__(self, chain: list[Pom], missing: str) -> None:
        self.chain = chain
        self.pom = chain[0]
        self.missing: dict[str, None] = {missing: None} if missing else {}
        self.boms: list[Model] = []
        self._own: dict[str, str] = {}
        for pom in reversed(chain):
            self._own.update(pom.properties)
        parent = self.pom.parent
        for prefix in ("project.", "pom.", ""):
            self._own.setdefault(f"{prefix}groupId", self.pom.group)
            self._own.setdefault(f"{prefix}artifactId", self.pom.artifact)
            self._own.setdefault(f"{prefix}version", self.pom.version)
        if parent is not None:
            self._own.setdefault("project.parent.version", parent.version)
            self._own.setdefault("project.parent.groupId", parent.group)
            self._own.setdefault("parent.version", parent.version)
        self._by_property: dict[Key, Dependency] | None = None
        self._imported: list[Model] | None = None

    def text(self, raw: str) -> str | None:
        """The text with its properties filled in; None when one of them is not known here."""
        for _ in range(_DEEPEST):
            if len(raw) > _LONGEST:
                return None
            if "${" not in raw:
                return raw
            for name in set(_PROPERTY.findall(raw)):
                value = self._own.get(name)
                if value is None or len(value) > _LONGEST:
                    return None
            raw = _PROPERTY.sub(lambda match: self._own[match[1]], raw)
        return None

    def managed(self, key: Key) -> tuple[Model, Dependency] | None:
        """The entry of dependencyManagement for a key, with the model that fills it in. What is
        written in the pom or its parents wins over what is imported."""
        for model in (self, *self._imports()):
            found = model._written(key)
            if found is not None:
                return model, found
        return None

    def _written(self, key: Key) -> Dependency | None:
        for pom in self.chain:
            found = pom.managed.get(key)
            if found is not None:
                return found
        for pom in self.chain:
            for one in pom.managed_by_property.get(key[1] or "-", ()):
                if (one.kind, one.classifier) == key[2:] and self.text(one.group) == key[0]:
                    return one
        if self._by_property is None:
            self._by_property = {}
            for pom in self.chain:
                for one in pom.managed_by_property.get("", ()):
                    names = self.text(one.group) or "", self.text(one.artifact) or ""
                    self._by_property.setdefault((*names, one.kind, one.classifier), one)
        return self._by_property.get(key)

    def _imports(self) -> list[Model]:
        """The BOMs and those that they import, each once, depth first as Maven does it."""
        if self._imported is None:
            found = {self.pom.path: self}
            waiting = list(reversed(self.boms))
            while waiting and len(found) < _BOMS:
                one = waiting.pop()
                if one.pom.path not in found:
                    found[one.pom.path] = one
                    waiting.extend(reversed(one.boms))
            self._imported = list(found.values())[1:]
        return self._imported


_TREES: WeakKeyDictionary[Around, Poms] = WeakKeyDictionary()
"""Poms by the tree they lie in, for as long as that tree is looked at."""


def poms_of(around: Around) -> Poms:
    """The poms of a tree, shared by all that are read in it."""
    found = _TREES.get(around)
    if found is None:
        found = _TREES[around] = Poms()
    return found


def _file(path: str) -> str:
    """Where a relative path of Maven leads: to a file, or to the ``pom.xml`` of a folder."""
    path = posixpath.normpath(path.replace("\\", "/"))
    return path if path.endswith(".xml") else posixpath.normpath(posixpath.join(path, "pom.xml"))
