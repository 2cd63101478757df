"""The values of stored SBOMs, advisories and proposals; the API's answers, too."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from haechi.model.severity import Severity
from haechi.store.records import Record


class Sbom(Record, frozen=True, kw_only=True):
    """One stored bill of packages. ``kind`` is ``push`` (of a scan) or ``upload`` (a document of
    somebody else's, called ``name``). ``current``: it is what its repository is judged by; older
    ones are kept for download. ``missing`` says what it does not hold. ``judged`` is the
    generation of the server's advisories that it was last judged by, 0: not yet."""

    id: str
    kind: str
    name: str
    source: str
    ref: str
    cluster: str
    commit: str
    current: bool
    received: dt.datetime
    by: str
    scan: str
    format: str
    files: int
    packages: int
    ecosystems: dict[str, int]
    missing: list[str]
    bytes: int
    judged: int


class PackageUse(Record, frozen=True, kw_only=True):
    """One version of a package in one repository, as its current SBOM has it."""

    ecosystem: str
    name: str
    version: str
    source: str
    ref: str
    cluster: str
    sbom: str


class ImportState(StrEnum):
    """How an import of advisories is. ``refused``: nothing was taken; ``incomplete``: some of it
    was not."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"


class AdvisoryImport(Record, frozen=True, kw_only=True):
    """One import into the server's database. ``place`` is a file's name, or the configured
    source; ``changed`` counts packages whose answers may differ."""

    id: str
    place: str
    state: ImportState
    by: str
    asked: dt.datetime
    finished: dt.datetime | None = None
    generation: int = 0
    records: int = 0
    changed: int = 0
    error: str = ""


class SourceState(Record, frozen=True, kw_only=True):
    """A configured source of advisories. ``state`` is ``waiting`` (never asked yet), ``ok`` or
    ``failed``, ``since`` when it became so; ``last`` is when it was last asked."""

    place: str
    state: str
    since: dt.datetime
    last: dt.datetime | None = None
    error: str = ""


class Reevaluation(Record, frozen=True, kw_only=True):
    """What became of the stored SBOMs when advisories changed. ``finished`` None: it goes on, and
    is taken up again if the server ends in between."""

    generation: int
    started: dt.datetime
    finished: dt.datetime | None = None
    sboms: int = 0
    affected: int = 0
    opened: int = 0
    fixed: int = 0
    seconds: float = 0.0


class ProposalState(StrEnum):
    """``taken``: a push shows the version. ``obsolete``: nothing is left that it would clear."""

    OPEN = "open"
    TAKEN = "taken"
    DISMISSED = "dismissed"
    OBSOLETE = "obsolete"


class ProposedFix(Record, frozen=True, kw_only=True):
    """One vulnerability that a proposal clears, or (``cleared`` false) leaves."""

    id: str
    aliases: list[str]
    title: str
    severity: Severity
    fingerprint: str
    fixed: str
    url: str
    cleared: bool = True


class ProposedUpgrade(Record, frozen=True, kw_only=True):
    """From one version in use to at least another. ``major``: what relies on the old one may
    break."""

    version: str
    target: str
    major: bool = False


class Proposal(Record, frozen=True, kw_only=True):
    """Upgrades that clear what is known against one package in one file: of each version in use
    the one that ``haechi fix deps`` makes. ``target`` is the highest of them. ``direct`` None: the
    file does not tell; ``via`` are the packages by which it comes in, the project's own first.
    ``title`` and ``body`` are ready for a pull request (``body``: Markdown, in the detail
    alone)."""

    id: str
    source: str
    ref: str
    cluster: str
    path: str
    ecosystem: str
    package: str
    versions: list[str]
    target: str
    upgrades: list[ProposedUpgrade]
    direct: bool | None
    via: list[str]
    development: bool
    severity: Severity
    fixes: list[ProposedFix]
    state: ProposalState
    opened: dt.datetime
    changed: dt.datetime
    reason: str = ""
    by: str = ""
    title: str = ""
    body: str = ""
