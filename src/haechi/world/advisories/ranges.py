"""Which versions an OSV ``affected`` entry means, worked out once, at import.

Events become intervals of sort keys, so that a lookup compares bytes and parses nothing but the
version that it is asked about. Source: OSV schema, "Evaluation": events in order of their
versions (those of one version as written), ``introduced`` switches on, ``fixed`` switches off
from its version, ``last_affected`` after it; ``limit`` cuts off what is at or above all limits.

A boundary that is no version of the ecosystem leaves the intervals too wide on purpose and marks
them ``unsure``: outside of them a version is certainly not affected, inside nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from haechi.errors import VersionError
from haechi.model.advisory import Range

Key = Callable[[str], bytes]
LONGEST = 256
"""Characters of a version; longer ones are none."""
_START = b""


class Interval(msgspec.Struct, frozen=True, array_like=True):
    """From ``low`` (included) to ``high``: excluded unless ``closed``; None goes on for ever."""

    low: bytes
    high: bytes | None = None
    closed: bool = False
    unsure: bool = False

    @property
    def is_everything(self) -> bool:
        """Whether any version lies in it, even a text that is none."""
        return not self.unsure and not self.low and self.high is None

    def ends_at(self, key: bytes) -> bool:
        """Whether it goes up to that version and holds it: builds of it with a local part sort
        above, and are that version all the same (PEP 440, "Inclusive ordered comparison")."""
        return self.closed and self.high == key

    def holds(self, key: bytes) -> bool:
        """Whether the version of that key lies in it."""
        if key < self.low:
            return False
        high = self.high
        return high is None or key < high or (self.closed and key == high)


class Extent(msgspec.Struct, frozen=True, array_like=True):
    """All that a lookup needs of one affected package. ``listed`` are keys of the versions that
    are named and lie in no interval, ``texts`` those that are no versions; ``fixes`` pair the
    sort key of a fixed version with its text."""

    intervals: tuple[Interval, ...] = ()
    listed: frozenset[bytes] = frozenset()
    texts: frozenset[str] = frozenset()
    fixes: tuple[tuple[bytes, str], ...] = ()

    @property
    def unsure(self) -> bool:
        """Whether some answer may be: nobody can tell."""
        return any(interval.unsure for interval in self.intervals)

    def judge(self, version: str, keys: Sequence[bytes]) -> bool | None:
        """True: affected, False: not, None: nobody can tell. ``keys`` are those of the version
        (a PyPI version with a local part has a second one without it, for lists and last versions);
        empty when it is no version."""
        if version in self.texts:
            return True
        if not keys:
            if any(one.is_everything for one in self.intervals):
                return True
            return None if self.intervals or self.listed else False
        if any(key in self.listed for key in keys):
            return True
        held = [one.unsure for one in self.intervals if any(map(one.ends_at, keys[1:]))]
        held += [one.unsure for one in self.intervals if one.holds(keys[0])]
        if not held:
            return False
        return None if all(held) else True


def extent_of(
    events: Iterable[Sequence[tuple[str, str]]],
    versions: Sequence[str],
    key: Key,
    unmapped: Iterable[Sequence[tuple[str, str]]] = (),
) -> Extent:
    """The extent of several ranges and a list of versions. An event is a pair of kind and text.

    ``unmapped`` are ranges of versions that the database could not map to those of its
    ecosystem. ``key`` raises VersionError for what is no version.
    """
    intervals: list[Interval] = []
    fixes: dict[bytes, str] = {}
    for one in events:
        intervals += _intervals(one, key, fixes)
    intervals = _narrowed(intervals, unmapped, key, fixes)
    listed: set[bytes] = set()
    texts: set[str] = set()
    sure = [interval for interval in intervals if not interval.unsure]
    for version in versions:
        found = _key(version, key)
        if found is None:
            texts.add(version)
        elif not any(interval.holds(found) for interval in sure):
            listed.add(found)
    return Extent(
        tuple(intervals), frozenset(listed), frozenset(texts), tuple(sorted(fixes.items()))
    )


def _key(version: str, key: Key) -> bytes | None:
    if len(version) > LONGEST:
        return None
    try:
        return key(version)
    except VersionError:
        return None


def _intervals(
    events: Sequence[tuple[str, str]], key: Key, fixes: dict[bytes, str]
) -> list[Interval]:
    placed: list[tuple[bytes, str]] = []
    limits: list[bytes] = []
    unsure = anywhere = unlimited = False
    for kind, text in events:
        if kind == "limit" and text == "*":
            unlimited = True
            continue
        found = _START if kind == "introduced" and text == "0" else _key(text, key)
        if found is None:
            # Without its end a range is wider, and without its beginning it is everything.
            unsure = True
            unlimited = unlimited or kind == "limit"
            anywhere = anywhere or kind == "introduced"
        elif kind == "limit":
            limits.append(found)
        else:
            placed.append((found, kind))
            if kind == "fixed":
                fixes.setdefault(found, text)
    if anywhere:
        placed = [(_START, "introduced")]
    bound = max(limits) if limits and not unlimited else None
    placed.sort(key=lambda event: event[0])
    cut = (_cut(*one, bound, unsure) for one in _walked(placed))
    return [interval for interval in cut if interval is not None]


def _narrowed(
    intervals: list[Interval],
    unmapped: Iterable[Sequence[tuple[str, str]]],
    key: Key,
    fixes: dict[bytes, str],
) -> list[Interval]:
    """Go's database writes "all versions from here on" where it could not map the ranges of the
    original advisory, and gives those besides (``custom_ranges``). Inside of both a version is
    affected; outside of the original's it would be wrong to say so, and to say that it is not."""
    ends: dict[bytes, str] = {}
    original = [part for one in unmapped for part in _intervals(one, key, ends)]
    if not original or any(part.unsure for part in original):
        return intervals
    made: list[Interval] = []
    for one in intervals:
        if one.high is not None or one.unsure:
            made.append(one)
            continue
        fixes.update(ends)
        made.append(Interval(one.low, unsure=True))
        for part in original:
            low = max(one.low, part.low)
            if part.high is None or low < part.high or (part.closed and low == part.high):
                made.append(Interval(low, part.high, part.closed))
    return made


