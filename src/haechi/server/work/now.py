"""The first screen, put together: what needs a person, the dials, the last day, the coverage."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.model.access import EVERYWHERE, NONE, covered
from haechi.server.shapes import Delta, Now, NowItem, Part
from haechi.server.work.attention import attention_items
from haechi.server.work.desk import DAY, Desk
from haechi.server.work.dials import dials
from haechi.server.work.lookup import newest, standing
from haechi.server.work.past import Before
from haechi.server.work.risks import risk_items
from haechi.server.work.strip import coverage_lines
from haechi.store.records import StoredFinding

MOST, _KEPT = 20, 6
_LATEST, _LOOKED_AT = 8, 200


def compose(desk: Desk, parts: Sequence[Part], before: Before | None) -> Now:
    """The whole answer. ``parts`` are the server's own, for those who see everything; ``before``
    is how it stood a day ago."""
    state = desk.store.state
    every = [run for run in state.scans.latest(within=(EVERYWHERE,)) if run.default]
    runs = [run for run in every if covered(desk.rights, run.cluster, NONE)]
    sources = state.sources.all(within=desk.rights)
    figures = standing(state, within=desk.within, today=desk.today)
    risks = risk_items(desk, every, MOST)
    told = {id_ for item in risks for id_ in item.findings}
    others = attention_items(desk, sources, parts if desk.sees_all else (), figures.late, told)
    return Now(
        as_of=desk.now,
        items=_ranked(risks, others),
        dials=dials(desk, runs, figures, before, known=bool(every)),
        delta=_delta(desk),
        coverage=coverage_lines(sources, runs, desk.url),
    )


def _ranked(risks: Sequence[NowItem], others: Sequence[NowItem]) -> list[NowItem]:
    """Worst first. A broken repository must not push everything else off the screen, so a few
    places are kept for what is no risk of a repository."""
    best = sorted(others, key=_order)
    kept = best[: max(_KEPT, MOST - len(risks))]
    return sorted((*risks[: MOST - len(kept)], *kept), key=_order)[:MOST]


def _order(item: NowItem) -> tuple[float, str]:
    return (-item.score, item.sentence)


def _delta(desk: Desk) -> Delta:
    since = desk.now - DAY
    changes = desk.store.state.findings.changes(since, within=desk.within)
    return Delta(
        since=since,
        new=changes.get("seen", 0),
        fixed=changes.get("fixed", 0),
        reopened=changes.get("reopened", 0),
        waived=changes.get("waived", 0),
        waivers_ended=changes.get("unwaived", 0),
        scans=desk.store.state.scans.count(since, within=desk.within),
        events=desk.store.events.counts(
            int(since.timestamp()), int(desk.now.timestamp()) + 1, within=desk.within
        ),
        latest=_latest(desk),
    )


def _latest(desk: Desk) -> list[StoredFinding]:
    """What came in the last day, worst first."""
    return newest(
        desk.store.state,
        desk.now - DAY,
        within=desk.within,
        today=desk.today,
        among=_LOOKED_AT,
        most=_LATEST,
    )
