"""Learnt behaviour: what is normal for each workload, why an event is rare, and when to learn."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from haechi.errors import NotFound, UsageError
from haechi.model.access import Role, covered
from haechi.server.endpoint import Call, Operation, Skip
from haechi.server.shapes_profiles import (
    Explanation,
    ProfileChange,
    ProfileDetail,
    ProfileFamily,
    ProfileRow,
    ProfileScores,
    ProfileValue,
    ScorePart,
)
from haechi.store.records import Page, Record

if TYPE_CHECKING:
    from haechi.runtime.profile.frequency import Seen
    from haechi.runtime.profile.profile import Profile

MOST_VALUES, TOP = 100, 5
_KINDS = ("exec", "file", "network", "other")


class ProfilesAsk(Record, frozen=True, kw_only=True):
    """Profiles, the busiest first. ``text`` is looked for in workload, image and command."""

    cluster: list[str] = []
    namespace: list[str] = []
    resource: list[str] = []
    state: Literal["", "learning", "active", "frozen"] = ""
    text: str = ""
    limit: int = 100
    skip: Skip = 0


class ExplainAsk(Record, frozen=True, kw_only=True):
    """A stored event or detection, by its id or number."""

    event: str


def listed(call: Call) -> Page[ProfileRow]:
    """One page of the list."""
    ask: ProfilesAsk = call.query
    every = _rows(call)
    return Page(items=every[ask.skip : ask.skip + ask.limit], total=len(every))


def _rows(call: Call) -> list[ProfileRow]:
    ask: ProfilesAsk = call.query
    wanted = [one for one in _within(call) if _matches(one, ask)]
    rows: list[ProfileRow] = call.world.behaviour.profiles.read(row_of, wanted)
    rows = [one for one in rows if ask.state in ("", one.state)]
    return sorted(rows, key=lambda one: (-one.events, one.id))


def _within(call: Call) -> Iterator[Profile]:
    if not call.world.behaviour.on:
        return
    for one in call.world.behaviour.profiles.all():
        if covered(call.within, one.workload.cluster, one.workload.namespace):
            yield one


def _matches(one: Profile, ask: ProfilesAsk) -> bool:
    workload = one.workload
    return (
        (not ask.cluster or workload.cluster in ask.cluster)
        and (not ask.namespace or workload.namespace in ask.namespace)
        and (not ask.resource or workload.resource in ask.resource)
        and ask.text.casefold() in "\n".join(workload[2:]).casefold()
    )


def _one(call: Call) -> Profile:
    """The profile of the path. NotFound, also for what is out of reach."""
    id_ = call.params["id"]
    if call.world.behaviour.on:
        found = call.world.behaviour.profiles.one(id_)
        if covered(call.within, found.workload.cluster, found.workload.namespace):
            return found
    raise NotFound("there is no such profile", do="GET /profiles lists them")


def shown(call: Call) -> ProfileDetail:
    """What is normal for a workload."""
    found: list[ProfileDetail] = call.world.behaviour.profiles.read(detail_of, [_one(call)])
    return found[0]


def changed(call: Call) -> ProfileRow:
    """Learn, freeze, unfreeze or forget."""
    ask: ProfileChange = call.body
    _one(call)
    behaviour = call.world.behaviour
    profile = behaviour.change(call.params["id"], ask.to, by=call.principal.id)
    rows: list[ProfileRow] = behaviour.profiles.read(row_of, [profile])
    return rows[0]


def explained(call: Call) -> Explanation:
    """How usual a stored event is for its workload."""
    ask: ExplainAsk = call.query
    if not 0 < len(ask.event) <= 600:
        raise UsageError("must be the id or the number of an event", where="query.event")
    event = call.world.store.events.event(ask.event, within=call.within).event
    told = call.world.behaviour.explain(event)
    behaviour, why = event.fields.get("haechi.behaviour"), event.fields.get("haechi.behaviour.why")
    stood = isinstance(behaviour, float | int) and event.source == "haechi"
    before = float(behaviour) if stood and behaviour is not None else None
    if told is None and before is None:
        return Explanation(event=event.id, behaviour=None, score=0.0, why=[], parts=[])
    return Explanation(
        event=event.id,
        behaviour=told.behaviour if told and before is None else before,
        score=round(told.score, 3) if told else 0.0,
        why=list(told.why) if told and before is None else [str(one) for one in why or ()],
        parts=_parts(told.parts) if told else [],
        told=before is not None,
        profile=_row_by_id(call, told.id) if told else None,
    )


def _row_by_id(call: Call, id: str) -> ProfileRow | None:
    profiles = call.world.behaviour.profiles
    try:
        found = profiles.one(id)
    except NotFound:
        return None
    if not covered(call.within, found.workload.cluster, found.workload.namespace):
        return None
    rows: list[ProfileRow] = profiles.read(row_of, [found])
    return rows[0]


def _parts(parts: object) -> list[ScorePart]:
    from haechi.runtime.profile.features import FAMILIES
    from haechi.runtime.profile.profile import CAPS, Part

    assert isinstance(parts, tuple)  # noqa: S101
    several: tuple[Part, ...] = parts
    return [
        ScorePart(
            family=FAMILIES[one.family],
            value=one.value,
            rarity=round(one.rarity, 3),
            most=CAPS[one.family],
        )
        for one in several
    ]


def row_of(profile: Profile) -> ProfileRow:
    """A profile in a list."""
    from haechi.runtime.profile.explain import named
    from haechi.runtime.profile.profiles import profile_id

    workload, habits = profile.workload, profile.habits
    spent = min(1.0, max(0.0, profile.last - profile.start) / max(1.0, habits.learn_s))
    share = min(spent, profile.events / max(1, habits.learn_events), 1.0)
    tops = [next(one.seen(), None) for one in profile.families]
    return ProfileRow(
        id=profile_id(workload),
        cluster=workload.cluster,
        namespace=workload.namespace,
        resource=workload.resource,
        image=workload.image,
        command=workload.command,
        name=named(workload),
        state=profile.state.value,
        since=_time(profile.since),
        started=_time(profile.start),
        last_seen=_time(profile.last),
        events=profile.events,
        progress=round(share, 3) if profile.learning else 1.0,
        held=bool(profile.held_since),
        frozen_by_hand=profile.frozen,
        cold_start=bool(profile.cold_from),
        bytes=profile.size(),
        top=[one.value for one in tops if one is not None][:TOP],
    )


def detail_of(profile: Profile) -> ProfileDetail:
    """A profile with what it holds."""
    from haechi.runtime.profile.features import FAMILIES

    families = []
    for name, one in zip(FAMILIES, profile.families, strict=False):
        seen = [_value(each) for each in one.seen()]
        fresh = [_value(each) for each in one.fresh()]
        families.append(
            ProfileFamily(
                name=name,
                count=one.count,
                known=len(seen),
                most=one.most,
                values=seen[:MOST_VALUES],
                fresh=fresh[:MOST_VALUES],
            )
        )
    return ProfileDetail(
        profile=row_of(profile),
        families=families,
        scores=[
            ProfileScores(
                kind=kind,
                count=round(one.total / profile.unit, 1),
                half=one.at(0.5),
                p99=one.at(0.99),
                p999=one.at(0.999),
            )
            for kind, one in zip(_KINDS, profile.kinds, strict=True)
        ],
        nodes=list(profile.nodes),
    )


def _value(one: Seen) -> ProfileValue:
    return ProfileValue(
        value=one.value,
        count=one.count,
        share=round(one.share, 6),
        first=_time(one.first),
        last=_time(one.last),
    )


def _time(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="profiles.list",
        method="GET",
        path="/profiles",
        role=Role.VIEWER,
        summary="List what was learnt of workloads: state, since when, of how many events",
        handler=listed,
        query=ProfilesAsk,
        answer=Page[ProfileRow],
        rows=lambda call: iter(_rows(call)),
    ),
    Operation(
        id="profiles.explain",
        method="GET",
        path="/profiles/explain",
        role=Role.VIEWER,
        summary="How usual a stored event or detection is for its workload, and why",
        handler=explained,
        query=ExplainAsk,
        answer=Explanation,
    ),
    Operation(
        id="profiles.show",
        method="GET",
        path="/profiles/{id}",
        role=Role.VIEWER,
        summary="What is normal for a workload: programs, parents, files, peers, ports, calls",
        handler=shown,
        answer=ProfileDetail,
    ),
    Operation(
        id="profiles.change",
        method="POST",
        path="/profiles/{id}/state",
        role=Role.OPERATOR,
        summary="Learn a workload again, freeze or unfreeze its profile, or forget it",
        handler=changed,
        body=ProfileChange,
        answer=ProfileRow,
    ),
)
