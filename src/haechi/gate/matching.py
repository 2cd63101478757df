"""Which waivers cover which findings. Every condition that a waiver names has to hold.

A vulnerability has many ids; a waiver that names any of them means all of it.

Globs are compiled once and waivers are looked up by rule, so a run costs findings times the
waivers of their rule. A path in a waiver file is a glob; beside the code it is the literal file
(or a folder, written ``folder/**``), because nobody chose a pattern there.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from haechi.engines.globs import compile_glob
from haechi.model.finding import Finding
from haechi.model.keys import namespace_of, without_cluster
from haechi.model.waiver import Waiver, WaiverOrigin

_ORDER = {
    WaiverOrigin.FILE: 0,
    WaiverOrigin.STORE: 1,
    WaiverOrigin.VEX: 2,
    WaiverOrigin.INLINE: 3,
    WaiverOrigin.PEER: 4,
}
_BESIDE = frozenset({WaiverOrigin.INLINE, WaiverOrigin.PEER})
_Place = tuple[str, str | None, str | None]  # rule, literal path, fingerprint


def is_beside_code(waiver: Waiver) -> bool:
    """True for inline and peers' waivers: those that ``gate.inline_waivers`` rules over."""
    return waiver.origin in _BESIDE


def is_expired(waiver: Waiver, today: dt.date) -> bool:
    """A waiver holds through the day of its expiry."""
    return waiver.expires is not None and waiver.expires < today


class Matcher(msgspec.Struct, frozen=True):
    """A waiver with its globs compiled. Raises InputError for a glob that is none."""

    waiver: Waiver
    path: re.Pattern[str] | None
    resource: re.Pattern[str] | None

    def covers(self, finding: Finding) -> bool:
        """True when every condition of the waiver holds for the finding."""
        waiver = self.waiver
        if waiver.origin is WaiverOrigin.VEX:
            return finding.fingerprint in waiver.fingerprints
        return (
            waiver.rule in ("*", *finding.ids)
            and waiver.fingerprint in (None, finding.fingerprint)
            and self.covers_path(finding.location.path)
            and self.covers_resource(finding.resource, finding.label)
            and waiver.namespace in (None, namespace_of(finding.resource))
            and (waiver.first_line is None or _covers_line(waiver, finding))
        )

    def covers_path(self, path: str) -> bool:
        """True when the waiver does not name a path, or this one is meant."""
        if self.path is not None:
            return self.path.fullmatch(path) is not None
        meant = self.waiver.path
        if meant is None or meant == path:
            return True
        return meant.endswith("/**") and path.startswith(meant[:-2])

    def covers_resource(self, key: str, label: str) -> bool:
        """True when the waiver does not name a resource, or this one is meant.

        A glob is tried on the key, on the key without its cluster, and on the label that
        reports show (``Deployment shop/cart``).
        """
        if self.resource is None:
            return self.waiver.resource in (None, key)
        return any(map(self.resource.fullmatch, (key, without_cluster(key), label)))


def _covers_line(waiver: Waiver, finding: Finding) -> bool:
    """The finding begins within the waiver's lines.

    Without a last line the waiver means whatever stands at its first one, so a finding that
    began above and reaches it is meant, too (an instruction over several lines).
    """
    first, place = waiver.first_line or 1, finding.location
    if waiver.last_line is None:
        return place.line <= first <= max(place.line, place.end_line)
    return first <= place.line <= waiver.last_line


class WaiverIndex:
    """Waivers in the order in which they are asked: file, store, VEX, inline, peers."""

    def __init__(self, waivers: Iterable[Waiver]) -> None:
        ordered = sorted(waivers, key=lambda waiver: _ORDER[waiver.origin])
        self.matchers = tuple(map(matcher, ordered))
        self._by_place: defaultdict[_Place, list[int]] = defaultdict(list)
        for index, each in enumerate(self.matchers):
            waiver = each.waiver
            if waiver.origin is WaiverOrigin.VEX:
                for known in waiver.fingerprints:
                    self._by_place["*", None, known].append(index)
                continue
            place = (waiver.rule, _literal_path(waiver), waiver.fingerprint)
            self._by_place[place].append(index)

    def of(self, finding: Finding) -> Iterator[int]:
        """Positions in ``matchers`` of the waivers that cover the finding, first come first."""
        candidates: list[int] = []
        for rule in (*finding.ids, "*"):
            for path in (finding.location.path, None):
                for known in (finding.fingerprint, None):
                    candidates += self._by_place.get((rule, path, known), ())
        for index in sorted(candidates):
            if self.matchers[index].covers(finding):
                yield index


def _literal_path(waiver: Waiver) -> str | None:
    """The one file that a waiver beside the code is about; None when it may be several."""
    if not is_beside_code(waiver) or waiver.path is None or waiver.path.endswith("/**"):
        return None
    return waiver.path


def matcher(waiver: Waiver) -> Matcher:
    """Compile a waiver's globs; those beside the code hold literal paths and keys."""
    if is_beside_code(waiver):
        return Matcher(waiver, None, None)
    return Matcher(
        waiver,
        compile_glob(waiver.path) if waiver.path is not None else None,
        compile_glob(waiver.resource) if waiver.resource is not None else None,
    )


def match(waiver: Waiver, finding: Finding) -> bool:
    """True when the waiver covers the finding, whatever its date and the policy say."""
    return matcher(waiver).covers(finding)
