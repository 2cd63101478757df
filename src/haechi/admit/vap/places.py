"""Where in its file something in an expression stands."""

from __future__ import annotations

from haechi.model.location import AttrPath, child_at
from haechi.model.resource import Resource


def line_of(resource: Resource, path: AttrPath = ()) -> int:
    """The line of a value; 0 for what comes from no file."""
    return resource.locate(path).line if resource.file else 0


def place_of(resource: Resource, path: AttrPath) -> tuple[int, int]:
    """Line and column of a value; zeros for what comes from no file."""
    where = resource.locate(path)
    return (where.line, where.column) if resource.file else (0, 0)


def place_in_text(resource: Resource, path: AttrPath, line: int, column: int) -> tuple[int, int]:
    """The place in the file of a place inside a text that stands at ``path``.

    A locator gives the place of the key and the end of the value. A text on one line ends there;
    a literal block has as many lines as the text, and is indented by two more than its key. Of a
    folded or a quoted text over several lines only the beginning is known.
    """
    if not resource.file:
        return (0, 0)
    where = resource.locate(path)
    text = child_at(_parent(resource, path), path[-1])
    if not line or not isinstance(text, str):
        return (where.line, where.column)
    if where.end_line == where.line and "\n" not in text:
        width = where.end_column - where.column - len(f"{path[-1]}: ")
        quote = 1 if width == len(text) + 2 else 0
        start = where.end_column - quote - len(text)
        return (where.line, start + column - 1)
    lines = where.end_line - where.line - (where.end_column == 1)
    if lines == text.rstrip("\n").count("\n") + 1:
        return (where.line + line, where.column + 2 + column - 1)
    return (where.line, where.column)


def _parent(resource: Resource, path: AttrPath) -> object:
    value: object = resource.data
    for part in path[:-1]:
        value = child_at(value, part)
    return value
