"""What is to be decoded of an object so that expressions see what they would see of the whole.

Making values of JSON is a third of the cost of judging, and of a pod of 11 KB policies look at a
tenth. ``form_of`` turns what is read (``Needs``) into a type for msgspec: maps of which only some
keys are read become TypedDicts, whose other keys are passed over. It never makes decoding
stricter: where something else stands than was expected, it is decoded whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from haechi.engines.cel.needs import Needs, Node
from haechi.engines.cel.reads import Reads

_VARIABLES = ("object", "oldObject")


def form_of(several: Iterable[Reads]) -> Any:
    """A type for both objects of a request; None when all of them is read, or nobody knows."""
    root = Needs(several).root
    if root is None:
        return None
    both = Node()
    for variable in _VARIABLES:
        if variable in root.below:
            both.take(root.below[variable])
    both.settle()
    return None if both.deep or both.shallow or both.any is not None else _form(both)


def _form(node: Node) -> Any:
    if node.deep:
        return Any
    element = Node()
    for key, inner in node.below.items():
        if not isinstance(key, str):
            element.take(inner)
    if node.any is not None:
        element.take(node.any)
    indexed = node.any is not None or any(not isinstance(key, str) for key in node.below)
    elements: Any = _form(element) if indexed else Any
    # Where keys are counted or gone through, all of them are there with what lies below.
    open_ = node.shallow or node.any is not None
    mapping: Any = dict[str, Any] if open_ else _fields(node)
    return mapping | list[elements] | str | int | float | bool | None


def _fields(node: Node) -> Any:
    known = {key: _form(inner) for key, inner in node.below.items() if isinstance(key, str)}
    return TypedDict("Part", known, total=False)  # type: ignore[operator]
