"""Ranges in Python's manifests: requirements files, pyproject.toml in all its tables, Pipfile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.scan.deps.fixing.slots import Slot, Sought
from haechi.scan.deps.fixing.spans import Path, toml_spans
from haechi.scan.deps.formats.pep508 import normal_name
from haechi.scan.fix.changes import Refused

_REQUIREMENT = re.compile(
    r"[ \t]*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ \t]*(?:\[[^\]\n]*\])?[ \t]*"
    r"(?P<open>\()?[ \t]*(?P<range>(?:===|==|~=|!=|<=|>=|<|>)[^;#)\n\\]*)?"
)
_HASHED = re.compile(r"--hash\b")


def requirements(text: str, sought: Sought) -> Iterator[Slot]:
    """Lines of a requirements file. Those with hashes are refused: new ones are the tool's."""
    at = 0
    while at < len(text):
        end = at
        while True:  # a line with those that continue it
            line_end = text.find("\n", end)
            line_end = len(text) if line_end < 0 else line_end
            if not text[end:line_end].rstrip().endswith("\\"):
                break
            end = line_end + 1
            if end >= len(text):
                break
        slot = _requirement(text, at, line_end, sought)
        if slot is not None:
            if _HASHED.search(text, at, line_end):
                raise Refused("its line has hashes, which a tool has to renew")
            yield slot
        at = line_end + 1


def pyproject(text: str, sought: Sought) -> Iterator[Slot]:
    """PEP 621, PEP 735, and the tables of uv, PDM, Hatch and Poetry."""
    for span in toml_spans(text):
        if _is_list(span.path):
            slot = _requirement(text, span.start, span.end, sought)
            if slot is not None:
                yield _plain(text, slot)
        elif (name := _poetry_name(span.path)) and normal_name(name) == sought.name:
            yield _plain(text, Slot(start=span.start, end=span.end))


def pipfile(text: str, sought: Sought) -> Iterator[Slot]:
    """``[packages]``, ``[dev-packages]`` and further categories."""
    for span in toml_spans(text):
        path = span.path
        if path[0] in ("source", "requires", "scripts", "pipenv"):
            continue
        named = len(path) == 2 or (len(path) == 3 and path[2] == "version")
        if named and normal_name(str(path[1])) == sought.name:
            yield _plain(text, Slot(start=span.start, end=span.end))


def _requirement(text: str, start: int, end: int, sought: Sought) -> Slot | None:
    found = _REQUIREMENT.match(text, start, end)
    if found is None or normal_name(found["name"]) != sought.name:
        return None
    if found["range"] is None:
        return None  # no range: every version is allowed already, or an address stands there
    written = found["range"].rstrip()
    written = re.split(r"\s--?[A-Za-z]", written)[0].rstrip().rstrip(",")
    return Slot(start=found.start("range"), end=found.start("range") + len(written))


def _is_list(path: Path) -> bool:
    match path:
        case ("project", "dependencies", int()):
            return True
        case ("project", "optional-dependencies", _, int()) | ("dependency-groups", _, int()):
            return True
        case ("tool", "uv", "dev-dependencies" | "constraint-dependencies", int()):
            return True
        case ("tool", "uv", "override-dependencies", int()):
            return True
        case ("tool", "pdm", "dev-dependencies", _, int()):
            return True
        case ("tool", "hatch", "envs", _, "dependencies" | "extra-dependencies", int()):
            return True
        case _:
            return False


def _poetry_name(path: Path) -> str:
    if path[:2] != ("tool", "poetry"):
        return ""
    rest = path[2:]
    if rest[:1] == ("group",) and len(rest) > 2:
        rest = rest[2:]
    if rest[:1] not in (("dependencies",), ("dev-dependencies",)) or len(rest) < 2:
        return ""
    below = tuple(part for part in rest[2:] if not isinstance(part, int))
    return str(rest[1]) if below in ((), ("version",)) else ""


def _plain(text: str, slot: Slot) -> Slot:
    if "\\" in text[slot.start : slot.end]:
        raise Refused("it is written with escapes")
    return slot
