"""What the database of advisories answers: plain values, no I/O."""

from __future__ import annotations

import datetime as dt

import msgspec

from haechi.model.advisory import Advisory, Vulnerability


class Undecided(msgspec.Struct, frozen=True, kw_only=True):
    """A vulnerability that may or may not concern the version asked for: a boundary of the
    advisory's range, or the version itself, is no version of the ecosystem. Callers answer
    ``not_evaluated``. ``ids`` are all ids of it, the leading one first; ``advisory`` says what it
    would be."""

    id: str
    ids: tuple[str, ...]
    why: str
    advisory: Advisory


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one package. Both empty means: nothing known (see ``state_of`` for whether
    anything is known about that ecosystem at all). Worst first, then by id."""

    vulnerabilities: tuple[Vulnerability, ...] = ()
    undecided: tuple[Undecided, ...] = ()


NOTHING = Matched()


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """One import that is in the database. ``whole``: it is the export of all records of
    ``covers``; only such a one makes an ecosystem count as covered. ``faults`` are entries that
    could not be read."""

    source: str
    place: str
    covers: tuple[str, ...] = ()
    imported: dt.datetime
    newest: dt.datetime | None = None
    sha256: str = ""
    records: int = 0
    withdrawn: int = 0
    faults: int = 0
    commit_ranges: int = 0

    @property
    def whole(self) -> bool:
        """Whether it stands for an ecosystem."""
        return bool(self.covers)


class EcosystemState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an ecosystem. ``records`` (without withdrawn ones) and ``malicious``
    count everything that names it; ``covered`` is false when only single advisories were added.
    ``newest`` is the newest ``modified`` among the records of the covering imports, ``imported``
    when the oldest of those was read: data is as old as ``newest``. ``undecidable`` counts
    affected packages with a boundary that is no version there. ``incomplete``: an import that
    covers it had faults."""

    ecosystem: str
    records: int
    withdrawn: int = 0
    malicious: int = 0
    undecidable: int = 0
    covered: bool = False
    incomplete: bool = False
    newest: dt.datetime | None = None
    imported: dt.datetime | None = None
    origins: tuple[Origin, ...] = ()

    def age(self, today: dt.date) -> int | None:
        """Days since the newest record was changed; where records have no dates (as in Go's own
        repository), since they were imported, which is the least it can be. None when nothing
        covers it."""
        known = self.newest or self.imported
        return None if known is None else max(0, (today - known.date()).days)


class RiskFile(msgspec.Struct, frozen=True, kw_only=True):
    """An EPSS or KEV file: ``kind`` is ``epss`` or ``kev``, ``date`` the day it speaks of."""

    kind: str
    place: str
    imported: dt.datetime
    date: dt.date | None = None
    sha256: str = ""
    records: int = 0
    faults: int = 0


class EntryFault(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that could not be taken: where, and what was wrong."""

    place: str
    why: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What one import did. ``faults`` are the first few, ``faulty`` counts all of them;
    ``skipped`` are entries that are no advisories. ``changed`` counts packages whose answer may
    differ from before. ``replaced`` is the newest record of what the same source brought before."""

    source: str
    place: str
    kind: str = "osv"
    covers: tuple[str, ...] = ()
    records: int = 0
    added: int = 0
    updated: int = 0
    removed: int = 0
    withdrawn: int = 0
    malicious: int = 0
    undecidable: int = 0
    commit_ranges: int = 0
    skipped: int = 0
    faulty: int = 0
    faults: tuple[EntryFault, ...] = ()
    newest: dt.datetime | None = None
    replaced: dt.datetime | None = None
    changed: int = 0
    generation: int = 0
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """False when something was left out that may have been an advisory."""
        return not self.faulty


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A source of which nothing was taken: what the database knew before, it knows still."""

    place: str
    what: str
    why: str = ""
    do: str = ""
    wrong_use: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all sources of one import."""

    imported: tuple[Imported, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all that was asked for is in the database."""
        return not self.refused and all(one.complete for one in self.imported)
