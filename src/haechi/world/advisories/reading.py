"""Ask the database of advisories. (Signatures; the body follows.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from haechi.model.advisory import Advisory, Risk
from haechi.model.package import Package
from haechi.world.advisories.shapes import EcosystemState, EntryFault, Matched, RiskFile


class Advisories:
    """A database, opened for reading. One thread at a time; close it (it is a context manager)."""

    generation: int
    faults: tuple[EntryFault, ...]

    @classmethod
    def open(cls, path: Path) -> Advisories:
        """Raises NotFound, or StoreError when it is damaged or of a newer version."""
        raise NotImplementedError

    @classmethod
    def of_folder(cls, path: Path) -> Advisories:
        """A repository's own OSV files, in memory; covers nothing. ``faults``: what is wrong."""
        raise NotImplementedError

    def close(self) -> None:
        """Idempotent."""

    def __enter__(self) -> Advisories:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def states(self) -> Mapping[str, EcosystemState]:
        """By ecosystem."""
        raise NotImplementedError

    def state_of(self, ecosystem: str) -> EcosystemState | None:
        """Also for ``Debian:12`` when all of Debian was imported."""
        raise NotImplementedError

    def risk_files(self) -> tuple[RiskFile, ...]:
        """EPSS and KEV, where imported."""
        raise NotImplementedError

    def bulk(self, packages: Sequence[Package]) -> list[Matched]:
        """One answer per package, in order. Packages without a version match nothing."""
        raise NotImplementedError

    def vulnerabilities(self, ecosystem: str, name: str, version: str) -> Matched:
        """The same for one."""
        raise NotImplementedError

    def advisory(self, id_: str) -> Advisory | None:
        """The record of that very id, also a withdrawn one."""
        raise NotImplementedError

    def by_alias(self, name: str) -> tuple[Advisory, ...]:
        """All records about the vulnerability that has this id or alias."""
        raise NotImplementedError

    def risk(self, cve: str) -> Risk | None:
        """What EPSS and KEV say."""
        raise NotImplementedError

    def changed_since(self, generation: int) -> frozenset[tuple[str, str]] | None:
        """(ecosystem, name) whose answers may differ from those of that generation; None when
        the history does not reach back so far: ask everything again."""
        raise NotImplementedError


def open_default(path: Path | None = None) -> Advisories | None:
    """The database of $HAECHI_DB or of the user; None when there is none at the usual place.
    Raises NotFound when one was named that is not there."""
    raise NotImplementedError
