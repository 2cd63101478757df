"""How far a run looked, to tell a waiver that nothing needs any more from one not judged.

"Unused" makes people delete a waiver. It is said only where the waiver's rule judged something
and its place was looked at; any gap that might hide the place makes the answer "not judged".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

import msgspec

from haechi.gate.matching import Matcher, is_beside_code
from haechi.model.coverage import Coverage, Gap
from haechi.model.resource import Resource

_LINE = re.compile(r":\d+\Z")
_WILD = re.compile(r"[*?]")
_WHOLE_FOLDER = frozenset({"helm-chart", "kustomize"})


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """The files judged, the resources judged (key → label), and whether that was all of the
    project: only then is something that was not seen known to be gone."""

    files: frozenset[str] = frozenset()
    resources: Mapping[str, str] = msgspec.field(default_factory=dict)
    whole: bool = False


def extent_of(files: Iterable[str], resources: Iterable[Resource], *, whole: bool) -> Extent:
    """The extent of a run over these files and resources."""
    labels = {resource.key: resource.label for resource in resources}
    return Extent(files=frozenset(files), resources=labels, whole=whole)


def gap_path(gap: Gap) -> str:
    """The file or folder of a gap, without the line that may follow it."""
    return _LINE.sub("", gap.path)


def was_judged(matcher: Matcher, coverage: Coverage, extent: Extent | None) -> bool:
    """True when the waiver's rule and its whole scope were evaluated in this run."""
    if extent is None or not _rule_ran(matcher.waiver.rule, coverage):
        return False
    if matcher.waiver.path is not None and any(_hides(gap, matcher) for gap in coverage.gaps):
        return False
    path_seen = _path_seen(matcher, extent)
    resource_seen = _resource_seen(matcher, extent)
    if False in (path_seen, resource_seen) or path_seen is resource_seen is None:
        # The place is not there, or it is everywhere: sure only after a complete look.
        return extent.whole and (matcher.waiver.path is not None or not coverage.gaps)
    return True


def _rule_ran(rule: str, coverage: Coverage) -> bool:
    return bool(coverage.evaluated) if rule == "*" else rule in coverage.evaluated


def _path_seen(matcher: Matcher, extent: Extent) -> bool | None:
    """Whether a judged file is meant; None when the waiver names no path."""
    path = matcher.waiver.path
    if path is None:
        return None
    if path in extent.files or (_WILD.search(path) is None and not path.endswith("/")):
        return path.removeprefix("./") in extent.files
    return any(map(matcher.covers_path, extent.files))


def _resource_seen(matcher: Matcher, extent: Extent) -> bool | None:
    resource = matcher.waiver.resource
    if resource is None:
        return None
    if is_beside_code(matcher.waiver):
        return resource in extent.resources
    return any(matcher.covers_resource(key, label) for key, label in extent.resources.items())


def _hides(gap: Gap, matcher: Matcher) -> bool:
    """True when the place that the waiver means may lie within the gap."""
    area = gap_path(gap)
    if gap.kind in _WHOLE_FOLDER:
        area = posixpath.dirname(area)
    meant = _literal_prefix(matcher)
    if not area.strip("."):
        return True
    steps, others = area.split("/"), meant.split("/") if meant else []
    shared = min(len(steps), len(others))
    return steps[:shared] == others[:shared]


def _literal_prefix(matcher: Matcher) -> str:
    """The folders of a glob before its first wildcard; a literal path as it is."""
    path = (matcher.waiver.path or "").removeprefix("./")
    wild = _WILD.search(path)
    if wild is None:
        return path.rstrip("/")
    return path[: wild.start()].rpartition("/")[0]
