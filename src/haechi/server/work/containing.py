"""The state of an incident follows what its isolations have achieved.

An isolation proves that its own pods are cut off, and nothing of others. So an incident is
contained only when every standing isolation of it is, and every pod in which it was seen belongs
to one of them; one that was seen in two pods, of which one is cut off, is not contained.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from haechi.errors import HaechiError, NotFound, StoreError
from haechi.model.access import EVERYWHERE
from haechi.model.incident import Incident, IncidentState
from haechi.model.response import ActionKind, ActionState

if TYPE_CHECKING:
    from haechi.model.resource import Resource
    from haechi.respond.ground import Site
    from haechi.server.world import World
    from haechi.store.state.action_records import StoredAction

log = logging.getLogger("haechi.server.respond")
S = IncidentState
Sites = Callable[[str], "Site | None"]
Contained = Callable[["StoredAction", bool | None, str], None]
BY = "respond"
_MOST_EVENTS, _MOST_NAMED, _MOST_RULES = 5_000, 3, 50


def incident_of(world: World) -> Callable[[str], Incident | None]:
    """Incidents by their id."""

    def incident(id_: str) -> Incident | None:
        try:
            return world.store.state.incidents.get(id_)
        except NotFound:
            return None

    return incident


def contained_of(world: World, sites: Sites) -> Contained:
    """What is told of each look at an isolation: ``good`` None says that it was undone."""
    incident = incident_of(world)

    def told(action: StoredAction, good: bool | None, words: str) -> None:
        found = incident(action.incident)
        if found is None or found.state.closed:
            return
        state, note = _became(world, sites, found, action, good, words)
        if state is None or state is found.state:
            return
        try:
            world.store.state.incidents.set_state(action.incident, state, BY, note)
        except StoreError:
            raise
        except HaechiError as error:
            log.warning("the incident %s keeps its state: %s", action.incident, error)

    return told


def _became(
    world: World, sites: Sites, found: Incident, action: StoredAction, good: bool | None, words: str
) -> tuple[S | None, str]:
    """The state that the incident is in now, None: as before; and why."""
    note = f"{action.id}: {words}" if words else action.id
    others = _standing(world, action)
    if good is False:
        return S.NOT_CONTAINED, note
    if good is None and not others:
        was_claimed = found.state in (S.CONTAINED, S.NOT_CONTAINED)
        return (S.ACKNOWLEDGED if was_claimed else None), note
    mine = others if good is None else [action, *others]
    left = [f"{one.id} is {one.outcome}" for one in others if one.outcome != S.CONTAINED.value]
    left += _open_pods(world, sites(found.cluster), found, mine)
    if left:
        return S.NOT_CONTAINED, f"{note}; {'; '.join(left)}"
    # A look that finds what the last one found says nothing new: what has happened since (a
    # connection that was seen all the same) is not taken back by it.
    known = good is None or action.outcome == S.CONTAINED.value
    return (None if known else S.CONTAINED), note


def _standing(world: World, action: StoredAction) -> list[StoredAction]:
    return [
        one
        for one in world.store.state.actions.of_incident(action.incident)
        if one.id != action.id
        and one.kind is ActionKind.ISOLATE
        and one.state is ActionState.APPLIED
        and one.outcome
    ]


def _open_pods(
    world: World, site: Site | None, found: Incident, isolations: Sequence[StoredAction]
) -> list[str]:
    """Pods in which it was seen and that no isolation is about, in words."""
    if site is None:
        return []
    from haechi.respond.workloads import POD, ended, holds

    cut = {key for one in isolations for key in _cut(one, site)}
    containers = _containers(world, found)
    names = [
        pod.name
        for pod in site.objects
        if pod.type == POD
        and pod.key not in cut
        and not ended(pod)
        and any(holds(pod, one) for one in containers)
    ]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    if not names:
        return []
    return [f"seen in {', '.join(sorted(names)[:_MOST_NAMED])}{more}, too, not cut off"]


def _cut(isolation: StoredAction, site: Site) -> Iterator[str]:
    """Keys of the pods that it is about: those of the plan (a pod without its labels is no longer
    its workload's), and all there are now of a workload that was meant as a whole."""
    from haechi.respond.workloads import POD, Workloads

    yield from isolation.plan.touches
    target: Resource | None = site.by_key.get(isolation.resource)
    if target is not None and target.type != POD and not isolation.want.pods:
        yield from (pod.key for pod in Workloads(site.objects).pods(target))


def _containers(world: World, found: Incident) -> set[str]:
    """Containers in which the incident was seen. Its evidence counts what is alike, whichever pod
    it was in, so the events themselves are asked."""
    from haechi.store.events.shapes import EventFilter
    from haechi.store.records import StoredEvent

    ask = EventFilter(
        rule=list(found.rules)[:_MOST_RULES],
        cluster=[found.cluster],
        resource=[found.resource],
        since=dt.datetime.fromtimestamp(found.first_ns // 10**9, dt.UTC),
    )
    events = world.store.events.search(ask, within=(EVERYWHERE,), limit=_MOST_EVENTS)
    seen = {one.event.container_id for one in events if isinstance(one, StoredEvent)}
    return {one for one in (*seen, found.container_id) if one and one != "host"}
