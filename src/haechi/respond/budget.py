"""How much at a time: pods of a workload, actions in a namespace and an hour, failures.

Counted from the store, so that neither a restart nor a second rule forgets what stands already.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from haechi.model.keys import object_name
from haechi.model.response import ActionKind, ActionState, Plan, Want
from haechi.respond.ground import Site
from haechi.respond.policy import ResponsePolicy, healthy_of
from haechi.respond.wishes import cluster_words
from haechi.respond.workloads import POD, Workloads, ready
from haechi.store.state.action_records import Brief, Halt

HOUR = dt.timedelta(hours=1)
TAKES_OUT = frozenset(
    (ActionKind.ISOLATE, ActionKind.EVICT, ActionKind.DELETE, ActionKind.SCALE_TO_ZERO)
)


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """Pods that go out of service, by name: by this plan, and by what stands already; of how
    many, and how many stay ready."""

    by_plan: frozenset[str]
    already: frozenset[str]
    of: int
    ready_left: int

    @property
    def together(self) -> int:
        """Of both."""
        return len(self.by_plan | self.already)


def hit_of(want: Want, plan: Plan, site: Site, recent: Sequence[Brief]) -> Hit:
    """Of the workload that the action's target is of."""
    target = site.by_key.get(want.resource)
    touched = {
        one.name: one
        for key in plan.touches
        if (one := site.by_key.get(key)) is not None and one.type == POD
    }
    if target is None:
        return Hit(by_plan=frozenset(touched), already=frozenset(), of=len(touched), ready_left=0)
    workloads = Workloads(site.objects)
    pods = {pod.name: pod for pod in workloads.pods(target)}
    top = workloads.top(target)
    names = {want.resource, getattr(top, "key", "")}
    names |= {pod.key for pod in pods.values()}
    live = [one for one in recent if one.kind in TAKES_OUT and one.stands and one.resource in names]
    already = frozenset(name for one in live for name in _out(one, pods))
    left = [pod for name, pod in pods.items() if name not in touched and name not in already]
    # A pod whose labels were taken is no longer its controller's: it counts by what stands.
    return Hit(
        by_plan=frozenset(touched),
        already=already,
        of=len(pods.keys() | touched.keys() | already),
        ready_left=sum(map(ready, left)),
    )


def _out(one: Brief, pods: Mapping[str, object]) -> Iterable[str]:
    """The pods that a standing action has taken out of service."""
    if one.pods:
        return one.pods
    named = object_name(one.resource)
    return (named.name,) if named is not None and named.kind == "Pod" else tuple(pods)


def blast_words(hit: Hit, policy: ResponsePolicy) -> tuple[bool, str]:
    """Whether the pods are few enough."""
    limits = policy.limits
    most = max(limits.pods, hit.of * limits.percent // 100)
    stand = f", {len(hit.already)} of them by actions that stand" if hit.already else ""
    words = f"{hit.together} of {hit.of} pods go out of service{stand}; {most} may"
    return hit.together <= most, words


def healthy_words(hit: Hit, policy: ResponsePolicy) -> tuple[bool, str]:
    """Whether enough pods stay ready."""
    needed = healthy_of(policy.limits, hit.of)
    return hit.ready_left >= needed, f"{hit.ready_left} pods stay ready, {needed} have to"


def rate_words(
    want: Want, recent: Sequence[Brief], policy: ResponsePolicy, now: dt.datetime, own: str
) -> tuple[bool, str]:
    """Whether automation has not done enough already."""
    others = [one for one in recent if one.automatic and one.id != own]
    standing = sum(one.stands and one.namespace == want.namespace for one in others)
    hour = sum(one.applied is not None and now - one.applied < HOUR for one in others)
    limits = policy.limits
    words = (
        f"{standing} automatic actions stand in {want.namespace} ({limits.namespace} may), "
        f"{hour} were applied in the last hour in the {cluster_words(want.cluster)} "
        f"({limits.hour} may)"
    )
    return standing < limits.namespace and hour < limits.hour, words


def failures(recent: Sequence[Brief], now: dt.datetime, halts: Sequence[Halt]) -> int:
    """Actions that failed or are stuck: in the last hour, and since somebody let automation go
    again."""
    since = max([now - HOUR, *(one.at for one in halts if not one.stopped)])
    bad = (ActionState.FAILED, ActionState.STUCK)
    return sum(one.state in bad and one.changed > since for one in recent)
