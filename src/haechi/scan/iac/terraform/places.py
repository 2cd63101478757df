"""From the path of an attribute back to where it stands, worked out when a finding asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from haechi.engines.hcl.tree import Body, Literal, Node, Object, Span, Tuple
from haechi.model.location import AttrPath, Location

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.bodies import Source
    from haechi.scan.iac.terraform.modules import Element


class Places:
    """Locates values of one block. An absent value is at the head of its nearest block."""

    __slots__ = ("_element", "_moved", "_sources")

    def __init__(
        self,
        element: Element,
        sources: Mapping[str, tuple[Source, ...]],
        moved: Mapping[int, str],
    ) -> None:
        self._element = element
        self._sources = sources
        self._moved = moved

    def __call__(self, path: AttrPath) -> Location:
        body: Body = self._element.block.body
        span: Span = self._element.block.head
        sources: Mapping[str, tuple[Source, ...]] = self._sources
        file = self._element.path
        at = 0
        while at < len(path):
            step = path[at]
            assignment = body.attributes.get(step) if isinstance(step, str) else None
            if assignment is not None:
                file = self._moved.get(id(assignment), file)
                return _location(_inside(assignment.value, path[at + 1 :], assignment.span), file)
            found = sources.get(step) if isinstance(step, str) else None
            if not found:
                break
            index = path[at + 1] if at + 1 < len(path) else 0
            source = found[index if isinstance(index, int) and 0 <= index < len(found) else 0]
            file = self._moved.get(id(source.block), file)
            body, span, sources = source.block.body, source.block.head, source.inner
            at += 2
        return _location(span, file)


def _inside(node: Node, path: AttrPath, span: Span) -> Span:
    """The part of a literal object or list that the path leads to, as far as it does."""
    for step in path:
        inner: Node | None = None
        if isinstance(node, Object) and isinstance(step, str):
            inner = next((value for key, value in node.items if _is_key(key, step)), None)
        elif isinstance(node, Tuple) and isinstance(step, int) and 0 <= step < len(node.items):
            inner = node.items[step]
        if inner is None:
            return span
        node, span = inner, inner.span
    return span


def _is_key(key: Node, step: str) -> bool:
    return isinstance(key, Literal) and key.value == step


def _location(span: Span, path: str) -> Location:
    line, column, end_line, end_column = span
    return Location(path=path, line=line, column=column, end_line=end_line, end_column=end_column)
