"""Ranges in package.json and composer.json."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.scan.deps.fixing.slots import Slot, Sought
from haechi.scan.deps.fixing.spans import Path, json_spans
from haechi.scan.fix.changes import Refused

_NODE = frozenset(
    {"dependencies", "devDependencies", "optionalDependencies", "overrides", "resolutions"}
)
_COMPOSER = frozenset({"require", "require-dev"})
_TAG = ("latest", "next", "beta", "canary")


def package_json(text: str, sought: Sought) -> Iterator[Slot]:
    """Dependencies, and overrides of the package that are there already. Peers are left: what a
    package can live with is not what it installs."""
    for span in json_spans(text):
        name = _node_name(span.path)
        if not name:
            continue
        written = span.of(text)
        start = span.start
        if written.startswith("npm:"):  # an alias: npm:real@range
            real, at, _ = written[4:].rpartition("@")
            if not real or not at or real != sought.name:
                continue
            start += 4 + len(real) + 1
        elif name != sought.name:
            continue
        elif written.startswith(("workspace:", "file:", "link:", "portal:", "catalog:")):
            raise Refused(f"it is asked for as {written[:60]}")
        elif "/" in written or ":" in written:
            raise Refused(f"it comes from {written.partition('#')[0][:60]}")
        elif written in _TAG:
            continue
        yield Slot(start=start, end=span.end)


def composer_json(text: str, sought: Sought) -> Iterator[Slot]:
    """``require`` and ``require-dev``."""
    for span in json_spans(text):
        path = span.path
        if len(path) == 2 and path[0] in _COMPOSER and str(path[1]).lower() == sought.name:
            written = span.of(text)
            if written.startswith("dev-") or "@" in written or " as " in written:
                raise Refused(f"it is asked for as {written[:60]}")
            yield Slot(start=span.start, end=span.end)


def _node_name(path: Path) -> str:
    if path[:1] == ("pnpm",):
        path = path[1:]
    if len(path) == 2 and path[0] in _NODE and isinstance(path[1], str):
        return path[1].rpartition("**/")[2]
    return ""
