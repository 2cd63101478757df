"""A Dockerfile as one judged thing: its syntax tree, and places for findings on demand."""

from __future__ import annotations

from haechi.engines.dockerfile.parser import parse
from haechi.engines.dockerfile.syntax import Dockerfile, Fault
from haechi.model.keys import file_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource


def resource_of(text: str, path: str) -> tuple[Resource, tuple[Fault, ...]]:
    """The resource of a Dockerfile and its syntax faults. Raises ``LimitExceeded``."""
    dockerfile = parse(text)

    def locate(where: AttrPath) -> Location:
        return _locate(dockerfile, path, where)

    resource = Resource(
        key=file_key(path),
        kind="dockerfile",
        data=dockerfile,
        locate=locate,
        file=path,
        name=path,
    )
    return resource, dockerfile.faults


def _locate(dockerfile: Dockerfile, path: str, where: AttrPath) -> Location:
    """``("instructions", i)`` is the i-th instruction; everything else is the file's head."""
    match where:
        case ("instructions", int(index), *_) if 0 <= index < len(dockerfile.instructions):
            found = dockerfile.instructions[index]
            return Location(
                path=path,
                line=found.line,
                column=found.column,
                end_line=found.end_line,
                end_column=found.end_column,
            )
        case _:
            return Location(path=path)
