"""The first screen, put together: what needs a person, the dials, the last day, the coverage."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.model.access import EVERYWHERE, NONE, covered
from haechi.server.shapes import Delta, Now, NowItem, Part
from haechi.server.work.attention import attention_items
from haechi.server.work.desk import DAY, Desk
from haechi.server.work.dials import dials
from haechi.server.work.lookup import newest, standing
from haechi.server.work.risks import risk_items
from haechi.server.work.strip import coverage_lines
from haechi.store.records import ScanRun, StoredFinding

MOST, _KEPT = 20, 6
_LATEST, _LOOKED_AT = 8, 200
_RUNS = 500


def compose(desk: Desk, parts: Sequence[Part]) -> Now:
    """The whole answer. ``parts`` are the server's own, for those who see everything."""
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
        dials=dials(desk, runs, figures, known=bool(every)),
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
        scans=len(_scans_since(desk)),
        events=desk.store.events.counts(
            int(since.timestamp()), int(desk.now.timestamp()) + 1, within=desk.within
        ),
        latest=_latest(desk),
    )


def _scans_since(desk: Desk) -> list[ScanRun]:
    page = desk.store.state.scans.page(within=desk.within, limit=_RUNS, cursor=None)
    return [run for run in page.items if run.received >= desk.now - DAY]


def _latest(desk: Desk) -> list[StoredFinding]:
    """What came in the last day, worst first."""
    recent = newest(
        desk.store.state,
        desk.now - DAY,
        within=desk.within,
        today=desk.today,
        most=_LOOKED_AT,
    )
    recent.sort(key=lambda one: one.severity.rank)
    return recent[:_LATEST]
