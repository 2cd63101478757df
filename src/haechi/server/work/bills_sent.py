"""An SBOM that somebody sends: read, kept and judged as a push's packages are.

Its findings stand under a path of its own (``sbom:<name>``), which is no file of the repository:
a scan of that repository neither covers nor fixes them, the next SBOM of the same name does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from haechi.errors import StoreError
from haechi.model.bill import Bill
from haechi.model.keys import repository_key
from haechi.model.package import PackageFile
from haechi.scan.deps.bills import bill_of, files_of
from haechi.scan.deps.look import Dependencies
from haechi.scan.deps.sbom import read_sbom
from haechi.server.shapes_dependencies import SbomUpload
from haechi.server.work.advisories_writing import Writing
from haechi.server.work.bills import check_bill, content_of, facts_of, uploaded
from haechi.server.work.bills_judged import Judge, documents, words
from haechi.server.work.proposals import Planning, ended, proposed
from haechi.store.records import AuditEntry
from haechi.store.state.bills import UPLOAD, Billed, default_ref, keep_bill
from haechi.store.state.engine import Transaction
from haechi.store.state.pushed import seen_findings
from haechi.store.state.rejudged import Generation, Rejudged, known_at

if TYPE_CHECKING:
    from haechi.server.world import World

log = logging.getLogger("haechi.server.advisories")


def receive(world: World, data: bytes, ask: SbomUpload, *, by: str) -> tuple[str, dict[str, int]]:
    """Store it; its id and what it changed. Raises InputError, LimitExceeded."""
    state = world.store.state
    name = ask.name.strip() or "sbom"
    file = uploaded(read_sbom(data, name), name)
    bill = bill_of(Dependencies(files=(file,)))
    check_bill(bill)
    files = files_of(bill)
    source = repository_key(ask.repository)
    content = state.bills.prepare(content_of(files))
    stored: list[str] = []
    target = [ask.ref]

    def keep(transaction: Transaction) -> None:
        known = default_ref(transaction.connection, ask.cluster, source)
        target[:] = [ask.ref or known or ""]
        one = Billed(
            cluster=ask.cluster,
            source=source,
            ref=target[0],
            content=content,
            facts=facts_of(bill),
            kind=UPLOAD,
            name=name,
            commit=ask.commit,
        )
        stored[:] = [keep_bill(transaction, one, scan="", by=by)]
        detail = {"repository": ask.repository, "name": name, "packages": len(file.packages)}
        transaction.audit(
            AuditEntry(
                at=transaction.now,
                actor=by,
                action="sbom.send",
                object=stored[0],
                cluster=ask.cluster,
                detail=detail,
            )
        )

    state.write(keep)
    where = (ask.cluster, source, target[0])
    try:
        with world.advising.judge(world) as judge:
            changes = _judged(world, judge, bill, files, where, stored[0]) if judge else {}
    except StoreError as error:
        log.warning("an SBOM could not be judged, and is again later: %s", error.explain())
        changes = {}
    world.advising.wake()
    return stored[0], changes


def _judged(
    world: World,
    judge: Judge,
    bill: Bill,
    files: Sequence[PackageFile],
    target: tuple[str, str, str],
    id_: str,
) -> dict[str, int]:
    state, today = world.store.state, world.clock().date()
    said = judge.said(bill, files, judge.concerned(files))
    found = documents(said.findings, bill, today)
    planning = Planning(files=files, bill=bill, affected=judge.affected)
    now = proposed(found, target, planning)
    paths = {file.path for file in files}
    with state.read() as connection:
        number, before = known_at(connection, id_, target, paths)
    if number is None:
        raise StoreError("the SBOM was replaced while it was judged", do="send it again")
    fingerprints = {one.fingerprint for one in said.findings}
    open_before = [one for one in state.proposals.of([target])[target] if one.path in paths]
    one = Rejudged(
        bill=number,
        cluster=target[0],
        source=target[1],
        ref=target[2],
        seen=seen_findings(found, target[1].removeprefix("repo:")),
        over=[each for each in before if each not in fingerprints],
        proposed=now,
        ended=ended(open_before, now, files, None),
    )
    writing = Writing(world, Generation(judge.database.identity, judge.database.generation))
    writing.add(one, words(said.rules.values()))
    writing.flush()
    return writing.changes
