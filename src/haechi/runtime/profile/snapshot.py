"""A profile as bytes and back: MessagePack with a version, and limits on all that is read.

What is read back may come from a damaged or a foreign file: every number has to be finite and in
its range, every list and table within the bounds that profiles keep themselves, or the snapshot is
refused as a whole and its workload is learnt anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from haechi.errors import InputError
from haechi.runtime.profile.features import FAMILIES, MOST, Workload
from haechi.runtime.profile.frequency import Cell, Frequencies
from haechi.runtime.profile.markov import MOST_CONTEXTS, MOST_COUNT, SYMBOLS, Chain
from haechi.runtime.profile.profile import KINDS, Habits, Profile
from haechi.runtime.profile.quantile import BINS, Quantiles

VERSION = 1
LARGEST = 2 << 20
"""Bytes of a snapshot; the bounds of a profile keep it far below."""
_MOST_NUMBER = 1e18
_VALUE = 512
_NODES = 32


class SavedFamily(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Cells are weight, count, first, last; of what waits to be learnt, a score in place of the
    weight."""

    total: float
    novel: float
    count: int
    cells: dict[str, tuple[float, int, float, float]]
    waiting: dict[str, tuple[float, int, float, float]]


class SavedScores(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Bins by place; empty ones are left out."""

    bins: dict[int, float]


class Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One profile."""

    version: int
    workload: tuple[str, str, str, str, str]
    since: float
    start: float
    last: float
    grown: float
    learning: bool
    frozen: bool
    events: int
    unit: float
    cold_from: str
    nodes: list[str]
    families: dict[str, SavedFamily]
    contexts: dict[int, dict[int, int]]
    kinds: list[SavedScores]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Saved).decode


def dumped(profile: Profile) -> bytes:
    """The profile as bytes."""
    profile.chain.settle()
    return _encode(
        Saved(
            version=VERSION,
            workload=profile.workload,
            since=profile.since,
            start=profile.start,
            last=profile.last,
            grown=profile.grown,
            learning=profile.learning,
            frozen=profile.frozen,
            events=profile.events,
            unit=profile.unit,
            cold_from=profile.cold_from,
            nodes=list(profile.nodes),
            families={
                name: _family(one)
                for name, one in zip(FAMILIES[: len(MOST)], profile.families, strict=True)
            },
            contexts=profile.chain.contexts,
            kinds=[_scores(one) for one in profile.kinds],
        )
    )


def _family(one: Frequencies) -> SavedFamily:
    return SavedFamily(one.total, one.novel, one.count, _cells(one.cells), _cells(one.waiting))


def _cells(cells: Mapping[str, Cell]) -> dict[str, tuple[float, int, float, float]]:
    return {value: (cell[0], int(cell[1]), cell[2], cell[3]) for value, cell in cells.items()}


def _scores(one: Quantiles) -> SavedScores:
    return SavedScores({place: weight for place, weight in enumerate(one.bins) if weight})


def loaded(data: bytes, habits: Habits, now: float) -> Profile:
    """The profile that was saved. Raises InputError for what cannot be one."""
    if len(data) > LARGEST:
        raise InputError(f"a profile of {len(data)} bytes", why=f"{LARGEST} at most")
    try:
        saved = _decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError("not a saved profile", why=str(error)) from error
    if saved.version != VERSION:
        raise InputError(f"a profile of version {saved.version}", why=f"this is {VERSION}")
    fault = _fault(saved, now)
    if fault:
        raise InputError("a saved profile does not hold", why=fault)
    return _made(saved, habits, now)


def _fault(saved: Saved, now: float) -> str:
    """What is out of its bounds; empty when nothing is."""
    times = (saved.since, saved.start, saved.last, saved.grown)
    if not all(_is_number(one) and one <= now + 86_400 for one in times):
        return "a time is none, or in the future"
    if not (_is_number(saved.unit) and saved.unit >= 1.0) or saved.events < 0:
        return "its unit or its number of events"
    texts = (*saved.workload, saved.cold_from, *saved.nodes)
    if max(map(len, texts)) > 2_000 or len(saved.nodes) > _NODES:
        return "a name is too long, or there are too many nodes"
    if set(saved.families) != set(FAMILIES[: len(MOST)]) or len(saved.kinds) != KINDS:
        return "its families or its scores are others"
    for most, name in zip(MOST, FAMILIES, strict=False):
        if not _family_holds(saved.families[name], most):
            return f"the family {name}"
    if not all(_scores_hold(one.bins) for one in saved.kinds):
        return "its scores"
    return "" if _contexts_hold(saved.contexts) else "the order of its events"


def _is_number(value: float) -> bool:
    return math.isfinite(value) and 0 <= value <= _MOST_NUMBER


def _family_holds(family: SavedFamily, most: int) -> bool:
    if len(family.cells) > most or len(family.waiting) > most or not 0 <= family.count < 2**62:
        return False
    if not (_is_number(family.total) and _is_number(family.novel)):
        return False
    return all(
        len(value) <= _VALUE and 0 <= cell[1] < 2**62 and all(map(_is_number, cell))
        for value, cell in chain(family.cells.items(), family.waiting.items())
    )


def _scores_hold(bins: Mapping[int, float]) -> bool:
    return all(0 <= place < BINS and _is_number(weight) for place, weight in bins.items())


def _contexts_hold(contexts: Mapping[int, Mapping[int, int]]) -> bool:
    if len(contexts) > MOST_CONTEXTS:
        return False
    for key, counts in contexts.items():
        if not 0 <= key < 1 << 20 or len(counts) > SYMBOLS + 1 or -1 not in counts:
            return False
        of = [count for symbol, count in counts.items() if symbol >= 0]
        if any(not -1 <= symbol < SYMBOLS for symbol in counts) or any(one < 1 for one in of):
            return False
        if counts[-1] != sum(of) or not of or counts[-1] > MOST_COUNT:
            return False
    return True


def _made(saved: Saved, habits: Habits, now: float) -> Profile:
    profile = Profile(Workload(*saved.workload), habits, now)
    profile.since, profile.start = saved.since, saved.start
    profile.last, profile.grown = saved.last, min(saved.grown, now)
    profile.learning, profile.frozen = saved.learning, saved.frozen
    profile.events, profile.unit = saved.events, saved.unit
    profile.cold_from, profile.nodes = saved.cold_from, dict.fromkeys(saved.nodes)
    # In the past, so that the first event turns the window and what is long ago fades.
    profile.window = int(saved.last // habits.window_s) - 1
    profile.changed = False
    for name, family in zip(FAMILIES, profile.families, strict=False):
        its = saved.families[name]
        family.total, family.novel, family.count = its.total, its.novel, its.count
        family.cells, family.waiting = _restored(its.cells), _restored(its.waiting)
    profile.chain = Chain()
    profile.chain.contexts = saved.contexts
    _restore(profile.kinds, saved.kinds)
    return profile


def _restored(cells: Mapping[str, tuple[float, int, float, float]]) -> dict[str, Cell]:
    return {value: [*cell, -1, 0] for value, cell in cells.items()}


def _restore(quantiles: Sequence[Quantiles], saved: Sequence[SavedScores]) -> None:
    for one, its in zip(quantiles, saved, strict=True):
        for place, weight in its.bins.items():
            one.bins[place] = weight
        one.total = sum(one.bins)
