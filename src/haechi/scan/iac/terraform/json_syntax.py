"""Terraform's JSON syntax (``*.tf.json``, what CDKTF writes) as the tree of its own syntax.

Texts are templates. Whether an object is a nested block or a map depends on the provider's schema,
which is not here: an object under one of the usual names of maps is a map, every other object is
a block, as are the objects of a list.
https://developer.hashicorp.com/terraform/language/syntax/json
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.engines.documents import Document, parse_documents
from haechi.engines.documents import Fault as DocumentFault
from haechi.engines.hcl.parse import parse_expression
from haechi.engines.hcl.tree import (
    Assignment,
    Block,
    Body,
    Fault,
    File,
    Literal,
    Node,
    Object,
    Span,
    Tuple,
)
from haechi.model.location import AttrPath

_LABELS = {
    "resource": 2,
    "data": 2,
    "ephemeral": 2,
    "module": 1,
    "variable": 1,
    "output": 1,
    "provider": 1,
    "locals": 0,
    "terraform": 0,
}
_MAPS = frozenset(
    {
        "tags",
        "tags_all",
        "default_tags",
        "labels",
        "annotations",
        "variables",
        "parameters",
        "metadata_options_tags",
        "triggers",
        "keepers",
        "match_labels",
        "node_selector",
        "string_data",
        "data",
        "binary_data",
        "limits",
        "requests",
        "app_settings",
        "user_labels",
        "environment_variables",
        "request_parameters",
        "response_parameters",
        "filter_policy",
        "manifest",
        "values",
        "settings_map",
        "selector",
    }
)
_META = frozenset({"default", "value", "for_each", "count", "providers", "depends_on"})


def parse_json(data: bytes, path: str) -> File:
    """The tree of a JSON file. Raises InputError where the text cannot be decoded."""
    reader = _Reader()
    document: Document | None = None
    for result in parse_documents(data):
        if isinstance(result, DocumentFault):
            reader.faults.append(Fault(result.message, result.line, 1))
        elif document is None:
            document = result
    if document is None or not isinstance(document.data, dict):
        return File(Body({}, (), (1, 1, 1, 1)), (), tuple(reader.faults))
    reader.document = document
    blocks = tuple(reader.blocks(document.data))
    return File(Body({}, blocks, (1, 1, 1, 1)), (), tuple(reader.faults))


class _Reader:
    def __init__(self) -> None:
        self.document: Document | None = None
        self.faults: list[Fault] = []

    def span(self, path: AttrPath) -> Span:
        """Where a value stands."""
        return self.document.locate(path) if self.document else (1, 1, 1, 1)

    def blocks(self, data: dict[str, Any]) -> Iterator[Block]:
        """The blocks of a whole file."""
        for kind, content in data.items():
            if kind in _LABELS:
                yield from self._labelled(kind, (), content, (kind,), _LABELS[kind])

    def _labelled(
        self, kind: str, labels: tuple[str, ...], content: Any, path: AttrPath, left: int
    ) -> Iterator[Block]:
        for at, one in _several(content, path):
            if not isinstance(one, dict):
                continue
            if left:
                for label, inner in one.items():
                    yield from self._labelled(kind, (*labels, label), inner, (*at, label), left - 1)
            else:
                flat = kind in ("locals", "variable", "output")
                yield self._block(kind, labels, one, at, flat=flat)

    def _block(
        self,
        kind: str,
        labels: tuple[str, ...],
        data: dict[str, Any],
        path: AttrPath,
        *,
        flat: bool,
    ) -> Block:
        span = self.span(path)
        head = (span[0], span[1], span[0], span[1])
        return Block(
            kind, labels, self._body(data, path, flat=flat or kind == "module"), span, head
        )

    def _body(self, data: dict[str, Any], path: AttrPath, *, flat: bool) -> Body:
        attributes: dict[str, Assignment] = {}
        blocks: list[Block] = []
        for name, value in data.items():
            at = (*path, name)
            if name == "//":
                continue
            if not flat and name not in _META and self._is_nested(name, value):
                blocks += self._nested(name, value, at)
            else:
                span = self.span(at)
                attributes[name] = Assignment(name, self._node(value, at), span, span)
        return Body(attributes, tuple(blocks), self.span(path))

    def _is_nested(self, name: str, value: Any) -> bool:
        if name in _MAPS:
            return False
        if isinstance(value, dict):
            return True
        return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)

    def _nested(self, name: str, value: Any, path: AttrPath) -> Iterator[Block]:
        if name == "dynamic" and isinstance(value, dict):
            for label, loops in value.items():
                for at, one in _several(loops, (*path, label)):
                    if isinstance(one, dict):
                        yield self._block("dynamic", (label,), one, at, flat=False)
            return
        for at, one in _several(value, path):
            yield self._block(name, (), one, at, flat=False)

    def _node(self, value: Any, path: AttrPath) -> Node:
        span = self.span(path)
        if isinstance(value, str):
            return self._text(value, span)
        if isinstance(value, dict):
            return Object(
                span,
                tuple(
                    (self._text(key, span), self._node(item, (*path, key)))
                    for key, item in value.items()
                ),
            )
        if isinstance(value, list):
            items = tuple(self._node(item, (*path, at)) for at, item in enumerate(value))
            return Tuple(span, items)
        return Literal(span, value)

    def _text(self, text: str, span: Span) -> Node:
        if "${" not in text and "%{" not in text:
            return Literal(span, text)
        node, faults = parse_expression(_quoted(text))
        self.faults += [Fault(fault.message, span[0], span[1]) for fault in faults]
        return node


def _quoted(text: str) -> str:
    """A text of JSON as a quoted template of HCL. Inside ``${}`` quotes are not escaped."""
    out: list[str] = ['"']
    depth = 0
    inside = False
    at = 0
    while at < len(text):
        two = text[at : at + 2]
        if depth == 0:
            if text.startswith(("$${", "%%{"), at):
                out.append(text[at : at + 3])
                at += 3
                continue
            if two in ("${", "%{"):
                depth = 1
                out.append(two)
                at += 2
                continue
            out.append(_ESCAPES.get(text[at], text[at]))
        else:
            char = text[at]
            if char == "\\" and inside:
                out.append(text[at : at + 2])
                at += 2
                continue
            if char == '"':
                inside = not inside
            elif not inside:
                depth += (char == "{") - (char == "}")
            out.append(char)
        at += 1
    out.append('"')
    return "".join(out)


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _several(value: Any, path: AttrPath) -> list[tuple[AttrPath, Any]]:
    if isinstance(value, list):
        return [((*path, at), one) for at, one in enumerate(value)]
    return [(path, value)]


def parse_values(data: bytes) -> list[tuple[str, Node]]:
    """The variables of a ``*.tfvars.json``: plain values, in which nothing is a template."""
    for result in parse_documents(data):
        if isinstance(result, Document) and isinstance(result.data, dict):
            return [(name, _plain(value)) for name, value in result.data.items()]
    return []


def _plain(value: Any) -> Node:
    span = (1, 1, 1, 1)
    if isinstance(value, dict):
        return Object(
            span, tuple((Literal(span, key), _plain(item)) for key, item in value.items())
        )
    if isinstance(value, list):
        return Tuple(span, tuple(_plain(item) for item in value))
    return Literal(span, value)
