"""Rules that ask themselves are refused: an evaluation always comes to an end."""

from __future__ import annotations

from collections.abc import Mapping

from haechi.engines.rego.documents import Documents
from haechi.engines.rego.flat import Function, fault, show_path

Path = tuple[str, ...]


def refuse_recursion(documents: Documents, uses: Mapping[Path, set[Function]]) -> None:
    """Raise RuleError (``rego_recursion_error``) with the circle, if there is one."""
    done: set[Path] = set()
    for start in uses:
        circle = _circle(start, uses, done)
        if circle:
            definition = documents.by_path[circle[0]].definitions[0]
            shown = " -> ".join(map(show_path, circle))
            what = f"rule {show_path(circle[0])} is recursive: {shown}"
            raise fault("rego_recursion_error", what, definition.file, definition.place)


def _circle(start: Path, uses: Mapping[Path, set[Function]], done: set[Path]) -> list[Path]:
    """Depth first without Python's stack: a chain of rules may be long."""
    trail: list[Path] = []
    open_: set[Path] = set()
    stack: list[tuple[Path, bool]] = [(start, False)]
    while stack:
        path, leaving = stack.pop()
        if leaving:
            trail.pop()
            open_.discard(path)
            done.add(path)
        elif path in open_:
            return [*trail[trail.index(path) :], path]
        elif path not in done and path in uses:
            trail.append(path)
            open_.add(path)
            stack.append((path, True))
            stack += [(used, False) for used in sorted(_paths(uses[path]), reverse=True)]
    return []


def _paths(used: set[Function]) -> list[Path]:
    return [item for item in used if isinstance(item, tuple)]
