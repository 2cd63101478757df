"""An SBOM that somebody sends: read, kept and judged as a push's packages are.

Its findings stand under a path of its own (``sbom:<name>``), which is no file of the repository:
a scan of that repository neither covers nor fixes them, the next SBOM of the same name does.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from haechi.errors import StoreError
from haechi.model.bill import Bill
from haechi.model.keys import repository_key
from haechi.model.package import PackageFile
from haechi.scan.deps.bills import bill_of, files_of
from haechi.scan.deps.look import Dependencies
from haechi.scan.deps.sbom import read_sbom
from haechi.server.shapes_dependencies import SbomUpload
from haechi.server.work.advisories_compared import Comparing, Held
from haechi.server.work.advisories_known import Known, Target, known_of
from haechi.server.work.advisories_writing import Writing
from haechi.server.work.bills import asked_as, check_bill, content_of, facts_of, uploaded
from haechi.server.work.bills_judged import Judge, words
from haechi.server.work.proposals import ended
from haechi.server.work.proposals_accepted import Accepting
from haechi.store.dependency_records import Proposal
from haechi.store.records import AuditEntry
from haechi.store.state.bills import UPLOAD, Billed, default_ref, keep_bill
from haechi.store.state.engine import Transaction
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
    target: Target,
    id_: str,
) -> dict[str, int]:
    state = world.store.state
    paths = {file.path for file in files}
    with state.read() as connection:
        number, before = known_at(connection, id_, target, paths)
    if number is None:
        raise StoreError("the SBOM was replaced while it was judged", do="send it again")
    held = Held(number, target, bill, files, judge.concerned(files))
    said = judge.said(bill, files, held.places)
    known = [one for one in known_of(state, [target])[target] if one.path in paths]
    proposals = [one for one in state.proposals.of([target])[target] if one.path in paths]
    today = world.clock().date()
    comparing = Comparing(held, said, judge, known, today)
    accepted = Accepting(state.waivers.active(today=today), target, today)
    one = comparing.rejudged(proposals, accepted)
    one = _without_gone(one, files, before, known, proposals)
    writing = Writing(world, Generation(judge.database.identity, judge.database.generation))
    writing.add(one, words(said.rules.values()))
    writing.flush()
    return writing.changes


def _without_gone(
    one: Rejudged,
    files: Sequence[PackageFile],
    before: Collection[str],
    known: Sequence[Known],
    proposals: Sequence[Proposal],
) -> Rejudged:
    """What was known against packages that this SBOM has no more is over, too."""
    there = {
        (each.location.path, each.ecosystem, asked_as(each.ecosystem, each.name))
        for file in files
        for each in file.packages
    }
    stays = {each.fingerprint for each in known if (each.path, *each.name) in there}
    seen = {each.fingerprint for each in one.seen}
    gone = [each for each in before if each not in stays and each not in seen]
    left = {
        (each.path, each.ecosystem, asked_as(each.ecosystem, each.package)) for each in proposals
    }
    more = ended(proposals, one.proposed, files, left - there)
    return replace(one, over=[*one.over, *gone], ended=[*one.ended, *more])
