"""Policies: which are in force where, what they say of what is there, and what protects nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal

from haechi.model.access import Role
from haechi.server.endpoint import MIB, Call, Operation, Skip
from haechi.server.shapes_admission import (
    Forecasts,
    PolicyNamespace,
    PolicyRow,
    PolicyShown,
    WhatIf,
    WhatIfAsk,
)
from haechi.store.records import Page, Record
from haechi.store.state.admission_records import (
    AUDIT,
    WEBHOOK,
    StateCounts,
    StoredFault,
    StoredPolicy,
    Violation,
)

_DAY = dt.timedelta(days=1)


class PoliciesAsk(Record, frozen=True, kw_only=True):
    """Which policies; those with most failures first. ``state``: failing (an object fails and is
    not waived), unjudged (an object could not be judged), clean. ``text`` is looked for in id,
    title and description."""

    cluster: list[str] = []
    family: list[str] = []
    severity: list[str] = []
    state: Literal["", "failing", "unjudged", "clean"] = ""
    text: str = ""
    limit: int = 100
    skip: Skip = 0


class FaultsAsk(Record, frozen=True, kw_only=True):
    """Of some clusters, or all."""

    cluster: list[str] = []
    limit: int = 200
    skip: Skip = 0


class ForecastAsk(Record, frozen=True, kw_only=True):
    """Of one cluster, or of some of its namespaces."""

    cluster: str
    namespace: list[str] = []


class ViolationsAsk(Record, frozen=True, kw_only=True):
    """Which part of a policy's violations; the newest first. ``state``: fail, error,
    not_evaluated; all unless said."""

    namespace: list[str] = []
    state: list[Literal["fail", "error", "not_evaluated"]] = []
    text: str = ""
    limit: int = 100
    cursor: str | None = None


def listed(call: Call) -> Page[PolicyRow]:
    """One page of the list."""
    ask: PoliciesAsk = call.query
    every = _rows(call)
    return Page(items=every[ask.skip : ask.skip + ask.limit], total=len(every))


def _rows(call: Call) -> list[PolicyRow]:
    ask: PoliciesAsk = call.query
    wanted = [
        one for one in call.world.store.state.policies.all(within=call.within) if _fits(one, ask)
    ]
    made = [one for one in _made(call, wanted) if ask.state in ("", _state(one.counts))]
    return sorted(made, key=lambda one: (-one.counts.failed, -one.counts.error, one.info.id))


def _fits(one: StoredPolicy, ask: PoliciesAsk) -> bool:
    info = one.info
    return (
        (not ask.cluster or one.cluster in ask.cluster)
        and (not ask.family or info.family.value in ask.family)
        and (not ask.severity or info.severity in ask.severity)
        and ask.text.casefold() in "\n".join((info.id, info.title, info.description)).casefold()
    )


def _state(counts: StateCounts) -> str:
    if counts.failed:
        return "failing"
    return "unjudged" if counts.error or counts.not_evaluated else "clean"


def _made(call: Call, policies: list[StoredPolicy]) -> list[PolicyRow]:
    state = call.world.store.state
    counts = state.policy_states.counts(within=call.within)
    oldest = state.policy_states.oldest(within=call.within)
    faults = state.policies.fault_counts()
    decisions = state.admissions.of_policies(call.now - _DAY, within=call.within)
    rows = []
    for one in policies:
        place = (one.cluster, one.info.id)
        sources = {origin.source for origin in one.origins}
        rows.append(
            PolicyRow(
                key=one.key,
                cluster=one.cluster,
                info=one.info,
                at_door=WEBHOOK in sources,
                audited=AUDIT in sources,
                origins=one.origins,
                counts=_sum(counts.get(place, {})),
                decisions=decisions.get(place, {}),
                faults=faults[place],
                since=oldest.get(place),
            )
        )
    return rows


def _sum(places: dict[str, StateCounts]) -> StateCounts:
    names = StateCounts.__struct_fields__
    several = places.values()
    return StateCounts(**{name: sum(getattr(one, name) for one in several) for name in names})


def shown(call: Call) -> PolicyShown:
    """One policy with its counts by namespace."""
    state = call.world.store.state
    found = state.policies.one(call.params["key"], within=call.within)
    place = (found.cluster, found.info.id)
    counts = state.policy_states.counts(within=call.within, cluster=place[0], policy=place[1])
    return PolicyShown(
        policy=_made(call, [found])[0],
        namespaces=[
            PolicyNamespace(namespace=name, counts=one)
            for name, one in counts.get(place, {}).items()
        ],
        waivers=state.policy_states.waivers(*place, within=call.within),
    )


def violations(call: Call) -> Page[Violation]:
    """A part of what a policy says of objects, when it is not ``pass``."""
    ask: ViolationsAsk = call.query
    return call.world.store.state.policy_states.page(
        **_asked(call), within=call.within, limit=ask.limit, cursor=ask.cursor
    )


def every_violation(call: Call) -> Iterator[Violation]:
    """All of them, for the twins."""
    return call.world.store.state.policy_states.each(within=call.within, **_asked(call))


def _asked(call: Call) -> dict[str, Any]:
    ask: ViolationsAsk = call.query
    found = call.world.store.state.policies.one(call.params["key"], within=call.within)
    place = {"cluster": found.cluster, "policy": found.info.id}
    return {**place, "namespace": ask.namespace, "state": ask.state, "text": ask.text}


def faults(call: Call) -> Page[StoredFault]:
    """What looks like a policy and protects nothing, or not what it seems to."""
    ask: FaultsAsk = call.query
    every = _faults(call)
    return Page(items=every[ask.skip : ask.skip + ask.limit], total=len(every))


def _faults(call: Call) -> list[StoredFault]:
    ask: FaultsAsk = call.query
    every = call.world.store.state.policies.faults(within=call.within)
    return [one for one in every if not ask.cluster or one.cluster in ask.cluster]


def tried(call: Call) -> WhatIf:
    """What other policies would say of what is there, and of what was asked at the door."""
    from haechi.server.work.audits.comparing import compared

    return compared(call.world, call.body, within=call.within, now=call.now)


def foreseen(call: Call) -> Forecasts:
    """What the next stages of the rollouts in force would refuse now."""
    from haechi.server.work.audits.comparing import foreseen as made

    ask: ForecastAsk = call.query
    return made(call.world, ask.cluster, ask.namespace, within=call.within, now=call.now)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="policies.list",
        method="GET",
        path="/policies",
        role=Role.VIEWER,
        summary="List policies: where they are in force, and what they say of what is there",
        handler=listed,
        query=PoliciesAsk,
        answer=Page[PolicyRow],
        rows=lambda call: iter(_rows(call)),
    ),
    Operation(
        id="policies.faults",
        method="GET",
        path="/policies/faults",
        role=Role.VIEWER,
        summary="What looks like a policy and protects nothing, and why",
        handler=faults,
        query=FaultsAsk,
        answer=Page[StoredFault],
        rows=lambda call: iter(_faults(call)),
    ),
    Operation(
        id="policies.forecast",
        method="GET",
        path="/policies/forecast",
        role=Role.VIEWER,
        summary="What the next stages of rollouts would refuse of what is there, if they began now",
        handler=foreseen,
        query=ForecastAsk,
        answer=Forecasts,
    ),
    Operation(
        id="policies.what_if",
        method="POST",
        path="/policies/what-if",
        role=Role.OPERATOR,
        summary="What other policies would refuse or warn about, of what is there now and of "
        "requests that were recorded, beside those in force",
        handler=tried,
        body=WhatIfAsk,
        answer=WhatIf,
        limit=4 * MIB,
    ),
    Operation(
        id="policies.show",
        method="GET",
        path="/policies/{key}",
        role=Role.VIEWER,
        summary="One policy of a cluster with its counts by namespace",
        handler=shown,
        answer=PolicyShown,
    ),
    Operation(
        id="policies.violations",
        method="GET",
        path="/policies/{key}/violations",
        role=Role.VIEWER,
        summary="What a policy says of the objects that are there, when it is not a pass",
        handler=violations,
        query=ViolationsAsk,
        answer=Page[Violation],
        rows=every_violation,
    ),
)
