"""The server's advisories: sent by an administrator, how they are, one record."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.errors import HaechiError, InputError, LimitExceeded, NotFound
from haechi.model.access import EVERYWHERE, Role
from haechi.model.advisory import Advisory, Affected
from haechi.server.endpoint import MIB, Answer, Call, Operation
from haechi.server.shapes_dependencies import (
    AdvisoryDetail,
    AdvisoryStatus,
    AdvisoryUpload,
    AffectedPackage,
    EcosystemData,
    UnknownEcosystem,
)
from haechi.store.dependency_records import AdvisoryImport
from haechi.store.folder import storage_errors
from haechi.store.records import FindingFilter

if TYPE_CHECKING:
    from haechi.server.work.bills_judged import Judge
    from haechi.world.advisories.reading import Advisories

LARGEST = 8192 * MIB
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:+-]{0,120}\Z")
_LISTED = 200


def imported(call: Call) -> Answer:
    """Keep the file and have it imported; the answer does not wait for that."""
    ask: AdvisoryUpload = call.query
    body: Path = call.body
    most = call.world.settings.advisories.max_bytes
    if body.stat().st_size > most:
        raise LimitExceeded(
            f"the file is larger than {most:,} bytes",
            do="raise advisories.max_bytes in the server's settings, or send it in parts",
        )
    parts = _parts(ask.name)
    folder = call.world.store.folder.incoming
    id_ = secrets.token_hex(10)
    target = Path(id_, *parts)
    with storage_errors(folder):
        (folder / target).parent.mkdir(parents=True, mode=0o700)
        body.replace(folder / target)
    records = call.world.store.state.advisories
    one = records.ask(
        "/".join(parts), by=call.principal.id, file=str(target), covers=ask.covers, id_=id_
    )
    call.world.advising.wake()
    return Answer(value=one, status=202)


def _parts(name: str) -> tuple[str, ...]:
    """The last two parts of a file's name: ``PyPI/all.zip`` says what it covers."""
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part)[-2:]
    if not parts or not all(map(_PART.match, parts)):
        raise InputError(
            "that is no name of a file",
            do="letters, digits and . _ - : with one folder at most, as PyPI/all.zip",
            where="query.name",
        )
    return parts


def shown_import(call: Call) -> AdvisoryImport:
    """How an import is."""
    found = call.world.store.state.advisories.one(call.params["id"])
    if found is None:
        raise NotFound("there is no such import", do="GET /advisories/status lists the newest")
    return found


def status(call: Call) -> AdvisoryStatus:
    """How the server's advisories are."""
    world, today = call.world, call.now.date()
    records, stale = world.store.state.advisories, world.settings.advisories.stale_days
    sources = records.sources()
    whole = EVERYWHERE in call.within
    admin = EVERYWHERE in call.principal.within(Role.ADMIN)
    error, ecosystems, generation, size, identity = world.advising.fault, [], 0, 0, ""
    unknown: list[UnknownEcosystem] = []
    try:
        with world.advising.judge(world) as judge:
            unknown = list(_unknown(call, judge))
            if judge is not None:
                generation, identity = judge.database.generation, judge.database.identity
                ecosystems = list(_ecosystems(judge, today, stale))
                size = world.store.folder.advisories_db.stat().st_size
    except HaechiError as fault:
        error = fault.explain()[:500]
    failed = bool(error) or any(one.state == "failed" for one in sources)
    old = any(one.stale for one in ecosystems if one.covered)
    known = "ok" if any(one.covered for one in ecosystems) else "single"
    nothing = "stale" if old else known if ecosystems else "none"
    pending = 0
    if whole and generation:
        bills = world.store.state.bills
        behind = bills.behind(identity, generation)
        pending = sum(len(bills.waiting(*one)) for one in behind)
    return AdvisoryStatus(
        state="failed" if failed else nothing,
        generation=generation,
        bytes=size,
        error=error if admin else "",
        ecosystems=ecosystems,
        unknown=unknown,
        sources=sources if admin else [],
        imports=records.imports() if admin else [],
        reevaluation=records.last() if whole else None,
        pending=pending,
    )


