"""Where a value of a rendered object was written: in its source, or in the patch that set it.

A value is at its place in the source file as long as it equals what stands there. Else an
overlay changed it: the patch that holds the value is the place, or the overlay's own entry
(``images``, ``replicas``), or, when nothing better is known, the overlay's first line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from haechi.checks.pods.view import items, mapping
from haechi.engines.documents import Document, Fault, parse_documents
from haechi.errors import InputError
from haechi.model.location import AttrPath, Location
from haechi.scan.iac.overlays import Overlay, Patch
from haechi.scan.items import identity_of

Source = tuple[Document, AttrPath, str]
"""A document, the path of the object within it, and the file."""
_TRANSFORMERS = {"image": "images", "replicas": "replicas", "namespace": "namespace"}
_GENERATORS = {"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}
_WRITES = ("add", "replace", "remove")


class SourcePlaces:
    """Locates values of a rendered object."""

    def __init__(
        self, rendered: Mapping[str, Any], changes: OverlayPlaces, source: Source | None
    ) -> None:
        self._rendered = rendered
        self._changes = changes
        self._source = source

    def __call__(self, path: AttrPath) -> Location:
        """The place in the source, or where an overlay made it so."""
        if self._source is None:
            return self._changes.locate(self._rendered, path)
        document, base, file = self._source
        original: Any = document.data
        for part in base:
            original = original[part]
        trace = follow(self._rendered, original, path)
        if trace.differs and not _renamed(path, trace):
            # A value that both have was written over: its own last step is the overlay's.
            shared = min(len(trace.path), len(path) - 1)
            return self._changes.locate(self._rendered, path, shared=shared)
        return document.location((*base, *trace.path), file)


class OverlayPlaces:
    """The places of one rendered overlay: its patches, outermost first, and its own entries."""

    def __init__(
        self, closure: Sequence[Overlay], read: Callable[[str], Sequence[Document]]
    ) -> None:
        self._closure = closure
        self._patches = [
            written
            for overlay in closure
            for patch in reversed(overlay.patches)
            for written in _written(patch, overlay, read)
        ]

    def locate(self, rendered: Mapping[str, Any], path: AttrPath, *, shared: int = 0) -> Location:
        """Where the overlay set the value at ``path`` of a rendered object.

        The first ``shared`` steps of the path are the source's; a value that is missing beneath
        what a patch added is at that.
        """
        for length in range(len(path), shared, -1):
            for patch in self._patches:
                place = patch.place_of(rendered, path[:length])
                if place is not None:
                    return place
        keys = [_TRANSFORMERS.get(part) for part in reversed(path) if isinstance(part, str)]
        for key in (*keys, _GENERATORS.get(str(rendered.get("kind")))):
            for overlay in self._closure if key else ():
                document = overlay.document
                if key and document is not None and key in mapping(document.data):
                    return document.location((key,), overlay.file)
        return Location(path=self._closure[0].file)


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    """One document of a patch. ``shift`` moves lines of an inline text to those of its file."""

    document: Document
    file: str
    target: Mapping[str, Any]
    shift: int = 0

    def place_of(self, rendered: Mapping[str, Any], path: AttrPath) -> Location | None:
        data = self.document.data
        if isinstance(data, list):
            found = self._operation(data, path) if self._targets(rendered, self.target) else None
        elif self._targets(rendered, self.target or data):
            trace = follow(rendered, data, path)
            whole = len(trace.path) == len(path) and not trace.differs
            found = trace.path if whole else None
        else:
            found = None
        if found is None:
            return None
        place = self.document.location(found, self.file)
        line = place.line + self.shift
        if not self.shift:
            return place
        return Location(path=self.file, line=line, end_line=line)

    def _targets(self, rendered: Mapping[str, Any], target: Any) -> bool:
        wanted = mapping(target)
        name = wanted.get("name") or mapping(wanted.get("metadata")).get("name")
        own = _name(rendered)
        return wanted.get("kind") in (None, rendered.get("kind")) and (
            not isinstance(name, str)
            or any(part.strip("^$.*()") in own for part in name.split("|"))  # a target is a regex
        )

    def _operation(self, operations: list[Any], path: AttrPath) -> AttrPath | None:
        """The last operation of a JSON patch (RFC 6902) that wrote at or above ``path``."""
        for index in range(len(operations) - 1, -1, -1):
            operation = mapping(operations[index])
            pointer = operation.get("path")
            if operation.get("op") not in _WRITES or not isinstance(pointer, str):
                continue
            steps = [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
            if len(steps) <= len(path) and all(map(_same_step, steps, path)):
                return (index,)
        return None


def _same_step(step: str, part: str | int) -> bool:
    return step == str(part) or (step == "-" and isinstance(part, int))


def _written(
    patch: Patch, overlay: Overlay, read: Callable[[str], Sequence[Document]]
) -> Iterator[_Written]:
    if patch.file:
        for document in read(patch.file):
            yield _Written(document=document, file=patch.file, target=patch.target)
        return
    if overlay.document is None:
        return
    shift = overlay.document.locate(patch.at)[0] if "\n" in patch.text else 0
    try:
        results = list(parse_documents(patch.text.encode("utf-8", "surrogatepass")))
    except InputError:
        return
    for result in results:
        if not isinstance(result, Fault):
            yield _Written(
                document=result, file=overlay.file, target=patch.target, shift=max(shift, 1)
            )


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """How far a path of a rendered object leads in its original, and in the original's terms.

    ``differs``: only one of the two has the value, or both have it and it is not the same. A
    mapping as a whole, or a list of them, does not count: its entries are asked one by one.
    """

    path: AttrPath
    rendered: Any
    original: Any
    differs: bool


def follow(rendered: Any, original: Any, path: AttrPath) -> Trace:
    """Walk ``path`` through both, matching items of lists by what names them."""
    translated: list[str | int] = []
    for part in path:
        step = _same_item(rendered, original, part)
        if step is None:
            differs = _has(rendered, part) or (isinstance(part, str) and _has(original, part))
            return Trace(path=tuple(translated), rendered=None, original=None, differs=differs)
        rendered, original = rendered[part], original[step]
        translated.append(step)
    differs = not _of_mappings(rendered) and rendered != original
    return Trace(path=tuple(translated), rendered=rendered, original=original, differs=differs)


def _renamed(path: AttrPath, trace: Trace) -> bool:
    """A name that only grew: namePrefix, nameSuffix and the hashes of generated objects."""
    last = next((part for part in reversed(path) if isinstance(part, str)), "")
    return (
        last.lower().endswith("name")
        and isinstance(trace.rendered, str)
        and isinstance(trace.original, str)
        and bool(trace.original)
        and trace.original in trace.rendered
    )


def _of_mappings(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict) for item in value)
    )


def _has(value: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(value, list) and part < len(value)
    return isinstance(value, dict) and part in value


def _same_item(rendered: Any, original: Any, part: str | int) -> str | int | None:
    """The key or index under which the original holds what ``rendered[part]`` came from."""
    if isinstance(part, str):
        return part if _has(rendered, part) and _has(original, part) else None
    if not _has(rendered, part) or not isinstance(original, list):
        return None
    item = rendered[part]
    if part < len(original) and original[part] == item:
        return part
    name = identity_of(item)
    same_length = len(rendered) == len(original)
    if not name[0]:
        return original.index(item) if item in original else part if same_length else None
    same = [index for index, candidate in enumerate(original) if identity_of(candidate) == name]
    if part in same:
        return part
    if same:
        return same[0]
    # The overlay changed what names the item (an Ingress rule's host): its old name is gone.
    renamed = same_length and all(
        identity_of(other) != identity_of(original[part]) for other in rendered
    )
    return part if renamed else None


class SourceObjects:
    """The objects of a source file, found by what kustomize leaves as it was."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents
        self._by_type: dict[tuple[Any, Any], list[_Candidate]] = defaultdict(list)
        self._by_name: dict[tuple[Any, Any, str], list[_Candidate]] = defaultdict(list)
        for document in documents:
            for path, data in _candidates(document.data):
                version, kind, name = data.get("apiVersion"), data.get("kind"), _name(data)
                if name and isinstance(version, str) and isinstance(kind, str):
                    candidate = _Candidate(name, _namespace(data), document, path)
                    self._by_type[version, kind].append(candidate)
                    self._by_name[version, kind, name].append(candidate)

    def find(self, rendered: Mapping[str, Any]) -> tuple[Document, AttrPath] | None:
        """The object that a rendered one came from: same type, same or longer name
        (``namePrefix``, ``nameSuffix`` and hashes only add), the same namespace first."""
        name, namespace = _name(rendered), _namespace(rendered)
        version, kind = rendered.get("apiVersion"), rendered.get("kind")
        if not isinstance(version, str) or not isinstance(kind, str):
            return None
        fitting = self._by_name.get((version, kind, name)) or [
            one for one in self._by_type.get((version, kind), ()) if one.name in name
        ]
        best = max(
            fitting,
            key=lambda one: (len(one.name), one.namespace == namespace),
            default=None,
        )
        return (best.document, best.path) if best else None


class _Candidate(NamedTuple):
    """An object of a source file."""

    name: str
    namespace: str
    document: Document
    path: AttrPath


def _namespace(data: Mapping[str, Any]) -> str:
    return str(mapping(data.get("metadata")).get("namespace") or "")


def _name(data: Mapping[str, Any]) -> str:
    metadata = mapping(data.get("metadata"))
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _candidates(data: Any) -> Iterator[tuple[AttrPath, Mapping[str, Any]]]:
    if isinstance(data, dict):
        yield (), data
        for index, item in enumerate(items(data.get("items"))):
            if isinstance(item, dict):
                yield ("items", index), item
