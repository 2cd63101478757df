"""Shapes of the API for SBOMs, advisories and proposals; the records are the store's."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated

import msgspec

from haechi.model.severity import Severity
from haechi.server.endpoint import Skip
from haechi.store.dependency_records import (
    AdvisoryImport,
    ProposalState,
    Reevaluation,
    Sbom,
    SourceState,
)
from haechi.store.records import Record

_Name = Annotated[str, msgspec.Meta(max_length=400, pattern=r"^[^\x00-\x1f\x7f]*$")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class SbomFormat(StrEnum):
    """In what an SBOM is written: CycloneDX 1.6 or SPDX 2.3, both JSON."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


class SbomsAsk(Record, frozen=True, kw_only=True):
    """Stored SBOMs, newest first; without ``all`` the current ones. ``package`` (with
    ``ecosystem`` and ``version``, if given) asks for those that hold it."""

    source: str = ""
    cluster: str = ""
    package: _Name = ""
    ecosystem: _Name = ""
    version: _Name = ""
    all: bool = False
    limit: Limit = 100
    cursor: str | None = None


class PackagesAsk(Record, frozen=True, kw_only=True):
    """Where packages whose names begin with ``name`` are used."""

    name: _Name = ""
    ecosystem: _Name = ""
    version: _Name = ""
    limit: Limit = 100
    skip: Skip = 0


class SbomAsk(Record, frozen=True, kw_only=True):
    """In which form."""

    format: SbomFormat = SbomFormat.CYCLONEDX


class SbomUpload(Record, frozen=True, kw_only=True):
    """What the document is about: a repository (``https://github.com/acme/shop``) and a branch
    ("": the one that counts there), and what it is called: one of the same name replaces it."""

    repository: _Name
    name: _Name = "sbom"
    ref: _Name = ""
    commit: _Name = ""
    cluster: _Name = "-"


class SbomAnswer(Record, frozen=True, kw_only=True):
    """What was stored, and what is known against it: counts of findings by change."""

    sbom: Sbom
    changes: dict[str, int]


class AdvisoryUpload(Record, frozen=True, kw_only=True):
    """What the body is: a file's name (``PyPI/all.zip``, ``GHSA-x.json``, ``epss.csv.gz``), and
    the ecosystems of which it is all that is known, where its name does not say so."""

    name: _Name
    covers: list[str] = []


class EcosystemData(Record, frozen=True, kw_only=True):
    """What is known of one ecosystem. ``covered`` false: single advisories only. ``age_days``
    counts from the newest record, ``stale``: too old to rely on."""

    ecosystem: str
    records: int
    withdrawn: int
    malicious: int
    covered: bool
    incomplete: bool
    newest: dt.datetime | None
    imported: dt.datetime | None
    age_days: int | None
    stale: bool


class UnknownEcosystem(Record, frozen=True, kw_only=True):
    """An ecosystem of which not all that is known is there, and how many repositories' SBOMs have
    packages of it: what nothing is found in there says nothing."""

    ecosystem: str
    sboms: int


class AdvisoryStatus(Record, frozen=True, kw_only=True):
    """The server's advisories. ``state`` is ``none`` (nothing was imported), ``single`` (records,
    but all of no ecosystem), ``ok``, ``stale`` or ``failed`` (a source does not answer, or the
    database cannot be read: ``error``); ``generation`` counts imports. ``imports`` are the newest,
    for administrators; ``unknown`` are ecosystems of SBOMs within reach that cannot be judged by
    it; ``reevaluation`` and ``pending`` (SBOMs that wait to be judged) for those
    who see everything."""

    state: str
    generation: int = 0
    bytes: int = 0
    error: str = ""
    ecosystems: list[EcosystemData] = []
    unknown: list[UnknownEcosystem] = []
    sources: list[SourceState] = []
    imports: list[AdvisoryImport] = []
    reevaluation: Reevaluation | None = None
    pending: int = 0


class AffectedPackage(Record, frozen=True, kw_only=True):
    """A package that an advisory is about, with its ranges as people write them."""

    ecosystem: str
    name: str
    ranges: list[str]
    versions: list[str]
    fixed: list[str]


class AdvisoryDetail(Record, frozen=True, kw_only=True):
    """One record. ``vulnerability`` is the id that findings carry. ``where`` are repositories
    within reach with an open or waived finding of it."""

    id: str
    vulnerability: str
    aliases: list[str]
    summary: str
    details: str
    published: dt.datetime | None
    modified: dt.datetime | None
    withdrawn: dt.datetime | None
    severity: Severity | None
    score: float | None
    vectors: list[str]
    cwe: list[str]
    references: list[str]
    malicious: bool
    exploited_since: dt.date | None
    epss: float | None
    affected: list[AffectedPackage]
    where: list[str]


class ProposalsAsk(Record, frozen=True, kw_only=True):
    """Proposals, worst first; ``state`` empty: open ones."""

    state: list[ProposalState] = []
    source: str = ""
    cluster: str = ""
    ecosystem: _Name = ""
    package: _Name = ""
    vulnerability: _Name = ""
    fingerprint: str = ""
    limit: Limit = 100
    skip: Skip = 0


class ProposalDismissal(Record, frozen=True, kw_only=True):
    """Why the upgrade is not made."""

    reason: Annotated[str, msgspec.Meta(min_length=3, max_length=2000)]