def _ecosystems(judge: Judge, today: dt.date, stale: int) -> Iterable[EcosystemData]:
    for state in judge.database.states().values():
        age = state.age(today)
        yield EcosystemData(
            ecosystem=state.ecosystem,
            records=state.records,
            withdrawn=state.withdrawn,
            malicious=state.malicious,
            covered=state.covered,
            incomplete=state.incomplete,
            newest=state.newest,
            imported=state.imported,
            age_days=age,
            stale=age is not None and age > stale,
        )


def _unknown(call: Call, judge: Judge | None) -> Iterable[UnknownEcosystem]:
    held = call.world.store.state.bills.ecosystems(within=call.within)
    for name, count in held.items():
        if judge is None or not judge.covers(name):
            yield UnknownEcosystem(ecosystem=name, sboms=count)


def shown(call: Call) -> AdvisoryDetail:
    """One record, by any of its ids."""
    id_ = call.params["id"]
    with call.world.advising.judge(call.world) as judge:
        if judge is not None:
            database = judge.database
            several = database.by_alias(id_)
            exact = database.advisory(id_)
            record = exact or (several[0] if several else None)
            if record is not None:
                return _detail(call, database, record, several)
    raise NotFound(
        f"no advisory {id_[:80]!r} was imported", do="GET /advisories/status says what there is"
    )


def _detail(
    call: Call, database: Advisories, record: Advisory, several: tuple[Advisory, ...]
) -> AdvisoryDetail:
    ids = {record.id, *record.aliases, *(id_ for one in several for id_ in (one.id, *one.aliases))}
    leading = next((one for one in sorted(ids) if one.startswith("CVE-")), record.id)
    risk = database.risk(leading)
    return AdvisoryDetail(
        id=record.id,
        vulnerability=leading,
        aliases=sorted(ids - {record.id})[:_LISTED],
        summary=record.summary,
        details=record.details,
        published=record.published,
        modified=record.modified,
        withdrawn=record.withdrawn,
        severity=record.severity,
        score=record.score,
        vectors=list(record.vectors),
        cwe=list(record.cwe),
        references=list(record.references[:_LISTED]),
        malicious=record.malicious,
        exploited_since=risk.exploited_since if risk else None,
        epss=risk.epss if risk else None,
        affected=[_affected(one) for one in record.affected[:_LISTED]],
        where=_where(call, sorted(ids)[:_LISTED]),
    )


def _affected(one: Affected) -> AffectedPackage:
    from haechi.scan.deps.versions import range_text

    return AffectedPackage(
        ecosystem=one.ecosystem,
        name=one.name,
        ranges=[range_text(each) for each in one.ranges[:_LISTED]],
        versions=list(one.versions[:_LISTED]),
        fixed=[each.fixed for each in one.ranges[:_LISTED] if each.fixed],
    )


def _where(call: Call, ids: list[str]) -> list[str]:
    """Repositories within reach with an open or accepted finding of it."""
    page = call.world.store.state.findings.groups(
        "source",
        FindingFilter(rule=ids, domain=["deps"]),
        within=call.within,
        limit=_LISTED,
        today=call.now.date(),
    )
    return [bucket.value for bucket in page.items]


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="advisories.import",
        method="POST",
        path="/advisories/import",
        role=Role.ADMIN,
        everywhere=True,
        summary="Send advisories (an OSV export, a record, EPSS or KEV): they are imported in a "
        "process of their own, then stored SBOMs are judged by them",
        handler=imported,
        query=AdvisoryUpload,
        body=Path,
        answer=AdvisoryImport,
        status=202,
        limit=LARGEST,
    ),
    Operation(
        id="advisories.imported",
        method="GET",
        path="/advisories/imports/{id}",
        role=Role.ADMIN,
        everywhere=True,
        summary="How an import is",
        handler=shown_import,
        answer=AdvisoryImport,
    ),
    Operation(
        id="advisories.status",
        method="GET",
        path="/advisories/status",
        role=Role.VIEWER,
        summary="What the server knows of each ecosystem, how old it is, and its sources",
        handler=status,
        answer=AdvisoryStatus,
    ),
    Operation(
        id="advisories.show",
        method="GET",
        path="/advisories/{id}",
        role=Role.VIEWER,
        summary="One advisory by any of its ids, and where it is open",
        handler=shown,
        answer=AdvisoryDetail,
    ),
)
