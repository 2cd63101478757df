"""What-if over the API: policies that somebody wrote, beside those of a followed cluster; and the
forecast of the rollouts in force.

The texts come from whoever asks, so they are compiled and asked in a process of their own, one at
a time. Everything that is asked lies within the asker's reach. What policies may look at besides is
the whole cluster, as at the door, where the asker reaches all of it or did not write them: a policy
of one's own could repeat in its messages whatever it sees.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from haechi.admit.simulate import Answer, Change, Forecast, PolicyChange
from haechi.admit.view import EVERYTHING
from haechi.errors import LimitExceeded, NotFound, TooManyRequests
from haechi.model.access import NONE, Reach, covered
from haechi.model.decision_record import Outcome
from haechi.model.keys import object_name
from haechi.server.shapes_admission import (
    ForecastRow,
    Forecasts,
    WhatIf,
    WhatIfAsk,
    WhatIfChange,
    WhatIfCounts,
)
from haechi.server.work.audits.process import AuditProcess, Stopped
from haechi.server.work.audits.wire import Compare, Compared, Foretold, Recorded, Setup, Text
from haechi.store.state.policy_states import whole

if TYPE_CHECKING:
    from haechi.model.admission import PolicyFault
    from haechi.server.work.auditing import Basis
    from haechi.server.work.audits.objects import Snapshot
    from haechi.server.world import World
    from haechi.world.kube.cluster import Kept

MOST_OBJECTS, MOST_REQUESTS, MOST_BYTES = 5_000, 5_000, 32 << 20
MOST_LISTED = 500
_lock = threading.Lock()
_Said = TypeVar("_Said", Compared, Foretold)


def compared(
    world: World, ask: WhatIfAsk, *, within: tuple[Reach, ...], now: dt.datetime
) -> WhatIf:
    """The difference. Raises NotFound, TooManyRequests, ConfigError for policies that are none."""
    basis = _basis(world, ask.cluster, within)
    if not _lock.acquire(blocking=False):
        raise TooManyRequests("another comparison runs", retry_after=10, do="ask again then")
    try:
        return _compared(world, ask, basis, within, now)
    finally:
        _lock.release()


def _basis(world: World, cluster: str, within: tuple[Reach, ...]) -> Basis:
    audit = world.audits.get(cluster)
    reached = any(reach.cluster in ("*", cluster) for reach in within)
    basis = audit.basis() if audit is not None and reached else None
    if basis is None:
        raise NotFound(
            f"no cluster {cluster[:80]!r} is audited",
            why="it is not followed, was not read yet, or lies out of reach",
            do="GET /clusters lists them",
        )
    return basis


def _compared(
    world: World, ask: WhatIfAsk, basis: Basis, within: tuple[Reach, ...], now: dt.datetime
) -> WhatIf:
    settings, gaps = world.settings.admission, _gaps(basis, ask.cluster, within)
    every = basis.snapshot.kept.values()
    objects = (
        _objects(every, ask.cluster, ask.namespace, within, gaps) if ask.over != "history" else []
    )
    recorded = _recorded(world, ask, within, now, gaps) if ask.over != "now" else []
    setup = _setup(world, ask.cluster, basis, settings.packs)
    compare = Compare(
        texts=[Text(one.name, one.text.encode("utf-8", "replace")) for one in ask.policies],
        packs=ask.packs,
        replace=ask.replace,
        recorded=recorded,
        today=now.date(),
    )
    found = _asked(
        lambda process: process.compare(objects, compare),
        setup,
        _within(basis, ask.cluster, within),
        world.settings.limits.seconds,
    )
    gaps += _unknown(found, basis)
    if not whole(within, ask.cluster):
        gaps.append(NARROW)
    if found.left_out:
        gaps.append(f"{found.left_out} recorded requests cannot be read")
    return _shown(found, ask.cluster, recorded, gaps)


NARROW = "policies that compare with objects out of your reach are not evaluated"


def _gaps(basis: Basis, cluster: str, within: tuple[Reach, ...]) -> list[str]:
    """Those of the cluster name objects and folders of anywhere in it."""
    return list(basis.snapshot.gaps[:50]) if whole(within, cluster) else []


def _within(basis: Basis, cluster: str, within: tuple[Reach, ...]) -> Basis:
    """What policies of the asker may look at: nothing that the asker may not."""
    if whole(within, cluster):
        return basis
    snapshot = basis.snapshot
    kept = {
        place: one
        for place, one in snapshot.kept.items()
        if covered(within, cluster, one.namespace or NONE)
        or (one.type == "core/Namespace" and covered(within, cluster, one.name))
    }
    narrowed = structs.replace(snapshot, kept=kept, unknown=tuple(EVERYTHING))
    return structs.replace(basis, snapshot=narrowed)


def _setup(world: World, cluster: str, basis: Basis, packs: list[str]) -> Setup:
    settings = world.settings.admission
    return Setup(
        texts=basis.texts,
        packs=packs,
        cluster=cluster,
        deadline_s=settings.deadline_s,
        memory_bytes=settings.memory_bytes,
    )


def _asked(
    question: Callable[[AuditProcess], _Said], setup: Setup, basis: Basis, seconds: float
) -> _Said:
    """In a process that ends before the request does."""
    late = threading.Event()
    timer = threading.Timer(max(1.0, seconds - 3.0), late.set)
    timer.start()
    try:
        process = AuditProcess(setup, late)
        try:
            every = list(basis.snapshot.kept.values())
            process.news(every, anew=True, unknown=basis.snapshot.unknown)
            return question(process)
        finally:
            process.close()
    except Stopped as error:
        raise LimitExceeded(
            f"the judging takes longer than {seconds:g} seconds",
            do="name some namespaces, or fewer days; `haechi policy simulate` has no such limit",
        ) from error
    finally:
        timer.cancel()
        timer.join()


def _unknown(found: Compared, basis: Basis) -> Iterator[str]:
    """Kinds that the new policies name and that nobody looked at so far."""
    known = {one.type for one in basis.snapshot.kinds}
    for type_ in found.kinds:
        if type_ not in known:
            yield f"{type_}: not among what today's policies look at, so none were asked about"


def _objects(
    every: Iterable[Kept],
    cluster: str,
    namespaces: Sequence[str],
    within: tuple[Reach, ...],
    gaps: list[str],
) -> list[Kept]:
    chosen = [
        one
        for one in every
        if covered(within, cluster, one.namespace or NONE)
        and (not namespaces or (one.namespace or NONE) in namespaces)
    ]
    chosen.sort(key=lambda one: (one.type, one.namespace, one.name))
    if len(chosen) > MOST_OBJECTS:
        gaps.append(f"objects past {MOST_OBJECTS:,} are not asked about: name fewer namespaces")
    return chosen[:MOST_OBJECTS]


def _recorded(
    world: World, ask: WhatIfAsk, within: tuple[Reach, ...], now: dt.datetime, gaps: list[str]
) -> list[Recorded]:
    since = now - dt.timedelta(days=ask.days)
    rows = world.store.state.decisions.reviews(cluster=ask.cluster, since=since, within=within)
    found: list[Recorded] = []
    size = 0
    for row in itertools.islice(rows, MOST_REQUESTS * 4):
        if ask.namespace and row.namespace not in ask.namespace:
            continue
        size += len(row.body)
        if len(found) >= MOST_REQUESTS or size > MOST_BYTES:
            gaps.append(f"recorded requests past {len(found):,} are not asked about")
            break
        found.append(Recorded(row.body, int(row.last.timestamp() * 1e6) * 1_000, row.count))
    if not found:
        gaps.append("no request of that time was recorded")
    return found


def _shown(found: Compared, cluster: str, recorded: list[Recorded], gaps: list[str]) -> WhatIf:
    told = found.found
    order = list(Answer)
    times = {one.at_ns: one.count for one in recorded}
    lists: dict[str, list[WhatIfChange]] = {"appeared": [], "disappeared": [], "changed": []}
    for one in told.changes:
        worse = order.index(one.after) - order.index(one.before)
        name = "appeared" if worse < 0 else "disappeared" if worse > 0 else "changed"
        if len(lists[name]) < MOST_LISTED:
            lists[name].append(_change(one, cluster, times.get(one.at_ns, 1)))
    return WhatIf(
        counts=WhatIfCounts(
            judged=told.judged,
            denied_before=told.before.get(Answer.REFUSED.value, 0),
            denied_after=told.after.get(Answer.REFUSED.value, 0),
            warned_before=told.before.get(Answer.WARNED.value, 0),
            warned_after=told.after.get(Answer.WARNED.value, 0),
            not_evaluated=told.after.get(Answer.UNJUDGED.value, 0),
        ),
        by_policy={one.policy: _of_policy(one, found) for one in told.policies},
        **lists,
        left_out=told.changed - sum(map(len, lists.values())),
        faults=[_fault(one) for one in found.faults],
        gaps=gaps,
        forecast=[_row(one) for one in found.forecast],
    )


def _of_policy(one: PolicyChange, found: Compared) -> WhatIfCounts:
    denied_before = one.before if one.policy in found.denying[0] else 0
    denied_after = one.after if one.policy in found.denying[1] else 0
    return WhatIfCounts(
        judged=found.found.judged,
        denied_before=denied_before,
        denied_after=denied_after,
        warned_before=one.before - denied_before,
        warned_after=one.after - denied_after,
        not_evaluated=0,
    )


def _fault(one: PolicyFault) -> str:
    place = f"{one.file}:{one.line}: " if one.file else ""
    why = f" ({one.why})" if one.why else ""
    return f"{place}{one.what}{why}"


_OUTCOMES = {
    Answer.REFUSED: Outcome.DENIED,
    Answer.UNJUDGED: Outcome.UNJUDGED,
    Answer.WARNED: Outcome.WARNED,
    Answer.LET_IN: Outcome.ALLOWED,
}


def _change(one: Change, cluster: str, count: int) -> WhatIfChange:
    at = dt.datetime.fromtimestamp(one.at_ns / 1e9, dt.UTC) if one.at_ns else None
    name = object_name(one.resource)
    words = [*one.appeared, *one.disappeared]
    return WhatIfChange(
        cluster=cluster,
        namespace=one.namespace or NONE,
        object=one.resource,
        kind=name.kind if name is not None else "",
        name=name.name if name is not None else one.label,
        policy=one.policies[0] if one.policies else "",
        rule="",
        before=_OUTCOMES[one.before].value,
        after=_OUTCOMES[one.after].value,
        message=words[0] if words else "",
        path="",
        request=at is not None,
        count=count,
        operation=one.operation,
        appeared=list(one.appeared),
        disappeared=list(one.disappeared),
        policies=list(one.policies),
        at=at,
        user=one.user,
    )


# --- the forecast of what is in force ----------------------------------------------------------

_foreseeing = threading.Lock()
_waiting = threading.BoundedSemaphore(3)
PATIENCE_S = 10.0
_REMEMBERED = 16
_Key = tuple[str, tuple[str, ...], tuple[Reach, ...], dt.date]
_remembered: dict[_Key, tuple[list[Text], weakref.ref[Snapshot], Forecasts]] = {}


def foreseen(
    world: World,
    cluster: str,
    namespaces: Sequence[str],
    *,
    within: tuple[Reach, ...],
    now: dt.datetime,
) -> Forecasts:
    """What the next stages of the rollouts in force would refuse, if they began now. An answer
    holds while policies, objects and day are the same. Raises NotFound, TooManyRequests."""
    basis = _basis(world, cluster, within)
    key = (cluster, tuple(sorted(namespaces)), within, now.date())
    with _one_at_a_time():
        known = _remembered.pop(key, None)
        if known is None or known[0] is not basis.texts or known[1]() is not basis.snapshot:
            made = _foreseen(world, key, basis)
            known = (basis.texts, weakref.ref(basis.snapshot), made)
        while len(_remembered) >= _REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[key] = known
        return known[2]


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Some may wait for a while: who opens the page again is soon given what was made before."""
    busy = TooManyRequests("another forecast is made", retry_after=5, do="ask again then")
    if not _waiting.acquire(blocking=False):
        raise busy
    try:
        if not _foreseeing.acquire(timeout=PATIENCE_S):
            raise busy
        try:
            yield
        finally:
            _foreseeing.release()
    finally:
        _waiting.release()


def _foreseen(world: World, key: _Key, basis: Basis) -> Forecasts:
    cluster, namespaces, within, today = key
    gaps = _gaps(basis, cluster, within)
    every = basis.snapshot.kept.values()
    objects = _objects(every, cluster, namespaces, within, gaps)
    found = _asked(
        lambda process: process.foresee(objects, today),
        _setup(world, cluster, basis, world.settings.admission.packs),
        basis,
        world.settings.limits.seconds,
    )
    return Forecasts(
        judged=found.judged, today=today, items=[_row(one) for one in found.rows], gaps=gaps
    )


def _row(one: Forecast) -> ForecastRow:
    return ForecastRow(
        policy=one.policy,
        rollout=one.rollout,
        namespace=one.namespace or NONE,
        stage=one.stage.value,
        next=one.next.value if one.next is not None else "",
        begins=one.begins,
        refused=one.refused,
        warned=one.warned,
        unjudged=one.unjudged,
        examples=list(one.examples),
        ready=one.ready,
    )
