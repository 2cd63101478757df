"""Proposals after findings were accepted, or are no more: a waiver was given, ended or revoked.

A waiver may be about thousands of repositories, so this is done beside the server, in small
transactions. What is left to do is read from the histories of findings: whoever is killed in the
middle goes on at the next start.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from zstandard import ZstdError

from haechi.errors import HaechiError
from haechi.server.work.advisories_known import Known, known_of
from haechi.server.work.bills import UPLOADED, facts_in, files_in
from haechi.server.work.proposals import Place, Planning, ended, proposed
from haechi.server.work.proposals_accepted import Accepting
from haechi.store.dependency_records import Proposal, ProposalState
from haechi.store.records import StoredWaiver
from haechi.store.state.bills import UPLOAD, Stored

if TYPE_CHECKING:
    from haechi.server.work.bills_judged import Judge
    from haechi.server.world import World

log = logging.getLogger("haechi.server.proposals")
AT_START = dt.timedelta(days=7)
"""How far back is looked at a start: what a server that was stopped may have left to do."""
OVERLAP = dt.timedelta(minutes=10)
"""How far back is looked besides: a push in between may have chosen by the waivers before it."""
_TARGETS = 50


def follow_waivers(
    world: World, judge: Judge | None, since: dt.datetime, stopping: Callable[[], bool]
) -> int:
    """Choose anew where findings were accepted or opened again since then, and proposals do not
    show it; how many repositories."""
    state, today = world.store.state, world.clock().date()
    targets = sorted(state.proposals.unsettled(since))
    waivers = state.waivers.active(today=today) if targets else []
    for start in range(0, len(targets), _TARGETS):
        if stopping():
            break
        some = targets[start : start + _TARGETS]
        known, proposals = known_of(state, some), state.proposals.of(some)
        bills = state.bills.read(state.proposals.bills(some))
        for one in bills:
            target = (one.cluster, one.source, one.ref)
            if target in known:
                _settled(world, judge, one, known[target], proposals[target], waivers)
    return len(targets)


def _settled(
    world: World,
    judge: Judge | None,
    one: Stored,
    known: Sequence[Known],
    proposals: Sequence[Proposal],
    waivers: Sequence[StoredWaiver],
) -> None:
    try:
        bill, files = facts_in(one), files_in(one.content)
    except (msgspec.MsgspecError, HaechiError, ZstdError):
        log.exception("the SBOM %s of %s cannot be read", one.n, one.source)
        return
    paths = {file.path for file in files}
    if one.kind == UPLOAD:
        here = [each for each in known if each.path in paths]
    else:
        here = [each for each in known if not each.path.startswith(UPLOADED)]
    target = (one.cluster, one.source, one.ref)
    planning = Planning(
        files=files,
        bill=bill,
        affected=judge.affected if judge is not None else None,
        accepted=Accepting(waivers, target, world.clock().date()),
    )
    now = proposed([each.document() for each in here], target, planning)
    places: set[Place] = {(each.path, *each.name) for each in here}
    # What was dismissed stays so when a waiver comes and goes.
    asked = [each for each in proposals if each.state is ProposalState.OPEN]
    over = ended(asked, now, files, places)
    world.store.state.proposals.settle(one.n, now, over, cluster=one.cluster)