def _walked(placed: Sequence[tuple[bytes, str]]) -> Iterator[tuple[bytes, bytes | None, bool]]:
    """OSV's walk over sorted events, asked at each version (``at``) and just after it."""
    start = _START
    on = False
    for here, group in groupby(placed, key=lambda event: event[0]):
        at = after = on
        for _, kind in group:
            if kind == "last_affected":
                after = False
            else:
                at = after = kind == "introduced"
        if on and not at:
            yield start, here, False
        elif at:
            start = start if on else here
            if not after:
                yield start, here, True
        on = after
    if on:
        yield start, None, False


def _cut(
    low: bytes, high: bytes | None, closed: bool, bound: bytes | None, unsure: bool
) -> Interval | None:
    if bound is not None and (high is None or high >= bound):
        high, closed = bound, False
    if high is not None and (high < low or (high == low and not closed)):
        return None
    return Interval(low, high, closed, unsure)


def spelled(events: Sequence[tuple[str, str]]) -> tuple[Range, ...]:
    """The range for people, in the order in which it was written."""
    limit = next((text for kind, text in events if kind == "limit" and text != "*"), "")
    ranges: list[Range] = []
    start: str | None = None
    for kind, text in events:
        if kind == "introduced":
            if start is not None:
                ranges.append(Range(start, limit=limit))
            start = text
        elif kind in ("fixed", "last_affected") and start is not None:
            fixed, last = (text, "") if kind == "fixed" else ("", text)
            ranges.append(Range(start, fixed, last, limit))
            start = None
    if start is not None:
        ranges.append(Range(start, limit=limit))
    return tuple(ranges)
